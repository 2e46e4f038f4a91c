//! The families by name: what a model file, a command line or Python says to get one.

use serde::{Deserialize, Serialize};

use super::{
    Bernoulli, Categorical, Channels, Emission, Exponential, Gamma, LogNormal, Multinomial,
    NegativeBinomial, Poisson, VonMises, ZeroInflatedPoisson,
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
    /// A product of families over columns.
    Channels(Channels),
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

/// Evaluates a result for the family of any variant.
macro_rules! with_family {
    ($spec:expr, $family:ident => $result:expr) => {
        match $spec {
            EmissionSpec::Bernoulli($family) => $result,
            EmissionSpec::Categorical($family) => $result,
            EmissionSpec::Channels($family) => $result,
            EmissionSpec::Exponential($family) => $result,
            EmissionSpec::Gamma($family) => $result,
            EmissionSpec::LogNormal($family) => $result,
            EmissionSpec::Multinomial($family) => $result,
            EmissionSpec::NegativeBinomial($family) => $result,
            EmissionSpec::Poisson($family) => $result,
            EmissionSpec::VonMises($family) => $result,
            EmissionSpec::ZeroInflatedPoisson($family) => $result,
        }
    };
}

impl EmissionSpec {
    /// The family, once its sizes and hyper-parameters are checked.
    ///
    /// # Errors
    /// The first hyper-parameter that is out of range.
    pub fn build(&self) -> Result<Box<dyn Emission>> {
        self.family().check_hyperparameters()?;
        Ok(with_family!(self.clone(), family => Box::new(family)))
    }

    /// The family, unchecked.
    pub(super) fn family(&self) -> &dyn Emission {
        with_family!(self, family => family)
    }
}
