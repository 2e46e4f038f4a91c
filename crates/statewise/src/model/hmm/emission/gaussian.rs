//! Gaussian emissions with a full covariance matrix per state.
//!
//! p(y_t | z_t = k) = N(y_t | μ_k, Σ_k),  (μ_k, Σ_k) ~ NormalInverseWishart(m, κ, ν = D + extra_df, Ψ)
//!
//! Rows with gaps have the exact marginal density of what is observed.

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::conjugate::{Moving, NormalInverseWishart, maximise_gaussians, sample_gaussian};
use super::gaussians::Gaussians;
use super::moments::{Moments, moments_len};
use super::variance_floor::variance_floors;
use super::{Emission, Prepared, ScalarOrArray};
use crate::data::Sequence;
use crate::error::Result;
use crate::model::hmm::component::{Component, MStep, Maximised, check_positive, check_size};
use crate::params::{Array, Constraint, ParamSpec};

/// The Gaussian family with its normal-inverse-Wishart prior.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gaussian {
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
    /// ν − D, the degrees of freedom beyond D.
    #[serde(default = "super::hyper::tenth")]
    pub emission_prior_extra_df: f64,
}

impl Gaussian {
    fn prior(&self) -> NormalInverseWishart {
        NormalInverseWishart {
            mean: self.emission_prior_mean.vector(self.emission_dim),
            concentration: self.emission_prior_concentration,
            df: self.emission_dim as f64 + self.emission_prior_extra_df,
            scale: self.emission_prior_scale.matrix(self.emission_dim),
        }
    }
}

impl Component for Gaussian {
    fn schema(&self) -> Vec<ParamSpec> {
        let (k, d) = (self.num_states, self.emission_dim);
        vec![
            ParamSpec::new("emissions.means", "emission_means", &[k, d], Constraint::Real),
            ParamSpec::new(
                "emissions.covs",
                "emission_covariances",
                &[k, d, d],
                Constraint::PositiveDefinite,
            ),
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
        let term =
            |(k, m): (usize, &Moments)| m.expected_log_prob(m.weight, params[0].row(k), params[1].row(k));
        moments.iter().enumerate().map(term).sum()
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        let [g_means, g_covs] = gradient else { return };
        for (k, m) in Moments::read_all(stats, self.emission_dim).iter().enumerate() {
            let (mean, cov) = (params[0].row(k), params[1].row(k));
            m.add_gradient(m.weight, mean, cov, g_means.row_mut(k), g_covs.row_mut(k));
        }
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        let prior = self.prior();
        (0..self.num_states).map(|k| prior.log_prob(params[0].row(k), params[1].row(k))).sum()
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        let [g_means, g_covs] = gradient else { return };
        let prior = self.prior();
        for k in 0..self.num_states {
            prior.add_gradient(params[0].row(k), params[1].row(k), g_means.row_mut(k), g_covs.row_mut(k));
        }
    }

    /// The mode of the normal-inverse-Wishart posterior.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        let [means, covs] = params else { return Maximised::NoClosedForm };
        if !step.is_whole() {
            return Maximised::NoClosedForm;
        }
        let moments = Moments::read_all(step.stats, self.emission_dim);
        let counts: Vec<f64> = moments.iter().map(|m| m.weight).collect();
        let prior = step.prior.then(|| self.prior());
        let moving = Moving { means: step.moves(0), covs: step.moves(1) };
        let (means, covs) = (means.values_mut(), covs.values_mut());
        let floors = variance_floors(moments.iter(), self.emission_dim);
        let repairs = maximise_gaussians(&moments, &counts, &floors, prior.as_ref(), moving, means, covs);
        Maximised::Done { repairs }
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let (prior, d) = (self.prior(), self.emission_dim);
        let (mut means, mut covs) = (Vec::new(), Vec::new());
        for _ in 0..self.num_states {
            let cov = prior.sample_cov(rng);
            means.extend(prior.sample_mean(&cov, rng));
            covs.extend(cov);
        }
        vec![Array::new(&[self.num_states, d], means), Array::new(&[self.num_states, d, d], covs)]
    }
}

impl Emission for Gaussian {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.emission_dim]
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let (means, covs) = (params[0].values(), params[1].values());
        let gaussians = Gaussians::new(self.emission_dim, means, covs, "emissions.covs")?;
        Ok(Box::new(PreparedGaussian(gaussians)))
    }
}

/// What is ready for any family of one dense Gaussian per state.
pub(super) struct PreparedGaussian<'a>(pub(super) Gaussians<'a>);

impl Prepared for PreparedGaussian<'_> {
    fn log_likelihoods(&self, sequence: &Sequence<'_>, steps: Range<usize>, out: &mut [f64]) {
        self.0.log_likelihoods(sequence.emission_rows(steps), out);
    }

    fn accumulate(&self, sequence: &Sequence<'_>, steps: Range<usize>, gamma: &[f64], stats: &mut [f64]) {
        self.0.accumulate(sequence.emission_rows(steps), gamma, stats);
    }

    fn sample(&self, state: usize, _: &Sequence<'_>, _: usize, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        sample_gaussian(self.0.mean(state), self.0.chol(state), rng, out);
    }

    fn moments(&self, state: usize, _: &Sequence<'_>, _: usize, mean: &mut [f64], cov: &mut [f64]) {
        mean.copy_from_slice(self.0.mean(state));
        cov.copy_from_slice(self.0.cov(state));
    }
}
