//! The scaled forward recursion over a run of ordinary steps.
//!
//! α_t(j) = b_t(j) Σ_i α_{t-1}(i) A(i, j), stopped before the first step that needs
//! [`Belief::careful_step`](super::belief::Belief::careful_step).

use super::belief::Belief;
use super::lanes::{self, LANES, combine_rows};
use super::matrix::Matrix;
use crate::math::dispatch::{fma, vectorised};

/// A step whose Σα falls below it has collapsed: 2⁻⁴⁰⁰.
const COLLAPSED: f64 = 3.872_591_914_849_318e-121;
/// Σα is brought back to [1, 2) when it leaves (2⁻¹⁰⁰, 2¹⁰⁰).
const SMALL: f64 = 7.888_609_052_210_118e-31;
const LARGE: f64 = 1.267_650_600_228_229_4e30;
/// A positive prediction that falls below it has lost a state: 2⁻⁹⁰⁰.
const LOST: f64 = 1.183_052_186_166_774_7e-271;

/// A run of steps with one matrix.
pub(super) struct ForwardRun<'a> {
    pub(super) num_states: usize,
    /// A of every step of the run.
    pub(super) matrix: Matrix<'a>,
    /// b_t(k) / exp(shift_t), \[len, K\].
    pub(super) scaled: &'a [f64],
    /// shift_t, \[len\].
    pub(super) shift: &'a [f64],
    /// Out: p(z_t = k | y_{1:t}), \[len, K\].
    pub(super) filtered: &'a mut [f64],
    /// Out: p(z_t = k | y_{1:t-1}), \[len, K\].
    pub(super) predicted: Option<&'a mut [f64]>,
    /// Whether to stop where a state's weight underflows.
    pub(super) guard: bool,
}

/// Advances `belief` over the run and returns how many steps it took.
///
/// It stops before a step whose Σα collapses or is not a number, whose shift is not finite, or
/// (with `guard`) where a reachable state's weight underflows.
pub(super) fn advance(belief: &mut Belief, mut run: ForwardRun<'_>) -> usize {
    let usable = run.shift.iter().position(|s| !s.is_finite()).unwrap_or(run.shift.len());
    run.scaled = &run.scaled[..usable * run.num_states];
    let done = match run.num_states {
        1 => forward_small::<1>(belief, &mut run),
        2 => forward_small::<2>(belief, &mut run),
        3 => forward_small::<3>(belief, &mut run),
        4 => forward_small::<4>(belief, &mut run),
        5 => forward_small::<5>(belief, &mut run),
        6 => forward_small::<6>(belief, &mut run),
        7 => forward_small::<7>(belief, &mut run),
        8 => forward_small::<8>(belief, &mut run),
        _ => forward_wide(belief, &mut run),
    };
    for &shift in &run.shift[..done] {
        belief.shift.add(shift);
    }
    done
}

/// The first step, α_1(k) = π(k) b_1(k); false if it is not an ordinary one.
pub(super) fn start(
    belief: &mut Belief,
    initial: &[f64],
    scaled: &[f64],
    shift: f64,
    filtered: &mut [f64],
    guard: bool,
) -> bool {
    for k in 0..initial.len() {
        belief.next[k] = initial[k] * scaled[k];
    }
    let sum = lanes::sum(&belief.next);
    let ordinary = sum > COLLAPSED && sum.is_finite() && shift.is_finite();
    if !ordinary || (guard && loses_a_state(initial, scaled)) {
        return false;
    }
    std::mem::swap(&mut belief.alpha, &mut belief.next);
    let scale = 1.0 / sum;
    for (out, alpha) in filtered.iter_mut().zip(&belief.alpha) {
        *out = alpha * scale;
    }
    belief.shift.add(shift);
    belief.sum = sum;
    if !(sum > SMALL && sum < LARGE) {
        rescale(&mut belief.alpha, &mut belief.sum, &mut belief.exponent);
    }
    true
}

/// Whether a reachable state's weight underflows.
#[inline(always)]
fn loses_a_state(predicted: &[f64], scaled: &[f64]) -> bool {
    predicted.iter().zip(scaled).fold(false, |lost, (p, b)| lost | (*p > 0.0 && p * b < LOST))
}

/// Multiplies α by the power of two that brings its sum into [1, 2).
#[inline(always)]
pub(super) fn rescale(alpha: &mut [f64], sum: &mut f64, exponent: &mut i64) {
    let raised = ((sum.to_bits() >> 52) & 0x7ff) as i64 - 1023;
    let factor = f64::from_bits(((1023 - raised) as u64) << 52);
    for x in alpha {
        *x *= factor;
    }
    *sum *= factor;
    *exponent += raised;
}

