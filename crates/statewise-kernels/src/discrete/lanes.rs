//! Sums and products over states, eight lanes at a time.
//!
//! Every kernel adds in the order fixed here, so that all copies (one state count known at compile
//! time, padded, time-varying, one step at a time) give the same bits.

use super::matrix::Matrix;
use crate::math::dispatch::{AVX512, fma};

/// Lanes of one tile.
pub(super) const LANES: usize = 8;

/// K rounded up to whole tiles.
pub(super) const fn padded(num_states: usize) -> usize {
    num_states.next_multiple_of(LANES)
}

/// Σ_k x_k: lane l adds the entries k ≡ l mod 8, then the lanes are added pairwise.
#[inline(always)]
pub(super) fn sum(x: &[f64]) -> f64 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        for l in 0..LANES {
            lanes[l] += chunk[l];
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane += value;
    }
    add_lanes(&lanes)
}

/// Σ_k x_k y_k in the order of [`sum`]; `y` may be padded.
#[inline(always)]
pub(super) fn dot<const ISA: u8>(x: &[f64], y: &[f64]) -> f64 {
    let (x_chunks, x_rest) = x.as_chunks::<LANES>();
    let (y_chunks, y_rest) = y[..x.len()].as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (x, y) in x_chunks.iter().zip(y_chunks) {
        for l in 0..LANES {
            lanes[l] = fma::<ISA>(x[l], y[l], lanes[l]);
        }
    }
    for l in 0..x_rest.len() {
        lanes[l] = fma::<ISA>(x_rest[l], y_rest[l], lanes[l]);
    }
    add_lanes(&lanes)
}

/// The fixed tree over eight lanes.
#[inline(always)]
fn add_lanes(l: &[f64; LANES]) -> f64 {
    ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
}

/// out(j) = Σ_i x(i) A(i, j): one sum over even i and one over odd i, then both added.
#[inline(always)]
pub(super) fn combine_rows<const ISA: u8>(a: Matrix<'_>, x: &[f64], out: &mut [f64]) {
    let width = out.len();
    let mut j = 0;
    // PERF: as many accumulators as fit in registers hide the latency of the multiply-add.
    if ISA == AVX512 {
        while j + 4 * LANES <= width {
            combine_tile::<ISA, 4>(a, x, j, out);
            j += 4 * LANES;
        }
    }
    while j + 2 * LANES <= width {
        combine_tile::<ISA, 2>(a, x, j, out);
        j += 2 * LANES;
    }
    while j + LANES <= width {
        combine_tile::<ISA, 1>(a, x, j, out);
        j += LANES;
    }
    for j in j..width {
        let (mut even, mut odd) = (0.0, 0.0);
        for (i, &x) in x.iter().enumerate() {
            let acc = if i % 2 == 0 { &mut even } else { &mut odd };
            *acc = fma::<ISA>(x, a.values[i * a.stride + j], *acc);
        }
        out[j] = even + odd;
    }
}

/// Columns j .. j + 8 N of [`combine_rows`].
#[inline(always)]
fn combine_tile<const ISA: u8, const N: usize>(a: Matrix<'_>, x: &[f64], j: usize, out: &mut [f64]) {
    let mut even = [[0.0; LANES]; N];
    let mut odd = [[0.0; LANES]; N];
    let mut rows = a.values.chunks(a.stride);
    let (pairs, last) = x.as_chunks::<2>();
    for &[x0, x1] in pairs {
        if let (Some(r0), Some(r1)) = (rows.next(), rows.next()) {
            add_scaled::<ISA, N>(x0, &r0[j..], &mut even);
            add_scaled::<ISA, N>(x1, &r1[j..], &mut odd);
        }
    }
    if let (&[x0], Some(row)) = (last, rows.next()) {
        add_scaled::<ISA, N>(x0, &row[j..], &mut even);
    }
    let (tiles, _) = out[j..].as_chunks_mut::<LANES>();
    for n in 0..N {
        for l in 0..LANES {
            tiles[n][l] = even[n][l] + odd[n][l];
        }
    }
}

/// acc += x · row over N tiles.
#[inline(always)]
fn add_scaled<const ISA: u8, const N: usize>(x: f64, row: &[f64], acc: &mut [[f64; LANES]; N]) {
    let (tiles, _) = row.as_chunks::<LANES>();
    for n in 0..N {
        for l in 0..LANES {
            acc[n][l] = fma::<ISA>(x, tiles[n][l], acc[n][l]);
        }
    }
}
