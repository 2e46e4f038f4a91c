//! Transition models of hidden Markov models, one a file.

mod softmax;
mod standard;

use serde::{Deserialize, Serialize};

pub use softmax::SoftmaxTransitions;
pub use standard::StandardTransitions;

use super::component::Component;
use crate::error::Result;
use crate::params::Array;

/// p(z_t | z_{t-1}, u_t). Paths of its parameters start with `transitions.`.
pub trait Transition: Component {
    /// U, the dimension of the inputs that drive the transitions; 0 if one matrix serves all steps.
    fn input_dim(&self) -> usize {
        0
    }

    /// Writes A(i, j) = p(z_t = j | z_{t-1} = i, u_t), \[K, K\]; `input` is empty without inputs.
    fn matrix(&self, params: &[Array], input: &[f64], out: &mut [f64]);

    /// Adds pair marginals ξ(i, j), \[K, K\]: of one step with its input, or summed over all steps
    /// where there are no inputs.
    fn accumulate(&self, params: &[Array], input: &[f64], pairs: &[f64], stats: &mut [f64]);
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
