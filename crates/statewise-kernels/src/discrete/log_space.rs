//! Forward-backward on logarithms: any range of likelihoods, K² exponentials a step.
//!
//! log α_t(j) = log b_t(j) + log Σ_i exp(log α_{t-1}(i) + log A_t(i, j))
//!
//! The scaled engines fall back to it where a product of their messages would underflow, and tests
//! check them against it. Messages are shifted by their maximum at every step, and the shifts are
//! summed with their rounding errors.

use super::belief::Compensated;
use super::check::{length, optional_length, sizes};
use super::matrix::into_step;
use super::posterior::VisitPair;
use super::smooth::Smoothed;
use super::{Chain, ChainError, Transitions};
use crate::math::dispatch::vectorised;
use crate::math::{exp_slice, ln_slice, log_sum_exp};

/// log p(y_{1:T}), −∞ if no path explains the observations.
///
/// # Errors
/// [`ChainError::InvalidLikelihood`] for a NaN or +∞, [`ChainError::Shape`] for wrong sizes.
pub fn marginal_loglik(chain: &Chain<'_>) -> Result<f64, ChainError> {
    match forward(chain, |_, _, _, _| {}) {
        Err(ChainError::UnexplainedObservation { .. }) => Ok(f64::NEG_INFINITY),
        other => other,
    }
}

/// Filters a chain and returns log p(y_{1:T}); arguments as in [`filter`](super::filter()).
///
/// # Errors
/// As in [`filter`](super::filter()).
pub fn filter(
    chain: &Chain<'_>,
    filtered: &mut [f64],
    mut predicted: Option<&mut [f64]>,
) -> Result<f64, ChainError> {
    let (num_steps, k) = sizes(chain)?;
    length("filtered", filtered.len(), num_steps * k)?;
    optional_length("predicted", &predicted, num_steps * k)?;
    forward(chain, |t, log_predicted, log_alpha, _| {
        normalised_exp(log_alpha, &mut filtered[t * k..(t + 1) * k]);
        if let Some(predicted) = &mut predicted {
            normalised_exp(log_predicted, &mut predicted[t * k..(t + 1) * k]);
        }
    })
}

/// Smooths a chain and returns log p(y_{1:T}); arguments as in [`smooth`](super::smooth()).
///
/// # Errors
/// As in [`smooth`](super::smooth()).
pub fn smooth(chain: &Chain<'_>, mut out: Smoothed<'_>) -> Result<f64, ChainError> {
    let (_, k) = out.check(chain)?;
    let smoothed = &mut *out.smoothed;
    let log_evidence = forward(chain, |t, log_predicted, log_alpha, _| {
        let rows = t * k..(t + 1) * k;
        smoothed[rows.clone()].copy_from_slice(log_alpha);
        if let Some(filtered) = &mut out.filtered {
            normalised_exp(log_alpha, &mut filtered[rows.clone()]);
        }
        if let Some(predicted) = &mut out.predicted {
            normalised_exp(log_predicted, &mut predicted[rows]);
        }
    })?;
    match out.pair_sum {
        None => backward(chain, smoothed, None),
        Some(pair_sum) => {
            pair_sum.fill(0.0);
            let mut add = |_: usize, pair: &[f64]| {
                pair_sum.iter_mut().zip(pair).for_each(|(sum, p)| *sum += p);
            };
            backward(chain, smoothed, Some(&mut add));
        }
    }
    Ok(log_evidence)
}

/// Writes log α_t, shifted to a maximum of 0, into `log_alpha` \[T, K\]; returns log p(y_{1:T}).
pub(super) fn log_filter(chain: &Chain<'_>, log_alpha: &mut [f64]) -> Result<f64, ChainError> {
    let k = chain.initial.len();
    forward(chain, |t, _, row, _| log_alpha[t * k..(t + 1) * k].copy_from_slice(row))
}

