//! Gaussian emissions whose dimensions are independent given the state.
//!
//! p(y_t | z_t = k) = Π_d N(y_td | μ_kd, σ_kd²),  (μ_kd, σ_kd²) ~ NormalInverseGamma(m_d, κ, a, b_d)
//!
//! Parameters are standard deviations σ; the prior density is that of the variance.

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::conjugate::{Moving, NormalInverseGamma, maximise_scalars};
use super::independents::{self, Independents, floors_and_totals};
use super::moments::{Moments, moments_len};
use super::{Emission, Prepared, ScalarOrArray};
use crate::data::Sequence;
use crate::error::Result;
use crate::model::hmm::component::{Component, MStep, Maximised, check_positive, check_size};
use crate::params::{Array, Constraint, ParamSpec};

/// The diagonal Gaussian family with its normal-inverse-Gamma priors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiagonalGaussian {
    /// K.
    pub num_states: usize,
    /// D.
    pub emission_dim: usize,
    /// m, in units of y; a number or \[D\].
    #[serde(default = "super::hyper::zero")]
    pub emission_prior_mean: ScalarOrArray,
    /// κ, the rows that the prior mean is worth.
    #[serde(default = "super::hyper::tiny")]
    pub emission_prior_mean_concentration: f64,
    /// a, the shape of the inverse Gamma.
    #[serde(default = "super::hyper::tenth")]
    pub emission_prior_concentration: f64,
    /// b, its scale, in squared units of y; a number or \[D\].
    #[serde(default = "default_scale")]
    pub emission_prior_scale: ScalarOrArray,
}

fn default_scale() -> ScalarOrArray {
    ScalarOrArray::Scalar(0.1)
}

impl DiagonalGaussian {
    /// The prior of each dimension.
    fn priors(&self) -> Vec<NormalInverseGamma> {
        let means = self.emission_prior_mean.vector(self.emission_dim);
        let scales = self.emission_prior_scale.vector(self.emission_dim);
        let concentration = self.emission_prior_mean_concentration;
        let shape = self.emission_prior_concentration;
        let prior = |(mean, scale)| NormalInverseGamma { mean, concentration, shape, scale };
        means.into_iter().zip(scales).map(prior).collect()
    }
}

impl Component for DiagonalGaussian {
    fn schema(&self) -> Vec<ParamSpec> {
        let shape = [self.num_states, self.emission_dim];
        vec![
            ParamSpec::new("emissions.means", "emission_means", &shape, Constraint::Real),
            ParamSpec::new("emissions.scale_diags", "emission_scale_diags", &shape, Constraint::Positive),
        ]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("emission_dim", self.emission_dim)?;
        self.emission_prior_mean.check_vector("emission_prior_mean", self.emission_dim)?;
        check_positive("emission_prior_mean_concentration", self.emission_prior_mean_concentration)?;
        check_positive("emission_prior_concentration", self.emission_prior_concentration)?;
        self.emission_prior_scale.check_positive_vector("emission_prior_scale", self.emission_dim)
    }

    fn num_stats(&self) -> usize {
        self.num_states * self.emission_dim * moments_len(1)
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        independents::expected_log_prob(
            &Moments::read_all(stats, 1),
            params[0].values(),
            params[1].values(),
        )
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        let [g_means, g_scales] = gradient else { return };
        let (g_means, g_scales) = (g_means.values_mut(), g_scales.values_mut());
        let moments = Moments::read_all(stats, 1);
        independents::add_gradient(&moments, params[0].values(), params[1].values(), g_means, g_scales);
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        let priors = self.priors();
        let all = params[0].values().iter().zip(params[1].values()).zip(priors.iter().cycle());
        all.map(|((mean, scale), prior)| prior.log_prob(*mean, *scale)).sum()
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        for (i, prior) in (0..params[0].values().len()).zip(self.priors().iter().cycle()) {
            let (mean, scale) = prior.gradient(params[0].values()[i], params[1].values()[i]);
            gradient[0].values_mut()[i] += mean;
            gradient[1].values_mut()[i] += scale;
        }
    }

    /// The mode of the normal-inverse-Gamma posterior of each dimension.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        let [means, scales] = params else { return Maximised::NoClosedForm };
        if !step.is_whole() {
            return Maximised::NoClosedForm;
        }
        let moments = Moments::read_all(step.stats, 1);
        let (floors, totals) = floors_and_totals(&moments, self.emission_dim);
        let priors = self.priors();
        let repairs = maximise_scalars(
            &moments,
            |i| step.prior.then(|| priors[i % self.emission_dim]),
            (&floors, &totals),
            Moving { means: step.moves(0), covs: step.moves(1) },
            means.values_mut(),
            scales.values_mut(),
        );
        Maximised::Done { repairs }
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let shape = [self.num_states, self.emission_dim];
        let priors = self.priors();
        let draws = (0..shape[0] * shape[1]).map(|i| priors[i % shape[1]].sample(rng));
        let (means, scales) = draws.unzip();
        vec![Array::new(&shape, means), Array::new(&shape, scales)]
    }
}

impl Emission for DiagonalGaussian {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.emission_dim]
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let (means, scales) = (params[0].values(), params[1].values());
        let ready = Independents::new(self.emission_dim, means, scales, "emissions.scale_diags")?;
        Ok(Box::new(PreparedIndependents(ready)))
    }
}

/// What is ready for any family of one Gaussian with independent dimensions per state.
pub(super) struct PreparedIndependents<'a>(pub(super) Independents<'a>);

impl Prepared for PreparedIndependents<'_> {
    fn log_likelihoods(&self, sequence: &Sequence<'_>, steps: Range<usize>, out: &mut [f64]) {
        self.0.log_likelihoods(sequence.emission_rows(steps), out);
    }

    fn accumulate(&self, sequence: &Sequence<'_>, steps: Range<usize>, gamma: &[f64], stats: &mut [f64]) {
        self.0.accumulate(sequence.emission_rows(steps), gamma, stats);
    }

    fn sample(&self, state: usize, _: &Sequence<'_>, _: usize, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        self.0.sample(state, rng, out);
    }

    fn moments(&self, state: usize, _: &Sequence<'_>, _: usize, mean: &mut [f64], cov: &mut [f64]) {
        self.0.moments(state, mean, cov);
    }
}