vectorised! {
    /// [`advance`] for any K.
    fn forward_wide(belief: &mut Belief, run: &mut ForwardRun<'_>) -> usize = forward_wide_body
}

#[inline(always)]
fn forward_wide_body<const ISA: u8>(belief: &mut Belief, run: &mut ForwardRun<'_>) -> usize {
    // PERF: a state count known at compile time unrolls the loops over states.
    match (run.num_states, run.matrix.stride) {
        (16, 16) => forward_tiles::<ISA>(belief, run, 16, 16),
        (k, stride) => forward_tiles::<ISA>(belief, run, k, stride),
    }
}

#[inline(always)]
fn forward_tiles<const ISA: u8>(
    belief: &mut Belief,
    run: &mut ForwardRun<'_>,
    num_states: usize,
    stride: usize,
) -> usize {
    let matrix = Matrix { values: run.matrix.values, stride };
    // A padded matrix has whole tiles; another one is read to its own width.
    let width = if stride.is_multiple_of(LANES) { stride } else { num_states };
    let steps = run.scaled.chunks_exact(num_states).zip(run.filtered.chunks_exact_mut(num_states));
    for (i, (scaled, filtered)) in steps.enumerate() {
        let next = &mut belief.next[..width];
        combine_rows::<ISA>(matrix, &belief.alpha[..num_states], next);
        if let Some(predicted) = &mut run.predicted {
            let scale = 1.0 / belief.sum;
            let row = &mut predicted[i * num_states..(i + 1) * num_states];
            for (out, p) in row.iter_mut().zip(next.iter()) {
                *out = p * scale;
            }
        }
        if run.guard && loses_a_state(next, scaled) {
            return i;
        }
        for (p, b) in next.iter_mut().zip(scaled) {
            *p *= b;
        }
        let sum = lanes::sum(next);
        if !(sum > COLLAPSED && sum < f64::INFINITY) {
            return i;
        }
        let scale = 1.0 / sum;
        for (out, alpha) in filtered.iter_mut().zip(next.iter()) {
            *out = alpha * scale;
        }
        std::mem::swap(&mut belief.alpha, &mut belief.next);
        belief.sum = sum;
        if !(sum > SMALL && sum < LARGE) {
            rescale(&mut belief.alpha, &mut belief.sum, &mut belief.exponent);
        }
    }
    run.scaled.len() / num_states
}

vectorised! {
    /// [`advance`] with the state in registers.
    fn forward_small[const K](belief: &mut Belief, run: &mut ForwardRun<'_>) -> usize = forward_small_body
}

#[inline(always)]
fn forward_small_body<const ISA: u8, const K: usize>(
    belief: &mut Belief,
    run: &mut ForwardRun<'_>,
) -> usize {
    let mut a = [[0.0; K]; K];
    for i in 0..K {
        a[i].copy_from_slice(&run.matrix.values[i * run.matrix.stride..][..K]);
    }
    let mut alpha = [0.0; K];
    alpha.copy_from_slice(&belief.alpha[..K]);
    let (mut sum, mut exponent) = (belief.sum, belief.exponent);
    let (scaled, _) = run.scaled.as_chunks::<K>();
    let (filtered, _) = run.filtered.as_chunks_mut::<K>();
    let mut predicted = run.predicted.as_deref_mut().map(|rows| rows.as_chunks_mut::<K>().0);
    let mut done = 0;
    for (b, out) in scaled.iter().zip(filtered) {
        let mut next = [0.0; K];
        let (mut even, mut odd) = ([0.0; K], [0.0; K]);
        for i in 0..K {
            let acc = if i % 2 == 0 { &mut even } else { &mut odd };
            for j in 0..K {
                acc[j] = fma::<ISA>(alpha[i], a[i][j], acc[j]);
            }
        }
        for j in 0..K {
            next[j] = even[j] + odd[j];
        }
        if let Some(rows) = &mut predicted {
            let scale = 1.0 / sum;
            rows[done] = next.map(|p| p * scale);
        }
        if run.guard && loses_a_state(&next, b) {
            break;
        }
        for j in 0..K {
            next[j] *= b[j];
        }
        let total = lanes::sum(&next);
        if !(total > COLLAPSED && total < f64::INFINITY) {
            break;
        }
        let scale = 1.0 / total;
        *out = next.map(|x| x * scale);
        alpha = next;
        sum = total;
        if !(sum > SMALL && sum < LARGE) {
            rescale(&mut alpha, &mut sum, &mut exponent);
        }
        done += 1;
    }
    belief.alpha[..K].copy_from_slice(&alpha);
    belief.sum = sum;
    belief.exponent = exponent;
    done
}