/// What a filter would report as wrong.
pub(super) fn filter_error(chain: &Chain<'_>) -> Option<ChainError> {
    forward(chain, |_, _, _, _| {}).err()
}

/// The matrices log A_t.
pub(super) struct LogTransitions<'a> {
    transitions: Transitions<'a>,
    num_states: usize,
    log_a: Vec<f64>,
    computed: Vec<f64>,
}

impl<'a> LogTransitions<'a> {
    pub(super) fn new(chain: &Chain<'a>) -> Self {
        let num_states = chain.initial.len();
        let mut log_a = vec![0.0; num_states * num_states];
        if let Transitions::Static(a) = chain.transitions {
            log_a.copy_from_slice(a);
            ln_slice(&mut log_a);
        }
        Self { transitions: chain.transitions, num_states, log_a, computed: Vec::new() }
    }

    /// log A of the step into z_t, t ≥ 1.
    pub(super) fn matrix(&mut self, t: usize) -> &[f64] {
        if !matches!(self.transitions, Transitions::Static(_)) {
            let a = into_step(&self.transitions, t, self.num_states, &mut self.computed);
            self.log_a.copy_from_slice(a);
            ln_slice(&mut self.log_a);
        }
        &self.log_a
    }
}

/// The forward pass; `emit(t, log p(z_t | y_{1:t-1}) + const, log α_t, shift)` is called at every
/// step, with log p(z_t, y_{1:t}) = log α_t + shift.
pub(super) fn forward(
    chain: &Chain<'_>,
    mut emit: impl FnMut(usize, &[f64], &[f64], f64),
) -> Result<f64, ChainError> {
    let (num_steps, num_states) = sizes(chain)?;
    let mut transitions = LogTransitions::new(chain);
    let mut log_alpha = chain.initial.to_vec();
    ln_slice(&mut log_alpha);
    let mut predicted = log_alpha.clone();
    let mut scratch = vec![0.0; num_states];
    let mut log_b = vec![0.0; num_states];
    let mut shift = Compensated::default();
    for t in 0..num_steps {
        if t > 0 {
            log_combine_rows(transitions.matrix(t), &log_alpha, &mut scratch, &mut predicted);
        }
        chain.observations.log_likelihoods(t..t + 1, &mut log_b);
        if log_b.iter().any(|x| x.is_nan() || *x == f64::INFINITY) {
            return Err(ChainError::InvalidLikelihood { t });
        }
        let mut best = f64::NEG_INFINITY;
        for k in 0..num_states {
            log_alpha[k] = predicted[k] + log_b[k];
            best = best.max(log_alpha[k]);
        }
        if best == f64::NEG_INFINITY {
            return Err(ChainError::UnexplainedObservation { t, num_states });
        }
        log_alpha.iter_mut().for_each(|x| *x -= best);
        shift.add(best);
        emit(t, &predicted, &log_alpha, shift.value());
    }
    Ok(if num_steps == 0 { 0.0 } else { shift.value() + log_sum_exp(&log_alpha) })
}

/// The backward pass over `rows` \[T, K\]: in log α_t, out p(z_t | y_{1:T}); t = T-1 … 0.
///
/// `visit_pair(t, ξ_t)` gets p(z_{t-1} = i, z_t = j | y_{1:T}), \[K, K\], for every t ≥ 1.
pub(super) fn backward(chain: &Chain<'_>, rows: &mut [f64], mut visit_pair: Option<VisitPair<'_>>) {
    let k = chain.initial.len();
    let num_steps = rows.len() / k;
    let mut transitions = LogTransitions::new(chain);
    let mut log_beta = vec![0.0; k];
    let mut weighted = vec![0.0; k];
    let mut log_b = vec![0.0; k];
    let mut pair = vec![0.0; k * k];
    for t in (0..num_steps).rev() {
        let (before, row) = rows[..(t + 1) * k].split_at_mut(t * k);
        row.iter_mut().zip(&log_beta).for_each(|(x, beta)| *x += beta);
        normalise_in_place(row);
        let Some(log_alpha) = before.rchunks_exact(k).next() else { break };
        chain.observations.log_likelihoods(t..t + 1, &mut log_b);
        for j in 0..k {
            weighted[j] = log_b[j] + log_beta[j];
        }
        let log_a = transitions.matrix(t);
        log_combine_columns(log_a, &weighted, &mut pair[..k], &mut log_beta);
        if let Some(visit) = &mut visit_pair {
            for i in 0..k {
                for j in 0..k {
                    pair[i * k + j] = log_alpha[i] + log_a[i * k + j] + weighted[j];
                }
            }
            normalise_in_place(&mut pair);
            visit(t, &pair);
        }
        let best = log_beta.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        log_beta.iter_mut().for_each(|x| *x -= best);
    }
}

