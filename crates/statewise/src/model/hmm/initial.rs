//! The distribution of the first state: π ~ Dirichlet(α, …, α).

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::component::{Component, MStep, Maximised, check_positive, check_size};
use super::dirichlet::{self, Rows};
use crate::error::Result;
use crate::params::{Array, Constraint, ParamSpec};

/// The initial distribution with its Dirichlet prior. Statistics: Σ_n p(z_1 = k | y), \[K\].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitialState {
    /// K.
    pub num_states: usize,
    /// α, the concentration of the Dirichlet prior.
    #[serde(default = "default_concentration")]
    pub initial_probs_concentration: f64,
}

fn default_concentration() -> f64 {
    1.1
}

impl InitialState {
    /// K states with the default prior.
    pub fn new(num_states: usize) -> Self {
        InitialState { num_states, initial_probs_concentration: default_concentration() }
    }

    fn rows(&self) -> Rows {
        Rows::new(1, self.num_states, self.initial_probs_concentration)
    }
}

impl Component for InitialState {
    /// `initial.probs`, shape \[K\].
    fn schema(&self) -> Vec<ParamSpec> {
        vec![ParamSpec::new("initial.probs", "initial_probs", &[self.num_states], Constraint::Simplex)]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_positive("initial_probs_concentration", self.initial_probs_concentration)
    }

    fn num_stats(&self) -> usize {
        self.num_states
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        dirichlet::expected_log_prob(stats, params[0].values())
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        dirichlet::add_count_gradient(stats, params[0].values(), gradient[0].values_mut());
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        self.rows().log_density(params[0].values())
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        self.rows().add_log_density_gradient(params[0].values(), gradient[0].values_mut());
    }

    /// π ∝ n + α − 1 (the posterior mode), fixed entries kept.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        self.rows().maximise(step.stats, step.prior, &step.properties[0], params[0].values_mut());
        Maximised::Done { repairs: 0 }
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        vec![Array::new(&[self.num_states], self.rows().sample(rng))]
    }
}
