//! What in the open columns of A_t is rounding.

use crate::gaussian::small::{add_outer, apply, congruence, inner};

/// Relative standard deviation of the rounding of one step.
const ROUNDING: f64 = 64.0 * f64::EPSILON;

/// The covariance of the rounding of a matrix's rows: it moves as they do.
///
/// An entry that should be zero is as large as the rounding of what was subtracted from it, perhaps many
/// steps ago; no fixed threshold tells it from a small genuine one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rounding {
    /// \[D, D\].
    pub(super) cov: Vec<f64>,
}

impl Rounding {
    pub(super) fn none(d: usize) -> Self {
        Rounding { cov: vec![0.0; d * d] }
    }

    /// Rows, of these norms, go through the map A.
    pub(super) fn carry(&mut self, map: &[f64], norms: &[f64]) {
        let d = norms.len();
        self.cov = congruence(d, map, &self.cov);
        for (i, row) in map.chunks_exact(d).enumerate() {
            self.cov[i * d + i] += square(ROUNDING * weighted(row, norms));
        }
    }

    /// Takes out the direction that an observation with row u sees, with `gain` its column over its size:
    /// an error along u comes back as one along the column.
    pub(super) fn take_out(&mut self, gain: &[f64], u: &[f64], sizes: &[f64], norms: &[f64]) {
        let d = norms.len();
        let mut map = vec![0.0; d * d];
        (0..d).for_each(|i| map[i * d + i] = 1.0);
        add_outer(&mut map, -1.0, gain, u);
        self.cov = congruence(d, &map, &self.cov);
        add_outer(&mut self.cov, square(ROUNDING * weighted(sizes, norms)), gain, gain);
        (0..d).for_each(|i| self.cov[i * d + i] += square(ROUNDING * norms[i]));
    }

    /// The variance of uᵀ A that is rounding; `sizes` are the terms that made up u, without their signs.
    pub(super) fn along(&self, u: &[f64], sizes: &[f64], norms: &[f64]) -> f64 {
        let before = inner(u, &apply(u.len(), &self.cov, u));
        before.max(0.0) + square(ROUNDING * weighted(sizes, norms))
    }

    /// The variance of the rounding of row i.
    pub(super) fn of_row(&self, i: usize) -> f64 {
        self.cov[i * self.cov.len().isqrt() + i]
    }
}

/// Σ |a_i| s_i.
fn weighted(a: &[f64], s: &[f64]) -> f64 {
    a.iter().zip(s).map(|(a, s)| a.abs() * s).sum()
}

fn square(x: f64) -> f64 {
    x * x
}
