//! Filter, smoother and gradient on square roots of covariances.
//!
//! With P = L Lᵀ throughout, one step is two orthogonal triangularisations,
//!
//! \[A L_f, L_Q\] → L_p,  \[H L_p, L_R; L_p, 0\] → \[L_S, 0; K̄, L_f\],
//!
//! so covariances are positive semi-definite whatever the rounding, and carry twice the digits of a
//! recursion on P itself. Q, R and P_1 may be singular: a row that depends on those before it has no
//! pivot. An observation that earlier ones determine must agree with them, and then counts for nothing.

mod adjoint;
mod filter;
mod inputs;
pub(super) mod kernels;
mod outputs;
mod smoother;
pub(super) mod steps;
mod two_filter;
mod workspace;

pub use adjoint::{SquareRootAdjoints, square_root_gradient};
pub use filter::square_root_filter;
pub use outputs::{Estimates, SquareRootFiltered, SquareRootReport, SquareRootSmoothed};
pub use smoother::square_root_smoother;
pub use two_filter::two_filter_smoother;
pub use workspace::SquareRootWorkspace;
