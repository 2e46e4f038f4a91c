//! Engines for Gaussian states: filters and smoothers of linear Gaussian systems.

mod gradient;
mod square_root;
mod system;

pub use gradient::{Gradient, StepsMut};
pub use square_root::{
    Estimates, SquareRootFiltered, SquareRootReport, SquareRootSmoothed, SquareRootWorkspace,
    square_root_filter, square_root_gradient, square_root_smoother,
};
pub(crate) use system::length;
pub use system::{GaussianError, Noise, Series, Steps, System};
