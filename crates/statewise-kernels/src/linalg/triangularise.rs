//! Triangular square roots of sums of squares, by Householder reflections.
//!
//! \[A; B\] Θ = \[L, 0; X, Y\] with Θ orthogonal and L lower triangular, so that
//!
//! A Aᵀ = L Lᵀ,  B Aᵀ = X Lᵀ,  B Bᵀ = X Xᵀ + Y Yᵀ:
//!
//! the square root of a sum without the sum, and of a Schur complement without a difference.
//!
//! Matrices are stored by columns (the transpose, row-major), so that a reflection, which combines
//! columns, runs along the rows in SIMD lanes.

use std::ops::Range;

use crate::math::dispatch::{fma, vectorised};

/// Sizes of \[A; B\].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stacked {
    /// Rows of A.
    pub top: usize,
    /// Rows of B.
    pub bottom: usize,
    /// Columns of both.
    pub cols: usize,
    /// Row i of A is zero from column `band` + i + 1 on; `cols` if nothing is known.
    pub band: usize,
}

impl Stacked {
    /// Length of the scratch memory that [`triangularise`] asks for.
    pub fn scratch_len(&self) -> usize {
        self.cols + self.top + self.bottom
    }
}

vectorised! {
    /// Overwrites \[A; B\] with \[L, 0; X, Y\] and answers the rank of A.
    ///
    /// L is lower triangular in echelon form: row i ends in a positive pivot, or depends on the rows
    /// above and has none. The r pivots are in columns 0..r.
    ///
    /// * `top` – in A, out \[L, 0\], by columns, shape \[cols, top\].
    /// * `bottom` – in B, out \[X, Y\], by columns, shape \[cols, bottom\]; X is the first r columns.
    /// * `floors` – what is left of a row up to this norm counts as zero, shape \[top\]; empty: 0.
    /// * `scratch` – [`Stacked::scratch_len`] numbers, out.
    ///
    /// # Source
    /// Golub and Van Loan (2013), §5.1 and §5.2; the sign that makes pivots positive is computed without
    /// cancellation (their algorithm 5.1.1). 2 (cols − i)(top − i + bottom) multiply-adds for row i.
    pub fn triangularise(
        sizes: Stacked,
        top: &mut [f64],
        bottom: &mut [f64],
        floors: &[f64],
        scratch: &mut [f64],
    ) -> usize = triangularise_body
}

#[inline(always)]
fn triangularise_body<const ISA: u8>(
    sizes: Stacked,
    top: &mut [f64],
    bottom: &mut [f64],
    floors: &[f64],
    scratch: &mut [f64],
) -> usize {
    reflect::<ISA, 0, 0>(sizes, top, &mut [bottom], floors, scratch)
}

/// [`triangularise`] with any number of blocks B of equal size; N and M are the rows of A and of a B
/// where known at compile time, 0 where not.
#[inline(always)]
pub(crate) fn reflect<const ISA: u8, const N: usize, const M: usize>(
    sizes: Stacked,
    top: &mut [f64],
    bottoms: &mut [&mut [f64]],
    floors: &[f64],
    scratch: &mut [f64],
) -> usize {
    let n = if N == 0 { sizes.top } else { N };
    let (v, sums) = scratch.split_at_mut(sizes.cols);
    let top = &mut top[..n * sizes.cols];
    let mut pivot = 0;
    for i in 0..n {
        let end = sizes.cols.min(sizes.band + i + 1);
        if pivot >= end {
            continue;
        }
        let first = top[pivot * n + i];
        let mut tail = 0.0;
        for k in pivot + 1..end {
            v[k] = top[k * n + i];
            tail = fma::<ISA>(v[k], v[k], tail);
        }
        let norm = (first * first + tail).sqrt();
        if norm <= floors.get(i).copied().unwrap_or(0.0) {
            (pivot..end).for_each(|k| top[k * n + i] = 0.0);
            continue;
        }
        if tail >= f64::MIN_POSITIVE {
            // NUMERICS: first − norm for a positive first cancels.
            v[pivot] = if first > 0.0 { -tail / (first + norm) } else { first - norm };
            let scale = 2.0 / (v[pivot] * v[pivot] + tail);
            let from = if N == 0 { i + 1 } else { 0 };
            reflect_columns::<ISA, N>(top, n, from, v, pivot..end, scale, sums);
            for bottom in &mut *bottoms {
                reflect_columns::<ISA, M>(bottom, sizes.bottom, 0, v, pivot..end, scale, sums);
            }
        } else if first < 0.0 {
            top[pivot * n + i..(pivot + 1) * n].iter_mut().for_each(|x| *x = -*x);
            for bottom in &mut *bottoms {
                bottom[pivot * sizes.bottom..][..sizes.bottom].iter_mut().for_each(|x| *x = -*x);
            }
        }
        top[pivot * n + i] = norm;
        (pivot + 1..end).for_each(|k| top[k * n + i] = 0.0);
        pivot += 1;
    }
    pivot
}

