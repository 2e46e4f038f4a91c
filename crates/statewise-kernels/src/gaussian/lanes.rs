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

/// Steps between exchanges of rows of the series with lanes.
///
/// PERF: a lane that is read right after its numbers were written one by one stalls the processor; rows are
/// therefore exchanged a block at a time.
const BLOCK: usize = 16;

/// Buffers of the passes, and what the backward pass needs of the forward one.
#[derive(Clone, Debug, Default)]
pub struct LaneScratch {
    predicted: Vec<Lane>,
    mean: Vec<Lane>,
    residual: Vec<Lane>,
    white: Vec<Lane>,
    /// A block of rows of each kind that is read or written.
    blocks: [Vec<Lane>; 3],
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
    scratch.resize_blocks([m, d, d]);
    super::by_dim!(d, advance(system, series, steps, gains, states, predicted, filtered, scratch))
}

impl LaneScratch {
    fn resize_blocks(&mut self, widths: [usize; 3]) {
        for (block, width) in self.blocks.iter_mut().zip(widths) {
            block.resize(BLOCK * width, [0.0; LANES]);
        }
    }
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
    // PERF: few sensors are the rule; loops over them that the compiler can unroll save a third.
    match system.emission_dim {
        1 => advance_lanes::<ISA, K, 1>(
            system,
            series,
            steps,
            gains,
            states,
            predicted_rows,
            filtered_rows,
            scratch,
        ),
        2 => advance_lanes::<ISA, K, 2>(
            system,
            series,
            steps,
            gains,
            states,
            predicted_rows,
            filtered_rows,
            scratch,
        ),
        _ => advance_lanes::<ISA, K, 0>(
            system,
            series,
            steps,
            gains,
            states,
            predicted_rows,
            filtered_rows,
            scratch,
        ),
    }
}

