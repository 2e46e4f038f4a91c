//! Sampling of paths from the posterior.

use super::check::{length, sizes};
use super::filter::{Rows, forward};
use super::log_space::{log_filter, normalise_in_place};
use super::matrix::into_step;
use super::workspace::{Workspace, grow};
use super::{Chain, ChainError};
use crate::random::draw_index;

/// Below it a filtered probability times a transition may have lost its digits, or be beaten by one
/// that was lost altogether.
const TINY: f64 = 1e-290;

/// Draws paths from p(z_{1:T} | y_{1:T}) and returns log p(y_{1:T}).
///
/// z_T ~ α_T;  p(z_t = i | z_{t+1} = j, y_{1:t}) ∝ α_t(i) A_{t+1}(i, j)
///
/// * `uniform` – independent draws from [0, 1); T of them a path, path after path within a step,
///   from the last step to the first.
/// * `paths` – out, shape \[S, T\].
///
/// # Errors
/// As in [`filter`](super::filter()); [`ChainError::Shape`] for wrong sizes.
///
/// # Source
/// Scott (2002), "Bayesian methods for hidden Markov models", §2.2. One filter pass for all paths;
/// O(T K² + S T K) time, O(T K) memory.
pub fn sample_paths(
    chain: &Chain<'_>,
    ws: &mut Workspace,
    num_samples: usize,
    uniform: &mut dyn FnMut() -> f64,
    paths: &mut [u32],
) -> Result<f64, ChainError> {
    let (num_steps, k) = sizes(chain)?;
    length("paths", paths.len(), num_samples * num_steps)?;
    let mut rows = std::mem::take(&mut ws.segment.filtered);
    let filtered = grow(&mut rows, num_steps * k);
    let outcome = forward(chain, ws, Rows::All(filtered), None);
    if outcome.is_ok() && num_samples > 0 {
        let weights = grow(&mut ws.block.scaled, k);
        let mut log_alpha = Vec::new();
        for t in (0..num_steps).rev() {
            let last = t + 1 == num_steps;
            let a = match last {
                true => &[],
                false => into_step(&chain.transitions, t + 1, k, &mut ws.matrix.computed),
            };
            for path in paths.chunks_exact_mut(num_steps) {
                weights.copy_from_slice(&filtered[t * k..(t + 1) * k]);
                if !last {
                    let next = path[t + 1] as usize;
                    let into_next = |i: usize| a[i * k + next];
                    weights.iter_mut().enumerate().for_each(|(i, w)| *w *= into_next(i));
                    if weights.iter().all(|w| *w < TINY) {
                        weigh_by_logarithms(chain, &mut log_alpha, t, &into_next, weights)?;
                    }
                }
                path[t] = draw_index(weights, uniform()) as u32;
            }
        }
    }
    ws.segment.filtered = rows;
    outcome
}

/// α_t(i) A(i, next) up to a factor, from logarithms; these are computed at the first need.
fn weigh_by_logarithms(
    chain: &Chain<'_>,
    log_alpha: &mut Vec<f64>,
    t: usize,
    into_next: &dyn Fn(usize) -> f64,
    weights: &mut [f64],
) -> Result<(), ChainError> {
    let k = weights.len();
    if log_alpha.is_empty() {
        log_alpha.resize(chain.observations.num_steps() * k, 0.0);
        log_filter(chain, log_alpha)?;
    }
    for (i, weight) in weights.iter_mut().enumerate() {
        *weight = log_alpha[t * k + i] + into_next(i).ln();
    }
    normalise_in_place(weights);
    Ok(())
}
