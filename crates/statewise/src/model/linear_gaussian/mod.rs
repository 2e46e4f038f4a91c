//! Linear Gaussian state space models.

mod array_checks;
mod conjugate;
mod covariance;
mod covariance_blocks;
mod covariance_step;
mod draw;
mod e_step;
mod gibbs;
mod info_params;
mod inverse_wishart;
mod lagged_moments;
mod learnable;
mod least_squares;
mod lgssm_params;
mod m_step;
mod matrix;
mod missing_entries;
mod offsets;
mod principal_components;
mod regression;
mod spec;
mod ssm;
mod start;
mod subspace;

pub use conjugate::{MatrixNormalInverseWishart, NormalInverseWishart, RegressionSums};
pub use covariance::CovarianceForm;
pub use covariance_blocks::{BlockForm, CovarianceBlock};
pub use gibbs::{Gibbs, GibbsSamples, GibbsState};
pub use info_params::LgssmInfoParams;
pub use inverse_wishart::InverseWishart;
pub use lgssm_params::LgssmParams;
pub use offsets::Offsets;
pub use spec::{ConjugatePriors, LinearGaussianSpec};
pub use ssm::LinearGaussianSsm;
pub use start::Start;
