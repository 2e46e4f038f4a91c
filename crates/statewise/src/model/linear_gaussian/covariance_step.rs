//! The M-step of a covariance given the weights: each of its groups by itself.
//!
//! With k copies of one value, S = Σ S_cc and n = Σ n_c over the copies:
//!
//! | kind | maximum |
//! |---|---|
//! | a variance | S / n |
//! | a matrix | S / n |
//! | a variance and a covariance | means of the diagonal and of all else of S / n |
//!
//! The last is the maximum because the eigenvectors of such a matrix are known: λ_1 along (1, .., 1) and λ_2 of
//! all directions across it are mean squares of their own.
//!
//! # Source
//! Holmes, Ward and Scheuerell (2012), MARSS, §5.2.

use statewise_kernels::linalg::{cholesky, symmetric_eigen};

use super::covariance_blocks::{Group, Kind, variance_and_covariance};
use super::matrix::symmetrise;
use super::regression::{Regression, Sums};
use crate::params::{Array, ParamProperties};

/// A variance below this share of the mean square of its variable is rounding: the sums it is the
/// difference of have no more digits.
const LOST: f64 = 1e-14;

/// Eigenvalues of a repaired covariance, scaled to a unit diagonal, are at least this.
const LEAST_EIGENVALUE: f64 = 1e-12;

/// S / n of a group, and the least that its variances may be.
struct Moments {
    /// \[size, size\].
    mean: Vec<f64>,
    /// \[size\].
    floors: Vec<f64>,
}

impl Regression {
    /// Maximises over what may move of Σ, in place; the number of repairs. Variances of zero stay zero.
    ///
    /// * `regular` – whether the noisy part of Σ is regular, and has to stay so.
    pub(super) fn maximise_cov(
        &self,
        sums: &Sums,
        weights: &[f64],
        regular: bool,
        properties: &[ParamProperties],
        params: &mut [Array],
    ) -> usize {
        let property = &properties[self.cov];
        let residual = self.residual(sums, weights);
        let values = params[self.cov].values_mut();
        let mut repairs = 0;
        for group in self.moving_groups(property) {
            let moments = self.moments(&group, sums, &residual);
            let old = self.value(&group, values);
            let step = match group.kind {
                Kind::Variance => variance_step(&moments, &old),
                Kind::Full => full_step(&moments, &old, regular),
                Kind::Equal => equal_step(&moments, &old),
            };
            if let Some((value, repaired)) = step {
                self.set_value(&group, &value, values);
                repairs += usize::from(repaired);
            }
        }
        repairs
    }

    /// The groups of Σ that learning may change.
    pub(super) fn moving_groups(&self, property: &ParamProperties) -> Vec<Group> {
        let place = |group: &Group| self.form.place(group.copies[0][0], group.copies[0][0], self.outputs);
        let mut groups = self.form.groups(self.outputs, &property.equal);
        groups.retain(|group| !group.fixed && property.may_move(place(group)));
        groups
    }

    /// The value of the first copy.
    pub(super) fn value(&self, group: &Group, values: &[f64]) -> Vec<f64> {
        let (copy, size) = (&group.copies[0], group.size());
        let at = |at: usize| values[self.form.place(copy[at / size], copy[at % size], self.outputs)];
        (0..size * size).map(at).collect()
    }

    /// Writes a value into all copies.
    pub(super) fn set_value(&self, group: &Group, value: &[f64], values: &mut [f64]) {
        let size = group.size();
        for copy in &group.copies {
            for (at, x) in value.iter().enumerate() {
                values[self.form.place(copy[at / size], copy[at % size], self.outputs)] = *x;
            }
        }
    }

    fn moments(&self, group: &Group, sums: &Sums, residual: &[f64]) -> Moments {
        let (n, size) = (self.outputs, group.size());
        let count: f64 = group.copies.iter().map(|copy| sums.counts[copy[0]]).sum();
        let mean = group.sum_of(residual, n).iter().map(|s| s / count).collect();
        let squares = group.sum_of(&sums.yy, n);
        Moments { mean, floors: (0..size).map(|i| LOST * squares[i * size + i] / count).collect() }
    }
}

/// A value and whether it was repaired; `None` leaves the old one.
type Step = Option<(Vec<f64>, bool)>;

fn variance_step(moments: &Moments, old: &[f64]) -> Step {
    let (variance, floor) = (moments.mean[0], moments.floors[0]);
    let kept = if variance > floor { variance } else { floor };
    (old[0] != 0.0 && kept > 0.0).then(|| (vec![kept], kept != variance))
}

fn full_step(moments: &Moments, old: &[f64], regular: bool) -> Step {
    let n = moments.floors.len();
    let mut cov = moments.mean.clone();
    for i in (0..n).filter(|i| old[i * n + i] == 0.0) {
        (0..n).for_each(|j| (cov[i * n + j], cov[j * n + i]) = (0.0, 0.0));
    }
    let noisy: Vec<usize> = (0..n).filter(|i| old[i * n + i] != 0.0).collect();
    let least = if regular { LEAST_EIGENVALUE } else { 0.0 };
    let repaired = repair(&mut cov, n, &noisy, &moments.floors, least);
    Some((cov, repaired))
}

fn equal_step(moments: &Moments, old: &[f64]) -> Step {
    let n = moments.floors.len();
    let (variance, covariance) = variance_and_covariance(&moments.mean, n);
    let floor = moments.floors.iter().sum::<f64>() / n as f64;
    let (along, across) = (variance + (n - 1) as f64 * covariance, variance - covariance);
    let (a, b) = (along.max(floor), across.max(floor));
    if old[0] == 0.0 || a <= 0.0 || b <= 0.0 {
        return None;
    }
    let repaired = a != along || b != across;
    let covariance = if repaired { (a - b) / n as f64 } else { covariance };
    let variance = if repaired { covariance + b } else { variance };
    let entry = |at: usize| if at / n == at % n { variance } else { covariance };
    Some(((0..n * n).map(entry).collect(), repaired))
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
