//! What regressions of labels share: features, the M-step of a quadratic bound, starts.

use rand_chacha::ChaCha8Rng;
use statewise_kernels::linalg::{cholesky, solve_chol};
use statewise_kernels::math::packed_len;

use super::variance_floor::repair_covariance;
use crate::data::{Dataset, Sequence};
use crate::error::Result;

/// Writes (u_t, 1).
pub(super) fn write_features(sequence: &Sequence<'_>, t: usize, out: &mut [f64]) {
    let (inputs, one) = out.split_at_mut(sequence.input_dim);
    inputs.copy_from_slice(sequence.input(t));
    one.fill(1.0);
}

/// Adds w x xᵀ to a packed lower triangle.
pub(super) fn add_packed_outer(packed: &mut [f64], x: &[f64], w: f64) {
    for (i, xi) in x.iter().enumerate() {
        let row = &mut packed[packed_len(i)..packed_len(i + 1)];
        row.iter_mut().zip(x).for_each(|(p, xj)| *p += w * xi * xj);
    }
}

/// The full matrix of a packed lower triangle.
pub(super) fn unpack(packed: &[f64], n: usize) -> Vec<f64> {
    let entry = |at: usize| {
        let (i, j) = (at / n, at % n);
        packed[packed_len(i.max(j)) + i.min(j)]
    };
    (0..n * n).map(entry).collect()
}

/// Solves H Δ = g for each row g of `rows`, over the entries `free`; the others become zero.
/// Answers whether H needed a ridge; the step is then shorter, and still uphill.
pub(super) fn newton_steps(h: &[f64], free: &[usize], rows: &mut [f64]) -> bool {
    let (n, m) = (h.len().isqrt(), free.len());
    let mut chol: Vec<f64> = free.iter().flat_map(|i| free.iter().map(move |j| h[i * n + j])).collect();
    let largest = (0..m).map(|i| chol[i * (m + 1)]).fold(f64::MIN_POSITIVE, f64::max);
    let floors: Vec<f64> = (0..m).map(|i| 1e-12 * chol[i * (m + 1)].max(1e-6 * largest)).collect();
    let repaired = repair_covariance(&mut chol, &floors);
    let factorised = cholesky(&mut chol, m).is_ok();
    for row in rows.chunks_exact_mut(n) {
        let mut g: Vec<f64> = free.iter().map(|i| row[*i]).collect();
        solve_chol(&chol, m, &mut g);
        row.fill(0.0);
        if factorised && g.iter().all(|x| x.is_finite()) {
            free.iter().zip(g).for_each(|(i, x)| row[*i] = x);
        }
    }
    repaired || !factorised
}

/// The entries of (w, b) that may move.
pub(super) fn free_entries(input_dim: usize, weights: bool, bias: bool) -> Vec<usize> {
    let weights = if weights { 0..input_dim } else { 0..0 };
    weights.chain(bias.then_some(input_dim)).collect()
}

/// Clusters the inputs and counts the labels in each cluster, shape \[K, C\], half a count added.
///
/// # Errors
/// Fewer distinct inputs than states.
pub(super) fn cluster_labels(
    data: &Dataset<'_>,
    (num_states, num_classes): (usize, usize),
    rng: &mut ChaCha8Rng,
) -> Result<Vec<f64>> {
    let inputs: Vec<f64> = data.sequences().flat_map(|s| s.inputs).copied().collect();
    let labels = crate::learn::kmeans(&inputs, data.input_dim().max(1), num_states, rng)?.labels;
    let mut counts = vec![0.5; num_states * num_classes];
    for (y, cluster) in data.rows().iter().zip(labels).filter(|(y, _)| !y.is_nan()) {
        if let Some(k) = cluster {
            counts[k * num_classes + (*y as usize).min(num_classes - 1)] += 1.0;
        }
    }
    Ok(counts)
}
