//! Checks of counts that several verbs take.

use statewise::{Error, Result};

/// Refuses the first count of zero, by its name.
pub(crate) fn at_least_one(counts: &[(&str, usize)]) -> Result<()> {
    match counts.iter().find(|(_, count)| *count == 0) {
        Some((name, _)) => Err(Error::argument(*name, 0, "at least 1")),
        None => Ok(()),
    }
}

/// A share of particles below which they are drawn anew.
pub(crate) fn check_share(resample_below: f64) -> Result<()> {
    if (0.0..=1.0).contains(&resample_below) {
        return Ok(());
    }
    Err(Error::argument("resample_below", resample_below, "a number from 0 to 1"))
}
