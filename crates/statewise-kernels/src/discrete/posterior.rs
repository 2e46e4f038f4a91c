//! The forward and the backward pass together, in segments.
//!
//! The forward pass keeps filtered rows and scaled likelihoods of the last segment only, and the
//! belief at the start of every other one; the backward pass recomputes each earlier segment when
//! it gets there. So the memory is O(√T K) for long sequences and short ones recompute nothing.

use std::ops::Range;

use super::backward_kernel::{self, BackwardRun};
use super::belief::Belief;
use super::check::sizes;
use super::filter::{Stepper, block_len};
use super::lanes::{self, padded};
use super::log_space;
use super::matrix::pad_transposed;
use super::stepwise::{StepwiseRun, retreat_stepwise};
use super::workspace::{Workspace, grow};
use super::{Chain, ChainError, Transitions};

/// Entries of a sequence that is one segment: 16 MiB of filtered rows.
const WHOLE_ENTRIES: usize = 1 << 21;
/// Entries of one of several segments: what a second-level cache holds.
const SEGMENT_ENTRIES: usize = 1 << 15;
/// A segment is never shorter.
const MIN_SEGMENT: usize = 1024;

/// What becomes of the pair marginals ξ_t(i, j) = p(z_{t-1} = i, z_t = j | y).
pub(super) enum Pairs<'a> {
    /// They are not wanted.
    None,
    /// Σ_t ξ_t is added to a \[K, K\] array.
    Sum(&'a mut [f64]),
    /// Each ξ_t is visited with its t ≥ 1, from the last to the first.
    Each(VisitPair<'a>),
}

/// Arrays over all steps, where the caller wants them.
#[derive(Default)]
pub(super) struct Kept<'a> {
    /// Scratch for filtered rows that becomes the smoothed rows.
    pub(super) smoothed: Option<&'a mut [f64]>,
    pub(super) filtered: Option<&'a mut [f64]>,
    pub(super) predicted: Option<&'a mut [f64]>,
}

/// Called with a block of steps and its γ, \[len, K\].
pub(super) type VisitRows<'a> = &'a mut dyn FnMut(Range<usize>, &[f64]);

/// Called with t ≥ 1 and ξ_t, \[K, K\].
pub(super) type VisitPair<'a> = &'a mut dyn FnMut(usize, &[f64]);

/// Steps of one segment.
fn segment_len(num_steps: usize, num_states: usize) -> usize {
    if num_steps * num_states <= WHOLE_ENTRIES {
        return num_steps;
    }
    let root = (num_steps as f64).sqrt().ceil() as usize;
    root.max(MIN_SEGMENT).max(SEGMENT_ENTRIES / num_states)
}

/// Posterior of every step; visits blocks of γ from the end to the start and returns
/// log p(y_{1:T}).
///
/// Where the messages of both directions disagree beyond the range of doubles, the steps that
/// have not been visited yet are taken by [`log_space`] in O(T K) memory.
pub(super) fn posterior(
    chain: &Chain<'_>,
    ws: &mut Workspace,
    mut kept: Kept<'_>,
    mut pairs: Pairs<'_>,
    visit: VisitRows<'_>,
) -> Result<f64, ChainError> {
    if chain.observations.num_steps() == 0 {
        return Ok(0.0);
    }
    let log_evidence = forward_segments(chain, ws, &mut kept)?;
    let outcome = backward_segments(chain, ws, &mut kept, &mut pairs, visit);
    if let (Some(a), Pairs::Sum(sum)) = (fixed_matrix(chain, &pairs), &mut pairs) {
        backward_kernel::add_pairs(&ws.backward, a, chain.initial.len(), sum);
    }
    match outcome {
        Ok(()) => Ok(log_evidence),
        Err(left) => by_logarithms(chain, &mut kept, &mut pairs, visit, left),
    }
}

/// What a backward pass has not done: rows t < `rows` and pairs 1 ≤ t ≤ `pairs`.
struct Left {
    rows: usize,
    pairs: usize,
}