/// Multiplies rows `from`.. of a block by I − `scale` v vᵀ from the right.
#[inline(always)]
fn reflect_columns<const ISA: u8, const N: usize>(
    block: &mut [f64],
    rows: usize,
    from: usize,
    v: &[f64],
    range: Range<usize>,
    scale: f64,
    sums: &mut [f64],
) {
    let rows = if N == 0 { rows } else { N };
    let len = if N == 0 { rows - from } else { N };
    let mut local = [0.0; N];
    let sums = if N == 0 { &mut sums[..len] } else { &mut local[..] };
    sums.fill(0.0);
    for k in range.clone() {
        let (column, x) = (&block[k * rows + from..][..len], v[k]);
        for j in 0..len {
            sums[j] = fma::<ISA>(x, column[j], sums[j]);
        }
    }
    for sum in &mut *sums {
        *sum *= scale;
    }
    for k in range {
        let (column, x) = (&mut block[k * rows + from..][..len], -v[k]);
        for j in 0..len {
            column[j] = fma::<ISA>(x, sums[j], column[j]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, speed: f64) -> Vec<f64> {
        (0..n).map(|i| (speed * (i + 1) as f64).sin()).collect()
    }

    /// C Dᵀ of matrices by columns.
    fn products(c: &[f64], n: usize, d: &[f64], m: usize) -> Vec<f64> {
        let mut out = vec![0.0; n * m];
        for (c, d) in c.chunks(n).zip(d.chunks(m)) {
            (0..n * m).for_each(|ij| out[ij] += c[ij / m] * d[ij % m]);
        }
        out
    }

    fn assert_close(what: &str, got: &[f64], want: &[f64]) {
        for (g, w) in got.iter().zip(want) {
            assert!((g - w).abs() < 1e-13, "{what}: {g:e}, expected {w:e}");
        }
    }

    #[test]
    fn squares_survive_and_the_top_is_lower_triangular() {
        for (n, m, cols) in [(1, 1, 1), (1, 2, 3), (3, 3, 3), (4, 2, 9), (2, 5, 4), (5, 0, 7), (4, 3, 2)] {
            let (mut a, mut b) = (wave(n * cols, 0.9), wave(m * cols, 1.7));
            let sizes = Stacked { top: n, bottom: m, cols, band: cols };
            let m1 = m.max(1);
            let before = [products(&a, n, &a, n), products(&b, m1, &a, n), products(&b, m1, &b, m1)];
            let rank = triangularise(sizes, &mut a, &mut b, &[], &mut vec![0.0; sizes.scratch_len()]);
            assert_eq!(rank, n.min(cols));
            if m > 0 {
                assert_close("B Aᵀ", &products(&b, m, &a, n), &before[1]);
                assert_close("B Bᵀ", &products(&b, m, &b, m), &before[2]);
            }
            assert_close("A Aᵀ", &products(&a, n, &a, n), &before[0]);
            for (k, column) in a.chunks(n).enumerate() {
                assert!(k >= n || column[k] > 0.0);
                assert!(column[..k.min(n)].iter().all(|x| *x == 0.0));
            }
        }
    }

    #[test]
    fn a_dependent_row_has_no_pivot() {
        // Row 1 is twice row 0, row 2 is new.
        let mut a = vec![1.0, 2.0, 0.5, -1.0, -2.0, 1.0, 2.0, 4.0, 0.0];
        let before = products(&a, 3, &a, 3);
        let sizes = Stacked { top: 3, bottom: 0, cols: 3, band: 3 };
        let rank = triangularise(sizes, &mut a, &mut [], &[1e-14; 3], &mut vec![0.0; sizes.scratch_len()]);
        assert_eq!(rank, 2);
        assert_close("A Aᵀ", &products(&a, 3, &a, 3), &before);
        assert_eq!(a[4], 0.0, "row 1 has nothing of its own");
        assert!(a[5] > 0.0 && a[6..] == [0.0; 3]);
    }

    #[test]
    fn a_small_new_part_beside_a_large_old_one_keeps_its_digits() {
        // [h l, r; l, 0] with l = 1e12, r = 3e-5: what is left of l is r.
        let (mut a, mut b) = (vec![1e12, 3e-5], vec![1e12, 0.0]);
        let sizes = Stacked { top: 1, bottom: 1, cols: 2, band: 1 };
        triangularise(sizes, &mut a, &mut b, &[], &mut vec![0.0; sizes.scratch_len()]);
        assert!((b[1].abs() / 3e-5 - 1.0).abs() < 1e-15, "{:e}", b[1]);
    }

    #[test]
    fn sizes_known_at_compile_time_change_nothing() {
        let sizes = Stacked { top: 4, bottom: 4, cols: 8, band: 4 };
        let mut a = wave(32, 0.7);
        for k in 4..8 {
            a[k * 4..k * 4 + k - 4].fill(0.0);
        }
        let (b, mut scratch) = (wave(32, 1.1), vec![0.0; sizes.scratch_len()]);
        let (mut a1, mut b1) = (a.clone(), b.clone());
        reflect::<0, 4, 4>(sizes, &mut a, &mut [&mut b.clone()], &[], &mut scratch);
        triangularise_body::<0>(sizes, &mut a1, &mut b1, &[], &mut scratch);
        assert_close("L", &a, &a1);
        let mut fused = (a1.clone(), b1.clone());
        triangularise(sizes, &mut fused.0, &mut fused.1, &[], &mut scratch);
        assert_close("L again", &fused.0, &a1);
    }
}
