//! Linear Gaussian state space models.

mod conjugate;
mod covariance;
mod e_step;
mod learnable;
mod least_squares;
mod lgssm_params;
mod m_step;
mod matrix;
mod missing_entries;
mod regression;
mod spec;
mod ssm;

pub use conjugate::{InverseWishart, MatrixNormalInverseWishart, NormalInverseWishart, RegressionSums};
pub use covariance::CovarianceForm;
pub use lgssm_params::{LgssmParams, Offsets};
pub use spec::{ConjugatePriors, LinearGaussianSpec};
pub use ssm::LinearGaussianSsm;
