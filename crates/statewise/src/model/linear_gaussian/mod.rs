//! Linear Gaussian state space models.

mod lgssm_params;

pub use lgssm_params::{LgssmParams, Offsets};
