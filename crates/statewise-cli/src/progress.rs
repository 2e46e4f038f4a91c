//! How far a fit has come, on the terminal.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use statewise::learn::Progress;

/// One line on the terminal, renewed ten times a second.
pub(crate) struct ProgressLine {
    shown: bool,
    num_starts: usize,
    last: Mutex<Option<Instant>>,
}

impl ProgressLine {
    pub(crate) fn new(quiet: bool, num_starts: usize) -> Self {
        ProgressLine {
            shown: !quiet && std::io::stderr().is_terminal(),
            num_starts,
            last: Mutex::new(None),
        }
    }

    pub(crate) fn show(&self, start: usize, progress: Progress<'_>) {
        let Ok(mut last) = self.last.lock() else { return };
        if !self.shown || last.is_some_and(|last| last.elapsed() < Duration::from_millis(100)) {
            return;
        }
        *last = Some(Instant::now());
        let which = if self.num_starts > 1 {
            format!("start {}/{}, ", start + 1, self.num_starts)
        } else {
            String::new()
        };
        let (iteration, num_iters) = (progress.iteration + 1, progress.num_iters);
        eprint!(
            "\r\x1b[2Kfitting: {which}iteration {iteration}/{num_iters}, log probability {:.6}",
            progress.log_prob
        );
    }

    pub(crate) fn clear(&self) {
        if self.shown {
            eprint!("\r\x1b[2K");
        }
    }
}
