//! What a maximum-likelihood variance may not fall below.
//!
//! A state that explains a single row, or a column that is constant, has likelihood without bound
//! as its variance falls to zero. Here a variance (given the other columns) stays above 1e-10 of
//! the variance of all rows.

use statewise_kernels::linalg::cholesky;

use super::moments::Moments;

const RATIO: f64 = 1e-10;

/// The least variance of each dimension, from the moments of all components.
pub(super) fn variance_floors<'a>(all: impl Iterator<Item = &'a Moments> + Clone, dim: usize) -> Vec<f64> {
    let weight: f64 = all.clone().map(|m| m.weight).sum();
    (0..dim)
        .map(|d| {
            let mean = all.clone().map(|m| m.weight * m.mean[d]).sum::<f64>() / weight;
            let term = |m: &Moments| m.scatter[d * dim + d] + m.weight * (m.mean[d] - mean).powi(2);
            floor(all.clone().map(term).sum::<f64>() / weight, mean)
        })
        .collect()
}

/// As [`variance_floors`], from n, Σ y and Σ y² of the data in each dimension.
///
/// Σ y² − (Σ y)² / n loses digits where the mean is large; the floor below is above what is lost.
pub(super) fn variance_floors_of_sums(sums: &[[f64; 3]]) -> Vec<f64> {
    let of = |[n, sum, square]: &[f64; 3]| floor((square - sum * sum / n) / n, sum / n);
    sums.iter().map(of).collect()
}

/// The least variance where rows have this mean and variance.
fn floor(variance: f64, mean: f64) -> f64 {
    // A constant column has no scale but its value: a millionth of it is a standard deviation.
    let scale = variance.max(1e-12 * mean * mean);
    RATIO * if scale > 0.0 && scale.is_finite() { scale } else { 1.0 }
}

/// Adds to the diagonal until every pivot is above its floor; whether it had to.
pub(super) fn repair_covariance(cov: &mut [f64], floors: &[f64]) -> bool {
    let dim = floors.len();
    let mut added = 0.0;
    let fits = |cov: &[f64]| {
        let mut chol = cov.to_vec();
        cholesky(&mut chol, dim).is_ok() && (0..dim).all(|i| chol[i * dim + i].powi(2) >= floors[i])
    };
    while !fits(cov) && added < 1e20 {
        let next = if added == 0.0 { 2.0 } else { 10.0 * added };
        for (i, floor) in floors.iter().enumerate() {
            // Rounding can have made the diagonal negative, or not a number at all.
            cov[i * dim + i] = cov[i * dim + i].max(0.0) + (next - added) * floor;
        }
        added = next;
    }
    added > 0.0
}
