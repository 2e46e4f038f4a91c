//! The distribution of the first state: π ~ Dirichlet(α, …, α).

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::dirichlet::{self, Rows};
use super::emission::{MStep, check_positive, check_size};
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

    /// `initial.probs`, shape \[K\].
    pub fn schema(&self) -> Vec<ParamSpec> {
        vec![ParamSpec::new("initial.probs", "initial_probs", &[self.num_states], Constraint::Simplex)]
    }

    /// Checks sizes and the concentration.
    ///
    /// # Errors
    /// The first that is out of range.
    pub fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_positive("initial_probs_concentration", self.initial_probs_concentration)
    }

    fn rows(&self) -> Rows {
        Rows::new(1, self.num_states, self.initial_probs_concentration)
    }

    /// log p(π).
    pub fn log_prior(&self, params: &[Array]) -> f64 {
        self.rows().log_density(params[0].values())
    }

    /// Adds the gradient of the log prior.
    pub fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        self.rows().add_log_density_gradient(params[0].values(), gradient[0].values_mut());
    }

    /// Adds the gradient of Σ_k n_k log π_k.
    pub fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        dirichlet::add_count_gradient(stats, params[0].values(), gradient[0].values_mut());
    }

    /// π ∝ n + α − 1 (the posterior mode), fixed entries kept.
    pub fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) {
        self.rows().maximise(step.stats, step.prior, &step.properties[0], params[0].values_mut());
    }

    /// Draws π from the prior.
    pub fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        vec![Array::new(&[self.num_states], self.rows().sample(rng))]
    }
}
