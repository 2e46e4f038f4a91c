//! What a linear Gaussian model is made of, without parameters.

use serde::{Deserialize, Serialize};

use super::conjugate::{MatrixNormalInverseWishart, NormalInverseWishart};
use super::covariance::CovarianceForm;
use super::covariance_blocks::Kind;
use crate::error::{Error, Result};

/// Sizes, structure and priors of a linear Gaussian state space model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearGaussianSpec {
    /// D.
    pub state_dim: usize,
    /// M.
    pub emission_dim: usize,
    /// U, 0 without inputs.
    #[serde(default)]
    pub input_dim: usize,
    /// Whether there is b.
    #[serde(default = "yes")]
    pub has_dynamics_bias: bool,
    /// Whether there is d.
    #[serde(default = "yes")]
    pub has_emissions_bias: bool,
    /// The form of S.
    #[serde(default)]
    pub initial_cov: CovarianceForm,
    /// The form of Q.
    #[serde(default)]
    pub dynamics_cov: CovarianceForm,
    /// The form of R.
    #[serde(default)]
    pub emissions_cov: CovarianceForm,
    /// Conjugate priors; without them learning is by maximum likelihood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<Box<ConjugatePriors>>,
}

fn yes() -> bool {
    true
}

/// Priors of the three parts.
///
/// Where a covariance is diagonal, its variances have the inverse gammas that are the marginals of the
/// inverse Wishart, InverseGamma((ν − N + 1)/2, Ψ_ii/2); a scalar one has that of the mean of Ψ_ii. A full block
/// of n dimensions has the marginal InverseWishart(ν − N + n, Ψ_bb), blocks that share a value that of the mean of
/// Ψ_bb; blocks of form equal have no conjugate prior.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConjugatePriors {
    /// (m, S).
    pub initial: NormalInverseWishart,
    /// ((F, B, b), Q).
    pub dynamics: MatrixNormalInverseWishart,
    /// ((H, D, d), R).
    pub emissions: MatrixNormalInverseWishart,
}

impl LinearGaussianSpec {
    /// D states behind M emissions, with biases, full covariances and no priors, as Dynamax.
    pub fn new(state_dim: usize, emission_dim: usize) -> Self {
        LinearGaussianSpec {
            state_dim,
            emission_dim,
            input_dim: 0,
            has_dynamics_bias: true,
            has_emissions_bias: true,
            initial_cov: CovarianceForm::Full,
            dynamics_cov: CovarianceForm::Full,
            emissions_cov: CovarianceForm::Full,
            prior: None,
        }
    }

    /// Adds the priors of Dynamax's `LinearGaussianConjugateSSM`.
    pub fn with_default_priors(mut self) -> Self {
        self.prior = Some(Box::new(ConjugatePriors {
            initial: NormalInverseWishart::default_of(self.state_dim),
            dynamics: MatrixNormalInverseWishart::default_of(self.state_dim, self.dynamics_columns()),
            emissions: MatrixNormalInverseWishart::default_of(self.emission_dim, self.emissions_columns()),
        }));
        self
    }

    /// Columns of (F, B, b).
    pub fn dynamics_columns(&self) -> usize {
        self.state_dim + self.input_dim + usize::from(self.has_dynamics_bias)
    }

    /// Columns of (H, D, d).
    pub fn emissions_columns(&self) -> usize {
        self.state_dim + self.input_dim + usize::from(self.has_emissions_bias)
    }

    /// Checks sizes and priors.
    ///
    /// # Errors
    /// [`Error::Argument`] naming what does not fit: sizes, blocks that are no partition, priors.
    pub fn check(&self) -> Result<()> {
        for (name, size) in [("state_dim", self.state_dim), ("emission_dim", self.emission_dim)] {
            if size == 0 {
                return Err(Error::argument(name, 0, "at least 1"));
            }
        }
        let (d, m) = (self.state_dim, self.emission_dim);
        let forms = [
            ("initial_cov", &self.initial_cov, d),
            ("dynamics_cov", &self.dynamics_cov, d),
            ("emissions_cov", &self.emissions_cov, m),
        ];
        for (name, form, n) in forms {
            form.check(name, n)?;
            if self.prior.is_some() && form.groups(n, &[]).iter().any(|g| g.kind == Kind::Equal) {
                let expected = "blocks that are full, diagonal or scalar beside a conjugate prior";
                return Err(Error::argument(name, "a block of form equal", expected));
            }
        }
        let Some(prior) = &self.prior else { return Ok(()) };
        prior.initial.check("prior.initial", self.state_dim)?;
        prior.dynamics.check("prior.dynamics", self.state_dim, self.dynamics_columns())?;
        prior.emissions.check("prior.emissions", self.emission_dim, self.emissions_columns())
    }
}
