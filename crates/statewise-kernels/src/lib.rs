//! Inference engines on plain arrays.
//!
//! Nothing here knows a model, a parameter or a prior. Engines for discrete states see *chain
//! potentials* ([`discrete`]), so that every hidden Markov model shares them; engines for Gaussian
//! states see *affine steps* ([`gaussian`]), so that every linear Gaussian model does.
//! [`math`] holds the vectorised elementary functions, [`linalg`] the small dense kernels,
//! [`random`] the one source of randomness.
//!
//! **Time.** z_1..z_T are states, y_1..y_T observations. Arrays count from 0; entry t of every
//! per-step array drives the step *into* z_t and the emission y_t.

pub mod discrete;
pub mod gaussian;
pub mod linalg;
pub mod math;
pub mod random;
