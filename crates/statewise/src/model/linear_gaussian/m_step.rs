//! The M-step of one regression: weights given the noise, then the noise given the weights.
//!
//! Σ = S(W) / n,  in the form that Σ has; with a conjugate prior both sums include its share.
//!
//! Where all weights move, both are at their joint maximum; where some are fixed or tied this is ECM,
//! which never goes down either.
//!
//! # Source
//! Shumway and Stoffer (1982); Holmes, Ward and Scheuerell (2012) for constraints; Meng and Rubin
//! (1993) for the order.

use statewise_kernels::linalg::{cholesky, symmetric_eigen};

use super::covariance::{CovarianceForm, Precision};
use super::least_squares::{Movement, increment};
use super::matrix::symmetrise;
use super::regression::{Regression, Sums};
use crate::params::{Array, ParamProperties};

/// A variance below this share of the mean square of its variable is rounding: the sums it is the
/// difference of have no more digits.
const LOST: f64 = 1e-14;

/// Eigenvalues of a repaired covariance, scaled to a unit diagonal, are at least this.
const LEAST_EIGENVALUE: f64 = 1e-12;

impl Regression {
    /// Maximises in place and answers the number of repairs.
    ///
    /// A variance of zero stays zero, and its row of W stays as it is: EM cannot move either.
    pub(super) fn maximise(
        &self,
        stats: &[f64],
        prior: bool,
        properties: &[ParamProperties],
        params: &mut [Array],
    ) -> usize {
        let sums = self.sums_with_prior(stats, prior);
        if sums.count.is_nan() || sums.count <= 0.0 {
            return 0;
        }
        let (n, p) = (self.outputs, self.regressors());
        let before = self.precision(params);
        let start = self.weights(params);
        let variances = self.form.variances(params[self.cov].values(), n);
        let movement = Movement::new(self, properties).without_rows(|i| variances[i] == 0.0, n, p);
        let mut weights = start.clone();
        if !movement.is_none() {
            let step = increment(self, &sums, &start, &movement, before.as_ref());
            weights.iter_mut().zip(step).for_each(|(w, s)| *w += s);
        }
        let old_cov = params[self.cov].clone();
        let mut repairs = self.maximise_cov(&sums, &weights, before.is_some(), properties, params);
        let falls = |after: &Precision| {
            let start = before.as_ref().map(|before| self.objective(&sums, &start, before));
            let reached = self.objective(&sums, &weights, after);
            start.is_some_and(|start| reached < start - 1e-12 * (1.0 + start.abs()))
        };
        // Only what was repaired, or sums without digits, can lead downhill.
        if self.precision(params).as_ref().is_some_and(falls) {
            params[self.cov] = old_cov;
            repairs = repairs.max(1);
            let kept = before.as_ref().map(|b| (self.objective(&sums, &start, b), b));
            if kept.is_some_and(|(start, b)| self.objective(&sums, &weights, b) < start) {
                return repairs;
            }
        }
        self.set_weights(&weights, params);
        repairs
    }

    fn maximise_cov(
        &self,
        sums: &Sums,
        weights: &[f64],
        regular: bool,
        properties: &[ParamProperties],
        params: &mut [Array],
    ) -> usize {
        let n = self.outputs;
        let property = &properties[self.cov];
        let residual = self.residual(sums, weights);
        let values = params[self.cov].values_mut();
        if self.form == CovarianceForm::Full {
            if !property.may_move(0) {
                return 0;
            }
            let floors: Vec<f64> = (0..n).map(|i| LOST * sums.yy[i * n + i] / sums.count).collect();
            let mut cov: Vec<f64> = residual.iter().map(|s| s / sums.count).collect();
            for i in (0..n).filter(|i| values[i * n + i] == 0.0) {
                (0..n).for_each(|j| (cov[i * n + j], cov[j * n + i]) = (0.0, 0.0));
            }
            let noisy: Vec<usize> = (0..n).filter(|i| values[i * n + i] != 0.0).collect();
            let least = if regular { LEAST_EIGENVALUE } else { 0.0 };
            let repairs = usize::from(repair(&mut cov, n, &noisy, &floors, least));
            values.copy_from_slice(&cov);
            return repairs;
        }
        let mut repairs = 0;
        for (group, entries) in self.variance_groups(property) {
            if !property.may_move(entries[0]) || entries.iter().any(|i| values[*i] == 0.0) {
                continue;
            }
            let total = |of: &[f64]| group.iter().map(|i| of[*i]).sum::<f64>();
            let size = sums.count * group.len() as f64;
            let (variance, floor) = (total(&residual) / size, LOST * total(&sums.yy) / size);
            let kept = if variance > floor { variance } else { floor };
            if kept > 0.0 {
                repairs += usize::from(kept != variance);
                entries.iter().for_each(|i| values[*i] = kept);
            }
        }
        repairs
    }

    /// Outputs that share a variance, and the entries of the array that hold it.
    pub(super) fn variance_groups(&self, property: &ParamProperties) -> Vec<(Vec<usize>, Vec<usize>)> {
        if self.form == CovarianceForm::Scalar {
            return vec![((0..self.outputs).collect(), vec![0])];
        }
        let alone = |i: &usize| !property.equal.iter().flatten().any(|e| e == i);
        let single = (0..self.outputs).filter(alone).map(|i| vec![i]);
        single.chain(property.equal.iter().cloned()).map(|group| (group.clone(), group)).collect()
    }
}

/// Raises variances to their floors and eigenvalues, of the matrix scaled to a unit diagonal, to
/// `least`; whether it had to. Dimensions that are not `noisy` stay zero.
fn repair(cov: &mut [f64], n: usize, noisy: &[usize], floors: &[f64], least: f64) -> bool {
    let r = noisy.len();
    let block =
        |cov: &[f64]| -> Vec<f64> { (0..r * r).map(|at| cov[noisy[at / r] * n + noisy[at % r]]).collect() };
    let part = block(cov);
    let above = noisy.iter().all(|i| cov[i * n + i] >= floors[*i]);
    if above && cholesky(&mut part.clone(), r).is_ok() {
        return false;
    }
    let scale = |i: usize| cov[i * n + i].max(floors[i]).max(f64::MIN_POSITIVE).sqrt();
    let scales: Vec<f64> = noisy.iter().map(|i| scale(*i)).collect();
    let unit: Vec<f64> = (0..r * r)
        .map(|at| if at / r == at % r { 1.0 } else { part[at] / (scales[at / r] * scales[at % r]) })
        .collect();
    let Ok(eigen) = symmetric_eigen(&unit, r) else { return false };
    let mut repaired = vec![0.0; r * r];
    for (k, value) in eigen.values.iter().enumerate() {
        let column: Vec<f64> = (0..r).map(|i| eigen.vectors[i * r + k]).collect();
        super::matrix::add_outer(&mut repaired, &column, &column, value.max(least));
    }
    symmetrise(&mut repaired, r);
    for (a, i) in noisy.iter().enumerate() {
        noisy.iter().enumerate().for_each(|(b, j)| {
            cov[i * n + j] = repaired[a * r + b] * scales[a] * scales[b];
        });
    }
    // A matrix that was singular before may stay so: then only what is negative is a repair.
    least > 0.0 || eigen.values[0] < -1e-12 || !above
}
