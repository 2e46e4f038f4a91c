//! Engines for Gaussian states: filters and smoothers of linear Gaussian systems.
//!
//! Covariances depend on the system and on which entries are missing only ([`Riccati`], [`Gains`]); series
//! of one pattern share them, and passes over the data move means ([`advance_means`], [`smooth_means`]).
//! [`Smoothing`] is the backward recursion over covariances, shared in the same way.
//!
//! Two other forms share nothing between series, and pay for it in time: square roots of covariances
//! ([`square_root_filter`]), which stay definite whatever the conditioning, and precisions
//! ([`information_filter`]), which may be zero at the start. A whole posterior as one Gaussian is a
//! [`BlockTridiagonal`].

mod block_tridiagonal;
mod collapse;
mod dense;
mod diffuse;
mod gains;
mod gradient;
mod information;
mod lanes;
mod means;
mod online;
mod riccati;
mod riccati_state;
mod scan;
mod schedule;
mod separate;
mod settling;
mod simulate;
mod small;
mod smoothed_means;
mod smoothing;
mod square_root;
mod summary;
mod system;
mod transfer;
mod window;

pub use block_tridiagonal::{
    BlockTridiagonal, BlockTridiagonalMoments, BlockTridiagonalWorkspace, block_tridiagonal_expectations,
    block_tridiagonal_log_normalizer,
};
pub use collapse::{Collapse, CollapsedRows};
pub use diffuse::{DiffuseRows, DiffuseStart, DiffuseTable, Directions};
pub use gains::Gains;
pub use gradient::{Adjoints, SystemGradient};
pub use information::{
    InformationEstimates, InformationReport, InformationSmoothed, InformationSystem, InformationWorkspace,
    info_to_moment_form, information_filter, information_smoother,
};
pub use lanes::{LANES, LaneScratch, LaneSlices, advance_mean_lanes, smooth_mean_lanes};
pub use means::{MeanRows, MeanScratch, MeanState, advance_means};
pub use online::{OnlineKalman, OnlineKalmanState};
pub use riccati::{Riccati, RiccatiReport};
pub use riccati_state::RiccatiState;
pub use schedule::{FilterRows, Scheduled, SmootherRows, filter_scheduled, smooth_scheduled};
pub use separate::{
    SEPARATE_LANES, SeparateRows, SeparateScratch, SeparateSlices, has_separate_lanes, separate_lanes,
};
pub use simulate::sample_scheduled;
pub use smoothed_means::{SmoothedRows, smooth_means};
pub use smoothing::Smoothing;
pub use square_root::{
    Estimates, SquareRootAdjoints, SquareRootFiltered, SquareRootReport, SquareRootSmoothed,
    SquareRootWorkspace, square_root_filter, square_root_gradient, square_root_smoother,
    two_filter_smoother,
};
pub use system::{GaussianError, Noise, Series, Steps, System};
pub use window::{SmoothedWindow, WindowStep, smooth_window};

/// Calls `f::<K>` with K the dimension of the state where it is small, else with K = 0: a kernel
/// compiled for its size keeps matrices in registers.
///
/// Builds with debug assertions compile fewer sizes, so that tests do not wait for the compiler; the Python
/// tests run all of them.
#[cfg(not(debug_assertions))]
macro_rules! by_dim {
    ($dim:expr, $f:ident($($arg:expr),* $(,)?)) => {
        match $dim {
            1 => $f::<1>($($arg),*),
            2 => $f::<2>($($arg),*),
            3 => $f::<3>($($arg),*),
            4 => $f::<4>($($arg),*),
            5 => $f::<5>($($arg),*),
            6 => $f::<6>($($arg),*),
            7 => $f::<7>($($arg),*),
            8 => $f::<8>($($arg),*),
            _ => $f::<0>($($arg),*),
        }
    };
}
#[cfg(debug_assertions)]
macro_rules! by_dim {
    ($dim:expr, $f:ident($($arg:expr),* $(,)?)) => {
        match $dim {
            2 => $f::<2>($($arg),*),
            4 => $f::<4>($($arg),*),
            _ => $f::<0>($($arg),*),
        }
    };
}
use by_dim;
