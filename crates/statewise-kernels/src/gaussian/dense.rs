//! Products of small dense matrices, row-major, with the width of the result known at compile time
//! (K) or not (K = 0).
//!
//! All products run along rows of the right factor and of the result, so that the compiler
//! vectorises them; a factor that is needed transposed is transposed once beforehand. Large matrices go by faer.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use crate::math::dispatch::fma;

/// What a product does with what stands in its result already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Into {
    /// C = A B.
    Set,
    /// C += A B.
    Add,
    /// C -= A B.
    Subtract,
}

/// A factor read by its entries: (i, p) is at i · rows + p · columns.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    values: &'a [f64],
    rows: usize,
    columns: usize,
}

impl<'a> Left<'a> {
    /// A matrix with `width` columns.
    #[inline(always)]
    pub(super) fn plain(values: &'a [f64], width: usize) -> Self {
        Left { values, rows: width, columns: 1 }
    }

    /// The transpose of a matrix with `width` columns.
    #[inline(always)]
    pub(super) fn transposed(values: &'a [f64], width: usize) -> Self {
        Left { values, rows: 1, columns: width }
    }

    #[inline(always)]
    fn at(&self, i: usize, p: usize) -> f64 {
        self.values[i * self.rows + p * self.columns]
    }
}

/// C (op)= A B with A of shape \[m, k\], B \[k, n\] and C \[m, n\]; n = K where K > 0.
#[inline(always)]
pub(super) fn product<const ISA: u8, const K: usize>(
    [m, k, n]: [usize; 3],
    a: Left<'_>,
    b: &[f64],
    c: &mut [f64],
    into: Into,
) {
    if K > 0 {
        debug_assert_eq!(n, K);
        let b = &b.as_chunks::<K>().0[..k];
        let c = &mut c.as_chunks_mut::<K>().0[..m];
        for (i, row) in c.iter_mut().enumerate() {
            let mut sum = start(row, into);
            for (p, b) in b.iter().enumerate() {
                let x = signed(a.at(i, p), into);
                for j in 0..K {
                    sum[j] = fma::<ISA>(x, b[j], sum[j]);
                }
            }
            *row = sum;
        }
    } else if m.min(k).min(n) >= LARGE {
        blocks([m, k, n], a, b, c, into);
    } else {
        tiles::<ISA>([m, k, n], a, b, c, into);
    }
}

/// Dimension from which on matrices go in blocks that fit the caches.
///
/// PERF: on one core of a Zen 5, register tiles reach 105, 95, 70 and 70 GFLOP/s at 64, 128, 256 and 400 dimensions
/// (55 to 65 with a transposed factor), blocks 118, 122, 116 and 119 (112, 99 and 104).
const LARGE: usize = 96;

/// [`product`] in blocks that fit the caches.
#[inline(never)]
fn blocks([m, k, n]: [usize; 3], a: Left<'_>, b: &[f64], c: &mut [f64], into: Into) {
    let left = if a.columns == 1 {
        MatRef::from_row_major_slice(&a.values[..m * k], m, k)
    } else {
        MatRef::from_row_major_slice(&a.values[..k * m], k, m).transpose()
    };
    let right = MatRef::from_row_major_slice(&b[..k * n], k, n);
    let out = MatMut::from_row_major_slice_mut(&mut c[..m * n], m, n);
    let (keep, factor) = match into {
        Into::Set => (Accum::Replace, 1.0),
        Into::Add => (Accum::Add, 1.0),
        Into::Subtract => (Accum::Add, -1.0),
    };
    matmul(out, keep, left, right, factor, Par::Seq);
}

#[inline(always)]
fn start<const W: usize>(row: &[f64; W], into: Into) -> [f64; W] {
    if into == Into::Set { [0.0; W] } else { *row }
}

#[inline(always)]
fn signed(x: f64, into: Into) -> f64 {
    if into == Into::Subtract { -x } else { x }
}

/// Rows and columns of a register tile.
const TALL: usize = 4;
const WIDE: usize = 16;

/// [`product`] in register tiles.
#[inline(always)]
fn tiles<const ISA: u8>([m, k, n]: [usize; 3], a: Left<'_>, b: &[f64], c: &mut [f64], into: Into) {
    let (full_rows, full_columns) = (m / TALL * TALL, n / WIDE * WIDE);
    for j in (0..full_columns).step_by(WIDE) {
        for i in (0..full_rows).step_by(TALL) {
            tile::<ISA, TALL, WIDE>(i, j, k, n, a, b, c, into);
        }
        for i in full_rows..m {
            tile::<ISA, 1, WIDE>(i, j, k, n, a, b, c, into);
        }
    }
    let mut j = full_columns;
    if n - j >= 8 {
        strip::<ISA, 8>(j, full_rows, [m, k, n], a, b, c, into);
        j += 8;
    }
    if n - j >= 4 {
        strip::<ISA, 4>(j, full_rows, [m, k, n], a, b, c, into);
        j += 4;
    }
    while j < n {
        strip::<ISA, 1>(j, full_rows, [m, k, n], a, b, c, into);
        j += 1;
    }
}

