//! The choice between one pass over time and blocks of time in parallel.

use super::both_ways::smooth_both_ways;
use super::{Chain, ChainError, Smoothed, Workspace, scan, smooth};

/// How a long sequence is worked through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schedule {
    /// Step by step on one thread: the least work.
    Sequential,
    /// From both ends to the middle on two threads.
    BothWays,
    /// Blocks of time in parallel: K times the work, spread over all threads.
    Scan,
    /// Whichever is expected to be fastest.
    #[default]
    Auto,
}

/// Multiply-adds below which starting threads costs more than it saves.
const MIN_WORK: usize = 2_000_000;

/// Resolves [`Schedule::Auto`] and says why.
///
/// It looks at the sizes only, never at the number of threads, so that results are the same bits
/// on every machine. The scan does K + 2 passes over time where smoothing does 2; it pays with more
/// than K + 2 threads and is taken only when asked for.
pub fn choose(wanted: Schedule, num_steps: usize, num_states: usize) -> (Schedule, &'static str) {
    match wanted {
        Schedule::Auto if num_steps.saturating_mul(num_states * num_states) < MIN_WORK => {
            (Schedule::Sequential, "the sequence is too short to share out")
        }
        Schedule::Auto => (Schedule::BothWays, "two threads that meet in the middle do no extra work"),
        asked => (asked, "asked for"),
    }
}

/// Smooths a chain on this schedule and returns log p(y_{1:T}); `smoothed` as in
/// [`smooth`](super::smooth()).
///
/// Every schedule gives the same bits for any number of threads.
///
/// # Errors
/// As in [`smooth`](super::smooth()).
pub fn smooth_scheduled(
    chain: &Chain<'_>,
    ws: &mut Workspace,
    schedule: Schedule,
    smoothed: &mut [f64],
) -> Result<f64, ChainError> {
    let num_steps = chain.observations.num_steps();
    let num_states = chain.observations.num_states();
    match choose(schedule, num_steps, num_states).0 {
        Schedule::BothWays => smooth_both_ways(chain, smoothed),
        Schedule::Scan => scan::smooth(chain, Smoothed::only(smoothed)),
        _ => smooth(chain, ws, Smoothed::only(smoothed)),
    }
}
