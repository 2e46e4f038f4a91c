//! Small dense kernels on row-major slices.

mod cholesky;
mod svd;
mod symmetric_eigen;
mod triangularise;

pub use cholesky::{
    NotPositiveDefinite, cholesky, inverse_chol, log_det_chol, negative_pivot, semidefinite_cholesky,
    solve_chol, solve_lower, solve_upper_transposed,
};
pub use svd::{Svd, svd};
pub use symmetric_eigen::{SymmetricEigen, symmetric_eigen};
pub(crate) use triangularise::reflect;
pub use triangularise::{Stacked, triangularise};

/// A decomposition of a matrix that is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the matrix cannot be decomposed: an entry is not finite")]
pub struct NotConverged;

/// The sign that makes the largest entry positive, so that a decomposition has one answer.
fn sign_of_largest(column: &[f64]) -> f64 {
    let largest = column.iter().copied().fold(0.0, |m: f64, x| if x.abs() > m.abs() { x } else { m });
    if largest < 0.0 { -1.0 } else { 1.0 }
}
