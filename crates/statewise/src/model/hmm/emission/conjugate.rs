//! Conjugate priors of means and covariances, and the M-steps that they give.

use rand_chacha::ChaCha8Rng;
use rand_distr::{ChiSquared, Distribution, Gamma, StandardNormal};
use statewise_kernels::linalg::{cholesky, inverse_chol, log_det_chol, solve_lower};
use statewise_kernels::math::ln_gamma;

use super::moments::{LN_TAU, Moments, add_covariance_gradient, add_outer, dot};
use super::variance_floor::repair_covariance;

/// μ | Σ ~ N(m, Σ / κ),  Σ ~ InverseWishart(ν, Ψ).
#[derive(Clone, Debug)]
pub(super) struct NormalInverseWishart {
    /// m, shape [D].
    pub(super) mean: Vec<f64>,
    /// κ, in rows.
    pub(super) concentration: f64,
    /// ν > D − 1.
    pub(super) df: f64,
    /// Ψ, shape [D, D].
    pub(super) scale: Vec<f64>,
}

impl NormalInverseWishart {
    /// log p(μ, Σ).
    pub(super) fn log_prob(&self, mean: &[f64], cov: &[f64]) -> f64 {
        self.log_prob_of_means(&[mean], cov)
    }

    /// log p(μ_1, .., μ_K, Σ) where K means share Σ.
    pub(super) fn log_prob_of_means(&self, means: &[&[f64]], cov: &[f64]) -> f64 {
        let dim = self.mean.len();
        let (d, k) = (dim as f64, means.len() as f64);
        let (mut chol, mut chol_scale) = (cov.to_vec(), self.scale.clone());
        if cholesky(&mut chol, dim).is_err() || cholesky(&mut chol_scale, dim).is_err() {
            return f64::NEG_INFINITY;
        }
        let mut precision = vec![0.0; dim * dim];
        inverse_chol(&chol, dim, &mut precision);
        let log_det = log_det_chol(&chol, dim);
        let ln_multigamma = 0.25 * d * (d - 1.0) * std::f64::consts::PI.ln()
            + (0..dim).map(|i| ln_gamma(0.5 * (self.df - i as f64))).sum::<f64>();
        0.5 * self.df * (log_det_chol(&chol_scale, dim) - d * std::f64::consts::LN_2) - ln_multigamma
            + 0.5 * k * d * (self.concentration.ln() - LN_TAU)
            - 0.5 * (self.df + d + 1.0 + k) * log_det
            - 0.5 * dot(&precision, &self.second(means))
    }

    /// Ψ + κ Σ_k (μ_k − m)(μ_k − m)ᵀ.
    pub(super) fn second(&self, means: &[&[f64]]) -> Vec<f64> {
        let mut second = self.scale.clone();
        for mean in means {
            let offset: Vec<f64> = mean.iter().zip(&self.mean).map(|(a, b)| a - b).collect();
            add_outer(&mut second, &offset, self.concentration);
        }
        second
    }

    /// Adds the gradient of the log density; `means` and its gradient have shape \[K, D\].
    pub(super) fn add_gradient(
        &self,
        means: &[f64],
        cov: &[f64],
        means_gradient: &mut [f64],
        cov_gradient: &mut [f64],
    ) {
        let dim = self.mean.len();
        let mut chol = cov.to_vec();
        if cholesky(&mut chol, dim).is_err() {
            return;
        }
        let mut precision = vec![0.0; dim * dim];
        inverse_chol(&chol, dim, &mut precision);
        for (mean, gradient) in means.chunks_exact(dim).zip(means_gradient.chunks_exact_mut(dim)) {
            let offset: Vec<f64> = mean.iter().zip(&self.mean).map(|(a, b)| a - b).collect();
            for (g, row) in gradient.iter_mut().zip(precision.chunks_exact(dim)) {
                *g -= self.concentration * dot(row, &offset);
            }
        }
        let means: Vec<&[f64]> = means.chunks_exact(dim).collect();
        let n = self.df + dim as f64 + 1.0 + means.len() as f64;
        add_covariance_gradient(&precision, n, &self.second(&means), cov_gradient);
    }

