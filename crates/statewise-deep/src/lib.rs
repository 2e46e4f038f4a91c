//! Deep Markov models: p(x, z) = p(z₁) Π p(z_t | z_{t−1}) Π p(x_t | z_t) with networks for every
//! factor, and structured inference networks q(z_t | z_{t−1}, x) beside them.
//!
//! A [`DeepMarkovModel`] is built from a [`model::DmmConfig`], trained by [`learn::Fit`] and evaluated
//! by bounds of its evidence. Layers are hand-written pairs of forward and backward passes over packed
//! batches: no graph, no padding, one matrix product for all time steps wherever a layer has no memory.

mod array;
mod checks;
pub mod data;
mod deep_markov_model;
#[cfg(any(feature = "cuda", test))]
mod device;
mod evaluate;
mod file;
pub mod infer;
mod layers;
pub mod learn;
pub mod model;
mod objective;
mod parameters;

pub use array::{Nonlinearity, Real};
pub use deep_markov_model::DeepMarkovModel;
pub use evaluate::{Estimator, Evaluation};
pub use file::Provenance;
pub use layers::{Cell, Function, Operation, Spread};
pub use parameters::{InitScheme, Tensor};
