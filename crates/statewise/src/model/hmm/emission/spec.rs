//! The families by name: what a model file, a command line or Python says to get one.

use serde::{Deserialize, Serialize};

use super::{
    CategoricalRegression, DiagonalGaussian, DiagonalGaussianMixture, Emission, Gaussian, GaussianMixture,
    LinearAutoregressive, LinearRegression, LogisticRegression, LowRankGaussian, Poisson,
    SharedCovarianceGaussian, SphericalGaussian, StudentT,
};
use crate::error::Result;

/// An emission family with its sizes and hyper-parameters, without parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EmissionSpec {
    /// Vectors with a full covariance matrix per state.
    Gaussian(Gaussian),
    /// Vectors of independent entries.
    DiagonalGaussian(DiagonalGaussian),
    /// Vectors with a diagonal plus low-rank covariance per state.
    LowRankGaussian(LowRankGaussian),
    /// Vectors with one covariance matrix for all states.
    SharedCovarianceGaussian(SharedCovarianceGaussian),
    /// Vectors with one variance per state.
    SphericalGaussian(SphericalGaussian),
    /// Vectors with heavy tails.
    StudentT(StudentT),
    /// Vectors from a mixture of Gaussians per state.
    GaussianMixture(GaussianMixture),
    /// Vectors from a mixture of Gaussians with independent entries per state.
    DiagonalGaussianMixture(DiagonalGaussianMixture),
    /// Vectors with a mean linear in the inputs.
    LinearRegression(LinearRegression),
    /// Vectors with a mean linear in the vectors before.
    LinearAutoregressive(LinearAutoregressive),
    /// A binary label by logistic regression on the inputs.
    LogisticRegression(LogisticRegression),
    /// A label by multinomial regression on the inputs.
    CategoricalRegression(CategoricalRegression),
    /// Independent counts.
    Poisson(Poisson),
}

impl EmissionSpec {
    /// The family, once its sizes and hyper-parameters are checked.
    ///
    /// # Errors
    /// The first hyper-parameter that is out of range.
    pub fn build(&self) -> Result<Box<dyn Emission>> {
        let family: Box<dyn Emission> = match self.clone() {
            EmissionSpec::Gaussian(family) => Box::new(family),
            EmissionSpec::DiagonalGaussian(family) => Box::new(family),
            EmissionSpec::LowRankGaussian(family) => Box::new(family),
            EmissionSpec::SharedCovarianceGaussian(family) => Box::new(family),
            EmissionSpec::SphericalGaussian(family) => Box::new(family),
            EmissionSpec::StudentT(family) => Box::new(family),
            EmissionSpec::GaussianMixture(family) => Box::new(family),
            EmissionSpec::DiagonalGaussianMixture(family) => Box::new(family),
            EmissionSpec::LinearRegression(family) => Box::new(family),
            EmissionSpec::LinearAutoregressive(family) => Box::new(family),
            EmissionSpec::LogisticRegression(family) => Box::new(family),
            EmissionSpec::CategoricalRegression(family) => Box::new(family),
            EmissionSpec::Poisson(family) => Box::new(family),
        };
        family.check_hyperparameters()?;
        Ok(family)
    }
}
