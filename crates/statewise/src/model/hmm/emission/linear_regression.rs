//! Gaussian emissions whose mean is linear in the inputs.
//!
//! p(y_t | z_t = k, u_t) = N(y_t | W_k u_t + b_k, Σ_k), without a prior

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::regression::{Features, PreparedRegression, Regression};
use super::{Emission, Prepared};
use crate::data::Sequence;
use crate::error::Result;
use crate::model::hmm::component::{Component, MStep, Maximised, check_size};
use crate::params::{Array, ParamSpec};

/// The family of linear regressions on the inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearRegression {
    /// K.
    pub num_states: usize,
    /// U.
    pub input_dim: usize,
    /// D.
    pub emission_dim: usize,
}

/// x_t = u_t.
struct Inputs;

impl Features for Inputs {
    fn write(&self, sequence: &Sequence<'_>, t: usize, out: &mut [f64]) {
        out.copy_from_slice(sequence.input(t));
    }
}

impl LinearRegression {
    fn regression(&self) -> Regression {
        let LinearRegression { num_states, input_dim, emission_dim } = *self;
        Regression { num_states, emission_dim, num_features: input_dim }
    }
}

impl Component for LinearRegression {
    fn schema(&self) -> Vec<ParamSpec> {
        self.regression().schema()
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("input_dim", self.input_dim)?;
        check_size("emission_dim", self.emission_dim)
    }

    fn num_stats(&self) -> usize {
        self.regression().num_stats()
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        self.regression().expected_log_prob(params, stats)
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        self.regression().expected_log_prob_gradient(params, stats, gradient);
    }

    fn log_prior(&self, _: &[Array]) -> f64 {
        0.0
    }

    fn log_prior_gradient(&self, _: &[Array], _: &mut [Array]) {}

    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        self.regression().maximise(step, params)
    }

    /// Weights of size 0.01, biases of size 1, unit covariances.
    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let (k, d, u) = (self.num_states, self.emission_dim, self.input_dim);
        let mut normals = |n: usize, scale: f64| -> Vec<f64> {
            let draw = |_| scale * Distribution::<f64>::sample(&StandardNormal, rng);
            (0..n).map(draw).collect()
        };
        let weights = Array::new(&[k, d, u], normals(k * d * u, 0.01));
        vec![weights, Array::new(&[k, d], normals(k * d, 1.0)), Array::identities(k, d, 1.0)]
    }
}

impl Emission for LinearRegression {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.emission_dim]
    }

    fn input_dim(&self) -> usize {
        self.input_dim
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        Ok(Box::new(PreparedRegression::new(self.regression(), Inputs, params)?))
    }
}
