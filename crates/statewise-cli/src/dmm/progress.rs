//! How far training has come, on the terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use statewise_deep::learn::Progress;

/// One line on the terminal, renewed ten times a second.
pub(super) struct ProgressLine {
    shown: bool,
    last: Option<Instant>,
}

impl ProgressLine {
    pub(super) fn new(quiet: bool) -> Self {
        ProgressLine { shown: !quiet && std::io::stderr().is_terminal(), last: None }
    }

    pub(super) fn show(&mut self, progress: &Progress<'_>) {
        if self.shown && self.last.is_none_or(|last| last.elapsed() > Duration::from_millis(100)) {
            self.last = Some(Instant::now());
            eprint!("\r\x1b[2K{}", line(progress));
        }
    }

    pub(super) fn clear(&self) {
        if self.shown {
            eprint!("\r\x1b[2K");
        }
    }
}

fn line(progress: &Progress<'_>) -> String {
    let running = progress.running;
    let valid = progress.history.iter().rev().find_map(|record| record.valid_bound);
    let valid = valid.map_or_else(String::new, |bound| format!(", valid {bound:.4}"));
    format!(
        "epoch {}/{}, bound {:.4} (NLL {:.4}, KL {:.4}, beta {:.2}){valid}, |gradient| {:.2e}, \
         {:.0} steps/s, {} left",
        progress.epoch,
        progress.epochs,
        running.train_bound,
        running.nll,
        running.kl,
        running.kl_weight,
        running.gradient_norm,
        progress.steps_per_second,
        clock(progress.seconds_left),
    )
}

/// Seconds as 1:02:03 or 2:03.
pub(super) fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_has_hours_only_where_there_are_some() {
        assert_eq!([59.6, 0.0, 3723.0].map(clock), ["1:00", "0:00", "1:02:03"]);
    }
}
