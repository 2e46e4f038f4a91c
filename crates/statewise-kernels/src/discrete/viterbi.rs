//! Decoding: the most likely path.

use super::check::{length, sizes};
use super::matrix::into_step;
use super::workspace::{DecodeBuffers, Workspace, grow};
use super::{Chain, ChainError, Transitions};
use crate::math::ln_slice;

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
/// Rabiner (1989), §III.B. O(T K²) time, O(T K) bytes for K ≤ 256.
pub fn viterbi(chain: &Chain<'_>, ws: &mut Workspace, path: &mut [u32]) -> Result<f64, ChainError> {
    let (num_steps, k) = sizes(chain)?;
    length("path", path.len(), num_steps)?;
    if num_steps == 0 {
        return Ok(0.0);
    }
    let DecodeBuffers { log_transition, log_b, score, next, words, .. } = &mut ws.decode;
    let log_a = grow(log_transition, k * k);
    let (log_b, score, next) = (grow(log_b, k), grow(score, k), grow(next, k));
    let pointers = grow(words, num_steps * k);
    if let Transitions::Static(a) = chain.transitions {
        log_a.copy_from_slice(a);
        ln_slice(log_a);
    }
    next.copy_from_slice(chain.initial);
    ln_slice(next);
    for t in 0..num_steps {
        if t > 0 {
            if !matches!(chain.transitions, Transitions::Static(_)) {
                let a = into_step(&chain.transitions, t, k, &mut ws.matrix.computed);
                log_a.copy_from_slice(a);
                ln_slice(log_a);
            }
            let pointers = &mut pointers[t * k..(t + 1) * k];
            for j in 0..k {
                let (mut best, mut from) = (f64::NEG_INFINITY, 0);
                for i in 0..k {
                    let value = score[i] + log_a[i * k + j];
                    if value > best {
                        (best, from) = (value, i as u32);
                    }
                }
                next[j] = best;
                pointers[j] = from;
            }
        }
        chain.observations.log_likelihoods(t..t + 1, log_b);
        if log_b.iter().any(|x| x.is_nan() || *x == f64::INFINITY) {
            return Err(ChainError::InvalidLikelihood { t });
        }
        for j in 0..k {
            score[j] = next[j] + log_b[j];
        }
        if score.iter().all(|x| *x == f64::NEG_INFINITY) {
            return Err(ChainError::UnexplainedObservation { t, num_states: k });
        }
    }
    let last = argmax(score);
    let log_joint = score[last];
    path[num_steps - 1] = last as u32;
    for t in (1..num_steps).rev() {
        path[t - 1] = pointers[t * k + path[t] as usize];
    }
    Ok(log_joint)
}

/// The first index of the largest value.
fn argmax(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}
