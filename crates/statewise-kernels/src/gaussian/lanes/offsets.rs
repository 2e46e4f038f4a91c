//! Biases and inputs of each series of an octet.

use super::{Lane, OCTET};
use crate::gaussian::system::{Series, Steps};

/// Writes b_t of each of the first series; zeros stand where there are none.
#[inline(always)]
pub(in crate::gaussian) fn transition(series: &[&Series<'_>], t: usize, out: &mut [Lane]) {
    for (l, series) in series.iter().take(OCTET).enumerate() {
        out.iter_mut().zip(at(&series.transition_offset, t)).for_each(|(x, b)| x[l] = *b);
    }
}

/// Subtracts d_t of each of the first series.
#[inline(always)]
pub(in crate::gaussian) fn subtract_emission(series: &[&Series<'_>], t: usize, out: &mut [Lane]) {
    for (l, series) in series.iter().take(OCTET).enumerate() {
        out.iter_mut().zip(at(&series.emission_offset, t)).for_each(|(v, d)| v[l] -= d);
    }
}

/// The offset of step t; nothing where there is none, or where the series has come to its end.
#[inline(always)]
fn at<'a>(offset: &Option<Steps<'a>>, t: usize) -> &'a [f64] {
    match offset {
        Some(offset) if offset.num_steps().is_none_or(|num_steps| t < num_steps) => offset.at(t),
        _ => &[],
    }
}
