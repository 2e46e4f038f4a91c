//! What the square-root engines write.

use super::super::GaussianError;
use super::super::system::length;
use super::kernels::{square, transpose};
use crate::linalg::{Stacked, triangularise};

/// Where to write the moments of p(z_t | ·) for all t; what is `None` is not computed.
#[derive(Debug, Default)]
pub struct Estimates<'a> {
    /// Means, shape \[T, D\].
    pub means: Option<&'a mut [f64]>,
    /// Covariances P, shape \[T, D, D\]; exactly symmetric.
    pub covs: Option<&'a mut [f64]>,
    /// Lower triangular L with L Lᵀ = P, shape \[T, D, D\]. A row of L ends in a positive pivot, or depends
    /// on the rows above.
    pub chol_covs: Option<&'a mut [f64]>,
}

/// Where [`square_root_filter`](super::square_root_filter) writes.
#[derive(Debug, Default)]
pub struct SquareRootFiltered<'a> {
    /// p(z_t | y_{1:t}).
    pub filtered: Estimates<'a>,
    /// p(z_t | y_{1:t-1}).
    pub predicted: Estimates<'a>,
}

/// Where [`square_root_smoother`](super::square_root_smoother) writes.
#[derive(Debug, Default)]
pub struct SquareRootSmoothed<'a> {
    /// p(z_t | y_{1:T}).
    pub smoothed: Estimates<'a>,
    /// Cov(z_t, z_{t+1} | y_{1:T}), shape \[T-1, D, D\]; the earlier state's entries index rows.
    pub lag_one_covs: Option<&'a mut [f64]>,
    /// p(z_t | y_{1:t}).
    pub filtered: Estimates<'a>,
    /// p(z_t | y_{1:t-1}).
    pub predicted: Estimates<'a>,
}

/// What a pass over a series found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SquareRootReport {
    /// log p(y_{1:T}) of the observed entries.
    pub marginal_loglik: f64,
    /// Observed entries that noise-free earlier ones determine; they agree with them and count for
    /// nothing.
    pub rank_lost: usize,
}

impl Estimates<'_> {
    /// Checks sizes.
    pub(super) fn check(
        &self,
        [means, covs, chol_covs]: [&'static str; 3],
        num_steps: usize,
        dim: usize,
    ) -> Result<(), GaussianError> {
        let slots = [(means, &self.means, 1), (covs, &self.covs, dim), (chol_covs, &self.chol_covs, dim)];
        slots.into_iter().try_for_each(|(argument, slot, width)| match slot {
            Some(values) => length(argument, values.len(), num_steps * dim * width),
            None => Ok(()),
        })
    }

    /// Writes step t; the root by columns. `lower` and `scratch` are memory of a triangularisation.
    pub(super) fn write(
        &mut self,
        t: usize,
        mean: &[f64],
        root: &[f64],
        lower: &mut Vec<f64>,
        scratch: &mut [f64],
    ) {
        let d = mean.len();
        if let Some(means) = &mut self.means {
            means[t * d..(t + 1) * d].copy_from_slice(mean);
        }
        if let Some(covs) = &mut self.covs {
            square(root, d, &mut covs[t * d * d..(t + 1) * d * d]);
        }
        if let Some(chol_covs) = &mut self.chol_covs {
            lower.clear();
            lower.extend_from_slice(root);
            let sizes = Stacked { top: d, bottom: 0, cols: root.len() / d, band: root.len() / d };
            triangularise(sizes, lower, &mut [], &[], scratch);
            transpose(&lower[..d * d], d, &mut chol_covs[t * d * d..(t + 1) * d * d]);
        }
    }
}
