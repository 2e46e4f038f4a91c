//! Engines for Gaussian states: filters and smoothers of linear Gaussian systems.

mod system;

pub(crate) use system::length;
pub use system::{GaussianError, Noise, Series, Steps, System};
