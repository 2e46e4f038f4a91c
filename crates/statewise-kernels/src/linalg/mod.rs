//! Small dense kernels on row-major slices.

mod cholesky;
mod triangularise;

pub use cholesky::{
    NotPositiveDefinite, cholesky, inverse_chol, log_det_chol, negative_pivot, semidefinite_cholesky,
    solve_chol, solve_lower, solve_upper_transposed,
};
pub(crate) use triangularise::reflect;
pub use triangularise::{Stacked, triangularise};
