//! Engines for discrete hidden states, on chain potentials.

pub mod potentials;

pub use potentials::{Chain, ChainError, LogObs, Observations, Transitions};

mod standin;
pub use standin::*;
