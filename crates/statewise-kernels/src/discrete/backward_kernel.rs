//! The scaled backward recursion over a run of ordinary steps, fused with the posterior.
//!
//! w_t(j) = b_t(j) β_t(j);  β_{t-1}(i) = Σ_j A(i, j) w_t(j);
//! p(z_t = k | y) = α_t(k) β_t(k) / c_t with c_t = Σ_k α_t(k) β_t(k);
//! p(z_{t-1} = i, z_t = j | y) = α_{t-1}(i) A(i, j) w_t(j) / c_{t-1}
//!
//! so that the pair marginals of one matrix sum to A ∘ Σ_t (α_{t-1} / c_{t-1}) w_tᵀ.

use super::lanes::{self, LANES, add_scaled, combine_rows, padded};
use super::matrix::Matrix;
use super::workspace::{BackwardBuffers, grow, grow_aligned};
use crate::math::dispatch::{AVX512, fma, vectorised};

/// The messages disagree when c_t falls below it relative to Σα Σβ: 2⁻⁴⁰⁰. What the scaled passes
/// may have lost is smaller than 2⁻⁶⁰⁰, so above it all posteriors are exact.
const DISJOINT: f64 = 3.872_591_914_849_318e-121;
/// A step whose Σβ falls below it has collapsed and may have lost digits: 2⁻⁴⁰⁰.
const COLLAPSED: f64 = 3.872_591_914_849_318e-121;
/// β is brought back to a sum in [1, 2) when it leaves (2⁻¹⁰⁰, 2¹⁰⁰).
const SMALL: f64 = 7.888_609_052_210_118e-31;
const LARGE: f64 = 1.267_650_600_228_229_4e30;
/// Rows of one tile of the product of two tall matrices.
const OUTER_ROWS: usize = 4;

/// A run of steps, taken from its end to its start.
pub(super) struct BackwardRun<'a> {
    pub(super) num_states: usize,
    /// Aᵀ, rows padded.
    pub(super) transposed: Matrix<'a>,
    /// b_t(k), scaled, \[len, K\].
    pub(super) scaled: &'a [f64],
    /// In: p(z_t | y_{1:t}); out: p(z_t | y_{1:T}); \[len, K\].
    pub(super) rows: &'a mut [f64],
    /// Whether to add (α_{t-1} / c_{t-1}) w_tᵀ to `outer`.
    pub(super) pairs: bool,
}

/// Prepares `buffers` for a backward pass: β_T = 1, no pairs.
pub(super) fn reset(buffers: &mut BackwardBuffers, num_states: usize) {
    let width = padded(num_states);
    let beta = grow(&mut buffers.beta, width);
    beta.fill(0.0);
    beta[..num_states].fill(1.0);
    grow(&mut buffers.weighted, width).fill(0.0);
    grow(&mut buffers.outer, num_states * width).fill(0.0);
}

/// Takes `run` from its end to its start; false if the messages disagree at some step.
pub(super) fn retreat(buffers: &mut BackwardBuffers, mut run: BackwardRun<'_>) -> bool {
    match run.num_states {
        1 => backward_small::<1>(buffers, &mut run),
        2 => backward_small::<2>(buffers, &mut run),
        3 => backward_small::<3>(buffers, &mut run),
        4 => backward_small::<4>(buffers, &mut run),
        5 => backward_small::<5>(buffers, &mut run),
        6 => backward_small::<6>(buffers, &mut run),
        7 => backward_small::<7>(buffers, &mut run),
        8 => backward_small::<8>(buffers, &mut run),
        _ => backward_wide(buffers, &mut run),
    }
}

/// Whether c_t is large enough beside Σβ, and Σβ itself, for the posterior to be exact.
#[inline(always)]
pub(super) fn agrees(agreement: f64, sum: f64) -> bool {
    sum >= COLLAPSED && agreement >= DISJOINT * sum && agreement < f64::INFINITY
}

/// Whether Σβ should be brought back to [1, 2).
#[inline(always)]
pub(super) fn out_of_range(sum: f64) -> bool {
    !(sum > SMALL && sum < LARGE)
}

/// Whether A ∘ outer is finite: an entry of outer is at most T / A(i, j).
pub(super) fn can_sum_pairs(a: &[f64]) -> bool {
    a.iter().all(|&p| p == 0.0 || p > 1e-290)
}

