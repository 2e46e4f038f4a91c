//! The backward pass over lanes.

use super::exchange::scatter;
use super::{BLOCK, LaneScratch, LaneSlices, OCTET, OCTETS, SMALL, sum_column, vector};
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
    match system.emission_dim {
        1 => lanes::<ISA, K, 1>(system, gains, smoothed, states, emissions, scratch),
        2 => lanes::<ISA, K, 2>(system, gains, smoothed, states, emissions, scratch),
        _ => lanes::<ISA, K, 0>(system, gains, smoothed, states, emissions, scratch),
    }
}

#[inline(always)]
fn lanes<const ISA: u8, const K: usize, const M: usize>(
    system: &System<'_>,
    gains: &Gains,
    smoothed_rows: &mut LaneSlices<'_>,
    state_rows: &mut LaneSlices<'_>,
    emission_rows: &mut LaneSlices<'_>,
    scratch: &mut LaneScratch,
) {
    let d = if K > 0 { K } else { system.state_dim };
    let m = if M > 0 { M } else { system.emission_dim };
    let LaneScratch { vectors, blocks, filtered, innovations } = scratch;
    let [[q0, r0, a0, _], [q1, r1, a1, _]] = vectors;
    let mut stack = [[[[0.0; OCTET]; SMALL]; 3]; OCTETS];
    let [[sq0, sr0, sa0], [sq1, sr1, sa1]] = &mut stack;
    let q = [vector::<K>(sq0, q0, d), vector::<K>(sq1, q1, d)];
    let r = [vector::<K>(sr0, r0, d), vector::<K>(sr1, r1, d)];
    let a = [vector::<M>(sa0, a0, m), vector::<M>(sa1, a1, m)];
    (0..OCTETS).for_each(|g| q[g].fill([0.0; OCTET]));
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
                for i in 0..d {
                    q[g][i] = sum_column::<ISA>([0.0; OCTET], transition, d, i, r[g]);
                }
            }
        }
        let row = in_block * d..(in_block + 1) * d;
        let (cov, w, u) = (&parts.filtered[..d * d], &parts.w[..m * d], &parts.u[..m * d]);
        for g in 0..OCTETS {
            let place = s * OCTETS + g;
            if keeps[0] {
                let out = &mut blocks[g][1][row.clone()];
                out.copy_from_slice(&filtered[place * d..(place + 1) * d]);
                if s < last {
                    for i in 0..d {
                        out[i] = sum_column::<ISA>(out[i], cov, d, i, q[g]);
                    }
                }
            }
            a[g].copy_from_slice(&innovations[place * m..(place + 1) * m]);
            for i in 0..m {
                let mut sum = a[g][i];
                for (w, q) in w[i * d..(i + 1) * d].iter().zip(&*q[g]) {
                    for l in 0..OCTET {
                        sum[l] = fma::<ISA>(-*w, q[l], sum[l]);
                    }
                }
                a[g][i] = sum;
            }
            for i in 0..d {
                r[g][i] = sum_column::<ISA>(q[g][i], u, d, i, a[g]);
            }
            if keeps[1] {
                blocks[g][2][row.clone()].copy_from_slice(r[g]);
            }
            if keeps[2] {
                for j in 0..m {
                    blocks[g][0][in_block * m + j] =
                        sum_column::<ISA>([0.0; OCTET], parts.inverse, m, j, a[g]);
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