#[inline(always)]
fn advance_lanes<const ISA: u8, const K: usize, const M: usize>(
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
    let m = if M > 0 { M } else { system.emission_dim };
    let LaneScratch { predicted, mean, residual, white, blocks, filtered, innovations } = scratch;
    let [emissions, predicted_block, filtered_block] = blocks;
    let (predicted, mean) = (&mut predicted[..d], &mut mean[..d]);
    let (residual, white) = (&mut residual[..m], &mut white[..m]);
    let offsets = series[0].transition_offset.is_some() || series[0].emission_offset.is_some();
    let is_predicted = states[0].is_predicted;
    let (mut evidence, mut lost) = ([0.0; LANES], [0.0; LANES]);
    for (l, state) in states.iter().enumerate() {
        (evidence[l], lost[l]) = (state.evidence, state.lost);
        (0..d).for_each(|i| mean[i][l] = state.mean[i]);
    }
    let mut check = [0.0; LANES];
    let keeps = [!predicted_rows[0].is_empty(), !filtered_rows[0].is_empty()];
    let mut current = usize::MAX;
    let mut parts = None;
    let num_steps = steps.len();
    for (s, t) in steps.enumerate() {
        let in_block = s % BLOCK;
        if in_block == 0 {
            let rows = s * m..num_steps.min(s + BLOCK) * m;
            for (l, series) in series.iter().enumerate() {
                let lanes = emissions.iter_mut().zip(&series.emissions[rows.clone()]);
                lanes.for_each(|(lane, y)| lane[l] = *y);
            }
        }
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
            let a = &system.transition.at(t)[..d * d];
            for i in 0..d {
                predicted[i] = sum_row::<ISA>(predicted[i], &a[i * d..(i + 1) * d], mean);
            }
        }
        residual.copy_from_slice(&emissions[in_block * m..(in_block + 1) * m]);
        if offsets {
            for (l, series) in series.iter().enumerate() {
                let offset = series.emission_offset.as_ref().map_or(&[][..], |offset| offset.at(t));
                residual.iter_mut().zip(offset).for_each(|(v, d)| v[l] -= d);
            }
        }
        for (v, h) in residual.iter_mut().zip(system.emission.at(t).chunks_exact(d)) {
            let sum = sum_row::<ISA>([0.0; LANES], h, predicted);
            for l in 0..LANES {
                let difference = v[l] - sum[l];
                v[l] = if difference.is_nan() { 0.0 } else { difference };
            }
        }
        let entry = gains.entry_of(t);
        let parts = match parts {
            Some(parts) if entry == current => parts,
            _ => *parts.insert(gains.parts(entry)),
        };
        current = entry;
        let (w_t, inverse) = (&parts.w[..m * d], &parts.inverse[..m * m]);
        let mut square = [0.0; LANES];
        for (i, (w, row)) in white.iter_mut().zip(inverse.chunks_exact(m)).enumerate() {
            let sum = sum_row::<ISA>([0.0; LANES], &row[..=i], residual);
            *w = sum;
            (0..LANES).for_each(|l| square[l] = fma::<ISA>(sum[l], sum[l], square[l]));
        }
        for i in 0..d {
            mean[i] = sum_column::<ISA>(predicted[i], w_t, d, i, white);
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
        // Stays 0 as long as all are finite.
        (0..LANES).for_each(|l| check[l] += 0.0 * square[l]);
        if keeps[0] {
            predicted_block[in_block * d..(in_block + 1) * d].copy_from_slice(predicted);
        }
        if keeps[1] {
            filtered_block[in_block * d..(in_block + 1) * d].copy_from_slice(mean);
        }
        if in_block + 1 == BLOCK || s + 1 == num_steps {
            let first = s - in_block;
            scatter(first * d..(s + 1) * d, predicted_block, predicted_rows);
            scatter(first * d..(s + 1) * d, filtered_block, filtered_rows);
        }
        if !filtered.is_empty() {
            filtered[s * d..(s + 1) * d].copy_from_slice(mean);
            innovations[s * m..(s + 1) * m].copy_from_slice(white);
        }
    }
    if check != [0.0; LANES] || mean.iter().flatten().any(|x| !x.is_finite()) {
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
    let (d, m) = (system.state_dim, system.emission_dim);
    scratch.resize_blocks([m, d, d]);
    super::by_dim!(d, smooth(system, gains, smoothed, states, emissions, scratch));
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
    match system.emission_dim {
        1 => smooth_lanes::<ISA, K, 1>(system, gains, smoothed_rows, state_rows, emission_rows, scratch),
        2 => smooth_lanes::<ISA, K, 2>(system, gains, smoothed_rows, state_rows, emission_rows, scratch),
        _ => smooth_lanes::<ISA, K, 0>(system, gains, smoothed_rows, state_rows, emission_rows, scratch),
    }
}

#[inline(always)]
fn smooth_lanes<const ISA: u8, const K: usize, const M: usize>(
    system: &System<'_>,
    gains: &Gains,
    smoothed_rows: &mut LaneSlices<'_>,
    state_rows: &mut LaneSlices<'_>,
    emission_rows: &mut LaneSlices<'_>,
    scratch: &mut LaneScratch,
) {
    let d = if K > 0 { K } else { system.state_dim };
    let m = if M > 0 { M } else { system.emission_dim };
    let LaneScratch { predicted: q, mean: r, residual, white, blocks, filtered, innovations } = scratch;
    let [emission_block, smoothed_block, state_block] = blocks;
    let (q, r, a, u) = (&mut q[..d], &mut r[..d], &mut residual[..m], &mut white[..m]);
    q.fill([0.0; LANES]);
    let last = gains.num_steps() - 1;
    for s in (0..=last).rev() {
        let t = gains.first + s;
        let parts = gains.parts(gains.index[s] as usize);
        let in_block = s % BLOCK;
        if s < last {
            for i in 0..d {
                q[i] = sum_column::<ISA>([0.0; LANES], system.transition.at(t + 1), d, i, r);
            }
        }
        if !smoothed_rows[0].is_empty() {
            let filtered = &filtered[s * d..(s + 1) * d];
            for i in 0..d {
                smoothed_block[in_block * d + i] = if s < last {
                    sum_column::<ISA>(filtered[i], parts.filtered, d, i, q)
                } else {
                    filtered[i]
                };
            }
        }
        a.copy_from_slice(&innovations[s * m..(s + 1) * m]);
        for (a, row) in a.iter_mut().zip(parts.w.chunks_exact(d)) {
            let mut sum = *a;
            for (w, q) in row.iter().zip(&*q) {
                (0..LANES).for_each(|l| sum[l] = fma::<ISA>(-*w, q[l], sum[l]));
            }
            *a = sum;
        }
        for i in 0..d {
            r[i] = sum_column::<ISA>(q[i], parts.u, d, i, a);
        }
        if !state_rows[0].is_empty() {
            state_block[in_block * d..(in_block + 1) * d].copy_from_slice(r);
        }
        if !emission_rows[0].is_empty() {
            for j in 0..m {
                u[j] = sum_column::<ISA>([0.0; LANES], parts.inverse, m, j, a);
            }
            emission_block[in_block * m..(in_block + 1) * m].copy_from_slice(u);
        }
        if in_block == 0 {
            let end = (s + BLOCK).min(last + 1);
            scatter(s * d..end * d, smoothed_block, smoothed_rows);
            scatter(s * d..end * d, state_block, state_rows);
            scatter(s * m..end * m, emission_block, emission_rows);
        }
    }
}

/// start + Σ_k weights_k v_k, in order.
#[inline(always)]
fn sum_row<const ISA: u8>(start: Lane, weights: &[f64], v: &[Lane]) -> Lane {
    let mut sum = start;
    for (w, v) in weights.iter().zip(v) {
        (0..LANES).for_each(|l| sum[l] = fma::<ISA>(*w, v[l], sum[l]));
    }
    sum
}

/// start + Σ_k weights_ki v_k, in order, of a matrix of this width.
#[inline(always)]
fn sum_column<const ISA: u8>(start: Lane, weights: &[f64], width: usize, i: usize, v: &[Lane]) -> Lane {
    let mut sum = start;
    for (row, v) in weights.chunks_exact(width).zip(v) {
        (0..LANES).for_each(|l| sum[l] = fma::<ISA>(row[i], v[l], sum[l]));
    }
    sum
}

/// Writes a block of values of each series where they lie; nothing where nobody asked.
#[inline(always)]
fn scatter(place: Range<usize>, values: &[Lane], rows: &mut LaneSlices<'_>) {
    if rows[0].is_empty() {
        return;
    }
    for (l, row) in rows.iter_mut().enumerate() {
        row[place.clone()].iter_mut().zip(values).for_each(|(out, x)| *out = x[l]);
    }
}
