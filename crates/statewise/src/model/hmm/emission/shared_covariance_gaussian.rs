//! Gaussian emissions whose states share one covariance matrix.
//!
//! p(y_t | z_t = k) = N(y_t | μ_k, Σ),  μ_k | Σ ~ N(m, Σ / κ),  Σ ~ InverseWishart(D + extra_df, Ψ)

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::conjugate::{NormalInverseWishart, has_no_weight, move_mean};
use super::gaussian::PreparedGaussian;
use super::gaussians::Gaussians;
use super::moments::{Moments, moments_len};
use super::variance_floor::{repair_covariance, variance_floors};
use super::{Emission, Prepared, ScalarOrArray};
use crate::error::Result;
use crate::model::hmm::component::{Component, MStep, Maximised, check_positive, check_size};
use crate::params::{Array, Constraint, ParamSpec};

/// The Gaussian family with a tied covariance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedCovarianceGaussian {
    /// K.
    pub num_states: usize,
    /// D.
    pub emission_dim: usize,
    /// m, in units of y; a number or \[D\].
    #[serde(default = "super::hyper::zero")]
    pub emission_prior_mean: ScalarOrArray,
    /// κ, the rows that the prior mean of each state is worth.
    #[serde(default = "super::hyper::tiny")]
    pub emission_prior_concentration: f64,
    /// Ψ, in squared units of y; a multiple of the identity or \[D, D\].
    #[serde(default = "super::hyper::tiny_scale")]
    pub emission_prior_scale: ScalarOrArray,
    /// The degrees of freedom beyond D.
    #[serde(default = "super::hyper::tenth")]
    pub emission_prior_extra_df: f64,
}

impl SharedCovarianceGaussian {
    fn prior(&self) -> NormalInverseWishart {
        NormalInverseWishart {
            mean: self.emission_prior_mean.vector(self.emission_dim),
            concentration: self.emission_prior_concentration,
            df: self.emission_dim as f64 + self.emission_prior_extra_df,
            scale: self.emission_prior_scale.matrix(self.emission_dim),
        }
    }
}

impl Component for SharedCovarianceGaussian {
    fn schema(&self) -> Vec<ParamSpec> {
        let (k, d) = (self.num_states, self.emission_dim);
        vec![
            ParamSpec::new("emissions.means", "emission_means", &[k, d], Constraint::Real),
            ParamSpec::new("emissions.cov", "emission_covariance", &[d, d], Constraint::PositiveDefinite)
                .with_state_axes(0),
        ]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("emission_dim", self.emission_dim)?;
        self.emission_prior_mean.check_vector("emission_prior_mean", self.emission_dim)?;
        check_positive("emission_prior_concentration", self.emission_prior_concentration)?;
        self.emission_prior_scale.check_matrix("emission_prior_scale", self.emission_dim)?;
        check_positive("emission_prior_extra_df", self.emission_prior_extra_df)
    }

    fn num_stats(&self) -> usize {
        self.num_states * moments_len(self.emission_dim)
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        let moments = Moments::read_all(stats, self.emission_dim);
        let cov = params[1].values();
        let term = |(k, m): (usize, &Moments)| m.expected_log_prob(m.weight, params[0].row(k), cov);
        moments.iter().enumerate().map(term).sum()
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        let [g_means, g_cov] = gradient else { return };
        for (k, m) in Moments::read_all(stats, self.emission_dim).iter().enumerate() {
            let (mean, cov) = (params[0].row(k), params[1].values());
            m.add_gradient(m.weight, mean, cov, g_means.row_mut(k), g_cov.values_mut());
        }
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        let means: Vec<&[f64]> = (0..self.num_states).map(|k| params[0].row(k)).collect();
        self.prior().log_prob_of_means(&means, params[1].values())
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        let [g_means, g_cov] = gradient else { return };
        let (means, cov) = (params[0].values(), params[1].values());
        self.prior().add_gradient(means, cov, g_means.values_mut(), g_cov.values_mut());
    }

    /// μ_k = (κ m + Σγ y) / (κ + Σγ),
    /// Σ = (Ψ + Σ_k [κ (μ_k − m)(μ_k − m)ᵀ + Σγ (y − μ_k)(y − μ_k)ᵀ]) / (ν + K + D + 1 + ΣΣγ).
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        let [means, cov] = params else { return Maximised::NoClosedForm };
        if !step.is_whole() {
            return Maximised::NoClosedForm;
        }
        let (k, d) = (self.num_states, self.emission_dim);
        let moments = Moments::read_all(step.stats, d);
        let total: f64 = moments.iter().map(|m| m.weight).sum();
        let prior = step.prior.then(|| self.prior());
        let mut repairs = 0;
        for (k, m) in moments.iter().enumerate() {
            if prior.is_none() && has_no_weight(m.weight, total) {
                repairs += 1;
            } else if step.moves(0) {
                move_mean(m, prior.as_ref().map(|p| (p.concentration, &p.mean[..])), means.row_mut(k));
            }
        }
        if step.moves(1) && (prior.is_some() || total > 0.0) {
            let cov = cov.values_mut();
            cov.fill(0.0);
            for (k, m) in moments.iter().enumerate() {
                cov.iter_mut().zip(m.second_about(means.row(k))).for_each(|(c, s)| *c += s);
            }
            let mut n = total;
            if let Some(prior) = &prior {
                let means: Vec<&[f64]> = means.values().chunks_exact(d).collect();
                cov.iter_mut().zip(prior.second(&means)).for_each(|(c, s)| *c += s);
                n += prior.df + (k + d) as f64 + 1.0;
            }
            cov.iter_mut().for_each(|c| *c /= n);
            repairs += usize::from(repair_covariance(cov, &variance_floors(moments.iter(), d)));
        }
        Maximised::Done { repairs }
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let (prior, k, d) = (self.prior(), self.num_states, self.emission_dim);
        let cov = prior.sample_cov(rng);
        let means = (0..k).flat_map(|_| prior.sample_mean(&cov, rng)).collect();
        vec![Array::new(&[k, d], means), Array::new(&[d, d], cov)]
    }
}

impl Emission for SharedCovarianceGaussian {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.emission_dim]
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let covs = params[1].values().repeat(self.num_states);
        let gaussians = Gaussians::new(self.emission_dim, params[0].values(), covs, "emissions.cov")?;
        Ok(Box::new(PreparedGaussian(gaussians)))
    }
}
