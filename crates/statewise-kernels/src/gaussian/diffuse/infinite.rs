//! The diffuse part of a covariance in factored form, and what in it is rounding.
//!
//! P∞ = G Gᵀ, one column of G per direction that is still diffuse. An observation with row h has
//! F∞ = |g|², g = Gᵀ h; a reflection turns G so that g lies along the first column, and taking the
//! direction out is leaving that column out. The rank falls by exactly one, without any subtraction.

use crate::gaussian::small::{apply, congruence, times};
use crate::gaussian::system::GaussianError;
use crate::linalg::semidefinite_cholesky;

/// Relative standard deviation of the rounding of one step.
const ROUNDING: f64 = 64.0 * f64::EPSILON;

/// The covariance that rounding adds to a covariance: it moves as the covariance itself does.
///
/// A variance that should be zero is as large as the rounding of what was subtracted from it, perhaps
/// many steps ago; no fixed threshold tells it from a small genuine one.
#[derive(Clone, Debug)]
pub(super) struct Rounding {
    cov: Vec<f64>,
    /// Variance of rounding relative to the variances that are rounded.
    unit: f64,
}

impl Rounding {
    /// Of a covariance that is computed as such.
    pub(super) fn of_covariance(d: usize) -> Self {
        Rounding { cov: vec![0.0; d * d], unit: ROUNDING }
    }

    fn of_factor(d: usize) -> Self {
        Rounding { cov: vec![0.0; d * d], unit: ROUNDING * ROUNDING }
    }

    /// Goes through the map z → A z, applied to a state with these standard deviations.
    pub(super) fn carry(&mut self, map: &[f64], deviations: &[f64]) {
        let d = deviations.len();
        self.cov = congruence(d, map, &self.cov);
        for (i, row) in map.chunks_exact(d).enumerate() {
            let size: f64 = row.iter().zip(deviations).map(|(a, s)| a.abs() * s).sum();
            self.cov[i * d + i] += self.unit * size * size;
        }
    }

    /// The variance of hᵀ z that is rounding, where z has these standard deviations.
    pub(super) fn along(&self, h: &[f64], deviations: &[f64]) -> f64 {
        let size: f64 = h.iter().zip(deviations).map(|(h, s)| h.abs() * s).sum();
        let before: f64 = h.iter().zip(apply(h.len(), &self.cov, h)).map(|(h, x)| h * x).sum();
        before.max(0.0) + self.unit * size * size
    }
}

/// P∞.
#[derive(Clone, Debug)]
pub(super) struct Infinite {
    d: usize,
    /// Columns of G, \[D\] each.
    columns: Vec<Vec<f64>>,
    rounding: Rounding,
}

impl Infinite {
    /// Factors P∞ of the initial state.
    pub(super) fn of(diffuse: &[f64], d: usize) -> Result<Self, GaussianError> {
        let mut factor = diffuse.to_vec();
        semidefinite_cholesky(&mut factor, d).map_err(|e| GaussianError::Indefinite {
            argument: "initial_diffuse",
            t: 0,
            pivot: e.pivot,
        })?;
        let column = |j: usize| (0..d).map(|i| factor[i * d + j]).collect::<Vec<f64>>();
        let columns = (0..d).map(column).filter(|c| c.iter().any(|x| *x != 0.0)).collect();
        Ok(Infinite { d, columns, rounding: Rounding::of_factor(d) })
    }

    /// Whether no direction is diffuse.
    pub(super) fn is_zero(&self) -> bool {
        self.columns.is_empty()
    }

    /// P∞, \[D, D\].
    pub(super) fn cov(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.d * self.d];
        self.columns.iter().for_each(|c| crate::gaussian::small::add_outer(&mut out, 1.0, c, c));
        out
    }

    /// Directions that are diffuse.
    pub(super) fn rank(&self) -> usize {
        semidefinite_cholesky(&mut self.cov(), self.d).unwrap_or(self.columns.len()).min(self.columns.len())
    }

    fn deviations(&self) -> Vec<f64> {
        let norm = |i: usize| self.columns.iter().map(|c| c[i] * c[i]).sum::<f64>().sqrt();
        (0..self.d).map(norm).collect()
    }

    /// Takes a step with transition matrix A.
    pub(super) fn predict(&mut self, a: &[f64]) {
        let d = self.d;
        self.rounding.carry(a, &self.deviations());
        self.columns.iter_mut().for_each(|c| *c = times([d, d, 1], a, c));
        self.drop_rounding();
    }

    /// g = Gᵀ h and F∞ = |g|², unless that is rounding.
    pub(super) fn seen_by(&self, h: &[f64]) -> Option<(Vec<f64>, f64)> {
        let g: Vec<f64> = self.columns.iter().map(|c| crate::gaussian::small::inner(c, h)).collect();
        let variance: f64 = g.iter().map(|x| x * x).sum();
        (variance > self.rounding.along(h, &self.deviations())).then_some((g, variance))
    }

    /// P∞ h = G g.
    pub(super) fn times(&self, g: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.d];
        self.columns.iter().zip(g).for_each(|(c, g)| crate::gaussian::small::add(&mut out, *g, c));
        out
    }

    /// Takes out the direction of `g`; `map` is I − K hᵀ of the observation.
    pub(super) fn observe(&mut self, g: &[f64], map: &[f64]) {
        self.rounding.carry(map, &self.deviations());
        // The reflection I − 2 v vᵀ / vᵀv with v = g + sign(g_1) |g| e_1 takes g to a multiple of e_1.
        let norm = g.iter().map(|x| x * x).sum::<f64>().sqrt();
        let mut v = g.to_vec();
        v[0] += norm.copysign(g[0]);
        let square: f64 = v.iter().map(|x| x * x).sum();
        let turned = self.times(&v);
        for (column, v) in self.columns.iter_mut().zip(&v) {
            crate::gaussian::small::add(column, -2.0 * v / square, &turned);
        }
        self.columns.remove(0);
        self.drop_rounding();
    }

    /// Leaves out columns of which rounding alone is left.
    fn drop_rounding(&mut self) {
        let (d, cov) = (self.d, &self.rounding.cov);
        self.columns.retain(|c| c.iter().enumerate().any(|(i, x)| x * x > cov[i * d + i]));
    }
}
