//! Linear Gaussian state space models.

mod params;

pub(crate) use params::Lgssm;
