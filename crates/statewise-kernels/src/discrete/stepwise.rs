//! The scaled backward recursion one step at a time, with the pair marginals of every step.
//!
//! P_t(i, j) = A_t(i, j) b_t(j) β_t(j);  β_{t-1}(i) = Σ_j P_t(i, j);
//! ξ_t(i, j) = p(z_{t-1} = i, z_t = j | y) = α_{t-1}(i) P_t(i, j) / c_{t-1}

use super::Transitions;
use super::backward_kernel::{agrees, out_of_range, rescale};
use super::lanes;
use super::matrix::into_step;
use super::posterior::VisitPair;
use super::workspace::{BackwardBuffers, grow};
use crate::math::dispatch::{BASELINE, vectorised};

/// A run of steps, taken from its end to its start.
pub(super) struct StepwiseRun<'a> {
    pub(super) transitions: Transitions<'a>,
    pub(super) num_states: usize,
    /// The first step of the run, 0-based, and whether the run ends with z_T.
    pub(super) first: usize,
    pub(super) ends_sequence: bool,
    /// b_t(k), scaled, \[len, K\].
    pub(super) scaled: &'a [f64],
    /// In: p(z_t | y_{1:t}); out: p(z_t | y_{1:T}); \[len, K\].
    pub(super) rows: &'a mut [f64],
}

/// Takes `run` from its end to its start; Err(t) if the messages disagree at step t.
///
/// `visit_pair(t + 1, ξ_{t+1})` is called for every step t of the run but z_T.
pub(super) fn retreat_stepwise(
    buffers: &mut BackwardBuffers,
    run: StepwiseRun<'_>,
    mut visit_pair: Option<VisitPair<'_>>,
) -> Result<(), usize> {
    let k = run.num_states;
    let len = run.scaled.len() / k;
    let BackwardBuffers { beta, pair, computed, .. } = buffers;
    let beta = &mut beta[..k];
    let pair = grow(pair, k * k);
    let mut sum = lanes::sum(beta);
    for i in (0..len).rev() {
        let t = run.first + i;
        let row = &mut run.rows[i * k..(i + 1) * k];
        let agreement = lanes::dot::<BASELINE>(row, beta);
        if !agrees(agreement, sum) {
            return Err(t);
        }
        let scale = 1.0 / agreement;
        if let Some(visit) = &mut visit_pair
            && !(run.ends_sequence && i + 1 == len)
        {
            for (pair, alpha) in pair.chunks_exact_mut(k).zip(row.iter()) {
                pair.iter_mut().for_each(|p| *p *= alpha * scale);
            }
            visit(t + 1, pair);
        }
        for (x, beta) in row.iter_mut().zip(beta.iter()) {
            *x *= beta * scale;
        }
        if t == 0 {
            break;
        }
        let a = into_step(&run.transitions, t, k, computed);
        weigh(a, &run.scaled[i * k..(i + 1) * k], beta, pair);
        sum = lanes::sum(beta);
        if out_of_range(sum) {
            rescale(beta, pair, sum);
            sum = lanes::sum(beta);
        }
    }
    Ok(())
}

vectorised! {
    /// pair(i, j) = A(i, j) b(j) β(j); then β(i) = Σ_j pair(i, j).
    fn weigh(a: &[f64], b: &[f64], beta: &mut [f64], pair: &mut [f64]) = weigh_body
}

#[inline(always)]
fn weigh_body<const ISA: u8>(a: &[f64], b: &[f64], beta: &mut [f64], pair: &mut [f64]) {
    let k = beta.len();
    for (beta, b) in beta.iter_mut().zip(b) {
        *beta *= b;
    }
    for (pair, a) in pair.chunks_exact_mut(k).zip(a.chunks_exact(k)) {
        for ((p, a), w) in pair.iter_mut().zip(a).zip(beta.iter()) {
            *p = a * w;
        }
    }
    for (beta, pair) in beta.iter_mut().zip(pair.chunks_exact(k)) {
        *beta = lanes::sum(pair);
    }
}
