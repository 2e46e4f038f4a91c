//! The backward pass over lanes.

use super::exchange::scatter;
use super::{BLOCK, Lane, LaneScratch, LaneSlices, Lanes, OCTET, OCTETS, by_vectors, sum_column};
use crate::gaussian::gains::Gains;
use crate::gaussian::system::System;
use crate::math::dispatch::{fma, vectorised};

/// As [`smooth_means`](crate::gaussian::smooth_means) for the series that
/// [`advance_mean_lanes`](super::advance_mean_lanes) took last, over all steps of `gains`; `rows` are smoothed
/// means, adjoints of states and adjoints of emissions.
pub fn smooth_mean_lanes(
    system: &System<'_>,
    gains: &Gains,
    [smoothed, states, emissions]: [&mut LaneSlices<'_>; 3],
    scratch: &mut LaneScratch,
) {
    let d = system.state_dim;
    super::super::by_dim!(d, smooth(system, gains, smoothed, states, emissions, scratch));
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
    smoothed: &mut LaneSlices<'_>,
    states: &mut LaneSlices<'_>,
    emissions: &mut LaneSlices<'_>,
    scratch: &mut LaneScratch,
) {
    by_vectors!(ISA, K, system.emission_dim, lanes(system, gains, smoothed, states, emissions, scratch))
}

/// What an octet carries from step to step.
struct Octet<V, W> {
    q: V,
    r: V,
    a: W,
}

impl<V: Lanes, W: Lanes> Octet<V, W> {
    #[inline(always)]
    fn zeros(d: usize, m: usize) -> Self {
        Octet { q: V::zeros(d), r: V::zeros(d), a: W::zeros(m) }
    }

    /// q_t = Aᵀ r_{t+1}.
    #[inline(always)]
    fn turn_back<const ISA: u8>(&mut self, transition: &[f64]) {
        let (q, r) = (self.q.as_mut(), self.r.as_ref());
        for i in 0..q.len() {
            q[i] = sum_column::<ISA>([0.0; OCTET], transition, r.len(), i, r);
        }
    }

    /// a = w − W q, with w given, and r = q + Uᵀ a.
    #[inline(always)]
    fn update<const ISA: u8>(&mut self, w: &[f64], u: &[f64]) {
        let (q, r, a) = (self.q.as_ref(), self.r.as_mut(), self.a.as_mut());
        let d = q.len();
        for (a, w) in a.iter_mut().zip(w.chunks_exact(d)) {
            for (w, q) in w.iter().zip(q) {
                for l in 0..OCTET {
                    a[l] = fma::<ISA>(-*w, q[l], a[l]);
                }
            }
        }
        for i in 0..d {
            r[i] = sum_column::<ISA>(q[i], u, d, i, a);
        }
    }
}

#[inline(always)]
fn lanes<const ISA: u8, V: Lanes, W: Lanes>(
    system: &System<'_>,
    gains: &Gains,
    smoothed_rows: &mut LaneSlices<'_>,
    state_rows: &mut LaneSlices<'_>,
    emission_rows: &mut LaneSlices<'_>,
    scratch: &mut LaneScratch,
) {
    let LaneScratch { blocks, filtered, innovations } = scratch;
    let mut octets: [Octet<V, W>; OCTETS] = [
        Octet::zeros(system.state_dim, system.emission_dim),
        Octet::zeros(system.state_dim, system.emission_dim),
    ];
    let (d, m) = (octets[0].q.as_ref().len(), octets[0].a.as_ref().len());
    let keeps = [&*smoothed_rows, &*state_rows, &*emission_rows].map(|rows| !rows[0].is_empty());
    let last = gains.num_steps() - 1;
    let mut current = usize::MAX;
    let mut parts = None;
    for s in (0..=last).rev() {
        let t = gains.first + s;
        let entry = gains.index[s] as usize;
        let parts = match parts {
            Some(parts) if entry == current => parts,
            _ => *parts.insert(gains.parts(entry)),
        };
        current = entry;
        let in_block = s % BLOCK;
        if s < last {
            let transition = &system.transition.at(t + 1)[..d * d];
            for g in 0..OCTETS {
                octets[g].turn_back::<ISA>(transition);
            }
        }
        let row = in_block * d..(in_block + 1) * d;
        let (cov, w, u) = (&parts.filtered[..d * d], &parts.w[..m * d], &parts.u[..m * d]);
        for g in 0..OCTETS {
            let (octet, place) = (&mut octets[g], s * OCTETS + g);
            if keeps[0] {
                let q = octet.q.as_ref();
                let mean = &filtered[place * d..(place + 1) * d];
                let out = &mut blocks[g][1][row.clone()];
                for i in 0..d {
                    out[i] = if s < last { sum_column::<ISA>(mean[i], cov, d, i, q) } else { mean[i] };
                }
            }
            octet.a.as_mut().copy_from_slice(&innovations[place * m..(place + 1) * m]);
        }
        for g in 0..OCTETS {
            octets[g].update::<ISA>(w, u);
        }
        for g in 0..OCTETS {
            let octet = &octets[g];
            if keeps[1] {
                blocks[g][2][row.clone()].copy_from_slice(octet.r.as_ref());
            }
            if keeps[2] {
                for j in 0..m {
                    blocks[g][0][in_block * m + j] =
                        sum_column::<ISA>([0.0; OCTET], parts.inverse, m, j, octet.a.as_ref());
                }
            }
        }
        if in_block == 0 {
            let end = (s + BLOCK).min(last + 1);
            for g in 0..OCTETS {
                let of = g * OCTET..(g + 1) * OCTET;
                if keeps[0] {
                    scatter(&blocks[g][1], s * d..end * d, &mut smoothed_rows[of.clone()]);
                }
                if keeps[1] {
                    scatter(&blocks[g][2], s * d..end * d, &mut state_rows[of.clone()]);
                }
                if keeps[2] {
                    scatter(&blocks[g][0], s * m..end * m, &mut emission_rows[of]);
                }
            }
        }
    }
}
