//! One long series: step by step, or blocks of time in parallel.

use std::ops::Range;

use super::gains::Gains;
use super::means::{MeanRows, MeanScratch, MeanState, advance_means};
use super::riccati::Riccati;
use super::scan;
use super::smoothed_means::{SmoothedRows, smooth_means_before};
use super::smoothing::Smoothing;
use super::system::{GaussianError, Series, System};
use crate::discrete::Schedule;

/// Steps for which gains are kept at a time while filtering.
pub(super) const CHUNK: usize = 512;

/// Where a filter writes, one row per step; what is empty is not kept.
#[derive(Debug, Default)]
pub struct FilterRows<'a> {
    /// E(z_t | y_{1:t-1}), \[T, D\].
    pub predicted_means: &'a mut [f64],
    /// Cov(z_t | y_{1:t-1}), \[T, D, D\].
    pub predicted_covs: &'a mut [f64],
    /// E(z_t | y_{1:t}), \[T, D\].
    pub filtered_means: &'a mut [f64],
    /// Cov(z_t | y_{1:t}), \[T, D, D\].
    pub filtered_covs: &'a mut [f64],
}

/// Where a smoother writes, one row per step; what is empty is not kept.
#[derive(Debug, Default)]
pub struct SmootherRows<'a> {
    /// E(z_t | y_{1:t}), \[T, D\].
    pub filtered_means: &'a mut [f64],
    /// Cov(z_t | y_{1:t}), \[T, D, D\].
    pub filtered_covs: &'a mut [f64],
    /// E(z_t | y_{1:T}), \[T, D\].
    pub smoothed_means: &'a mut [f64],
    /// Cov(z_t | y_{1:T}), \[T, D, D\].
    pub smoothed_covs: &'a mut [f64],
    /// Cov(z_t, z_{t+1} | y_{1:T}), rows are z_t, \[T, D, D\]; zero for the last step.
    pub lag_one_covs: &'a mut [f64],
}

/// What a scheduled pass answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scheduled {
    /// log p(y_{1:T}).
    pub marginal_loglik: f64,
    /// Blocks of time that were worked on in parallel; 1 where the pass went step by step.
    pub num_blocks: usize,
}

/// Filters one series on this schedule.
///
/// [`Schedule::Scan`] (and [`Schedule::BothWays`], which is the same here) cuts time into blocks by T
/// alone; [`Schedule::Auto`] does so if the series is long and its filter forgets. The result differs
/// from that of [`Schedule::Sequential`] by rounding, and not at all with the number of threads. A
/// system whose noise-free observations would need a decision about rank within a block goes step by
/// step.
///
/// # Errors
/// Arguments of the wrong size, an observation that contradicts a noise-free prediction, or a state that
/// is not finite.
pub fn filter_scheduled(
    system: &System<'_>,
    series: &Series<'_>,
    schedule: Schedule,
    steady_state: bool,
    mut out: FilterRows<'_>,
) -> Result<Scheduled, GaussianError> {
    let (num_steps, d) = (check(system, series)?, system.state_dim);
    for (argument, rows, len) in [
        ("predicted_means", &out.predicted_means, d),
        ("predicted_covs", &out.predicted_covs, d * d),
        ("filtered_means", &out.filtered_means, d),
        ("filtered_covs", &out.filtered_covs, d * d),
    ] {
        optional(argument, rows.len(), num_steps * len)?;
    }
    if let Some(starts) = scan::starts(system, series, schedule, steady_state)
        && let Some(answer) = scan::filter(system, series, &starts, steady_state, &mut out)
    {
        return Ok(answer);
    }
    let start = Start { steps: 0..num_steps, mean: system.initial_mean, cov: system.initial_cov };
    let done = filter_block(system, series, &start, steady_state, &mut out)?;
    Ok(Scheduled { marginal_loglik: done.means.marginal_loglik(), num_blocks: 1 })
}

