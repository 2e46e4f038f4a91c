//! Gaussian emissions with one variance per state for all dimensions.
//!
//! p(y_t | z_t = k) = N(y_t | μ_k, s_k² I),  μ_k ~ N(m, S),  s_k² ~ Gamma(shape a, rate b)

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma};
use serde::{Deserialize, Serialize};
use statewise_kernels::linalg::{cholesky, inverse_chol, log_det_chol, solve_chol, solve_lower};
use statewise_kernels::math::ln_gamma;

use super::conjugate::{gamma_variance_mode, has_no_weight, sample_gaussian};
use super::diagonal_gaussian::PreparedIndependents;
use super::independents::{self, Independents, floors_and_totals};
use super::moments::{LN_TAU, Moments, moments_len, product};
use super::{Emission, Prepared, ScalarOrArray};
use crate::error::Result;
use crate::model::hmm::component::{Component, MStep, Maximised, check_positive, check_size};
use crate::params::{Array, Constraint, ParamSpec};

/// The spherical Gaussian family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SphericalGaussian {
    /// K.
    pub num_states: usize,
    /// D.
    pub emission_dim: usize,
    /// m, in units of y; a number or \[D\].
    #[serde(default = "super::hyper::zero")]
    pub emission_prior_mean: ScalarOrArray,
    /// S, in squared units of y; a multiple of the identity or \[D, D\].
    #[serde(default = "super::hyper::identity")]
    pub emission_prior_mean_covariance: ScalarOrArray,
    /// a.
    #[serde(default = "super::hyper::slightly_above_one")]
    pub emission_var_concentration: f64,
    /// b, per squared unit of y.
    #[serde(default = "super::hyper::slightly_above_one")]
    pub emission_var_rate: f64,
}

const MAX_ITERATIONS: usize = 1000;

impl SphericalGaussian {
    /// Repeats s_k for all dimensions.
    fn scale_diags(&self, scales: &[f64]) -> Vec<f64> {
        scales.iter().flat_map(|s| std::iter::repeat_n(*s, self.emission_dim)).collect()
    }

    /// L with L Lᵀ = S.
    fn prior_chol(&self) -> Vec<f64> {
        let mut chol = self.emission_prior_mean_covariance.matrix(self.emission_dim);
        // Checked to be positive definite.
        let _ = cholesky(&mut chol, self.emission_dim);
        chol
    }

    fn prior_precision(&self) -> Vec<f64> {
        let mut precision = vec![0.0; self.emission_dim * self.emission_dim];
        inverse_chol(&self.prior_chol(), self.emission_dim, &mut precision);
        precision
    }

    /// Climbs in μ and s in turn until neither moves, for one state.
    fn climb(
        &self,
        moments: &[Moments],
        step: &MStep<'_>,
        floor: f64,
        mean: &mut [f64],
        scale: &mut f64,
    ) -> bool {
        let d = self.emission_dim;
        let n: f64 = moments.iter().map(|m| m.weight).sum();
        let (prior_mean, precision) = (self.emission_prior_mean.vector(d), self.prior_precision());
        let pull = product(&precision, &prior_mean, d, 1);
        let mut floored = false;
        for _ in 0..MAX_ITERATIONS {
            let (old_mean, old_scale) = (mean.to_vec(), *scale);
            if step.moves(0) {
                // (diag(n_d) / s² + S⁻¹) μ = n_d ȳ_d / s² + S⁻¹ m
                let v = *scale * *scale;
                let mut chol = if step.prior { precision.clone() } else { vec![0.0; d * d] };
                for (i, m) in moments.iter().enumerate() {
                    chol[i * d + i] += m.weight / v;
                    mean[i] = m.weight * m.mean[0] / v + if step.prior { pull[i] } else { 0.0 };
                    if !step.prior && m.weight == 0.0 {
                        (chol[i * d + i], mean[i]) = (1.0, old_mean[i]);
                    }
                }
                if cholesky(&mut chol, d).is_ok() {
                    solve_chol(&chol, d, mean);
                } else {
                    mean.copy_from_slice(&old_mean);
                }
            }
            if step.moves(1) {
                let second = |(m, mean): (&Moments, &f64)| m.second_about(std::slice::from_ref(mean))[0];
                let sum: f64 = moments.iter().zip(&*mean).map(second).sum();
                let v = if step.prior {
                    gamma_variance_mode(n, sum, self.emission_var_concentration, self.emission_var_rate)
                } else {
                    sum / n
                };
                floored = v < floor;
                *scale = v.max(floor).sqrt();
            }
            let moved = mean.iter().zip(&old_mean).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            if moved <= 1e-12 * *scale && (*scale - old_scale).abs() <= 1e-13 * *scale {
                break;
            }
        }
        floored
    }
}

