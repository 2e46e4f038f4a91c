//! The families by name: what a model file, a command line or Python says to get one.

use serde::{Deserialize, Serialize};

use super::{
    Bernoulli, Categorical, Emission, Exponential, Gamma, LogNormal, Multinomial, NegativeBinomial,
    Poisson, VonMises, ZeroInflatedPoisson,
};
use crate::error::Result;

/// An emission family with its sizes and hyper-parameters, without parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EmissionSpec {
    /// Independent binary entries.
    Bernoulli(Bernoulli),
    /// Independent labels.
    Categorical(Categorical),
    /// Waiting times.
    Exponential(Exponential),
    /// Positive numbers with a shape and a rate.
    Gamma(Gamma),
    /// Positive numbers whose logarithms are normal.
    LogNormal(LogNormal),
    /// Counts of classes among a number of trials.
    Multinomial(Multinomial),
    /// Counts that vary more than Poisson counts.
    NegativeBinomial(NegativeBinomial),
    /// Independent counts.
    Poisson(Poisson),
    /// Angles.
    VonMises(VonMises),
    /// Counts with extra zeros.
    ZeroInflatedPoisson(ZeroInflatedPoisson),
}

impl EmissionSpec {
    /// The family, once its sizes and hyper-parameters are checked.
    ///
    /// # Errors
    /// The first hyper-parameter that is out of range.
    pub fn build(&self) -> Result<Box<dyn Emission>> {
        let family: Box<dyn Emission> = match self.clone() {
            EmissionSpec::Bernoulli(family) => Box::new(family),
            EmissionSpec::Categorical(family) => Box::new(family),
            EmissionSpec::Exponential(family) => Box::new(family),
            EmissionSpec::Gamma(family) => Box::new(family),
            EmissionSpec::LogNormal(family) => Box::new(family),
            EmissionSpec::Multinomial(family) => Box::new(family),
            EmissionSpec::NegativeBinomial(family) => Box::new(family),
            EmissionSpec::Poisson(family) => Box::new(family),
            EmissionSpec::VonMises(family) => Box::new(family),
            EmissionSpec::ZeroInflatedPoisson(family) => Box::new(family),
        };
        family.check_hyperparameters()?;
        Ok(family)
    }
}
