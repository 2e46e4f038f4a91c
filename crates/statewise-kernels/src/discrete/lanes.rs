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
///
/// With a padded matrix `out` has its whole width, otherwise K entries.
#[inline(always)]
pub(super) fn combine_rows<const ISA: u8>(a: Matrix<'_>, x: &[f64], out: &mut [f64]) {
    if !a.stride.is_multiple_of(LANES) {
        return combine_unpadded::<ISA>(a, x, out);
    }
    let (cells, _) = a.values.as_chunks::<LANES>();
    let (tiles, _) = out.as_chunks_mut::<LANES>();
    let width = a.stride / LANES;
    let cells = &cells[..x.len() * width];
    let mut j = 0;
    // PERF: as many accumulators as fit in registers hide the latency of the multiply-add.
    if ISA == AVX512 {
        while j + 4 <= tiles.len() {
            combine_tiles::<ISA, 4>(cells, width, x, j, tiles);
            j += 4;
        }
    }
    while j + 2 <= tiles.len() {
        combine_tiles::<ISA, 2>(cells, width, x, j, tiles);
        j += 2;
    }
    if j < tiles.len() {
        combine_tiles::<ISA, 1>(cells, width, x, j, tiles);
    }
}

/// Tiles j .. j + N of [`combine_rows`].
#[inline(always)]
fn combine_tiles<const ISA: u8, const N: usize>(
    cells: &[[f64; LANES]],
    width: usize,
    x: &[f64],
    j: usize,
    out: &mut [[f64; LANES]],
) {
    let mut even = [[0.0; LANES]; N];
    let mut odd = [[0.0; LANES]; N];
    let (pairs, last) = x.as_chunks::<2>();
    let mut rows = cells.chunks_exact(2 * width);
    for (&[x0, x1], rows) in pairs.iter().zip(&mut rows) {
        add_scaled::<ISA, N>(x0, &rows[j..j + N], &mut even);
        add_scaled::<ISA, N>(x1, &rows[width + j..width + j + N], &mut odd);
    }
    if let &[x0] = last {
        add_scaled::<ISA, N>(x0, &rows.remainder()[j..j + N], &mut even);
    }
    for n in 0..N {
        for l in 0..LANES {
            out[j + n][l] = even[n][l] + odd[n][l];
        }
    }
}

/// acc += x · row over N tiles.
#[inline(always)]
pub(super) fn add_scaled<const ISA: u8, const N: usize>(
    x: f64,
    row: &[[f64; LANES]],
    acc: &mut [[f64; LANES]; N],
) {
    for n in 0..N {
        for l in 0..LANES {
            acc[n][l] = fma::<ISA>(x, row[n][l], acc[n][l]);
        }
    }
}

/// [`combine_rows`] where rows do not start on a tile: eight columns at a time, then one.
#[inline(always)]
fn combine_unpadded<const ISA: u8>(a: Matrix<'_>, x: &[f64], out: &mut [f64]) {
    let (tiles, rest) = out.as_chunks_mut::<LANES>();
    let whole = tiles.len() * LANES;
    for (n, tile) in tiles.iter_mut().enumerate() {
        let mut acc = [[[0.0; LANES]; 1]; 2];
        for (i, (&x, row)) in x.iter().zip(a.values.chunks(a.stride)).enumerate() {
            let (row, _) = row[n * LANES..].as_chunks::<LANES>();
            add_scaled::<ISA, 1>(x, row, &mut acc[i % 2]);
        }
        for l in 0..LANES {
            tile[l] = acc[0][0][l] + acc[1][0][l];
        }
    }
    for (j, out) in rest.iter_mut().enumerate() {
        let mut acc = [0.0; 2];
        for (i, (&x, row)) in x.iter().zip(a.values.chunks(a.stride)).enumerate() {
            acc[i % 2] = fma::<ISA>(x, row[whole + j], acc[i % 2]);
        }
        *out = acc[0] + acc[1];
    }
}
