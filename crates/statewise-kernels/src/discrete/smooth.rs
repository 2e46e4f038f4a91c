//! Smoothing: p(z_t | y_{1:T}), with expected transition counts if wanted.

use super::check::{length, optional_length, sizes};
use super::posterior::{Kept, Pairs, posterior};
use super::{Chain, ChainError, Workspace};

/// The arrays that smoothing writes.
pub struct Smoothed<'a> {
    /// p(z_t = k | y_{1:T}), shape \[T, K\].
    pub smoothed: &'a mut [f64],
    /// p(z_t = k | y_{1:t}), shape \[T, K\].
    pub filtered: Option<&'a mut [f64]>,
    /// p(z_t = k | y_{1:t-1}), shape \[T, K\]; its first row is π.
    pub predicted: Option<&'a mut [f64]>,
    /// Σ_{t≥2} p(z_{t-1} = i, z_t = j | y_{1:T}), shape \[K, K\], overwritten.
    pub pair_sum: Option<&'a mut [f64]>,
}

impl<'a> Smoothed<'a> {
    /// Only the smoothed probabilities, shape \[T, K\].
    pub fn only(smoothed: &'a mut [f64]) -> Self {
        Self { smoothed, filtered: None, predicted: None, pair_sum: None }
    }

    /// T and K, after checking all sizes.
    pub(super) fn check(&self, chain: &Chain<'_>) -> Result<(usize, usize), ChainError> {
        let (num_steps, num_states) = sizes(chain)?;
        length("smoothed", self.smoothed.len(), num_steps * num_states)?;
        optional_length("filtered", &self.filtered, num_steps * num_states)?;
        optional_length("predicted", &self.predicted, num_steps * num_states)?;
        optional_length("pair_sum", &self.pair_sum, num_states * num_states)?;
        Ok((num_steps, num_states))
    }
}

/// Smooths a chain and returns log p(y_{1:T}).
///
/// p(z_t = k | y_{1:T}) ∝ α_t(k) β_t(k);  β_T = 1;  β_{t-1}(i) ∝ Σ_j A_t(i, j) b_t(j) β_t(j)
///
/// The two messages are scaled each on its own and nothing is cut off: a pair that is 10⁻¹² likely
/// beforehand and certain afterwards comes out certain. Chains whose messages disagree beyond the
/// range of doubles are taken by [`log_space`](super::log_space).
///
/// # Errors
/// [`ChainError::UnexplainedObservation`] at the first t that no reachable state explains,
/// [`ChainError::InvalidLikelihood`] for a NaN or +∞, [`ChainError::Shape`] for wrong sizes.
///
/// # Source
/// Rabiner (1989), §III.A–C. O(T K²) time.
pub fn smooth(chain: &Chain<'_>, ws: &mut Workspace, out: Smoothed<'_>) -> Result<f64, ChainError> {
    out.check(chain)?;
    let Smoothed { smoothed, filtered, predicted, pair_sum } = out;
    let kept = Kept { smoothed: Some(smoothed), filtered, predicted };
    let pairs = pair_sum.map_or(Pairs::None, |sum| {
        sum.fill(0.0);
        Pairs::Sum(sum)
    });
    posterior(chain, ws, kept, pairs, &mut |_, _| {})
}