fn forward_segments(chain: &Chain<'_>, ws: &mut Workspace, kept: &mut Kept<'_>) -> Result<f64, ChainError> {
    let (num_steps, k) = sizes(chain)?;
    let Workspace { belief, matrix, block, segment, .. } = ws;
    let mut stepper = Stepper::new(chain, &mut matrix.stepper);
    belief.reset(k);
    let segment_len = segment_len(num_steps, k);
    let last_segment = (num_steps - 1) / segment_len * segment_len;
    let start_size = padded(k) + k;
    grow(&mut segment.starts, num_steps.div_ceil(segment_len) * start_size);
    let tail = (num_steps - last_segment) * k;
    grow(&mut segment.scaled, tail);
    if kept.smoothed.is_none() {
        grow(&mut segment.filtered, tail);
    }
    let len = block_len(k);
    for start in (0..num_steps).step_by(segment_len) {
        let saved = &mut segment.starts[start / segment_len * start_size..][..start_size];
        save(belief, saved);
        let end = num_steps.min(start + segment_len);
        for first in (start..end).step_by(len) {
            let steps = first..end.min(first + len);
            let rows = first * k..steps.end * k;
            let in_last = (first.max(last_segment) - last_segment) * k..;
            let is_last = start == last_segment;
            let scaled = match is_last {
                true => &mut segment.scaled[in_last.clone()][..rows.len()],
                false => grow(&mut block.scaled, rows.len()),
            };
            let filtered = match &mut kept.smoothed {
                Some(smoothed) => &mut smoothed[rows.clone()],
                None if is_last => &mut segment.filtered[in_last][..rows.len()],
                None => grow(&mut block.filtered, rows.len()),
            };
            let shift = grow(&mut block.shift, steps.len());
            chain.observations.scaled_likelihoods(steps, scaled, shift);
            let predicted = kept.predicted.as_deref_mut().map(|p| &mut p[rows.clone()]);
            let log_b = grow(&mut block.log_b, k);
            stepper.block(belief, first, scaled, shift, log_b, filtered, predicted)?;
            if let Some(out) = &mut kept.filtered {
                out[rows].copy_from_slice(filtered);
            }
        }
    }
    Ok(belief.marginal_loglik())
}

/// Where a segment starts from: α and the faint states. Scale and evidence are not needed again.
fn save(belief: &Belief, saved: &mut [f64]) {
    let (alpha, log_faint) = saved.split_at_mut(belief.alpha.len());
    alpha.copy_from_slice(&belief.alpha);
    log_faint.copy_from_slice(&belief.log_faint);
}

fn restore(belief: &mut Belief, saved: &[f64], num_states: usize) {
    belief.reset(num_states);
    let (alpha, log_faint) = saved.split_at(belief.alpha.len());
    belief.alpha.copy_from_slice(alpha);
    belief.sum = lanes::sum(alpha);
    belief.log_faint.copy_from_slice(log_faint);
    belief.any_faint = log_faint.iter().any(|x| *x > f64::NEG_INFINITY);
}

/// The one matrix of a chain whose pairs need not be visited one by one.
fn fixed_matrix<'a>(chain: &Chain<'a>, pairs: &Pairs<'_>) -> Option<&'a [f64]> {
    match (chain.transitions, pairs) {
        (Transitions::Static(a), Pairs::None) => Some(a),
        (Transitions::Static(a), Pairs::Sum(_)) if backward_kernel::can_sum_pairs(a) => Some(a),
        _ => None,
    }
}

