//! Gaussian emissions whose mean is linear in the emissions before, and in inputs if there are any.
//!
//! p(y_t | z_t = k, y_{<t}, u_t) = N(y_t | Σ_l W_kl y_{t−l} + V_k u_t + b_k, Σ_k), without a prior
//!
//! Lags are read from the sequence itself, zeros before its start. A row of which a lag is missing
//! counts as missing: its likelihood is one, which is not the marginal over the lag.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::regression::{Features, PreparedRegression, Regression};
use super::{Emission, Prepared};
use crate::data::Sequence;
use crate::error::Result;
use crate::model::hmm::component::{Component, MStep, Maximised, check_size};
use crate::params::{Array, ParamSpec};

/// The family of vector autoregressions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearAutoregressive {
    /// K.
    pub num_states: usize,
    /// D.
    pub emission_dim: usize,
    /// L, in time steps.
    #[serde(default = "default_lags")]
    pub num_lags: usize,
    /// U, columns of inputs; their weights follow those of the lags.
    #[serde(default)]
    pub input_dim: usize,
}

fn default_lags() -> usize {
    1
}

/// x_t = (y_{t−1}, .., y_{t−L}, u_t).
struct Lags {
    num_lags: usize,
}

impl Features for Lags {
    fn write(&self, sequence: &Sequence<'_>, t: usize, out: &mut [f64]) {
        let (lags, inputs) = out.split_at_mut(self.num_lags * sequence.width);
        for (lag, out) in (1..).zip(lags.chunks_exact_mut(sequence.width)) {
            match t.checked_sub(lag) {
                Some(past) => out.copy_from_slice(sequence.emission(past)),
                None => out.fill(0.0),
            }
        }
        if !inputs.is_empty() {
            inputs.copy_from_slice(sequence.input(t));
        }
    }
}

impl LinearAutoregressive {
    fn regression(&self) -> Regression {
        let LinearAutoregressive { num_states, emission_dim, num_lags, input_dim } = *self;
        Regression { num_states, emission_dim, num_features: num_lags * emission_dim + input_dim }
    }
}

impl Component for LinearAutoregressive {
    fn schema(&self) -> Vec<ParamSpec> {
        self.regression().schema()
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("emission_dim", self.emission_dim)?;
        check_size("num_lags", self.num_lags)
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

    /// 0.95 I for the first lag plus noise of size 0.01, biases of size 1, unit covariances.
    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let (k, d) = (self.num_states, self.emission_dim);
        let p = self.regression().num_features;
        let mut normals = |n: usize, scale: f64| -> Vec<f64> {
            let draw = |_| scale * Distribution::<f64>::sample(&StandardNormal, rng);
            (0..n).map(draw).collect()
        };
        let mut weights = Array::new(&[k, d, p], normals(k * d * p, 0.01));
        for state in weights.values_mut().chunks_exact_mut(d * p) {
            (0..d).for_each(|i| state[i * p + i] += 0.95);
        }
        vec![weights, Array::new(&[k, d], normals(k * d, 1.0)), Array::identities(k, d, 1.0)]
    }
}

impl Emission for LinearAutoregressive {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.emission_dim]
    }

    fn input_dim(&self) -> usize {
        self.input_dim
    }

    fn num_lags(&self) -> usize {
        self.num_lags
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let lags = Lags { num_lags: self.num_lags };
        Ok(Box::new(PreparedRegression::new(self.regression(), lags, params)?))
    }
}
