//! The forward pass over lanes.

use std::ops::Range;

use super::exchange::{gather, scatter};
use super::{
    BLOCK, LANES, LaneScratch, LaneSlices, OCTET, OCTETS, SMALL, add_exactly, offsets, sum_column, sum_row,
    vector,
};
use crate::gaussian::gains::Gains;
use crate::gaussian::means::MeanState;
use crate::gaussian::system::{Series, System};
use crate::math::dispatch::{fma, vectorised};

/// As [`advance_means`](crate::gaussian::advance_means) for up to [`LANES`] series with their states. With
/// `keep_history`, [`smooth_mean_lanes`](super::smooth_mean_lanes) can follow.
///
/// Answers `false`, and leaves `states` as they were, where a series needs a closer look: directions without
/// variance, or a mean that is not finite; the caller then takes the series one by one.
pub fn advance_mean_lanes(
    system: &System<'_>,
    series: &[Series<'_>],
    steps: Range<usize>,
    gains: &Gains,
    states: &mut [MeanState],
    [predicted, filtered]: [&mut LaneSlices<'_>; 2],
    keep_history: bool,
    scratch: &mut LaneScratch,
) -> bool {
    let (d, m, n) = (system.state_dim, system.emission_dim, series.len());
    if gains.has_lost_rows() || states.len() != n || !(1..=LANES).contains(&n) {
        return false;
    }
    // Lanes without a series of their own go with the first.
    let all: [&Series<'_>; LANES] = std::array::from_fn(|l| &series[if l < n { l } else { 0 }]);
    scratch.resize(d, m);
    let kept = if keep_history { steps.len() * OCTETS } else { 0 };
    scratch.filtered.resize(kept * d, [0.0; OCTET]);
    scratch.innovations.resize(kept * m, [0.0; OCTET]);
    super::super::by_dim!(d, advance(system, &all, steps, gains, states, predicted, filtered, scratch))
}

vectorised! {
    fn advance[const K](
        system: &System<'_>,
        series: &[&Series<'_>; LANES],
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
    series: &[&Series<'_>; LANES],
    steps: Range<usize>,
    gains: &Gains,
    states: &mut [MeanState],
    predicted: &mut LaneSlices<'_>,
    filtered: &mut LaneSlices<'_>,
    scratch: &mut LaneScratch,
) -> bool {
    // PERF: few sensors are the rule; loops over them that the compiler can unroll save a third.
    match system.emission_dim {
        1 => lanes::<ISA, K, 1>(system, series, steps, gains, states, predicted, filtered, scratch),
        2 => lanes::<ISA, K, 2>(system, series, steps, gains, states, predicted, filtered, scratch),
        _ => lanes::<ISA, K, 0>(system, series, steps, gains, states, predicted, filtered, scratch),
    }
}

#[inline(always)]
fn lanes<const ISA: u8, const K: usize, const M: usize>(
    system: &System<'_>,
    series: &[&Series<'_>; LANES],
    steps: Range<usize>,
    gains: &Gains,
    states: &mut [MeanState],
    predicted_rows: &mut LaneSlices<'_>,
    filtered_rows: &mut LaneSlices<'_>,
    scratch: &mut LaneScratch,
) -> bool {
    let d = if K > 0 { K } else { system.state_dim };
    let m = if M > 0 { M } else { system.emission_dim };
    let LaneScratch { vectors, blocks, filtered, innovations } = scratch;
    let [[p0, m0, v0, w0], [p1, m1, v1, w1]] = vectors;
    let mut stack = [[[[0.0; OCTET]; SMALL]; 4]; OCTETS];
    let [[sp0, sm0, sv0, sw0], [sp1, sm1, sv1, sw1]] = &mut stack;
    let predicted = [vector::<K>(sp0, p0, d), vector::<K>(sp1, p1, d)];
    let mean = [vector::<K>(sm0, m0, d), vector::<K>(sm1, m1, d)];
    let residual = [vector::<M>(sv0, v0, m), vector::<M>(sv1, v1, m)];
    let white = [vector::<M>(sw0, w0, m), vector::<M>(sw1, w1, m)];

    let emissions: [[&[f64]; OCTET]; OCTETS] =
        std::array::from_fn(|g| std::array::from_fn(|l| series[g * OCTET + l].emissions));
    let has_offsets = series[0].transition_offset.is_some() || series[0].emission_offset.is_some();
    let is_predicted = states[0].is_predicted;
    let (mut evidence, mut lost) = ([[0.0; OCTET]; OCTETS], [[0.0; OCTET]; OCTETS]);
    for l in 0..LANES {
        let (g, at, state) = (l / OCTET, l % OCTET, &states[if l < states.len() { l } else { 0 }]);
        (evidence[g][at], lost[g][at]) = (state.evidence, state.lost);
        (0..d).for_each(|i| mean[g][i][at] = state.mean[i]);
    }
    // Stays 0 as long as all are finite.
    let mut check = [[0.0; OCTET]; OCTETS];
    let keeps = [!predicted_rows[0].is_empty(), !filtered_rows[0].is_empty()];
    let mut current = usize::MAX;
    let mut parts = None;
    let num_steps = steps.len();
    for (s, t) in steps.enumerate() {
        let in_block = s % BLOCK;
        if in_block == 0 {
            let rows = s * m..num_steps.min(s + BLOCK) * m;
            for g in 0..OCTETS {
                gather(&emissions[g], rows.clone(), 0.0, &mut blocks[g][0]);
            }
        }
        if s == 0 && is_predicted {
            (0..OCTETS).for_each(|g| predicted[g].copy_from_slice(mean[g]));
        } else {
            let a = &system.transition.at(t)[..d * d];
            for g in 0..OCTETS {
                predicted[g].fill([0.0; OCTET]);
                if has_offsets {
                    offsets::transition(&series[g * OCTET..], t, predicted[g]);
                }
                for i in 0..d {
                    predicted[g][i] = sum_row::<ISA>(predicted[g][i], &a[i * d..(i + 1) * d], mean[g]);
                }
            }
        }
        let h = &system.emission.at(t)[..m * d];
        for g in 0..OCTETS {
            residual[g].copy_from_slice(&blocks[g][0][in_block * m..(in_block + 1) * m]);
            if has_offsets {
                offsets::subtract_emission(&series[g * OCTET..], t, residual[g]);
            }
            for i in 0..m {
                let sum = sum_row::<ISA>([0.0; OCTET], &h[i * d..(i + 1) * d], predicted[g]);
                for l in 0..OCTET {
                    let difference = residual[g][i][l] - sum[l];
                    residual[g][i][l] = if difference.is_nan() { 0.0 } else { difference };
                }
            }
        }
        let entry = gains.entry_of(t);
        let parts = match parts {
            Some(parts) if entry == current => parts,
            _ => *parts.insert(gains.parts(entry)),
        };
        current = entry;
        let (w_t, inverse) = (&parts.w[..m * d], &parts.inverse[..m * m]);
        for g in 0..OCTETS {
            let mut square = [0.0; OCTET];
            for i in 0..m {
                let sum = sum_row::<ISA>([0.0; OCTET], &inverse[i * m..i * m + i + 1], residual[g]);
                white[g][i] = sum;
                for l in 0..OCTET {
                    square[l] = fma::<ISA>(sum[l], sum[l], square[l]);
                }
            }
            for i in 0..d {
                mean[g][i] = sum_column::<ISA>(predicted[g][i], w_t, d, i, white[g]);
            }
            let mut term = [0.0; OCTET];
            for l in 0..OCTET {
                term[l] = parts.log_norm - 0.5 * square[l];
                check[g][l] += 0.0 * square[l];
            }
            add_exactly(&mut evidence[g], &mut lost[g], &term);
        }
        let row = in_block * d..(in_block + 1) * d;
        for g in 0..OCTETS {
            if keeps[0] {
                blocks[g][1][row.clone()].copy_from_slice(predicted[g]);
            }
            if keeps[1] {
                blocks[g][2][row.clone()].copy_from_slice(mean[g]);
            }
            if !filtered.is_empty() {
                let place = s * OCTETS + g;
                filtered[place * d..(place + 1) * d].copy_from_slice(mean[g]);
                innovations[place * m..(place + 1) * m].copy_from_slice(white[g]);
            }
        }
        if in_block + 1 == BLOCK || s + 1 == num_steps {
            let place = (s - in_block) * d..(s + 1) * d;
            for g in 0..OCTETS {
                let of = g * OCTET..(g + 1) * OCTET;
                if keeps[0] {
                    scatter(&blocks[g][1], place.clone(), &mut predicted_rows[of.clone()]);
                }
                if keeps[1] {
                    scatter(&blocks[g][2], place.clone(), &mut filtered_rows[of]);
                }
            }
        }
    }
    let finite = mean.iter().all(|mean| mean.iter().flatten().all(|x| x.is_finite()));
    if check != [[0.0; OCTET]; OCTETS] || !finite {
        return false;
    }
    for (l, state) in states.iter_mut().enumerate() {
        let (g, at) = (l / OCTET, l % OCTET);
        (state.evidence, state.lost, state.is_predicted) = (evidence[g][at], lost[g][at], false);
        (0..d).for_each(|i| state.mean[i] = mean[g][i][at]);
    }
    true
}
