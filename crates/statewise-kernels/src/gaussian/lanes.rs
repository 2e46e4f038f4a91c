//! Passes over the data of eight series at a time that share their gains, one series a lane.
//!
//! Every lane does the operations of the passes over one series in their order, so the bits are the same.

use std::ops::Range;

use super::gains::Gains;
use super::means::MeanState;
use super::system::{Series, System};
use crate::math::dispatch::{fma, vectorised};

/// Series that go together.
pub const LANES: usize = 8;

/// One number of each series.
type Lane = [f64; LANES];

/// Where one kind of rows goes: a slice per series, all empty where nobody asked.
pub type LaneSlices<'a> = [&'a mut [f64]; LANES];

/// Buffers of the passes, and what the backward pass needs of the forward one.
#[derive(Clone, Debug, Default)]
pub struct LaneScratch {
    predicted: Vec<Lane>,
    mean: Vec<Lane>,
    residual: Vec<Lane>,
    white: Vec<Lane>,
    /// m_{t|t}, \[T, D\].
    filtered: Vec<Lane>,
    /// w_t, \[T, M\].
    innovations: Vec<Lane>,
}

/// As [`advance_means`](super::advance_means) for [`LANES`] series with their states. With `keep_history`,
/// [`smooth_mean_lanes`] can follow.
///
/// Answers `false`, and leaves `states` as they were, where a series needs a closer look: directions without
/// variance, or a mean that is not finite; the caller then takes the series one by one.
pub fn advance_mean_lanes(
    system: &System<'_>,
    series: &[Series<'_>; LANES],
    steps: Range<usize>,
    gains: &Gains,
    states: &mut [MeanState],
    [predicted, filtered]: [&mut LaneSlices<'_>; 2],
    keep_history: bool,
    scratch: &mut LaneScratch,
) -> bool {
    let (d, m) = (system.state_dim, system.emission_dim);
    if gains.has_lost_rows() || states.len() != LANES {
        return false;
    }
    scratch.predicted.resize(d, [0.0; LANES]);
    scratch.mean.resize(d, [0.0; LANES]);
    scratch.residual.resize(m, [0.0; LANES]);
    scratch.white.resize(m, [0.0; LANES]);
    let kept = if keep_history { steps.len() } else { 0 };
    scratch.filtered.resize(kept * d, [0.0; LANES]);
    scratch.innovations.resize(kept * m, [0.0; LANES]);
    super::by_dim!(d, advance(system, series, steps, gains, states, predicted, filtered, scratch))
}

vectorised! {
    fn advance[const K](
        system: &System<'_>,
        series: &[Series<'_>; LANES],
        steps: Range<usize>,
        gains: &Gains,
        states: &mut [MeanState],
        predicted_rows: &mut LaneSlices<'_>,
        filtered_rows: &mut LaneSlices<'_>,
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
    predicted_rows: &mut LaneSlices<'_>,
    filtered_rows: &mut LaneSlices<'_>,
    scratch: &mut LaneScratch,
) -> bool {
    let d = if K > 0 { K } else { system.state_dim };
    let m = system.emission_dim;
    let LaneScratch { predicted, mean, residual, white, filtered, innovations } = scratch;
    let (predicted, mean) = (&mut predicted[..d], &mut mean[..d]);
    let (residual, white) = (&mut residual[..m], &mut white[..m]);
    let offsets = series[0].transition_offset.is_some() || series[0].emission_offset.is_some();
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
            predicted.fill([0.0; LANES]);
            if offsets {
                for (l, series) in series.iter().enumerate() {
                    let offset = series.transition_offset.as_ref().map_or(&[][..], |offset| offset.at(t));
                    predicted.iter_mut().zip(offset).for_each(|(x, b)| x[l] = *b);
                }
            }
            for (x, row) in predicted.iter_mut().zip(system.transition.at(t).chunks_exact(d)) {
                for (a, v) in row.iter().zip(&*mean) {
                    (0..LANES).for_each(|l| x[l] = fma::<ISA>(*a, v[l], x[l]));
                }
            }
        }
        for (l, series) in series.iter().enumerate() {
            let y = &series.emissions[s * m..(s + 1) * m];
            residual.iter_mut().zip(y).for_each(|(v, y)| v[l] = *y);
        }
        if offsets {
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
        scatter::<K>(s, d, predicted, predicted_rows);
        scatter::<K>(s, d, mean, filtered_rows);
        if !filtered.is_empty() {
            filtered[s * d..(s + 1) * d].copy_from_slice(mean);
            innovations[s * m..(s + 1) * m].copy_from_slice(white);
        }
    }
    if !finite || mean.iter().flatten().any(|x| !x.is_finite()) {
        return false;
    }
    for (l, state) in states.iter_mut().enumerate() {
        (state.evidence, state.lost, state.is_predicted) = (evidence[l], lost[l], false);
        (0..d).for_each(|i| state.mean[i] = mean[i][l]);
    }
    true
}

/// As [`smooth_means`](super::smooth_means) for the series that [`advance_mean_lanes`] took last, over all
/// steps of `gains`; `rows` are smoothed means, adjoints of states and adjoints of emissions.
pub fn smooth_mean_lanes(
    system: &System<'_>,
    gains: &Gains,
    [smoothed, states, emissions]: [&mut LaneSlices<'_>; 3],
    scratch: &mut LaneScratch,
) {
    super::by_dim!(system.state_dim, smooth(system, gains, smoothed, states, emissions, scratch));
}

vectorised! {
    fn smooth[const K](
        system: &System<'_>,
        gains: &Gains,
        smoothed_rows: &mut LaneSlices<'_>,
        state_rows: &mut LaneSlices<'_>,
        emission_rows: &mut LaneSlices<'_>,
        scratch: &mut LaneScratch,
    ) = smooth_body
}

#[inline(always)]
fn smooth_body<const ISA: u8, const K: usize>(
    system: &System<'_>,
    gains: &Gains,
    smoothed_rows: &mut LaneSlices<'_>,
    state_rows: &mut LaneSlices<'_>,
    emission_rows: &mut LaneSlices<'_>,
    scratch: &mut LaneScratch,
) {
    let d = if K > 0 { K } else { system.state_dim };
    let m = system.emission_dim;
    let LaneScratch { predicted: q, mean: r, residual, white, filtered, innovations } = scratch;
    let (q, r, a, u) = (&mut q[..d], &mut r[..d], &mut residual[..m], &mut white[..m]);
    q.fill([0.0; LANES]);
    let last = gains.num_steps() - 1;
    for s in (0..=last).rev() {
        let t = gains.first + s;
        let parts = gains.parts(gains.index[s] as usize);
        if s < last {
            q.fill([0.0; LANES]);
            for (row, r) in system.transition.at(t + 1).chunks_exact(d).zip(&*r) {
                for (q, x) in q.iter_mut().zip(row) {
                    (0..LANES).for_each(|l| q[l] = fma::<ISA>(*x, r[l], q[l]));
                }
            }
        }
        if !smoothed_rows[0].is_empty() {
            r.copy_from_slice(&filtered[s * d..(s + 1) * d]);
            if s < last {
                for (row, q) in parts.filtered.chunks_exact(d).zip(&*q) {
                    for (x, p) in r.iter_mut().zip(row) {
                        (0..LANES).for_each(|l| x[l] = fma::<ISA>(*p, q[l], x[l]));
                    }
                }
            }
            scatter::<K>(s, d, r, smoothed_rows);
        }
        a.copy_from_slice(&innovations[s * m..(s + 1) * m]);
        for (a, row) in a.iter_mut().zip(parts.w.chunks_exact(d)) {
            for (w, q) in row.iter().zip(&*q) {
                (0..LANES).for_each(|l| a[l] = fma::<ISA>(-*w, q[l], a[l]));
            }
        }
        r.copy_from_slice(q);
        for (a, row) in a.iter().zip(parts.u.chunks_exact(d)) {
            for (r, u) in r.iter_mut().zip(row) {
                (0..LANES).for_each(|l| r[l] = fma::<ISA>(*u, a[l], r[l]));
            }
        }
        scatter::<K>(s, d, r, state_rows);
        if !emission_rows[0].is_empty() {
            u.fill([0.0; LANES]);
            for (row, a) in parts.inverse.chunks_exact(m).zip(&*a) {
                for (u, x) in u.iter_mut().zip(row) {
                    (0..LANES).for_each(|l| u[l] = fma::<ISA>(*x, a[l], u[l]));
                }
            }
            scatter::<0>(s, m, u, emission_rows);
        }
    }
}

/// Writes row s of each series; nothing where nobody asked.
#[inline(always)]
fn scatter<const K: usize>(s: usize, width: usize, values: &[Lane], rows: &mut LaneSlices<'_>) {
    if rows[0].is_empty() {
        return;
    }
    let width = if K > 0 { K } else { width };
    let values = &values[..width];
    for (l, row) in rows.iter_mut().enumerate() {
        let out = &mut row[s * width..(s + 1) * width];
        out.iter_mut().zip(values).for_each(|(out, x)| *out = x[l]);
    }
}