impl Component for SphericalGaussian {
    fn schema(&self) -> Vec<ParamSpec> {
        let (k, d) = (self.num_states, self.emission_dim);
        vec![
            ParamSpec::new("emissions.means", "emission_means", &[k, d], Constraint::Real),
            ParamSpec::new("emissions.scales", "emission_scales", &[k], Constraint::Positive),
        ]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("emission_dim", self.emission_dim)?;
        let d = self.emission_dim;
        self.emission_prior_mean.check_vector("emission_prior_mean", d)?;
        self.emission_prior_mean_covariance.check_matrix("emission_prior_mean_covariance", d)?;
        check_positive("emission_var_concentration", self.emission_var_concentration)?;
        check_positive("emission_var_rate", self.emission_var_rate)
    }

    fn num_stats(&self) -> usize {
        self.num_states * self.emission_dim * moments_len(1)
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        let scales = self.scale_diags(params[1].values());
        independents::expected_log_prob(&Moments::read_all(stats, 1), params[0].values(), &scales)
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        let scales = self.scale_diags(params[1].values());
        let (moments, means) = (Moments::read_all(stats, 1), params[0].values());
        let mut slopes = vec![0.0; scales.len()];
        independents::add_gradient(&moments, means, &scales, gradient[0].values_mut(), &mut slopes);
        let slopes = slopes.chunks_exact(self.emission_dim);
        gradient[1].values_mut().iter_mut().zip(slopes).for_each(|(g, s)| *g += s.iter().sum::<f64>());
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        let (d, a, b) = (self.emission_dim, self.emission_var_concentration, self.emission_var_rate);
        let (chol, prior_mean) = (self.prior_chol(), self.emission_prior_mean.vector(d));
        let constant = -0.5 * (d as f64 * LN_TAU + log_det_chol(&chol, d)) + a * b.ln() - ln_gamma(a);
        let term = |(mean, scale): (&[f64], &f64)| {
            let mut z: Vec<f64> = mean.iter().zip(&prior_mean).map(|(x, m)| x - m).collect();
            solve_lower(&chol, d, &mut z);
            let v = scale * scale;
            constant - 0.5 * z.iter().map(|z| z * z).sum::<f64>() + (a - 1.0) * v.ln() - b * v
        };
        params[0].values().chunks_exact(d).zip(params[1].values()).map(term).sum()
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        let (d, a, b) = (self.emission_dim, self.emission_var_concentration, self.emission_var_rate);
        let (precision, prior_mean) = (self.prior_precision(), self.emission_prior_mean.vector(d));
        for k in 0..self.num_states {
            let offset: Vec<f64> = params[0].row(k).iter().zip(&prior_mean).map(|(x, m)| x - m).collect();
            let pull = product(&precision, &offset, d, 1);
            gradient[0].row_mut(k).iter_mut().zip(pull).for_each(|(g, p)| *g -= p);
            let scale = params[1].values()[k];
            gradient[1].values_mut()[k] += 2.0 * ((a - 1.0) / scale - b * scale);
        }
    }

    /// Closed forms of μ given s and of s given μ, in turn to convergence.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        let [means, scales] = params else { return Maximised::NoClosedForm };
        if !step.is_whole() {
            return Maximised::NoClosedForm;
        }
        let moments = Moments::read_all(step.stats, 1);
        let (floors, _) = floors_and_totals(&moments, self.emission_dim);
        let floor = floors[..self.emission_dim].iter().copied().fold(f64::INFINITY, f64::min);
        let total: f64 = moments.iter().map(|m| m.weight).sum();
        let mut repairs = 0;
        for (k, moments) in moments.chunks_exact(self.emission_dim).enumerate() {
            if !step.prior && has_no_weight(moments.iter().map(|m| m.weight).sum(), total) {
                repairs += 1;
                continue;
            }
            let scale = &mut scales.values_mut()[k];
            repairs += usize::from(self.climb(moments, step, floor, means.row_mut(k), scale));
        }
        Maximised::Done { repairs }
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let (k, d) = (self.num_states, self.emission_dim);
        let (chol, prior_mean) = (self.prior_chol(), self.emission_prior_mean.vector(d));
        let mut means = Array::zeros(&[k, d]);
        (0..k).for_each(|state| sample_gaussian(&prior_mean, &chol, rng, means.row_mut(state)));
        let variance = Gamma::new(self.emission_var_concentration, 1.0 / self.emission_var_rate);
        let draw = |_| variance.map_or(1.0, |g| g.sample(rng)).max(1e-12).sqrt();
        vec![means, Array::new(&[k], (0..k).map(draw).collect())]
    }
}

impl Emission for SphericalGaussian {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.emission_dim]
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let scales = self.scale_diags(params[1].values());
        let ready = Independents::new(self.emission_dim, params[0].values(), &scales, "emissions.scales")?;
        Ok(Box::new(PreparedIndependents(ready)))
    }
}
