//! Products of small matrices into new arrays, for what is computed a few times per group of series.

use super::dense::{Into, Left, product, transpose};
use crate::math::dispatch::BASELINE;

/// A B with A of shape \[m, k\] and B \[k, n\].
pub(super) fn times([m, k, n]: [usize; 3], a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    product::<BASELINE, 0>([m, k, n], Left::plain(a, k), b, &mut out, Into::Set);
    out
}

/// Aᵀ B with A of shape \[k, m\] and B \[k, n\].
pub(super) fn transposed_times([m, k, n]: [usize; 3], a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    product::<BASELINE, 0>([m, k, n], Left::transposed(a, m), b, &mut out, Into::Set);
    out
}

/// Aᵀ of A of shape \[m, n\].
pub(super) fn transposed([m, n]: [usize; 2], a: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    transpose(m, n, a, &mut out);
    out
}

/// A P Aᵀ, exactly symmetric, with A and P of shape \[d, d\].
pub(super) fn congruence(d: usize, a: &[f64], p: &[f64]) -> Vec<f64> {
    let mut out = times([d; 3], &times([d; 3], a, p), &transposed([d, d], a));
    super::dense::mirror::<0>(d, &mut out);
    out
}

/// A x with A of shape \[m, n\].
pub(super) fn apply(n: usize, a: &[f64], x: &[f64]) -> Vec<f64> {
    a.chunks_exact(n).map(|row| inner(row, x)).collect()
}

/// Σ a_i b_i.
pub(super) fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// y += weight x.
pub(super) fn add(y: &mut [f64], weight: f64, x: &[f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += weight * x);
}

/// C += weight x yᵀ.
pub(super) fn add_outer(c: &mut [f64], weight: f64, x: &[f64], y: &[f64]) {
    c.chunks_exact_mut(y.len()).zip(x).for_each(|(row, x)| add(row, weight * x, y));
}
