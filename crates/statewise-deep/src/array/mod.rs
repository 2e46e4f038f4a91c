//! Arrays of reals and what layers do with them: matrix products, elementwise functions, packed rows.

mod dispatch;
mod elementwise;
mod grid;
mod matrix;
mod packed;
mod panels;
mod real;

pub(crate) use dispatch::vectorised;
pub use elementwise::Nonlinearity;
pub(crate) use elementwise::{add_rows, sum_rows};
pub(crate) use grid::Grid;
pub(crate) use matrix::{add_outer, multiply, multiply_transposed};
pub(crate) use packed::Packed;
pub(crate) use panels::Panels;
pub use real::Real;