/// Smooths one series on this schedule; as [`filter_scheduled`].
///
/// # Errors
/// As [`filter_scheduled`].
pub fn smooth_scheduled(
    system: &System<'_>,
    series: &Series<'_>,
    schedule: Schedule,
    steady_state: bool,
    mut out: SmootherRows<'_>,
) -> Result<Scheduled, GaussianError> {
    let (num_steps, d) = (check(system, series)?, system.state_dim);
    for (argument, rows, len) in [
        ("filtered_means", &out.filtered_means, d),
        ("filtered_covs", &out.filtered_covs, d * d),
        ("smoothed_means", &out.smoothed_means, d),
        ("smoothed_covs", &out.smoothed_covs, d * d),
        ("lag_one_covs", &out.lag_one_covs, d * d),
    ] {
        optional(argument, rows.len(), num_steps * len)?;
    }
    if let Some(starts) = scan::starts(system, series, schedule, steady_state)
        && let Some(answer) = scan::smooth(system, series, &starts, steady_state, &mut out)
    {
        return Ok(answer);
    }
    let start = Start { steps: 0..num_steps, mean: system.initial_mean, cov: system.initial_cov };
    let forward = Forward::run(system, series, &start, steady_state, &mut out)?;
    forward.smooth(system, None, &mut out);
    Ok(Scheduled { marginal_loglik: forward.means.marginal_loglik(), num_blocks: 1 })
}

pub(super) fn check(system: &System<'_>, series: &Series<'_>) -> Result<usize, GaussianError> {
    let num_steps = series.num_steps(system);
    system.check(num_steps)?;
    series.check(system)?;
    Ok(num_steps)
}

fn optional(argument: &'static str, found: usize, expected: usize) -> Result<(), GaussianError> {
    if found == 0 { Ok(()) } else { super::system::length(argument, found, expected) }
}

/// A block of steps and the predicted moments of its first state.
pub(super) struct Start<'a> {
    pub(super) steps: Range<usize>,
    pub(super) mean: &'a [f64],
    pub(super) cov: &'a [f64],
}

/// A block filtered.
pub(super) struct Done {
    pub(super) means: MeanState,
    pub(super) rank_lost: usize,
}

/// Filters a block, chunk by chunk; rows of `out` are those of the block.
pub(super) fn filter_block(
    system: &System<'_>,
    series: &Series<'_>,
    start: &Start<'_>,
    steady_state: bool,
    out: &mut FilterRows<'_>,
) -> Result<Done, GaussianError> {
    let (d, m) = (system.state_dim, system.emission_dim);
    let first = start.steps.start;
    let (mut riccati, mut gains, mut scratch) =
        (Riccati::default(), Gains::default(), MeanScratch::default());
    let mut means = MeanState::start(start.mean);
    riccati.start(system, start.cov, steady_state);
    for begin in start.steps.clone().step_by(CHUNK) {
        let steps = begin..start.steps.end.min(begin + CHUNK);
        let emissions = &series.emissions[steps.start * m..steps.end * m];
        riccati.advance(system, emissions, steps.clone(), &mut gains)?;
        let inner = steps.start - first..steps.end - first;
        let rows = MeanRows {
            predicted: part(out.predicted_means, &inner, d),
            filtered: part(out.filtered_means, &inner, d),
            innovations: &mut [],
        };
        let chunk = Series { emissions, ..*series };
        advance_means(system, &chunk, steps.clone(), &gains, &mut means, rows, &mut scratch)?;
        let covs = part(out.predicted_covs, &inner, d * d).chunks_exact_mut(d * d);
        covs.zip(steps.clone()).for_each(|(cov, t)| cov.copy_from_slice(gains.predicted_cov(t)));
        let covs = part(out.filtered_covs, &inner, d * d).chunks_exact_mut(d * d);
        covs.zip(steps).for_each(|(cov, t)| cov.copy_from_slice(gains.filtered_cov(t)));
    }
    Ok(Done { means, rank_lost: riccati.report().rank_lost })
}

