//! Small dense kernels on row-major slices.

mod cholesky;

pub use cholesky::{
    NotPositiveDefinite, cholesky, inverse_chol, log_det_chol, solve_chol, solve_lower,
    solve_upper_transposed,
};