fn backward_segments(
    chain: &Chain<'_>,
    ws: &mut Workspace,
    kept: &mut Kept<'_>,
    pairs: &mut Pairs<'_>,
    visit: VisitRows<'_>,
) -> Result<(), Left> {
    let num_steps = chain.observations.num_steps();
    let k = chain.initial.len();
    let Workspace { belief, matrix, block, segment, backward, .. } = ws;
    let mut stepper = Stepper::new(chain, &mut matrix.stepper);
    let fixed = fixed_matrix(chain, pairs).map(|a| pad_transposed(a, k, &mut matrix.transposed));
    backward_kernel::reset(backward, k);
    let segment_len = segment_len(num_steps, k);
    let last_segment = (num_steps - 1) / segment_len * segment_len;
    let start_size = padded(k) + k;
    let len = block_len(k);
    for start in (0..num_steps).step_by(segment_len).rev() {
        let end = num_steps.min(start + segment_len);
        let recompute = start != last_segment;
        if recompute && kept.smoothed.is_none() {
            restore(belief, &segment.starts[start / segment_len * start_size..][..start_size], k);
            grow(&mut segment.filtered, (end - start) * k);
            grow(&mut segment.scaled, (end - start) * k);
            for first in (start..end).step_by(len) {
                let steps = first..end.min(first + len);
                let rows = (first - start) * k..(steps.end - start) * k;
                let scaled = &mut segment.scaled[rows.clone()];
                let shift = grow(&mut block.shift, steps.len());
                chain.observations.scaled_likelihoods(steps.clone(), scaled, shift);
                let filtered = &mut segment.filtered[rows];
                let log_b = grow(&mut block.log_b, k);
                stepper
                    .block(belief, first, scaled, shift, log_b, filtered, None)
                    .map_err(|_| Left { rows: end, pairs: end.min(num_steps - 1) })?;
            }
        }
        for first in (start..end).step_by(len).rev() {
            let steps = first..end.min(first + len);
            let local = (first - start) * k..(steps.end - start) * k;
            let scaled = if recompute && kept.smoothed.is_some() {
                let scaled = grow(&mut block.scaled, steps.len() * k);
                let shift = grow(&mut block.shift, steps.len());
                chain.observations.scaled_likelihoods(steps.clone(), scaled, shift);
                &*scaled
            } else {
                &segment.scaled[local.clone()]
            };
            let rows = match &mut kept.smoothed {
                Some(smoothed) => &mut smoothed[first * k..steps.end * k],
                None => &mut segment.filtered[local],
            };
            let left = Left { rows: steps.end, pairs: steps.end.min(num_steps - 1) };
            if let Some(transposed) = fixed {
                let pairs = !matches!(pairs, Pairs::None);
                let run = BackwardRun { num_states: k, transposed, scaled, rows, pairs };
                if !backward_kernel::retreat(backward, run) {
                    return Err(left);
                }
            } else {
                let run = StepwiseRun {
                    transitions: chain.transitions,
                    num_states: k,
                    first,
                    ends_sequence: steps.end == num_steps,
                    scaled,
                    rows,
                };
                let outcome = match pairs {
                    Pairs::None => retreat_stepwise(backward, run, None),
                    Pairs::Sum(sum) => retreat_stepwise(backward, run, Some(&mut adder(sum))),
                    Pairs::Each(each) => retreat_stepwise(backward, run, Some(*each)),
                };
                outcome.map_err(|t| Left { rows: steps.end, pairs: (t + 1).min(num_steps - 1) })?;
            }
            visit(steps, rows);
        }
    }
    Ok(())
}

/// Takes the steps and pairs that are `left` in log space.
fn by_logarithms(
    chain: &Chain<'_>,
    kept: &mut Kept<'_>,
    pairs: &mut Pairs<'_>,
    visit: VisitRows<'_>,
    left: Left,
) -> Result<f64, ChainError> {
    let (num_steps, k) = sizes(chain)?;
    let mut rows = vec![0.0; num_steps * k];
    let log_evidence = log_space::log_filter(chain, &mut rows)?;
    let mut add;
    let wanted: Option<VisitPair<'_>> = match pairs {
        Pairs::None => None,
        Pairs::Sum(sum) => {
            add = adder(sum);
            Some(&mut add)
        }
        Pairs::Each(each) => Some(*each),
    };
    match wanted {
        None => log_space::backward(chain, &mut rows, None),
        Some(each) => {
            let mut only_left = |t: usize, pair: &[f64]| {
                if t <= left.pairs {
                    each(t, pair);
                }
            };
            log_space::backward(chain, &mut rows, Some(&mut only_left));
        }
    }
    rows.truncate(left.rows * k);
    if let Some(smoothed) = &mut kept.smoothed {
        smoothed[..rows.len()].copy_from_slice(&rows);
    }
    for first in (0..left.rows).step_by(block_len(k)).rev() {
        let steps = first..left.rows.min(first + block_len(k));
        visit(steps.clone(), &rows[first * k..steps.end * k]);
    }
    Ok(log_evidence)
}

/// Adds each ξ_t to `sum`.
fn adder(sum: &mut [f64]) -> impl FnMut(usize, &[f64]) {
    |_, pair| sum.iter_mut().zip(pair).for_each(|(sum, p)| *sum += p)
}
