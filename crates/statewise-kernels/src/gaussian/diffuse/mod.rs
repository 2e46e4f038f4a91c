//! Diffuse starts: z_1 ~ N(m, P + κ P∞) with κ → ∞, exactly.
//!
//! While some direction of the state is still diffuse, covariances have a finite part P* and a factor P∞ of
//! κ. Observations take the directions of P∞ out one by one; after s steps none is left and the ordinary
//! recursions go on from the predicted covariance of step s. This module covers steps 0..s:
//!
//! 1. [`DiffuseGains`]: covariances and gains, shared by series with the same entries missing;
//! 2. [`DiffuseGains::advance_means`]: the data of a series, up to a [`super::MeanState`] for step s;
//! 3. [`DiffuseSmoothing`]: backwards from N_s, covariances and the gradient's terms of covariances;
//! 4. [`DiffuseGains::smooth_means`]: backwards from r_s, smoothed means and adjoints.
//!
//! Observations are taken one scalar at a time, which never needs a covariance of innovations of which
//! only a part is diffuse; a full R is made diagonal first. Adjoints have expansions in 1/κ:
//! r = r⁰ + r¹/κ + …, N = N⁰ + N¹/κ + N²/κ² + …; products with P* + κ P∞ keep the terms that stay.
//!
//! The phase is short, so its code prefers plain formulas over speed, and allocates.
//!
//! # Source
//! Koopman (1997); Koopman and Durbin (2000) for the scalar treatment; Durbin and Koopman (2012), §5.2–5.4
//! and §6.4. The factored P∞ and the gradient are our own: the gradient is the κ⁰ term of the proper one.

mod decorrelate;
mod gains;
mod gradient;
mod infinite;
mod means;
mod smoothing;

pub use gains::DiffuseGains;
pub use smoothing::DiffuseSmoothing;