/// The rows of `steps`; none of an array that is not kept.
fn part<'b>(rows: &'b mut [f64], steps: &Range<usize>, len: usize) -> &'b mut [f64] {
    if rows.is_empty() { &mut [] } else { &mut rows[steps.start * len..steps.end * len] }
}

/// A block filtered, with all that its smoother needs.
pub(super) struct Forward {
    pub(super) gains: Gains,
    pub(super) innovations: Vec<f64>,
    /// Filtered means, where the caller does not keep them.
    pub(super) filtered: Vec<f64>,
    pub(super) means: MeanState,
    pub(super) rank_lost: usize,
}

/// What comes after a block: r, N and P of the next step.
pub(super) struct Later<'a> {
    pub(super) adjoint: &'a [f64],
    pub(super) precision: &'a [f64],
    pub(super) predicted: &'a [f64],
}

impl Forward {
    /// Filters a block; rows of `out` are those of the block.
    pub(super) fn run(
        system: &System<'_>,
        series: &Series<'_>,
        start: &Start<'_>,
        steady_state: bool,
        out: &mut SmootherRows<'_>,
    ) -> Result<Self, GaussianError> {
        let (d, m) = (system.state_dim, system.emission_dim);
        let steps = start.steps.clone();
        let emissions = &series.emissions[steps.start * m..steps.end * m];
        let mut riccati = Riccati::default();
        let own = if out.filtered_means.is_empty() { steps.len() * d } else { 0 };
        let mut forward = Forward {
            gains: Gains::default(),
            innovations: vec![0.0; steps.len() * m],
            filtered: vec![0.0; own],
            means: MeanState::start(start.mean),
            rank_lost: 0,
        };
        riccati.start(system, start.cov, steady_state);
        riccati.advance(system, emissions, steps.clone(), &mut forward.gains)?;
        forward.rank_lost = riccati.report().rank_lost;
        let Forward { gains, innovations, filtered, means, .. } = &mut forward;
        let filtered = if own > 0 { filtered } else { &mut *out.filtered_means };
        let rows = MeanRows { predicted: &mut [], filtered, innovations };
        let block = Series { emissions, ..*series };
        advance_means(system, &block, steps.clone(), gains, means, rows, &mut MeanScratch::default())?;
        let covs = out.filtered_covs.chunks_exact_mut(d * d);
        covs.zip(steps).for_each(|(cov, t)| cov.copy_from_slice(gains.filtered_cov(t)));
        Ok(forward)
    }

    /// Smooths the block, given what comes after it.
    pub(super) fn smooth(
        &self,
        system: &System<'_>,
        later: Option<&Later<'_>>,
        out: &mut SmootherRows<'_>,
    ) {
        let d = system.state_dim;
        let (adjoint, precision, predicted): (&[f64], &[f64], &[f64]) = match later {
            Some(later) => (later.adjoint, later.precision, later.predicted),
            None => (&[], &[], &[]),
        };
        let filtered = if self.filtered.is_empty() { &*out.filtered_means } else { &self.filtered };
        let rows = SmoothedRows {
            filtered,
            innovations: &self.innovations,
            smoothed: out.smoothed_means,
            state_adjoints: &mut [],
            emission_adjoints: &mut [],
        };
        smooth_means_before(system, &self.gains, adjoint, rows, &mut Vec::new());
        if out.smoothed_covs.is_empty() && out.lag_one_covs.is_empty() {
            return;
        }
        let mut smoothing = Smoothing::default();
        let lag_one = !out.lag_one_covs.is_empty();
        smoothing.compute_before(system, &self.gains, lag_one, precision, predicted);
        let first = self.gains.first;
        for (s, cov) in out.smoothed_covs.chunks_exact_mut(d * d).enumerate() {
            cov.copy_from_slice(smoothing.cov(first + s));
        }
        for (s, cov) in out.lag_one_covs.chunks_exact_mut(d * d).enumerate() {
            cov.copy_from_slice(smoothing.lag_one_cov(first + s));
        }
    }
}
