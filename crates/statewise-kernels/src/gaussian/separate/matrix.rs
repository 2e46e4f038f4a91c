//! Products of matrices of which each entry is a number of each of eight series.

use crate::gaussian::dense::Into;
use crate::gaussian::lanes::exchange::scatter;
use crate::gaussian::lanes::{Lane, OCTET};
use crate::math::dispatch::fma;

/// An entry of a matrix: one number for all series, or one of each.
pub(super) trait Number: Copy {
    /// The number of lane l.
    fn of(self, l: usize) -> f64;
}

impl Number for f64 {
    #[inline(always)]
    fn of(self, _: usize) -> f64 {
        self
    }
}

impl Number for Lane {
    #[inline(always)]
    fn of(self, l: usize) -> f64 {
        self[l]
    }
}

/// A factor: entry (i, p) is at i · row + p · column.
#[derive(Clone, Copy)]
pub(super) struct Factor<'a, T> {
    values: &'a [T],
    row: usize,
    column: usize,
}

/// A matrix with `width` columns.
#[inline(always)]
pub(super) fn plain<T>(values: &[T], width: usize) -> Factor<'_, T> {
    Factor { values, row: width, column: 1 }
}

/// The transpose of a matrix with `width` columns.
#[inline(always)]
pub(super) fn turned<T>(values: &[T], width: usize) -> Factor<'_, T> {
    Factor { values, row: 1, column: width }
}

impl<T: Number> Factor<'_, T> {
    #[inline(always)]
    fn at(&self, i: usize, p: usize) -> T {
        self.values[i * self.row + p * self.column]
    }
}

/// Which part of a product is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    All,
    /// Of a symmetric product; the other half is copied.
    Lower,
}

/// C (op)= A B with A of shape \[rows, P\] and B \[P, columns\]; sums go in the order of
/// [`product`](crate::gaussian::dense::product).
///
/// PERF: slices keep their bounds checks; without them the compiler vectorises over rows in the place of lanes.
#[inline(always)]
pub(super) fn product<const ISA: u8, const P: usize, A: Number, B: Number>(
    [rows, columns]: [usize; 2],
    a: Factor<'_, A>,
    b: Factor<'_, B>,
    c: &mut [Lane],
    into: Into,
    part: Part,
) {
    for i in 0..rows {
        for j in 0..if part == Part::Lower { i + 1 } else { columns } {
            let mut sum = if into == Into::Set { [0.0; OCTET] } else { c[i * columns + j] };
            for p in 0..P {
                let (a, b) = (a.at(i, p), b.at(p, j));
                for l in 0..OCTET {
                    let x = if into == Into::Subtract { -a.of(l) } else { a.of(l) };
                    sum[l] = fma::<ISA>(x, b.of(l), sum[l]);
                }
            }
            c[i * columns + j] = sum;
        }
    }
    if part == Part::Lower {
        mirror(columns, c);
    }
}

/// The upper triangle becomes a copy of the lower.
#[inline(always)]
pub(super) fn mirror(n: usize, a: &mut [Lane]) {
    for i in 0..n {
        for j in 0..i {
            a[j * n + i] = a[i * n + j];
        }
    }
}

/// Σ_i a_i b_i in the order of [`dot`](crate::gaussian::dense::dot).
#[inline(always)]
pub(super) fn dot<const ISA: u8, const D: usize>(a: &[Lane], b: &[f64]) -> Lane {
    const { assert!(D < 8) };
    let (a, b) = (&a[..D], &b[..D]);
    let mut sums = [[0.0; OCTET]; 4];
    let full = D / 4 * 4;
    for i in 0..full {
        for l in 0..OCTET {
            sums[i][l] = fma::<ISA>(a[i][l], b[i], sums[i][l]);
        }
    }
    let mut sum = [0.0; OCTET];
    for l in 0..OCTET {
        sum[l] = (sums[0][l] + sums[2][l]) + (sums[1][l] + sums[3][l]);
    }
    for i in full..D {
        for l in 0..OCTET {
            sum[l] = fma::<ISA>(a[i][l], b[i], sum[l]);
        }
    }
    sum
}

/// The largest difference of two positive semi-definite matrices relative to the first one's diagonal.
#[inline(always)]
pub(super) fn distance(d: usize, new: &[Lane], old: &[Lane]) -> Lane {
    let mut largest = [0.0; OCTET];
    for i in 0..d {
        for j in 0..=i {
            let (at, row, column) = (i * d + j, new[i * d + i], new[j * d + j]);
            for l in 0..OCTET {
                let difference = new[at][l] - old[at][l];
                let scale = (row[l] * column[l]).max(f64::MIN_POSITIVE);
                let share = difference * difference / scale;
                // 0 / 0 does not count.
                largest[l] = if difference != 0.0 && share > largest[l] { share } else { largest[l] };
            }
        }
    }
    largest.map(f64::sqrt)
}

/// Puts `old` in the place of `new` in the lanes that are marked.
#[inline(always)]
pub(super) fn keep(marks: &[bool; OCTET], old: &[Lane], new: &mut [Lane]) {
    let marks = marks.map(f64::from);
    for (new, old) in new.iter_mut().zip(old) {
        for l in 0..OCTET {
            new[l] = if marks[l] != 0.0 { old[l] } else { new[l] };
        }
    }
}

/// Entries of the lower triangle, row by row.
pub(super) const fn lower_len(n: usize) -> usize {
    n * (n + 1) / 2
}

/// Adds the lower triangle to the end of `out`.
#[inline(always)]
pub(super) fn pack(n: usize, a: &[Lane], out: &mut Vec<Lane>) {
    for i in 0..n {
        out.extend_from_slice(&a[i * n..i * n + i + 1]);
    }
}

/// Fills a symmetric matrix from its lower triangle; with `zeros`, one whose upper triangle is zero.
#[inline(always)]
pub(super) fn unpack(n: usize, packed: &[Lane], zeros: bool, out: &mut [Lane]) {
    let mut at = 0;
    for i in 0..n {
        for j in 0..=i {
            out[i * n + j] = packed[at];
            if j < i {
                out[j * n + i] = if zeros { [0.0; OCTET] } else { packed[at] };
            }
            at += 1;
        }
    }
}

/// Writes matrices of step t into the rows of each lane; where they are those of the step `same`, from there.
#[inline(always)]
pub(super) fn write<const D: usize>(
    values: &[Lane],
    fresh: bool,
    t: usize,
    same: usize,
    rows: &mut [&mut [f64]; OCTET],
) {
    let size = D * D;
    if fresh {
        scatter(values, t * size..(t + 1) * size, rows);
        return;
    }
    for row in rows.iter_mut().filter(|row| row.len() >= (t.max(same) + 1) * size) {
        row.copy_within(same * size..(same + 1) * size, t * size);
    }
}
