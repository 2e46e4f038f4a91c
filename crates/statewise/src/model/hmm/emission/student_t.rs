//! Multivariate Student t emissions: Gaussians with heavy tails.
//!
//! p(y_t | z_t = k) = t(y_t | ν_k, μ_k, Σ_k):  y | w ~ N(μ, Σ / w),  w ~ Gamma(ν/2, ν/2)
//! (μ_k, Σ_k) ~ NormalInverseWishart,  ν_k ~ Gamma(2, rate 0.1) by default
//!
//! The E-step completes the latent precision w: statistics are those of a Gaussian with weights
//! γ w, and per state Σγ and Σγ E[ln w − w]. Variance floors must not move with the weights, so n,
//! Σ y and Σ y² of the data themselves follow for each dimension.

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_distr::{ChiSquared, Distribution, Gamma};
use serde::{Deserialize, Serialize};
use statewise_kernels::math::{digamma, ln_gamma, trigamma};

use super::conjugate::{Moving, NormalInverseWishart, has_no_weight, maximise_gaussians, sample_gaussian};
use super::gaussians::Gaussians;
use super::moments::{LN_TAU, Moments, moments_len};
use super::variance_floor::variance_floors_of_sums;
use super::{Emission, Gaussian, Prepared, ScalarOrArray};
use crate::data::{Dataset, Sequence};
use crate::error::Result;
use crate::model::hmm::component::{Component, MStep, Maximised, check_positive, check_size};
use crate::params::{Array, Constraint, ParamSpec};

/// The Student t family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudentT {
    /// K.
    pub num_states: usize,
    /// D.
    pub emission_dim: usize,
    /// m, in units of y; a number or \[D\].
    #[serde(default = "super::hyper::zero")]
    pub emission_prior_mean: ScalarOrArray,
    /// κ, the rows that the prior mean is worth.
    #[serde(default = "super::hyper::tiny")]
    pub emission_prior_concentration: f64,
    /// Ψ, in squared units of y; a multiple of the identity or \[D, D\].
    #[serde(default = "super::hyper::tiny_scale")]
    pub emission_prior_scale: ScalarOrArray,
    /// The degrees of freedom of the inverse Wishart beyond D.
    #[serde(default = "super::hyper::tenth")]
    pub emission_prior_extra_df: f64,
    /// Shape of the Gamma prior of ν.
    #[serde(default = "default_dof_concentration")]
    pub emission_dof_concentration: f64,
    /// Its rate.
    #[serde(default = "super::hyper::tenth")]
    pub emission_dof_rate: f64,
}

/// Juárez and Steel (2010): finite variance is likely, near-Gaussian tails are possible.
fn default_dof_concentration() -> f64 {
    2.0
}

/// Where ν is cut off; beyond 1e6 no data set tells a t from a Gaussian.
const DOF_RANGE: (f64, f64) = (1e-2, 1e6);

impl StudentT {
    fn prior(&self) -> NormalInverseWishart {
        NormalInverseWishart {
            mean: self.emission_prior_mean.vector(self.emission_dim),
            concentration: self.emission_prior_concentration,
            df: self.emission_dim as f64 + self.emission_prior_extra_df,
            scale: self.emission_prior_scale.matrix(self.emission_dim),
        }
    }

