//! Engines for discrete hidden states, on chain potentials.
//!
//! An engine takes a [`Chain`] (π, A_t and log b_t), a [`Workspace`] that it may reuse, and its
//! caller's output arrays. [`filter`], [`smooth`], [`expected_statistics`], [`pairwise`],
//! [`sample_paths`] and [`OnlineFilter`] share one scaled forward step; [`viterbi`] and [`k_best`]
//! work on logarithms, and so does [`log_space`], the reference that the scaled engines fall back to
//! outside the range of doubles.

mod backward_filter;
mod backward_kernel;
mod belief;
mod both_ways;
mod check;
mod expected;
mod filter;
mod fixed_lag;
mod forecast;
mod forward_kernel;
mod k_best;
mod lanes;
pub mod log_space;
mod matrix;
mod online;
mod posterior;
pub mod potentials;
mod sample;
pub mod scan;
pub mod schedule;
mod smooth;
mod stationary;
mod step;
mod stepwise;
mod viterbi;
mod viterbi_kernel;
mod workspace;

pub use backward_filter::backward_filter;
pub use both_ways::smooth_both_ways;
pub use expected::{expected_statistics, expected_statistics_with_pairs, pairwise};
pub use filter::{filter, marginal_loglik};
pub use fixed_lag::{fixed_lag, fixed_lag_windows};
pub use forecast::forecast;
pub use k_best::k_best;
pub use online::{OnlineFilter, OnlineState};
pub use potentials::{Chain, ChainError, LogObs, Observations, Transitions};
pub use sample::sample_paths;
pub use schedule::{Schedule, smooth_scheduled};
pub use smooth::{Smoothed, smooth};
pub use stationary::{expected_dwell_times, stationary_distribution};
pub use viterbi::viterbi;
pub use workspace::Workspace;