/// Writes exp(x − log Σ exp x) into `out`.
pub(super) fn normalised_exp(x: &[f64], out: &mut [f64]) {
    out.copy_from_slice(x);
    normalise_in_place(out);
}

/// Replaces x by exp(x − log Σ exp x).
pub(super) fn normalise_in_place(x: &mut [f64]) {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    x.iter_mut().for_each(|x| *x -= max);
    exp_slice(x);
    let scale = 1.0 / x.iter().sum::<f64>();
    x.iter_mut().for_each(|x| *x *= scale);
}

vectorised! {
    /// out(j) = log Σ_i exp(x(i) + log A(i, j)).
    pub(super) fn log_combine_rows(log_a: &[f64], x: &[f64], max: &mut [f64], out: &mut [f64])
        = log_combine_rows_body
}

#[inline(always)]
fn log_combine_rows_body<const ISA: u8>(log_a: &[f64], x: &[f64], max: &mut [f64], out: &mut [f64]) {
    use crate::math::{exp_lane, ln_lane};
    max.fill(f64::NEG_INFINITY);
    for (row, &x) in log_a.chunks_exact(max.len()).zip(x) {
        for (m, log_a) in max.iter_mut().zip(row) {
            let v = x + log_a;
            *m = if v > *m { v } else { *m };
        }
    }
    for m in max.iter_mut() {
        // NUMERICS: −∞ − −∞ is NaN; a state that nothing reaches keeps exp(−∞ − 0) = 0.
        *m = if *m == f64::NEG_INFINITY { 0.0 } else { *m };
    }
    out.fill(0.0);
    for (row, &x) in log_a.chunks_exact(max.len()).zip(x) {
        for ((sum, m), log_a) in out.iter_mut().zip(max.iter()).zip(row) {
            *sum += exp_lane::<ISA>(x + log_a - m);
        }
    }
    for (sum, m) in out.iter_mut().zip(max.iter()) {
        *sum = m + ln_lane::<ISA>(*sum);
    }
}

vectorised! {
    /// out(i) = log Σ_j exp(log A(i, j) + x(j)).
    pub(super) fn log_combine_columns(log_a: &[f64], x: &[f64], scratch: &mut [f64], out: &mut [f64])
        = log_combine_columns_body
}

#[inline(always)]
fn log_combine_columns_body<const ISA: u8>(log_a: &[f64], x: &[f64], scratch: &mut [f64], out: &mut [f64]) {
    use crate::math::{exp_lane, ln_lane};
    for (row, out) in log_a.chunks_exact(x.len()).zip(out) {
        let mut max = f64::NEG_INFINITY;
        for ((s, log_a), x) in scratch.iter_mut().zip(row).zip(x) {
            *s = log_a + x;
            max = if *s > max { *s } else { max };
        }
        let max = if max == f64::NEG_INFINITY { 0.0 } else { max };
        for s in scratch.iter_mut() {
            *s = exp_lane::<ISA>(*s - max);
        }
        let sum: f64 = scratch.iter().sum();
        *out = max + ln_lane::<ISA>(sum);
    }
}