/// Adds A ∘ outer to `pair_sum` \[K, K\].
///
/// NUMERICS: where A(i, j) = 0 nothing bounds outer(i, j), and 0 · ∞ is NaN.
pub(super) fn add_pairs(buffers: &BackwardBuffers, a: &[f64], num_states: usize, pair_sum: &mut [f64]) {
    let width = padded(num_states);
    for i in 0..num_states {
        for j in (0..num_states).filter(|j| a[i * num_states + j] > 0.0) {
            pair_sum[i * num_states + j] += a[i * num_states + j] * buffers.outer[i * width + j];
        }
    }
}

/// Multiplies β and w by the power of two that brings Σβ into [1, 2).
#[inline(always)]
pub(super) fn rescale(beta: &mut [f64], weighted: &mut [f64], sum: f64) {
    // A collapsed β stays as it is, for the next step's check to see.
    if sum >= COLLAPSED && sum.is_finite() {
        let raised = ((sum.to_bits() >> 52) & 0x7ff) as i64 - 1023;
        let factor = f64::from_bits(((1023 - raised).max(1) as u64) << 52);
        beta.iter_mut().chain(weighted).for_each(|x| *x *= factor);
    }
}

vectorised! {
    /// [`retreat`] for any K.
    fn backward_wide(buffers: &mut BackwardBuffers, run: &mut BackwardRun<'_>) -> bool = backward_wide_body
}

#[inline(always)]
fn backward_wide_body<const ISA: u8>(buffers: &mut BackwardBuffers, run: &mut BackwardRun<'_>) -> bool {
    // PERF: a state count known at compile time unrolls the loops over states.
    match run.num_states {
        16 => backward_tiles::<ISA>(buffers, run, 16),
        k => backward_tiles::<ISA>(buffers, run, k),
    }
}

#[inline(always)]
fn backward_tiles<const ISA: u8>(
    buffers: &mut BackwardBuffers,
    run: &mut BackwardRun<'_>,
    k: usize,
) -> bool {
    let width = padded(k);
    let transposed = Matrix { values: run.transposed.values, stride: width };
    let len = run.scaled.len() / k;
    let BackwardBuffers { beta, weighted, outer, left, right, .. } = buffers;
    let (beta, weighted) = (&mut beta[..width], &mut weighted[..width]);
    let left = grow_aligned(left, len * width);
    let right = grow_aligned(right, len * width);
    let mut sum = lanes::sum(beta);
    for i in (0..len).rev() {
        let row = &mut run.rows[i * k..(i + 1) * k];
        let agreement = lanes::dot::<ISA>(row, beta);
        if !agrees(agreement, sum) {
            return false;
        }
        let scale = 1.0 / agreement;
        if run.pairs {
            let left = &mut left[i * width..(i + 1) * width];
            for (out, alpha) in left.iter_mut().zip(row.iter()) {
                *out = alpha * scale;
            }
            right[i * width..(i + 1) * width].copy_from_slice(weighted);
        }
        for (x, beta) in row.iter_mut().zip(beta.iter()) {
            *x *= beta * scale;
        }
        for ((w, b), beta) in weighted.iter_mut().zip(&run.scaled[i * k..]).zip(beta.iter()).take(k) {
            *w = b * beta;
        }
        combine_rows::<ISA>(transposed, &weighted[..k], beta);
        sum = lanes::sum(beta);
        if out_of_range(sum) {
            rescale(beta, weighted, sum);
            sum = lanes::sum(beta);
        }
    }
    if run.pairs {
        add_outer_products::<ISA>(k, width, left, right, &mut outer[..k * width]);
    }
    true
}

/// outer += leftᵀ right, both \[len, width\], in tiles of 4 rows that stay in registers.
#[inline(always)]
fn add_outer_products<const ISA: u8>(
    num_states: usize,
    width: usize,
    left: &[f64],
    right: &[f64],
    outer: &mut [f64],
) {
    let (right, _) = right.as_chunks::<LANES>();
    let (outer, _) = outer.as_chunks_mut::<LANES>();
    let width = width / LANES;
    for i in (0..num_states).step_by(OUTER_ROWS) {
        let mut j = 0;
        if ISA == AVX512 {
            while j + 4 <= width {
                outer_tile::<ISA, 4>(num_states, width, left, right, outer, i, j);
                j += 4;
            }
        }
        while j + 2 <= width {
            outer_tile::<ISA, 2>(num_states, width, left, right, outer, i, j);
            j += 2;
        }
        if j < width {
            outer_tile::<ISA, 1>(num_states, width, left, right, outer, i, j);
        }
    }
}

/// Rows i .. i + 4 and tiles j .. j + N of `outer`; rows from K on are padding and not stored.
#[inline(always)]
fn outer_tile<const ISA: u8, const N: usize>(
    num_states: usize,
    width: usize,
    left: &[f64],
    right: &[[f64; LANES]],
    outer: &mut [[f64; LANES]],
    i: usize,
    j: usize,
) {
    let mut acc = [[[0.0; LANES]; N]; OUTER_ROWS];
    let (left, _) = left.as_chunks::<OUTER_ROWS>();
    let step = width * LANES / OUTER_ROWS;
    for (left, right) in left.chunks_exact(step).zip(right.chunks_exact(width)) {
        let [x0, x1, x2, x3] = left[i / OUTER_ROWS];
        let row = &right[j..j + N];
        add_scaled::<ISA, N>(x0, row, &mut acc[0]);
        add_scaled::<ISA, N>(x1, row, &mut acc[1]);
        add_scaled::<ISA, N>(x2, row, &mut acc[2]);
        add_scaled::<ISA, N>(x3, row, &mut acc[3]);
    }
    for r in 0..OUTER_ROWS.min(num_states - i) {
        for n in 0..N {
            for l in 0..LANES {
                outer[(i + r) * width + j + n][l] += acc[r][n][l];
            }
        }
    }
}

vectorised! {
    /// [`retreat`] with the messages in registers.
    fn backward_small[const K](buffers: &mut BackwardBuffers, run: &mut BackwardRun<'_>) -> bool
        = backward_small_body
}

#[inline(always)]
fn backward_small_body<const ISA: u8, const K: usize>(
    buffers: &mut BackwardBuffers,
    run: &mut BackwardRun<'_>,
) -> bool {
    let width = padded(K);
    let mut a = [[0.0; K]; K];
    let mut outer = [[0.0; K]; K];
    for j in 0..K {
        a[j].copy_from_slice(&run.transposed.values[j * run.transposed.stride..][..K]);
        outer[j].copy_from_slice(&buffers.outer[j * width..][..K]);
    }
    let (mut beta, mut weighted) = ([0.0; K], [0.0; K]);
    beta.copy_from_slice(&buffers.beta[..K]);
    weighted.copy_from_slice(&buffers.weighted[..K]);
    let mut sum = lanes::sum(&beta);
    let (scaled, _) = run.scaled.as_chunks::<K>();
    let (rows, _) = run.rows.as_chunks_mut::<K>();
    for (b, row) in scaled.iter().zip(rows).rev() {
        let mut joint = [0.0; K];
        for k in 0..K {
            joint[k] = row[k] * beta[k];
        }
        let agreement = lanes::sum(&joint);
        if !agrees(agreement, sum) {
            return false;
        }
        let scale = 1.0 / agreement;
        if run.pairs {
            for i in 0..K {
                let left = row[i] * scale;
                for j in 0..K {
                    outer[i][j] = fma::<ISA>(left, weighted[j], outer[i][j]);
                }
            }
        }
        *row = joint.map(|x| x * scale);
        for k in 0..K {
            weighted[k] = b[k] * beta[k];
        }
        let (mut even, mut odd) = ([0.0; K], [0.0; K]);
        for j in 0..K {
            let acc = if j % 2 == 0 { &mut even } else { &mut odd };
            for i in 0..K {
                acc[i] = fma::<ISA>(weighted[j], a[j][i], acc[i]);
            }
        }
        for i in 0..K {
            beta[i] = even[i] + odd[i];
        }
        sum = lanes::sum(&beta);
        if out_of_range(sum) {
            rescale(&mut beta, &mut weighted, sum);
            sum = lanes::sum(&beta);
        }
    }
    buffers.beta[..K].copy_from_slice(&beta);
    buffers.weighted[..K].copy_from_slice(&weighted);
    for i in 0..K {
        buffers.outer[i * width..][..K].copy_from_slice(&outer[i]);
    }
    true
}