    /// Draws Σ = L A⁻ᵀ A⁻¹ Lᵀ with Ψ = L Lᵀ and A the Bartlett factor of a standard Wishart.
    pub(super) fn sample_cov(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let dim = self.mean.len();
        let mut l = self.scale.clone();
        // The scale was checked to be positive definite.
        let _ = cholesky(&mut l, dim);
        for _ in 0..20 {
            let mut a = vec![0.0; dim * dim];
            for i in 0..dim {
                for j in 0..i {
                    a[i * dim + j] = StandardNormal.sample(rng);
                }
                let chi_squared = ChiSquared::new(self.df - i as f64).map_or(1.0, |c| c.sample(rng));
                a[i * dim + i] = f64::sqrt(chi_squared).max(1e-8);
            }
            // Row i of L solved against A is column i of A⁻¹ Lᵀ.
            let mut factor = l.clone();
            factor.chunks_exact_mut(dim).for_each(|row| solve_lower(&a, dim, row));
            let row = |i: usize| &factor[i * dim..(i + 1) * dim];
            let cov: Vec<f64> = (0..dim * dim).map(|at| dot(row(at / dim), row(at % dim))).collect();
            // With few degrees of freedom a draw can be singular to working precision.
            if cov.iter().all(|x| x.is_finite()) && cholesky(&mut cov.clone(), dim).is_ok() {
                return cov;
            }
        }
        self.scale.clone()
    }

    /// Draws μ given Σ.
    pub(super) fn sample_mean(&self, cov: &[f64], rng: &mut ChaCha8Rng) -> Vec<f64> {
        let dim = self.mean.len();
        let mut chol = cov.to_vec();
        let _ = cholesky(&mut chol, dim);
        let mut mean = vec![0.0; dim];
        sample_gaussian(&self.mean, &chol, rng, &mut mean);
        for (x, m) in mean.iter_mut().zip(&self.mean) {
            *x = m + (*x - m) / self.concentration.sqrt();
        }
        mean
    }
}

/// Draws from N(mean, L Lᵀ).
pub(super) fn sample_gaussian(mean: &[f64], chol: &[f64], rng: &mut ChaCha8Rng, out: &mut [f64]) {
    let dim = mean.len();
    out.copy_from_slice(mean);
    for j in 0..dim {
        let z: f64 = StandardNormal.sample(rng);
        (j..dim).for_each(|i| out[i] += chol[i * dim + j] * z);
    }
}

/// What an M-step of means and covariances may move.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moving {
    /// Whether means may move.
    pub(super) means: bool,
    /// Whether covariances may move.
    pub(super) covs: bool,
}

/// Moves every component to its posterior mode, or its maximum likelihood without a prior;
/// answers the number of repairs.
///
/// μ = (κ m + Σγ y) / (κ + Σγ)
/// Σ = (Ψ + κ (μ − m)(μ − m)ᵀ + Σγ (y − μ)(y − μ)ᵀ) / (ν + D + 2 + Σγ)
///
/// Both hold for a fixed mean as well. `counts` are the Σγ of the second denominator, `floors` the
/// least variances.
pub(super) fn maximise_gaussians(
    moments: &[Moments],
    counts: &[f64],
    floors: &[f64],
    prior: Option<&NormalInverseWishart>,
    moving: Moving,
    means: &mut [f64],
    covs: &mut [f64],
) -> usize {
    let dim = means.len() / moments.len();
    let total: f64 = moments.iter().map(|m| m.weight).sum();
    let mut repairs = 0;
    for (k, m) in moments.iter().enumerate() {
        if prior.is_none() && has_no_weight(m.weight, total) {
            repairs += 1;
            continue;
        }
        let mean = &mut means[k * dim..(k + 1) * dim];
        if moving.means {
            move_mean(m, prior.map(|p| (p.concentration, &p.mean[..])), mean);
        }
        if moving.covs {
            let cov = &mut covs[k * dim * dim..(k + 1) * dim * dim];
            cov.copy_from_slice(&m.second_about(mean));
            let mut n = counts[k];
            if let Some(prior) = prior {
                cov.iter_mut().zip(prior.second(&[mean])).for_each(|(c, s)| *c += s);
                n += prior.df + dim as f64 + 2.0;
            }
            cov.iter_mut().for_each(|c| *c /= n);
            repairs += usize::from(repair_covariance(cov, floors));
        }
    }
    repairs
}

/// Whether a component has nothing, to rounding, of the weight of all.
pub(super) fn has_no_weight(weight: f64, total: f64) -> bool {
    weight.is_nan() || weight <= 1e-14 * total
}

