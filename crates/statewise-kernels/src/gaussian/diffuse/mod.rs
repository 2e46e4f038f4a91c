//! Diffuse starts: z_1 ~ N(m, P + κ P∞) with κ → ∞, exactly.
//!
//! With P∞ = A Aᵀ the start is m + A δ + N(0, P) and δ is flat. Given δ = 0 the model is an ordinary one, and
//! all else is linear in δ: states move by A_t δ, standardised innovations are w_t − W_t δ, where column j of
//! A_t and −W_t belong to a series of zeros that starts at A_j. What y_{1:t} tell of δ is a least-squares
//! problem that grows by a few rows a step:
//!
//! R_t δ = z_t + N(0, I), with R_t and z_t from the rows W δ = w + N(0, I) by Givens rotations;
//! E(z_t | y_{1:t}) = m_t + B_t z_t,  Cov(z_t | y_{1:t}) = P_t + B_t B_tᵀ,  B_t = A_t R_t⁻¹.
//!
//! Nothing large cancels, neither where the first observations hardly tell directions apart (a slow season)
//! nor where one is not seen for long (a regressor that does not move). Directions that no observation has
//! seen are kept apart by a rotation V of δ: A_t V = (identified, open).
//!
//! 1. [`DiffuseStart`]: the proper start, and δ before any observation;
//! 2. [`Directions::advance`]: R_t, B_t and open directions, shared by series with the same entries missing;
//! 3. [`DiffuseTable::advance_means`]: the data of a series.
//!
//! Once later observations add nothing to what is known of δ, that is once B_t B_tᵀ is rounding beside P_t,
//! the ordinary recursions go on from m_t + B_t z_t.
//!
//! # Source
//! Rosenberg (1973); de Jong (1991, "The diffuse Kalman filter"); Durbin and Koopman (2012), §5.7. Triangular
//! roots in place of normal equations, and the test of rank, are our own.

mod directions;
mod means;
mod moves;
mod rounding;
mod start;
mod stored;
mod table;

pub use directions::Directions;
pub use means::DiffuseRows;
pub use start::DiffuseStart;
pub use table::DiffuseTable;
