//! Roots N of precisions Λ = N Nᵀ that may be singular: by columns, in echelon form.

use super::super::square_root::kernels::dot;
use crate::linalg::{Stacked, triangularise};

/// Makes a root by columns lower triangular, in place.
pub(super) fn lower(root: &mut [f64], d: usize, cols: usize, floors: &mut [f64], scratch: &mut [f64]) {
    row_floors(&root[..cols * d], d, floors);
    let sizes = Stacked { top: d, bottom: 0, cols, band: cols };
    triangularise(sizes, &mut root[..cols * d], &mut [], floors, scratch);
}

/// What rounding leaves of each row where reflections should leave zero.
pub(super) fn row_floors(root: &[f64], d: usize, floors: &mut [f64]) {
    floors.fill(0.0);
    for column in root.chunks_exact(d) {
        floors.iter_mut().zip(column).for_each(|(f, x)| *f += x * x);
    }
    let rounding = 4.0 * (root.len() / d) as f64 * f64::EPSILON;
    floors.iter_mut().for_each(|f| *f = rounding * f.sqrt());
}

/// Σ log pivot and the number of pivots of a lower triangular root by columns, zero columns left out.
pub(super) fn log_pivots(root: &[f64], n: usize) -> (f64, usize) {
    let (mut sum, mut rank) = (0.0, 0);
    for column in root.chunks_exact(n.max(1)) {
        if let Some(pivot) = column.iter().find(|x| **x != 0.0) {
            sum += pivot.ln();
            rank += 1;
        }
    }
    (sum, rank)
}

/// Solves Nᵀ x = z for N in echelon form by columns; x is zero where N has no pivot.
pub(super) fn solve_echelon_transposed(root: &[f64], n: usize, z: &[f64], x: &mut [f64]) {
    x.fill(0.0);
    for (column, z) in root.chunks_exact(n).zip(z).rev() {
        if let Some(row) = column.iter().position(|x| *x != 0.0) {
            let known = dot(&column[row + 1..], &x[row + 1..]);
            x[row] = (z - known) / column[row];
        }
    }
}
