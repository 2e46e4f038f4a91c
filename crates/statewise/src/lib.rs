//! State space models: filtering, smoothing, forecasting and learning of hidden states.
//!
//! A model is built from a specification, its parameters are named arrays ([`params::Params`]),
//! data are sequences with gaps, inputs and weights ([`data::Dataset`]).

pub mod data;
pub mod diagnose;
mod dual;
mod error;
pub mod infer;
pub mod learn;
pub mod model;
pub mod output;
pub mod params;

pub mod threads;
mod workspace;

pub use error::{Error, Result};
pub use statewise_kernels::random::Seed;

/// The front page's Rust example, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ReadMe;
