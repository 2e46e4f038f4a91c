//! Transition models of hidden Markov models, one a file.

mod softmax;
mod standard;

use std::fmt::Debug;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use softmax::SoftmaxTransitions;
pub use standard::StandardTransitions;

use super::emission::MStep;
use crate::error::Result;
use crate::params::{Array, ParamSpec};

/// p(z_t | z_{t-1}, u_t). Parameter slices are in the order of the schema.
pub trait Transition: Debug + Send + Sync {
    /// U, the dimension of the inputs that drive the transitions; 0 if one matrix serves all steps.
    fn input_dim(&self) -> usize {
        0
    }

    /// Names, shapes and constraints of the parameters. Paths start with `transitions.`.
    fn schema(&self) -> Vec<ParamSpec>;

    /// Checks sizes and hyper-parameters.
    ///
    /// # Errors
    /// The first that is out of range.
    fn check_hyperparameters(&self) -> Result<()>;

    /// Writes A(i, j) = p(z_t = j | z_{t-1} = i, u_t), \[K, K\]; `input` is empty without inputs.
    fn matrix(&self, params: &[Array], input: &[f64], out: &mut [f64]);

    /// Number of expected sufficient statistics.
    fn num_stats(&self) -> usize;

    /// Adds pair marginals ξ(i, j), \[K, K\]: of one step with its input, or summed over all steps
    /// where there are no inputs.
    fn accumulate(&self, params: &[Array], input: &[f64], pairs: &[f64], stats: &mut [f64]);

    /// E_q[log p(z_{2:T} | z_1)] as a function of the statistics (or a lower bound that is tight
    /// in value and slope at the parameters of the E-step).
    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64;

    /// Adds its gradient.
    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]);

    /// log p(θ).
    fn log_prior(&self, params: &[Array]) -> f64;

    /// Adds its gradient.
    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]);

    /// Maximises the expected log-likelihood (plus the log prior if `step.prior`) in place.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]);

    /// Draws parameters from the prior.
    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array>;
}

/// A transition model with its sizes and hyper-parameters, without parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum TransitionSpec {
    /// One matrix for all steps.
    Standard(StandardTransitions),
    /// A matrix per step, driven by inputs.
    Softmax(SoftmaxTransitions),
}

impl TransitionSpec {
    /// The model, once its sizes and hyper-parameters are checked.
    ///
    /// # Errors
    /// The first that is out of range.
    pub fn build(&self) -> Result<Box<dyn Transition>> {
        let model: Box<dyn Transition> = match self.clone() {
            TransitionSpec::Standard(model) => Box::new(model),
            TransitionSpec::Softmax(model) => Box::new(model),
        };
        model.check_hyperparameters()?;
        Ok(model)
    }
}
