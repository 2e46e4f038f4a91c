//! Inference engines on plain arrays.
//!
//! Nothing here knows a model, a parameter or a prior: the engines see *chain potentials*
//! ([`discrete`]) and return posteriors, so that every hidden Markov model shares them.
//! [`math`] holds the vectorised elementary functions, [`linalg`] the small dense kernels,
//! [`random`] the one source of randomness.
//!
//! **Time.** z_1..z_T are states, y_1..y_T observations. Arrays count from 0; entry t of every
//! per-step array drives the step *into* z_t and the emission y_t.

pub mod discrete;
pub mod linalg;
pub mod math;
pub mod random;
