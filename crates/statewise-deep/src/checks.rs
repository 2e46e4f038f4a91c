//! Checks of counts that several verbs take.

use statewise::{Error, Result};

/// Refuses the first count of zero, by its name.
pub(crate) fn at_least_one(counts: &[(&str, usize)]) -> Result<()> {
    match counts.iter().find(|(_, count)| *count == 0) {
        Some((name, _)) => Err(Error::argument(*name, 0, "at least 1")),
        None => Ok(()),
    }
}
