//! When a recursion over covariances has settled: its steps then repeat to rounding.

/// A matrix that changes by no more than this (relative to its diagonal) has settled.
const SETTLED: f64 = 8.0 * f64::EPSILON;
/// A change below this that no longer falls is rounding.
const STALLED: f64 = 512.0 * f64::EPSILON;
/// Looks at rounding after which a change no longer falls.
const PATIENCE: u32 = 4;
/// Recursions look at steps that are a multiple of this.
///
/// PERF: a look takes as many divisions as a matrix has entries, a quarter of a step's time.
pub(super) const SETTLING_INTERVAL: usize = 4;

/// Whether a change is rounding, given the one before, which it replaces, and for how many looks it has not
/// fallen.
#[inline(always)]
pub(super) fn has_settled(now: f64, before: &mut f64, stalled: &mut u32) -> bool {
    *stalled = if now < STALLED && now >= *before { *stalled + 1 } else { 0 };
    *before = now;
    now <= SETTLED || *stalled >= PATIENCE
}

/// The largest difference of two positive semi-definite matrices relative to the first one's diagonal.
#[inline(always)]
pub(super) fn distance(d: usize, new: &[f64], old: &[f64]) -> f64 {
    let mut largest: f64 = 0.0;
    for i in 0..d {
        for j in 0..=i {
            let difference = new[i * d + j] - old[i * d + j];
            // Squares, so that no root is taken; 0 / 0 does not count.
            if difference != 0.0 {
                let scale = (new[i * d + i] * new[j * d + j]).max(f64::MIN_POSITIVE);
                largest = largest.max(difference * difference / scale);
            }
        }
    }
    largest.sqrt()
}
