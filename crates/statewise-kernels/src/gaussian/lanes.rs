//! Passes over the data of eight series at a time that share their gains, one series a lane.
//!
//! Every lane does the operations of the passes over one series in their order, so the bits are the same.

use std::ops::Range;

use super::gains::Gains;
use super::means::{MeanRows, MeanState};
use super::system::{GaussianError, Series, System};
use crate::math::dispatch::{fma, vectorised};

/// Series that go together.
pub const LANES: usize = 8;

type Lane = [f64; LANES];

/// Buffers of the passes.
#[derive(Clone, Debug, Default)]
pub struct LaneScratch {
    predicted: Vec<Lane>,
    mean: Vec<Lane>,
    residual: Vec<Lane>,
    white: Vec<Lane>,
}

impl LaneScratch {
    fn resize(&mut self, d: usize, m: usize) {
        self.predicted.resize(d, [0.0; LANES]);
        self.mean.resize(d, [0.0; LANES]);
        self.residual.resize(m, [0.0; LANES]);
        self.white.resize(m, [0.0; LANES]);
    }
}

/// As [`advance_means`](super::advance_means) for [`LANES`] series, with their states and rows.
///
/// Answers `false`, and leaves `states` as they were, where a series needs a closer look: directions without
/// variance, or a mean that is not finite; the caller then takes the series one by one.
pub fn advance_mean_lanes(
    system: &System<'_>,
    series: &[Series<'_>; LANES],
    steps: Range<usize>,
    gains: &Gains,
    states: &mut [MeanState],
    rows: &mut [MeanRows<'_>; LANES],
    scratch: &mut LaneScratch,
) -> bool {
    if gains.has_lost_rows() || states.len() != LANES {
        return false;
    }
    scratch.resize(system.state_dim, system.emission_dim);
    super::by_dim!(system.state_dim, advance(system, series, steps, gains, states, rows, scratch))
}

vectorised! {
    fn advance[const K](
        system: &System<'_>,
        series: &[Series<'_>; LANES],
        steps: Range<usize>,
        gains: &Gains,
        states: &mut [MeanState],
        rows: &mut [MeanRows<'_>; LANES],
        scratch: &mut LaneScratch,
    ) -> bool = advance_body
}

#[inline(always)]
fn advance_body<const ISA: u8, const K: usize>(
    system: &System<'_>,
    series: &[Series<'_>; LANES],
    steps: Range<usize>,
    gains: &Gains,
    states: &mut [MeanState],
    rows: &mut [MeanRows<'_>; LANES],
    scratch: &mut LaneScratch,
) -> bool {
    let d = if K > 0 { K } else { system.state_dim };
    let m = system.emission_dim;
    let LaneScratch { predicted, mean, residual, white } = scratch;
    let (predicted, mean) = (&mut predicted[..d], &mut mean[..d]);
    let (residual, white) = (&mut residual[..m], &mut white[..m]);
    let keeps = [!rows[0].predicted.is_empty(), !rows[0].filtered.is_empty(), !rows[0].innovations.is_empty()];
    let has_offsets = [series[0].transition_offset.is_some(), series[0].emission_offset.is_some()];
    let is_predicted = states[0].is_predicted;
    let (mut evidence, mut lost) = ([0.0; LANES], [0.0; LANES]);
    for (l, state) in states.iter().enumerate() {
        (evidence[l], lost[l]) = (state.evidence, state.lost);
        (0..d).for_each(|i| mean[i][l] = state.mean[i]);
    }
    let mut finite = true;
    for (s, t) in steps.clone().enumerate() {
        if s == 0 && is_predicted {
            predicted.copy_from_slice(mean);
        } else {
            if has_offsets[0] {
                for (l, series) in series.iter().enumerate() {
                    let offset = series.transition_offset.as_ref().map_or(&[][..], |offset| offset.at(t));
                    predicted.iter_mut().zip(offset).for_each(|(x, b)| x[l] = *b);
                }
            } else {
                predicted.fill([0.0; LANES]);
            }
            multiply_add::<ISA>(system.transition.at(t), d, mean, predicted);
        }
        for (l, series) in series.iter().enumerate() {
            let y = &series.emissions[s * m..(s + 1) * m];
            residual.iter_mut().zip(y).for_each(|(v, y)| v[l] = *y);
        }
        if has_offsets[1] {
            for (l, series) in series.iter().enumerate() {
                let offset = series.emission_offset.as_ref().map_or(&[][..], |offset| offset.at(t));
                residual.iter_mut().zip(offset).for_each(|(v, d)| v[l] -= d);
            }
        }
        for (v, h) in residual.iter_mut().zip(system.emission.at(t).chunks_exact(d)) {
            let mut sum = [0.0; LANES];
            for (h, x) in h.iter().zip(&*predicted) {
                (0..LANES).for_each(|l| sum[l] = fma::<ISA>(*h, x[l], sum[l]));
            }
            for l in 0..LANES {
                let difference = v[l] - sum[l];
                v[l] = if difference.is_nan() { 0.0 } else { difference };
            }
        }
        let parts = gains.parts(gains.entry_of(t));
        let mut square = [0.0; LANES];
        for (i, (w, row)) in white.iter_mut().zip(parts.inverse.chunks_exact(m)).enumerate() {
            let mut sum = [0.0; LANES];
            for (x, v) in row[..=i].iter().zip(&*residual) {
                (0..LANES).for_each(|l| sum[l] = fma::<ISA>(*x, v[l], sum[l]));
            }
            *w = sum;
            (0..LANES).for_each(|l| square[l] = fma::<ISA>(sum[l], sum[l], square[l]));
        }
        mean.copy_from_slice(predicted);
        for (w, row) in white.iter().zip(parts.w.chunks_exact(d)) {
            for (x, g) in mean.iter_mut().zip(row) {
                (0..LANES).for_each(|l| x[l] = fma::<ISA>(*g, w[l], x[l]));
            }
        }
        for l in 0..LANES {
            // Neumaier's sum, as MeanState::add.
            let term = parts.log_norm - 0.5 * square[l];
            let sum = evidence[l] + term;
            let larger = evidence[l].abs() >= term.abs();
            let (big, small) = if larger { (evidence[l], term) } else { (term, evidence[l]) };
            lost[l] += (big - sum) + small;
            evidence[l] = sum;
        }
        finite &= square.iter().all(|x| x.is_finite());
        let kept = [&*predicted, &*mean, &*white];
        for ((keep, values), width) in keeps.iter().zip(kept).zip([d, d, m]) {
            if !keep {
                continue;
            }
            for (l, rows) in rows.iter_mut().enumerate() {
                let out: &mut [f64] = match width == d && std::ptr::eq(values, kept[0]) {
                    true => rows.predicted,
                    false if std::ptr::eq(values, kept[1]) => rows.filtered,
                    false => rows.innovations,
                };
                let out = &mut out[s * width..(s + 1) * width];
                out.iter_mut().zip(values).for_each(|(out, x)| *out = x[l]);
            }
        }
    }
    finite &= mean.iter().flatten().all(|x| x.is_finite());
    if !finite {
        return false;
    }
    for (l, state) in states.iter_mut().enumerate() {
        (state.evidence, state.lost, state.is_predicted) = (evidence[l], lost[l], false);
        (0..d).for_each(|i| state.mean[i] = mean[i][l]);
    }
    true
}

/// x += A v with A of shape \[D, D\], lane by lane, in the order of the columns of A.
#[inline(always)]
fn multiply_add<const ISA: u8>(a: &[f64], d: usize, v: &[Lane], x: &mut [Lane]) {
    for (x, row) in x.iter_mut().zip(a.chunks_exact(d)) {
        let mut sum = *x;
        for (a, v) in row.iter().zip(v) {
            (0..LANES).for_each(|l| sum[l] = fma::<ISA>(*a, v[l], sum[l]));
        }
        *x = sum;
    }
}
