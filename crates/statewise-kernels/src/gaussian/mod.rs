//! Engines for Gaussian states: filters and smoothers of linear Gaussian systems.

mod block_tridiagonal;
mod gradient;
mod information;
mod square_root;
mod system;

pub use block_tridiagonal::{
    BlockTridiagonal, BlockTridiagonalMoments, BlockTridiagonalWorkspace, block_tridiagonal_expectations,
    block_tridiagonal_log_normalizer,
};
pub use gradient::{Gradient, StepsMut};
pub use information::{
    InformationEstimates, InformationReport, InformationSmoothed, InformationSystem, InformationWorkspace,
    info_to_moment_form, information_filter, information_smoother,
};
pub use square_root::{
    Estimates, SquareRootFiltered, SquareRootReport, SquareRootSmoothed, SquareRootWorkspace,
    square_root_filter, square_root_gradient, square_root_smoother, two_filter_smoother,
};
pub(crate) use system::length;
pub use system::{GaussianError, Noise, Series, Steps, System};
