//! Filter and smoother on precisions: p(z_t | ·) ∝ exp(η_tᵀ z − zᵀ Λ_t z / 2).
//!
//! The model is given by precisions, P⁻¹, Q⁻¹ and R⁻¹, of which the first may be zero: a flat prior, about
//! which nothing need be known. The engines carry a root N of Λ = N Nᵀ and a mean, so that both halves of a
//! step are least squares by orthogonal triangularisation, and precisions of 1 beside 1e32 lose nothing.

mod filter;
mod inputs;
mod moments;
mod roots;
mod smoother;
mod steps;
mod system;

pub use filter::{InformationEstimates, InformationReport, information_filter};
pub use moments::info_to_moment_form;
pub use smoother::{InformationSmoothed, information_smoother};
pub use steps::InformationWorkspace;
pub use system::InformationSystem;
