//! Densities, moments and M-steps of Gaussians whose dimensions are independent given the state.
//!
//! Every (component, dimension) is a scalar Gaussian with statistics of its own, so a missing
//! entry is left out and nothing has to be completed. Index k D + d throughout.

use statewise_kernels::math::{add_independent_moments, independent_log_densities};

use super::conjugate::sample_gaussian;
use super::moments::{LN_TAU, Moments, add_moments, moments_len};
use super::variance_floor::variance_floors;
use crate::error::{Error, Result};

/// K products of D scalar Gaussians made ready.
#[derive(Debug)]
pub(super) struct Independents<'a> {
    dim: usize,
    means: &'a [f64],
    precisions: Vec<f64>,
    log_norms: Vec<f64>,
}

impl<'a> Independents<'a> {
    /// Takes means and standard deviations, shape \[K, D\] each; `path` names the latter in errors.
    ///
    /// # Errors
    /// A standard deviation that is not positive.
    pub(super) fn new(dim: usize, means: &'a [f64], scale_diags: &[f64], path: &str) -> Result<Self> {
        if let Some(i) = scale_diags.iter().position(|s| !(*s > 0.0 && s.is_finite())) {
            return Err(Error::argument(format!("{path} entry {i}"), scale_diags[i], "a positive number"));
        }
        Ok(Independents {
            dim,
            means,
            precisions: scale_diags.iter().map(|s| 1.0 / s).collect(),
            log_norms: scale_diags.iter().map(|s| -0.5 * LN_TAU - s.ln()).collect(),
        })
    }

    /// Writes log N of the observed entries of rows, shape \[T, K\].
    pub(super) fn log_likelihoods(&self, rows: &[f64], out: &mut [f64]) {
        independent_log_densities(rows, self.dim, self.means, &self.precisions, &self.log_norms, out);
    }

    /// Adds the moments of rows, those of each scalar at [`moments_len`]`(1)`.
    pub(super) fn accumulate(&self, rows: &[f64], gamma: &[f64], stats: &mut [f64]) {
        let mut sums = vec![0.0; 3 * self.means.len()];
        add_independent_moments(rows, self.dim, gamma, self.means, &mut sums);
        let all = sums.chunks_exact(3).zip(self.means.chunks_exact(1));
        for (stats, (sums, mean)) in stats.chunks_exact_mut(moments_len(1)).zip(all) {
            add_moments(stats, mean, sums);
        }
    }

    /// Draws a row of component k.
    pub(super) fn sample(&self, k: usize, rng: &mut rand_chacha::ChaCha8Rng, out: &mut [f64]) {
        for (d, out) in out.iter_mut().enumerate() {
            let i = k * self.dim + d;
            sample_gaussian(
                &self.means[i..=i],
                &[1.0 / self.precisions[i]],
                rng,
                std::slice::from_mut(out),
            );
        }
    }

    /// Writes mean and covariance of component k.
    pub(super) fn moments(&self, k: usize, mean: &mut [f64], cov: &mut [f64]) {
        cov.fill(0.0);
        for d in 0..self.dim {
            let i = k * self.dim + d;
            mean[d] = self.means[i];
            cov[d * (self.dim + 1)] = self.precisions[i].powi(-2);
        }
    }
}

/// Σ E log N(y | μ, σ²) over all scalars.
pub(super) fn expected_log_prob(moments: &[Moments], means: &[f64], scale_diags: &[f64]) -> f64 {
    let term = |((m, mean), scale): ((&Moments, &f64), &f64)| {
        let second = m.scatter[0] + m.weight * (m.mean[0] - mean).powi(2);
        -m.weight * (0.5 * LN_TAU + scale.ln()) - 0.5 * second / (scale * scale)
    };
    moments.iter().zip(means).zip(scale_diags).map(term).sum()
}

/// Adds its gradient with respect to means and standard deviations.
pub(super) fn add_gradient(
    moments: &[Moments],
    means: &[f64],
    scale_diags: &[f64],
    mean_gradient: &mut [f64],
    scale_gradient: &mut [f64],
) {
    for (i, m) in moments.iter().enumerate() {
        let (mean, scale) = (means[i], scale_diags[i]);
        let offset = m.mean[0] - mean;
        mean_gradient[i] += m.weight * offset / (scale * scale);
        let second = m.scatter[0] + m.weight * offset * offset;
        scale_gradient[i] += (second / (scale * scale) - m.weight) / scale;
    }
}

/// For each scalar the least variance and the weight of all components of its dimension.
pub(super) fn floors_and_totals(moments: &[Moments], dim: usize) -> (Vec<f64>, Vec<f64>) {
    let of = |d: usize| moments.iter().skip(d).step_by(dim);
    let floors: Vec<f64> = (0..dim).map(|d| variance_floors(of(d), 1)[0]).collect();
    let totals: Vec<f64> = (0..dim).map(|d| of(d).map(|m| m.weight).sum()).collect();
    let spread = |values: &[f64]| (0..moments.len()).map(|i| values[i % dim]).collect();
    (spread(&floors), spread(&totals))
}
