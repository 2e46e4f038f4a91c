//! The forward pass over lanes.

use std::ops::Range;

use super::exchange::{gather, scatter};
use super::{
    BLOCK, LANES, Lane, LaneScratch, LaneSlices, Lanes, OCTET, OCTETS, add_exactly, by_vectors, offsets,
    sum_column, sum_row,
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
    by_vectors!(
        ISA,
        K,
        system.emission_dim,
        lanes(system, series, steps, gains, states, predicted, filtered, scratch)
    )
}

/// What an octet carries from step to step.
struct Octet<V, W> {
    predicted: V,
    mean: V,
    residual: W,
    white: W,
    evidence: Lane,
    lost: Lane,
    /// Stays 0 as long as all is finite.
    check: Lane,
}

impl<V: Lanes, W: Lanes> Octet<V, W> {
    #[inline(always)]
    fn zeros(d: usize, m: usize) -> Self {
        Octet {
            predicted: V::zeros(d),
            mean: V::zeros(d),
            residual: W::zeros(m),
            white: W::zeros(m),
            evidence: [0.0; OCTET],
            lost: [0.0; OCTET],
            check: [0.0; OCTET],
        }
    }

    /// m_t = A m_{t-1|t-1}, added to what stands there.
    #[inline(always)]
    fn predict<const ISA: u8>(&mut self, a: &[f64]) {
        let (predicted, mean) = (self.predicted.as_mut(), self.mean.as_ref());
        for (predicted, a) in predicted.iter_mut().zip(a.chunks_exact(mean.len())) {
            *predicted = sum_row::<ISA>(*predicted, a, mean);
        }
    }

    /// y − d, given as the residual, becomes v = y − d − H m, 0 where missing.
    #[inline(always)]
    fn innovate<const ISA: u8>(&mut self, h: &[f64]) {
        let (residual, predicted) = (self.residual.as_mut(), self.predicted.as_ref());
        for (residual, h) in residual.iter_mut().zip(h.chunks_exact(predicted.len())) {
            let sum = sum_row::<ISA>([0.0; OCTET], h, predicted);
            for l in 0..OCTET {
                let difference = residual[l] - sum[l];
                residual[l] = if difference.is_nan() { 0.0 } else { difference };
            }
        }
    }

    /// w = L⁻¹ v and m_{t|t} = m + Wᵀ w; adds to the evidence.
    #[inline(always)]
    fn update<const ISA: u8>(&mut self, inverse: &[f64], w: &[f64], log_norm: f64) {
        let (predicted, mean) = (self.predicted.as_ref(), self.mean.as_mut());
        let (residual, white) = (self.residual.as_ref(), self.white.as_mut());
        let (d, m) = (predicted.len(), residual.len());
        let mut square = [0.0; OCTET];
        for i in 0..m {
            let sum = sum_row::<ISA>([0.0; OCTET], &inverse[i * m..i * m + i + 1], residual);
            white[i] = sum;
            for l in 0..OCTET {
                square[l] = fma::<ISA>(sum[l], sum[l], square[l]);
            }
        }
        for i in 0..d {
            mean[i] = sum_column::<ISA>(predicted[i], w, d, i, white);
        }
        let mut term = [0.0; OCTET];
        for l in 0..OCTET {
            term[l] = log_norm - 0.5 * square[l];
            self.check[l] += 0.0 * square[l];
        }
        add_exactly(&mut self.evidence, &mut self.lost, &term);
    }

    fn is_finite(&self) -> bool {
        self.check == [0.0; OCTET] && self.mean.as_ref().iter().flatten().all(|x| x.is_finite())
    }
}

#[inline(always)]
fn lanes<const ISA: u8, V: Lanes, W: Lanes>(
    system: &System<'_>,
    series: &[&Series<'_>; LANES],
    steps: Range<usize>,
    gains: &Gains,
    states: &mut [MeanState],
    predicted_rows: &mut LaneSlices<'_>,
    filtered_rows: &mut LaneSlices<'_>,
    scratch: &mut LaneScratch,
) -> bool {
    let LaneScratch { blocks, filtered, innovations } = scratch;
    let mut octets: [Octet<V, W>; OCTETS] = [
        Octet::zeros(system.state_dim, system.emission_dim),
        Octet::zeros(system.state_dim, system.emission_dim),
    ];
    let (d, m) = (octets[0].mean.as_ref().len(), octets[0].white.as_ref().len());
    let emissions: [[&[f64]; OCTET]; OCTETS] =
        std::array::from_fn(|g| std::array::from_fn(|l| series[g * OCTET + l].emissions));
    let has_offsets = series[0].transition_offset.is_some() || series[0].emission_offset.is_some();
    let is_predicted = states[0].is_predicted;
    for l in 0..LANES {
        let (octet, at, state) =
            (&mut octets[l / OCTET], l % OCTET, &states[if l < states.len() { l } else { 0 }]);
        (octet.evidence[at], octet.lost[at]) = (state.evidence, state.lost);
        octet.mean.as_mut().iter_mut().zip(&state.mean).for_each(|(lane, x)| lane[at] = *x);
    }
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
        let entry = gains.entry_of(t);
        let parts = match parts {
            Some(parts) if entry == current => parts,
            _ => *parts.insert(gains.parts(entry)),
        };
        current = entry;
        let (a, h) = (&system.transition.at(t)[..d * d], &system.emission.at(t)[..m * d]);
        let (w, inverse) = (&parts.w[..m * d], &parts.inverse[..m * m]);
        for g in 0..OCTETS {
            let octet = &mut octets[g];
            if s == 0 && is_predicted {
                octet.predicted.as_mut().copy_from_slice(octet.mean.as_ref());
            } else {
                octet.predicted.as_mut().fill([0.0; OCTET]);
                if has_offsets {
                    offsets::transition(&series[g * OCTET..], t, octet.predicted.as_mut());
                }
                octet.predict::<ISA>(a);
            }
            octet.residual.as_mut().copy_from_slice(&blocks[g][0][in_block * m..(in_block + 1) * m]);
            if has_offsets {
                offsets::subtract_emission(&series[g * OCTET..], t, octet.residual.as_mut());
            }
        }
        for g in 0..OCTETS {
            octets[g].innovate::<ISA>(h);
        }
        for g in 0..OCTETS {
            octets[g].update::<ISA>(inverse, w, parts.log_norm);
        }
        let row = in_block * d..(in_block + 1) * d;
        for g in 0..OCTETS {
            let octet = &octets[g];
            if keeps[0] {
                blocks[g][1][row.clone()].copy_from_slice(octet.predicted.as_ref());
            }
            if keeps[1] {
                blocks[g][2][row.clone()].copy_from_slice(octet.mean.as_ref());
            }
            if !filtered.is_empty() {
                let place = s * OCTETS + g;
                filtered[place * d..(place + 1) * d].copy_from_slice(octet.mean.as_ref());
                innovations[place * m..(place + 1) * m].copy_from_slice(octet.white.as_ref());
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
    if !octets.iter().all(Octet::is_finite) {
        return false;
    }
    for (l, state) in states.iter_mut().enumerate() {
        let (octet, at) = (&octets[l / OCTET], l % OCTET);
        (state.evidence, state.lost, state.is_predicted) = (octet.evidence[at], octet.lost[at], false);
        state.mean.iter_mut().zip(octet.mean.as_ref()).for_each(|(x, lane)| *x = lane[at]);
    }
    true
}