#[inline(always)]
fn strip<const ISA: u8, const W: usize>(
    j: usize,
    full_rows: usize,
    [m, k, n]: [usize; 3],
    a: Left<'_>,
    b: &[f64],
    c: &mut [f64],
    into: Into,
) {
    for i in (0..full_rows).step_by(TALL) {
        tile::<ISA, TALL, W>(i, j, k, n, a, b, c, into);
    }
    for i in full_rows..m {
        tile::<ISA, 1, W>(i, j, k, n, a, b, c, into);
    }
}

#[inline(always)]
fn tile<const ISA: u8, const H: usize, const W: usize>(
    i: usize,
    j: usize,
    k: usize,
    n: usize,
    a: Left<'_>,
    b: &[f64],
    c: &mut [f64],
    into: Into,
) {
    let mut sums = [[0.0; W]; H];
    for p in 0..k {
        let b = &b[p * n + j..][..W];
        for h in 0..H {
            let x = a.at(i + h, p);
            for w in 0..W {
                sums[h][w] = fma::<ISA>(x, b[w], sums[h][w]);
            }
        }
    }
    for h in 0..H {
        let row = &mut c[(i + h) * n + j..][..W];
        for w in 0..W {
            match into {
                Into::Set => row[w] = sums[h][w],
                Into::Add => row[w] += sums[h][w],
                Into::Subtract => row[w] -= sums[h][w],
            }
        }
    }
}

/// Writes the transpose of a matrix of shape \[m, n\].
#[inline(always)]
pub(super) fn transpose(m: usize, n: usize, a: &[f64], out: &mut [f64]) {
    for i in 0..m {
        for j in 0..n {
            out[j * m + i] = a[i * n + j];
        }
    }
}

/// Makes a square matrix exactly symmetric: the upper triangle becomes a copy of the lower.
#[inline(always)]
pub(super) fn mirror<const K: usize>(n: usize, a: &mut [f64]) {
    let n = if K > 0 { K } else { n };
    let a = &mut a[..n * n];
    for i in 0..n {
        for j in 0..i {
            a[j * n + i] = a[i * n + j];
        }
    }
}

/// x (op)= A v with A of shape \[m, n\] given by its *columns* (the transpose, \[n, m\]); m = K where
/// K > 0.
#[inline(always)]
pub(super) fn apply<const ISA: u8, const K: usize>(
    m: usize,
    columns: &[f64],
    v: &[f64],
    x: &mut [f64],
    into: Into,
) {
    if K > 0 {
        let x: &mut [f64; K] = &mut x.as_chunks_mut::<K>().0[0];
        let mut sum = start(x, into);
        for (column, v) in columns.as_chunks::<K>().0.iter().zip(v) {
            let v = signed(*v, into);
            for i in 0..K {
                sum[i] = fma::<ISA>(column[i], v, sum[i]);
            }
        }
        *x = sum;
    } else {
        let x = &mut x[..m];
        if into == Into::Set {
            x.fill(0.0);
        }
        for (column, v) in columns.chunks_exact(m).zip(v) {
            let v = signed(*v, into);
            for (x, c) in x.iter_mut().zip(column) {
                *x = fma::<ISA>(*c, v, *x);
            }
        }
    }
}

/// Σ a_i b_i.
#[inline(always)]
pub(super) fn dot<const ISA: u8>(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (a4, a_rest) = a.as_chunks::<4>();
    let (b4, b_rest) = b.as_chunks::<4>();
    for (a, b) in a4.iter().zip(b4) {
        for i in 0..4 {
            sums[i] = fma::<ISA>(a[i], b[i], sums[i]);
        }
    }
    let mut sum = (sums[0] + sums[2]) + (sums[1] + sums[3]);
    for (a, b) in a_rest.iter().zip(b_rest) {
        sum = fma::<ISA>(*a, *b, sum);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::dispatch::BASELINE;

    #[test]
    fn blocks_equal_tiles() {
        let sizes @ [m, k, n] = [LARGE + 3, LARGE, LARGE + 9];
        let values = |len: usize, step: f64| (0..len).map(|i| (step * i as f64).sin()).collect::<Vec<_>>();
        let (a, b, start) = (values(m * k, 0.7), values(k * n, 0.3), values(m * n, 0.1));
        for left in [Left::plain(&a, k), Left::transposed(&a, m)] {
            for into in [Into::Set, Into::Add, Into::Subtract] {
                let (mut got, mut want) = (start.clone(), start.clone());
                blocks(sizes, left, &b, &mut got, into);
                tiles::<BASELINE>(sizes, left, &b, &mut want, into);
                // Sums of a hundred products of at most 1, in another order.
                assert!(got.iter().zip(&want).all(|(x, y)| (x - y).abs() < 1e-12));
            }
        }
    }
}
