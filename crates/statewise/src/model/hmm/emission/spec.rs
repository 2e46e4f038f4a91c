//! The families by name: what a model file, a command line or Python says to get one.

use serde::{Deserialize, Serialize};

use super::{
    Bernoulli, Categorical, CategoricalRegression, Channels, DiagonalGaussian, DiagonalGaussianMixture,
    Emission, Exponential, Gamma, Gaussian, GaussianMixture, LinearAutoregressive, LinearRegression,
    LogNormal, LogisticRegression, LowRankGaussian, Multinomial, NegativeBinomial, Poisson,
    SharedCovarianceGaussian, SphericalGaussian, StudentT, VonMises, ZeroInflatedPoisson,
};
use crate::error::Result;

/// Declares the enum of families, and what follows from the list alone.
macro_rules! families {
    ($($(#[$doc:meta])* $family:ident,)+) => {
        /// An emission family with its sizes and hyper-parameters, without parameters.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "family", rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum EmissionSpec {
            $($(#[$doc])* $family($family),)+
        }

        impl EmissionSpec {
            fn into_family(self) -> Box<dyn Emission> {
                match self {
                    $(EmissionSpec::$family(family) => Box::new(family),)+
                }
            }

            /// The family, unchecked.
            pub(super) fn family(&self) -> &dyn Emission {
                match self {
                    $(EmissionSpec::$family(family) => family,)+
                }
            }
        }

        $(impl From<$family> for EmissionSpec {
            fn from(family: $family) -> Self {
                EmissionSpec::$family(family)
            }
        })+
    };
}

families! {
    /// Independent binary entries.
    Bernoulli,
    /// Independent labels.
    Categorical,
    /// A label by multinomial regression on the inputs.
    CategoricalRegression,
    /// A product of families over columns.
    Channels,
    /// Vectors of independent entries.
    DiagonalGaussian,
    /// Vectors from a mixture of Gaussians with independent entries per state.
    DiagonalGaussianMixture,
    /// Waiting times.
    Exponential,
    /// Positive numbers with a shape and a rate.
    Gamma,
    /// Vectors with a full covariance matrix per state.
    Gaussian,
    /// Vectors from a mixture of Gaussians per state.
    GaussianMixture,
    /// Vectors with a mean linear in the vectors before.
    LinearAutoregressive,
    /// Vectors with a mean linear in the inputs.
    LinearRegression,
    /// Positive numbers whose logarithms are normal.
    LogNormal,
    /// A binary label by logistic regression on the inputs.
    LogisticRegression,
    /// Vectors with a diagonal plus low-rank covariance per state.
    LowRankGaussian,
    /// Counts of classes among a number of trials.
    Multinomial,
    /// Counts that vary more than Poisson counts.
    NegativeBinomial,
    /// Independent counts.
    Poisson,
    /// Vectors with one covariance matrix for all states.
    SharedCovarianceGaussian,
    /// Vectors with one variance per state.
    SphericalGaussian,
    /// Vectors with heavy tails.
    StudentT,
    /// Angles.
    VonMises,
    /// Counts with extra zeros.
    ZeroInflatedPoisson,
}

impl EmissionSpec {
    /// The family, once its sizes and hyper-parameters are checked.
    ///
    /// # Errors
    /// The first hyper-parameter that is out of range.
    pub fn build(&self) -> Result<Box<dyn Emission>> {
        let family = self.clone().into_family();
        family.check_hyperparameters()?;
        Ok(family)
    }

    /// K.
    pub fn num_states(&self) -> usize {
        self.family().num_states()
    }
}
