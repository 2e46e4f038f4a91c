//! Decoding: the most likely path.

use super::belief::Compensated;
use super::check::{length, sizes};
use super::lanes::padded;
use super::log_space;
use super::matrix::into_step;
use super::viterbi_kernel::{extend, trace};
use super::workspace::{DecodeBuffers, Workspace, grow, grow_aligned};
use super::{Chain, ChainError, Transitions};
use crate::math::ln_slice;

/// Entries of one block of log-likelihoods.
const BLOCK_ENTRIES: usize = 2048;

/// Finds the most likely path and returns its log p(z_{1:T}, y_{1:T}).
///
/// δ_t(j) = log b_t(j) + max_i (δ_{t-1}(i) + log A_t(i, j)), traced back from max_j δ_T(j)
///
/// * `path` – out, shape \[T\]. Ties go to the lowest state.
///
/// # Errors
/// [`ChainError::UnexplainedObservation`] at the first t that no reachable state explains,
/// [`ChainError::InvalidLikelihood`] for a NaN or +∞, [`ChainError::Shape`] for wrong sizes.
///
/// # Source
/// Rabiner (1989), §III.B. O(T K²) time; back-pointers take 4 T bytes for K ≤ 8, T K bytes for
/// K ≤ 256.
pub fn viterbi(chain: &Chain<'_>, ws: &mut Workspace, path: &mut [u32]) -> Result<f64, ChainError> {
    let (num_steps, k) = sizes(chain)?;
    length("path", path.len(), num_steps)?;
    if num_steps == 0 {
        return Ok(0.0);
    }
    let DecodeBuffers { log_transition, log_b, score, next, pointers } = &mut ws.decode;
    let is_static = matches!(chain.transitions, Transitions::Static(_));
    let width = padded(k);
    let (score, next) = (grow_aligned(score, width), grow_aligned(next, width));
    score.fill(f64::NEG_INFINITY);
    pointers.resize(num_steps, k);
    let mut offset = Compensated::default();
    let len = (BLOCK_ENTRIES / k).max(16);
    for first in (0..num_steps).step_by(len) {
        let steps = first..num_steps.min(first + len);
        let log_b = grow(log_b, steps.len() * k);
        chain.observations.log_likelihoods(steps.clone(), log_b);
        check_finite(first, k, log_b)?;
        let mut t = first;
        if t == 0 {
            start(chain.initial, &log_b[..k], score);
            impossible(0, k, score)?;
            t = 1;
        }
        while t < steps.end {
            // A run ends where the matrix does.
            let end = if is_static { steps.end } else { t + 1 };
            if t == 1 || !is_static {
                log_pad(into_step(&chain.transitions, t, k, &mut ws.matrix.computed), k, log_transition);
            }
            let log_a = grow_aligned(log_transition, k * width);
            extend(log_a, k, &log_b[(t - first) * k..(end - first) * k], score, next, pointers, t);
            t = end;
        }
        if let Err(error) = impossible(steps.end - 1, k, score) {
            return Err(first_impossible(chain, error));
        }
        // NUMERICS: scores stay small, so that a million steps do not eat their digits.
        let best = score[argmax(&score[..k])];
        score[..k].iter_mut().for_each(|x| *x -= best);
        offset.add(best);
    }
    trace(pointers, k, argmax(&score[..k]) as u32, path);
    Ok(offset.value())
}

/// log A with rows padded by −∞.
fn log_pad(a: &[f64], num_states: usize, buffer: &mut Vec<f64>) {
    let width = padded(num_states);
    let log_a = grow_aligned(buffer, num_states * width);
    for (row, out) in a.chunks_exact(num_states).zip(log_a.chunks_exact_mut(width)) {
        out[..num_states].copy_from_slice(row);
        out[num_states..].fill(0.0);
    }
    ln_slice(log_a);
}

/// δ_1(k) = log π(k) + log b_1(k).
fn start(initial: &[f64], log_b: &[f64], score: &mut [f64]) {
    for k in 0..initial.len() {
        score[k] = initial[k].ln() + log_b[k];
    }
}

fn check_finite(first: usize, num_states: usize, log_b: &[f64]) -> Result<(), ChainError> {
    let invalid = |x: &f64| x.is_nan() || *x == f64::INFINITY;
    if log_b.iter().fold(false, |any, x| any | invalid(x)) {
        let entry = log_b.iter().position(invalid).unwrap_or(0);
        return Err(ChainError::InvalidLikelihood { t: first + entry / num_states });
    }
    Ok(())
}

fn impossible(t: usize, num_states: usize, score: &[f64]) -> Result<(), ChainError> {
    if score[..num_states].iter().all(|x| *x == f64::NEG_INFINITY) {
        return Err(ChainError::UnexplainedObservation { t, num_states });
    }
    Ok(())
}

/// The error at the first step that no path explains; scores are only looked at once a block.
fn first_impossible(chain: &Chain<'_>, error: ChainError) -> ChainError {
    log_space::filter_error(chain).unwrap_or(error)
}

/// The first index of the largest value.
fn argmax(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}
