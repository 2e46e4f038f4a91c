//! Backward messages: what later observations say of a state, whatever came before.

use super::check::{length, sizes};
use super::log_space::{LogTransitions, log_combine_columns};
use super::{Chain, ChainError};
use crate::math::log_sum_exp;

/// Filters a chain backward and returns Σ_t log c_t; π plays no part.
///
/// c_t = Σ_j b_t(j) β_t(j);  β_{t-1}(i) = Σ_j A_t(i, j) b_t(j) β_t(j) / c_t;  β_T(i) = 1
///
/// * `messages` – out, β_t(k) ∝ p(y_{t+1:T} | z_t = k), shape \[T, K\].
///
/// # Errors
/// [`ChainError::UnexplainedObservation`] where every state makes the later observations impossible,
/// [`ChainError::InvalidLikelihood`] for a likelihood that is NaN or +∞.
///
/// # Source
/// Rabiner (1989), §III.A; on logarithms. O(T K²) time, O(K²) memory.
pub fn backward_filter(chain: &Chain<'_>, messages: &mut [f64]) -> Result<f64, ChainError> {
    let (num_steps, k) = sizes(chain)?;
    length("messages", messages.len(), num_steps * k)?;
    let mut transitions = LogTransitions::new(chain);
    let mut log_beta: Vec<f64> = vec![0.0; k];
    let mut weighted = vec![0.0; k];
    let mut scratch = vec![0.0; k];
    let mut log_normaliser = 0.0;
    for t in (0..num_steps).rev() {
        let row = &mut messages[t * k..(t + 1) * k];
        row.iter_mut().zip(&log_beta).for_each(|(x, log)| *x = log.exp());
        chain.observations.log_likelihoods(t..t + 1, &mut weighted);
        if weighted.iter().any(|x| x.is_nan() || *x == f64::INFINITY) {
            return Err(ChainError::InvalidLikelihood { t });
        }
        weighted.iter_mut().zip(&log_beta).for_each(|(x, beta)| *x += beta);
        let log_c = log_sum_exp(&weighted);
        if log_c == f64::NEG_INFINITY {
            return Err(ChainError::UnexplainedObservation { t, num_states: k });
        }
        log_normaliser += log_c;
        if t > 0 {
            weighted.iter_mut().for_each(|x| *x -= log_c);
            log_combine_columns(transitions.matrix(t), &weighted, &mut scratch, &mut log_beta);
        }
    }
    Ok(log_normaliser)
}
