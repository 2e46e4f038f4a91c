//! Biases and inputs of each series of an octet.

use super::{Lane, OCTET};
use crate::gaussian::system::Series;

/// Writes b_t of each of the first series; zeros stand where there are none.
#[inline(always)]
pub(in crate::gaussian) fn transition(series: &[&Series<'_>], t: usize, out: &mut [Lane]) {
    for (l, series) in series.iter().take(OCTET).enumerate() {
        let offset = series.transition_offset.as_ref().map_or(&[][..], |offset| offset.at(t));
        out.iter_mut().zip(offset).for_each(|(x, b)| x[l] = *b);
    }
}

/// Subtracts d_t of each of the first series.
#[inline(always)]
pub(in crate::gaussian) fn subtract_emission(series: &[&Series<'_>], t: usize, out: &mut [Lane]) {
    for (l, series) in series.iter().take(OCTET).enumerate() {
        let offset = series.emission_offset.as_ref().map_or(&[][..], |offset| offset.at(t));
        out.iter_mut().zip(offset).for_each(|(v, d)| v[l] -= d);
    }
}