/// Moves μ to (κ m + Σγ y) / (κ + Σγ), in a form that keeps the digits of large means.
pub(super) fn move_mean(moments: &Moments, prior: Option<(f64, &[f64])>, mean: &mut [f64]) {
    mean.copy_from_slice(&moments.mean);
    if let Some((concentration, prior_mean)) = prior {
        let share = concentration / (concentration + moments.weight);
        mean.iter_mut().zip(prior_mean).for_each(|(x, m)| *x += share * (m - *x));
    }
}

/// μ | v ~ N(m, v / κ),  v ~ InverseGamma(a, b), for a scalar.
#[derive(Clone, Copy, Debug)]
pub(super) struct NormalInverseGamma {
    /// m.
    pub(super) mean: f64,
    /// κ, in rows.
    pub(super) concentration: f64,
    /// a.
    pub(super) shape: f64,
    /// b.
    pub(super) scale: f64,
}

impl NormalInverseGamma {
    /// log p(μ, v) at v = `scale_diag`².
    pub(super) fn log_prob(&self, mean: f64, scale_diag: f64) -> f64 {
        let v = scale_diag * scale_diag;
        self.shape * self.scale.ln() - ln_gamma(self.shape) + 0.5 * (self.concentration.ln() - LN_TAU)
            - (self.shape + 1.5) * v.ln()
            - self.second(mean) / v
    }

    /// b + κ (μ − m)² / 2.
    fn second(&self, mean: f64) -> f64 {
        self.scale + 0.5 * self.concentration * (mean - self.mean).powi(2)
    }

    /// The gradient of the log density with respect to the mean and the standard deviation.
    pub(super) fn gradient(&self, mean: f64, scale_diag: f64) -> (f64, f64) {
        let v = scale_diag * scale_diag;
        let d_mean = -self.concentration * (mean - self.mean) / v;
        (d_mean, (2.0 * self.second(mean) / v - (2.0 * self.shape + 3.0)) / scale_diag)
    }

    /// Draws a mean and a standard deviation.
    pub(super) fn sample(&self, rng: &mut ChaCha8Rng) -> (f64, f64) {
        let precision = Gamma::new(self.shape, 1.0 / self.scale).map_or(1.0, |g| g.sample(rng));
        let scale_diag = 1.0 / precision.clamp(1e-200, 1e200).sqrt();
        let z: f64 = StandardNormal.sample(rng);
        (self.mean + z * scale_diag / self.concentration.sqrt(), scale_diag)
    }
}

/// As [`maximise_gaussians`] for scalars, entry by entry: v = (b + κ (μ − m)²/2 + Σγ(y − μ)²/2) /
/// (a + 3/2 + Σγ/2).
///
/// `floors` and `totals` are the least variance and the weight of all components of the entry.
pub(super) fn maximise_scalars(
    moments: &[Moments],
    prior: impl Fn(usize) -> Option<NormalInverseGamma>,
    (floors, totals): (&[f64], &[f64]),
    moving: Moving,
    means: &mut [f64],
    scale_diags: &mut [f64],
) -> usize {
    let mut repairs = 0;
    for (i, m) in moments.iter().enumerate() {
        let prior = prior(i);
        if prior.is_none() && has_no_weight(m.weight, totals[i]) {
            repairs += 1;
            continue;
        }
        if moving.means {
            let prior_mean = prior.map(|p| (p.concentration, [p.mean]));
            move_mean(m, prior_mean.as_ref().map(|(c, m)| (*c, &m[..])), &mut means[i..=i]);
        }
        if moving.covs {
            let (mut sum, mut n) = (m.second_about(&means[i..=i])[0], m.weight);
            if let Some(prior) = prior {
                sum += 2.0 * prior.second(means[i]);
                n += 2.0 * prior.shape + 3.0;
            }
            let variance = sum / n;
            repairs += usize::from(variance < floors[i]);
            scale_diags[i] = variance.max(floors[i]).sqrt();
        }
    }
    repairs
}

/// argmax over v of −n/2 ln v − S/(2v) + (a − 1) ln v − b v, the positive root of
/// b v² + (n/2 − a + 1) v − S/2 = 0.
pub(super) fn gamma_variance_mode(n: f64, sum: f64, a: f64, b: f64) -> f64 {
    let c = 0.5 * n - a + 1.0;
    let root = (c * c + 2.0 * b * sum).sqrt();
    // Both forms are the root; each loses its digits where the other keeps them.
    if c > 0.0 { sum / (root + c) } else { (root - c) / (2.0 * b) }
}
