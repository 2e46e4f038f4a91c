//! Engines for Gaussian states: filters and smoothers of linear Gaussian systems.
//!
//! Covariances depend on the system and on which entries are missing only ([`Riccati`], [`Gains`]); series
//! of one pattern share them, and passes over the data move means ([`advance_means`], [`smooth_means`]).
//! [`Smoothing`] is the backward recursion over covariances, shared in the same way.

mod dense;
mod gains;
mod gradient;
mod lanes;
mod means;
mod riccati;
mod smoothed_means;
mod smoothing;
mod system;

pub use gains::Gains;
pub use gradient::{Adjoints, SystemGradient};
pub use lanes::{LANES, LaneScratch, LaneSlices, advance_mean_lanes, smooth_mean_lanes};
pub use means::{MeanRows, MeanScratch, MeanState, advance_means};
pub use riccati::{Riccati, RiccatiReport};
pub use smoothed_means::{SmoothedRows, smooth_means};
pub use smoothing::Smoothing;
pub use system::{GaussianError, Noise, Series, Steps, System};

/// Calls `f::<K>` with K the dimension of the state where it is small, else with K = 0: a kernel
/// compiled for its size keeps matrices in registers.
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
use by_dim;
