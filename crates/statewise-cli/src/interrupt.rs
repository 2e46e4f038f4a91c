//! Ctrl-C: the first asks a fit to stop, a second ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering};

static SEEN: AtomicBool = AtomicBool::new(false);

/// Begins to listen.
pub(crate) fn listen() {
    let _ = ctrlc::set_handler(|| {
        if SEEN.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
}

/// Whether Ctrl-C was pressed.
pub(crate) fn seen() -> bool {
    SEEN.load(Ordering::Relaxed)
}