    /// Moments weighted by γ w, and Σγ with Σγ E[ln w − w] for each state.
    fn read<'s>(&self, stats: &'s [f64]) -> (Vec<Moments>, &'s [[f64; 2]]) {
        let (moments, rest) = stats.split_at(self.num_states * moments_len(self.emission_dim));
        (Moments::read_all(moments, self.emission_dim), rest[..2 * self.num_states].as_chunks().0)
    }

    /// n, Σ y and Σ y² for each dimension.
    fn sums<'s>(&self, stats: &'s [f64]) -> &'s [[f64; 3]] {
        stats[stats.len() - 3 * self.emission_dim..].as_chunks().0
    }

    /// The maximum over ν of n [(ν/2) ln(ν/2) − ln Γ(ν/2)] + (ν/2) l (+ log prior).
    fn best_dof(&self, [n, l]: [f64; 2], prior: bool, start: f64) -> f64 {
        let (a, b) = if prior {
            (self.emission_dof_concentration - 1.0, self.emission_dof_rate)
        } else {
            (0.0, 0.0)
        };
        let slope = |nu: f64| 0.5 * (n * ((0.5 * nu).ln() + 1.0 - digamma(0.5 * nu)) + l) + a / nu - b;
        let curvature = |nu: f64| 0.5 * n * (1.0 / nu - 0.5 * trigamma(0.5 * nu)) - a / (nu * nu);
        // The slope falls throughout if a ≥ 0; a bracket in ν keeps Newton's steps inside.
        let (mut low, mut high) = DOF_RANGE;
        let mut nu = start.clamp(low, high);
        for _ in 0..200 {
            let s = slope(nu);
            if s > 0.0 {
                low = nu
            } else {
                high = nu
            }
            // Newton in ln ν, where the slope is nearly linear.
            let next = nu * (-s / (nu * curvature(nu) + s.min(0.0))).clamp(-2.0, 2.0).exp();
            let next = if next > low && next < high { next } else { (low * high).sqrt() };
            if (next - nu).abs() <= 1e-13 * nu {
                return next;
            }
            nu = next;
        }
        nu
    }
}

impl Component for StudentT {
    fn schema(&self) -> Vec<ParamSpec> {
        let (k, d) = (self.num_states, self.emission_dim);
        vec![
            ParamSpec::new("emissions.means", "emission_means", &[k, d], Constraint::Real),
            ParamSpec::new("emissions.scales", "emission_scales", &[k, d, d], Constraint::PositiveDefinite),
            ParamSpec::new("emissions.dofs", "emission_dofs", &[k], Constraint::Positive),
        ]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("emission_dim", self.emission_dim)?;
        self.emission_prior_mean.check_vector("emission_prior_mean", self.emission_dim)?;
        check_positive("emission_prior_concentration", self.emission_prior_concentration)?;
        self.emission_prior_scale.check_matrix("emission_prior_scale", self.emission_dim)?;
        check_positive("emission_prior_extra_df", self.emission_prior_extra_df)?;
        check_positive("emission_dof_concentration", self.emission_dof_concentration)?;
        check_positive("emission_dof_rate", self.emission_dof_rate)
    }

    fn num_stats(&self) -> usize {
        self.num_states * (moments_len(self.emission_dim) + 2) + 3 * self.emission_dim
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        let (moments, latent) = self.read(stats);
        let term = |k: usize| {
            let ([n, l], half) = (latent[k], 0.5 * params[2].values()[k]);
            moments[k].expected_log_prob(n, params[0].row(k), params[1].row(k))
                + n * (half * half.ln() - ln_gamma(half))
                + half * l
        };
        (0..self.num_states).map(term).sum()
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        let [g_means, g_scales, g_dofs] = gradient else { return };
        let (moments, latent) = self.read(stats);
        for (k, m) in moments.iter().enumerate() {
            let ([n, l], half) = (latent[k], 0.5 * params[2].values()[k]);
            m.add_gradient(n, params[0].row(k), params[1].row(k), g_means.row_mut(k), g_scales.row_mut(k));
            g_dofs.values_mut()[k] += 0.5 * (n * (half.ln() + 1.0 - digamma(half)) + l);
        }
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        let (prior, a, b) = (self.prior(), self.emission_dof_concentration, self.emission_dof_rate);
        let constant = a * b.ln() - ln_gamma(a);
        let term = |(k, nu): (usize, &f64)| {
            prior.log_prob(params[0].row(k), params[1].row(k)) + constant + (a - 1.0) * nu.ln() - b * nu
        };
        params[2].values().iter().enumerate().map(term).sum()
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        let [g_means, g_scales, g_dofs] = gradient else { return };
        let prior = self.prior();
        for (k, nu) in params[2].values().iter().enumerate() {
            prior.add_gradient(params[0].row(k), params[1].row(k), g_means.row_mut(k), g_scales.row_mut(k));
            g_dofs.values_mut()[k] += (self.emission_dof_concentration - 1.0) / nu - self.emission_dof_rate;
        }
    }

