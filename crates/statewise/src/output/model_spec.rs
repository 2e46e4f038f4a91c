//! What kind of model a file holds: the one list of all kinds.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::learn::Learnable;
use crate::model::hmm::{Hmm, HmmSpec};
use crate::model::linear_gaussian::{LinearGaussianSpec, LinearGaussianSsm};
use crate::model::structural::{StructuralSpec, StructuralTimeSeries};

/// The specification of a model of any kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModelSpec {
    /// A hidden Markov model.
    Hmm(HmmSpec),
    /// A linear Gaussian state space model.
    LinearGaussian(LinearGaussianSpec),
    /// A structural time series model.
    Structural(StructuralSpec),
}

impl ModelSpec {
    /// Builds the model: its schema, and all that learners need.
    ///
    /// # Errors
    /// Sizes or hyper-parameters that do not fit.
    pub fn build(&self) -> Result<Box<dyn Learnable>> {
        Ok(match self {
            ModelSpec::Hmm(spec) => Box::new(Hmm::new(spec.clone())?),
            ModelSpec::LinearGaussian(spec) => Box::new(LinearGaussianSsm::new(spec.clone())?),
            ModelSpec::Structural(spec) => Box::new(StructuralTimeSeries::new(spec.clone())?),
        })
    }

    /// The kind in words.
    pub fn kind(&self) -> &'static str {
        match self {
            ModelSpec::Hmm(_) => "a hidden Markov model",
            ModelSpec::LinearGaussian(_) => "a linear Gaussian model",
            ModelSpec::Structural(_) => "a structural time series model",
        }
    }
}
