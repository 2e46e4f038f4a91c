//! The choice between one pass over time and blocks of time in parallel.

/// How a long sequence is worked through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schedule {
    /// Step by step: the least work.
    Sequential,
    /// Blocks of time in parallel: K times the work, spread over the threads.
    Scan,
    /// Whichever is expected to be faster.
    #[default]
    Auto,
}

/// Steps below which starting threads costs more than it saves.
const MIN_STEPS: usize = 20_000;

/// Resolves [`Schedule::Auto`] and says why.
///
/// Blocks in parallel first multiply K×K matrices, K times the work of a filter step and a K-th of
/// that per thread and lane, so they pay when the threads outnumber that factor.
///
/// * `num_threads` – threads that are free to work on this one sequence.
pub fn choose(
    wanted: Schedule,
    num_steps: usize,
    num_states: usize,
    num_threads: usize,
) -> (Schedule, &'static str) {
    match wanted {
        Schedule::Sequential => (Schedule::Sequential, "asked for"),
        Schedule::Scan => (Schedule::Scan, "asked for"),
        Schedule::Auto if num_threads < 2 => (Schedule::Sequential, "there is one thread"),
        Schedule::Auto if num_steps < MIN_STEPS => {
            (Schedule::Sequential, "the sequence is too short to share out")
        }
        Schedule::Auto if num_threads <= num_states + 1 => {
            (Schedule::Sequential, "blocks in parallel do K times the work and there are few threads")
        }
        Schedule::Auto => (Schedule::Scan, "the sequence is long and there are many threads"),
    }
}