    /// The mode of the posterior given the completed latent precisions; ν by Newton.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        let [means, scales, dofs] = params else { return Maximised::NoClosedForm };
        if !step.is_whole() {
            return Maximised::NoClosedForm;
        }
        let (moments, latent) = self.read(step.stats);
        let counts: Vec<f64> = latent.iter().map(|[n, _]| *n).collect();
        let prior = step.prior.then(|| self.prior());
        let moving = Moving { means: step.moves(0), covs: step.moves(1) };
        let (means, scales) = (means.values_mut(), scales.values_mut());
        let floors = variance_floors_of_sums(self.sums(step.stats));
        let repairs = maximise_gaussians(&moments, &counts, &floors, prior.as_ref(), moving, means, scales);
        let total = counts.iter().sum();
        if step.moves(2) {
            for (nu, latent) in dofs.values_mut().iter_mut().zip(latent) {
                if step.prior || !has_no_weight(latent[0], total) {
                    *nu = self.best_dof(*latent, step.prior, *nu);
                }
            }
        }
        Maximised::Done { repairs }
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let (prior, k, d) = (self.prior(), self.num_states, self.emission_dim);
        let (mut means, mut scales) = (Vec::new(), Vec::new());
        for _ in 0..k {
            let scale = prior.sample_cov(rng);
            means.extend(prior.sample_mean(&scale, rng));
            scales.extend(scale);
        }
        let dof = Gamma::new(self.emission_dof_concentration, 1.0 / self.emission_dof_rate);
        let draw = |_| dof.map_or(10.0, |g| g.sample(rng)).clamp(DOF_RANGE.0, DOF_RANGE.1);
        let dofs = (0..k).map(draw).collect();
        vec![Array::new(&[k, d], means), Array::new(&[k, d, d], scales), Array::new(&[k], dofs)]
    }
}

impl Emission for StudentT {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.emission_dim]
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let (means, scales) = (params[0].values(), params[1].values());
        let gaussians = Gaussians::new(self.emission_dim, means, scales, "emissions.scales")?;
        Ok(Box::new(PreparedStudentT { dim: self.emission_dim, gaussians, dofs: params[2].values() }))
    }

    /// Starts as a Gaussian would, with ν = 10: weights at a draw from the prior would be those of
    /// outliers all.
    fn initialize_from_data(&self, data: &Dataset<'_>, rng: &mut ChaCha8Rng) -> Result<Vec<Array>> {
        let gaussian = Gaussian {
            num_states: self.num_states,
            emission_dim: self.emission_dim,
            emission_prior_mean: self.emission_prior_mean.clone(),
            emission_prior_concentration: self.emission_prior_concentration,
            emission_prior_scale: self.emission_prior_scale.clone(),
            emission_prior_extra_df: self.emission_prior_extra_df,
        };
        let mut params = gaussian.initialize_from_data(data, rng)?;
        params[1].values_mut().iter_mut().for_each(|s| *s *= 0.8);
        params.push(Array::full(&[self.num_states], 10.0));
        Ok(params)
    }
}

struct PreparedStudentT<'a> {
    dim: usize,
    gaussians: Gaussians<'a>,
    dofs: &'a [f64],
}

impl PreparedStudentT<'_> {
    /// ln Γ((ν + p)/2) − ln Γ(ν/2) − (p/2) ln(ν π) − ½ ln |Σ_oo| for p observed dimensions.
    fn log_norm(&self, k: usize, p: usize, gaussian_log_norm: f64) -> f64 {
        let (nu, p) = (self.dofs[k], p as f64);
        let gammas = ln_gamma(0.5 * (nu + p)) - ln_gamma(0.5 * nu);
        gammas + 0.5 * p * (LN_TAU - (nu * std::f64::consts::PI).ln()) + gaussian_log_norm
    }

    /// Calls `f(t, k, p, δ, log norm)` for rows with anything observed, δ = (y − μ)ᵀ Σ⁻¹ (y − μ).
    fn for_distances(&self, rows: &[f64], mut f: impl FnMut(usize, usize, usize, f64, f64)) {
        let num = self.dofs.len();
        let mut halves = vec![0.0; rows.len() / self.dim * num];
        self.gaussians.half_distances(rows, &mut halves);
        let norms: Vec<f64> =
            (0..num).map(|k| self.log_norm(k, self.dim, self.gaussians.log_norm(k))).collect();
        for (i, half) in halves.iter().enumerate().filter(|(_, half)| !half.is_nan()) {
            f(i / num, i % num, self.dim, -2.0 * half, norms[i % num]);
        }
        self.gaussians.for_incomplete_rows(rows, |t, row, pattern| {
            let Some(pattern) = pattern else { return };
            let p = pattern.observed.len();
            for k in 0..num {
                let delta = pattern.distance(k, &mut self.gaussians.residual(k, row, pattern));
                f(t, k, p, delta, self.log_norm(k, p, pattern.log_norm(k)));
            }
        });
    }
}

