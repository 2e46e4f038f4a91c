//! Hidden Markov models.

pub mod emission;
