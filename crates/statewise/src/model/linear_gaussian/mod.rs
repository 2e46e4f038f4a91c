//! Linear Gaussian state space models.

mod conjugate;
mod covariance;
mod draw;
mod e_step;
mod gibbs;
mod lagged_moments;
mod learnable;
mod least_squares;
mod lgssm_params;
mod m_step;
mod matrix;
mod missing_entries;
mod principal_components;
mod regression;
mod spec;
mod ssm;
mod start;
mod subspace;

pub use conjugate::{InverseWishart, MatrixNormalInverseWishart, NormalInverseWishart, RegressionSums};
pub use covariance::CovarianceForm;
pub use gibbs::{Gibbs, GibbsSamples, GibbsState};
pub use lgssm_params::{LgssmParams, Offsets};
pub use spec::{ConjugatePriors, LinearGaussianSpec};
pub use ssm::LinearGaussianSsm;
pub use start::Start;