impl Prepared for PreparedStudentT<'_> {
    fn log_likelihoods(&self, sequence: &Sequence<'_>, steps: Range<usize>, out: &mut [f64]) {
        let num = self.dofs.len();
        out.fill(0.0);
        self.for_distances(sequence.emission_rows(steps), |t, k, p, delta, log_norm| {
            let nu = self.dofs[k];
            out[t * num + k] = log_norm - 0.5 * (nu + p as f64) * (delta / nu).ln_1p();
        });
    }

    /// E w = (ν + p) / (ν + δ),  E ln w = ψ((ν + p)/2) − ln((ν + δ)/2).
    fn accumulate(&self, sequence: &Sequence<'_>, steps: Range<usize>, gamma: &[f64], stats: &mut [f64]) {
        let (num, rows) = (self.dofs.len(), sequence.emission_rows(steps));
        let (moments, rest) = stats.split_at_mut(num * moments_len(self.dim));
        let (latent, sums) = rest.split_at_mut(2 * num);
        add_sums(rows, gamma, sums);
        let mut weighted = gamma.to_vec();
        let digammas: Vec<f64> = self.dofs.iter().map(|nu| digamma(0.5 * (nu + self.dim as f64))).collect();
        self.for_distances(rows, |t, k, p, delta, _| {
            let (nu, i) = (self.dofs[k], t * num + k);
            let w = (nu + p as f64) / (nu + delta);
            let digamma = if p == self.dim { digammas[k] } else { digamma(0.5 * (nu + p as f64)) };
            latent[2 * k] += gamma[i];
            latent[2 * k + 1] += gamma[i] * (digamma - (0.5 * (nu + delta)).ln() - w);
            weighted[i] = gamma[i] * w;
        });
        self.gaussians.accumulate_weighted(rows, &weighted, gamma, moments);
    }

    fn sample(&self, state: usize, _: &Sequence<'_>, _: usize, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        let nu = self.dofs[state];
        let w = ChiSquared::new(nu).map_or(1.0, |c| c.sample(rng)) / nu;
        let mean = self.gaussians.mean(state);
        sample_gaussian(mean, self.gaussians.chol(state), rng, out);
        out.iter_mut().zip(mean).for_each(|(y, m)| *y = m + (*y - m) / w.max(1e-100).sqrt());
    }

    /// The covariance ν / (ν − 2) Σ is infinite for ν ≤ 2; the mean is the location even for ν ≤ 1,
    /// where the integral does not exist.
    fn moments(&self, state: usize, _: &Sequence<'_>, _: usize, mean: &mut [f64], cov: &mut [f64]) {
        let nu = self.dofs[state];
        mean.copy_from_slice(self.gaussians.mean(state));
        let factor = if nu > 2.0 { nu / (nu - 2.0) } else { f64::INFINITY };
        for (i, (c, s)) in cov.iter_mut().zip(self.gaussians.cov(state)).enumerate() {
            let diagonal = i % (self.dim + 1) == 0;
            *c = if factor.is_finite() || diagonal { factor * s } else { 0.0 };
        }
    }
}

/// Adds n, Σ y and Σ y² of the entries that are there; a row counts as often as its states together.
fn add_sums(rows: &[f64], gamma: &[f64], sums: &mut [f64]) {
    let dim = sums.len() / 3;
    let num = gamma.len() * dim / rows.len().max(1);
    for (row, gamma) in rows.chunks_exact(dim).zip(gamma.chunks_exact(num.max(1))) {
        let weight: f64 = gamma.iter().sum();
        for (y, sums) in row.iter().zip(sums.as_chunks_mut().0).filter(|(y, _)| !y.is_nan()) {
            let [n, sum, square]: &mut [f64; 3] = sums;
            (*n, *sum, *square) = (*n + weight, *sum + weight * y, *square + weight * y * y);
        }
    }
}
