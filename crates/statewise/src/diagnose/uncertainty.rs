//! Standard errors: how far parameters may be from the truth, from the curvature of the log likelihood.
//!
//! Cov(x̂) = I⁻¹ (observed information), B⁻¹ (outer products of scores) or I⁻¹ B I⁻¹ (sandwich) in free
//! coordinates x;  Cov(f(θ̂)) = J Cov(x̂) Jᵀ with J = ∂f(θ(x)) / ∂x (delta method)
//!
//! Directions in which the likelihood is flat have no variance: nothing that moves along them gets a standard
//! error, and a warning names them.

use statewise_kernels::linalg::symmetric_eigen;

use super::estimate::{DeltaEstimates, Estimate};
use super::information::{ScoreUnits, observed_information, squared_scores};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::learn::{Learnable, Objective, prepare};
use crate::params::{FreeSpace, ParamSpec, Params, Properties};

/// Which covariance of the estimates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CovarianceMethod {
    /// I⁻¹, right if the model is.
    #[default]
    ObservedInformation,
    /// B⁻¹ (Berndt, Hall, Hall and Hausman, 1974), right if the model is; needs no second derivatives.
    OuterProduct(ScoreUnits),
    /// I⁻¹ B I⁻¹ (Huber, 1967; White, 1982), right for independent units even if the model is not.
    Sandwich(ScoreUnits),
}

/// A direction in which the likelihood is flat, or not curved downwards.
#[derive(Clone, Debug, PartialEq)]
pub struct FlatDirection {
    /// Its curvature, relative to that of the single coordinates; negative away from a maximum.
    pub curvature: f64,
    /// The entries that move most along it and by how much, the largest as 1.
    pub entries: Vec<(String, f64)>,
}

/// The covariance of fitted parameters.
#[derive(Clone, Debug)]
pub struct Uncertainty {
    schema: Vec<ParamSpec>,
    space: FreeSpace,
    params: Params,
    /// x̂, \[P\].
    pub coordinates: Vec<f64>,
    /// ∂ log p(y | θ) / ∂x at x̂, \[P\]; zero at a maximum.
    pub gradient: Vec<f64>,
    /// I or B, \[P, P\].
    pub information: Vec<f64>,
    /// Cov(x̂) within the directions that the data identify, \[P, P\].
    pub covariance: Vec<f64>,
    /// The largest over the smallest eigenvalue of the information scaled to a unit diagonal, within
    /// the directions that the data identify.
    pub condition_number: f64,
    /// The directions that the data do not identify.
    pub flat_directions: Vec<FlatDirection>,
    /// What a user should know, in words.
    pub warnings: Vec<String>,
    /// Unit lengths of the coordinates, \[P\].
    scales: Vec<f64>,
    /// Flat directions in units of `scales`, \[P\] each.
    null_space: Vec<Vec<f64>>,
}

/// Eigenvalues of the scaled information below this are zero, whatever the differences promise.
const FLAT: f64 = 1e-8;
/// Information about a coordinate of size 1 + |x| below this is none: its standard error exceeds 3e4.
const NO_INFORMATION: f64 = 1e-9;
/// Share of a gradient within flat directions above which its function is not identified.
const LEAK: f64 = 1e-4;
/// A Newton step longer than this, in standard errors, means that a fit has not converged.
const NOT_CONVERGED: f64 = 0.1;
/// Relative errors of the differences above this are reported.
const ROUGH: f64 = 1e-4;

/// Computes the covariance of `params`, estimated by maximum likelihood (or, with `prior`, of the Gaussian at
/// the posterior mode).
///
/// # Errors
/// Parameters, properties or data that do not fit, a sequence that can't be explained, or a prior together
/// with a method that is made of scores.
pub fn uncertainty(
    model: &dyn Learnable,
    params: &Params,
    properties: &Properties,
    data: &Dataset<'_>,
    method: CovarianceMethod,
    prior: bool,
) -> Result<Uncertainty> {
    if prior && method != CovarianceMethod::ObservedInformation {
        return Err(Error::argument("prior", true, "false, unless by the observed information"));
    }
    let params = prepare(model, params, properties, data)?;
    let space = FreeSpace::new(model.schema(), properties, &params);
    let x = space.to_free(&params);
    let objective = Objective { model, space: &space, prior, log_det_jacobian: false };
    let gradient = objective.evaluate(&x, data, 1.0)?.gradient;
    let squares = match method {
        CovarianceMethod::ObservedInformation => None,
        CovarianceMethod::OuterProduct(units) | CovarianceMethod::Sandwich(units) => {
            Some(squared_scores(&objective, &x, data, units)?)
        }
    };
    let (information, errors) = match (&method, &squares) {
        (CovarianceMethod::OuterProduct(_), Some(squares)) => (squares.clone(), vec![0.0; squares.len()]),
        _ => {
            let found = observed_information(&objective, &x, data)?;
            (found.values, found.errors)
        }
    };
    let mut found = Uncertainty {
        schema: model.schema().to_vec(),
        params,
        scales: scales(&information, &x),
        coordinates: x,
        gradient,
        information,
        covariance: Vec::new(),
        condition_number: 1.0,
        flat_directions: Vec::new(),
        warnings: Vec::new(),
        null_space: Vec::new(),
        space,
    };
    found.invert(&errors)?;
    found.warn_if_not_at_a_maximum();
    if let (CovarianceMethod::Sandwich(_), Some(squares)) = (method, squares) {
        let half = product(&found.covariance, &squares, found.gradient.len());
        found.covariance = product(&half, &found.covariance, found.gradient.len());
    }
    Ok(found)
}

impl Uncertainty {
    /// The parameters that the errors belong to.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The standard errors of the free coordinates, \[P\]; `None` where not identified.
    pub fn coordinate_errors(&self) -> Vec<Option<f64>> {
        let p = self.coordinates.len();
        let unit = |j: usize| (0..p).map(|i| if i == j { 1.0 } else { 0.0 }).collect::<Vec<f64>>();
        (0..p).map(|j| self.deviation(&unit(j))).collect()
    }

    /// Every entry of every array in the order of the schema, with its standard error.
    ///
    /// Fixed entries have none; tied ones share that of the value they share.
    pub fn estimates(&self) -> Vec<Estimate> {
        let mut estimates = Vec::new();
        for (array, spec) in self.schema.iter().enumerate() {
            for entry in 0..self.params.arrays()[array].values().len() {
                let gradient = self.entry_gradient(array, entry);
                let moves = gradient.iter().any(|g| *g != 0.0);
                estimates.push(Estimate {
                    path: spec.path.clone(),
                    index: unravel(entry, &spec.shape),
                    value: self.params.arrays()[array].values()[entry],
                    standard_error: if moves { self.deviation(&gradient) } else { None },
                    constraint: spec.constraint,
                });
            }
        }
        estimates
    }

    /// Values and covariance of any function of the parameters, to first order.
    ///
    /// # Errors
    /// What `f` answers, or values that change in number or are not finite.
    ///
    /// # Source
    /// Cramér (1946), §28.4. The Jacobian is taken by differences of fourth order, 4 P + 1 calls.
    pub fn delta_method(&self, f: &dyn Fn(&Params) -> Result<Vec<f64>>) -> Result<DeltaEstimates> {
        let values = f(&self.params)?;
        let (k, p) = (values.len(), self.coordinates.len());
        let at = |j: usize, h: f64| -> Result<Vec<f64>> {
            let mut x = self.coordinates.clone();
            x[j] += h;
            let moved = f(&self.space.from_free(&x))?;
            if moved.len() == k && moved.iter().all(|v| v.is_finite()) {
                Ok(moved)
            } else {
                let found = format!("{moved:?} near the estimate");
                Err(Error::argument("f", found, format!("{k} finite numbers, as at the estimate")))
            }
        };
        let mut jacobian = vec![0.0; k * p];
        for j in 0..p {
            let h = 1e-3 * (1.0 + self.coordinates[j].abs());
            let (far, near) = ((at(j, 2.0 * h)?, at(j, -2.0 * h)?), (at(j, h)?, at(j, -h)?));
            for i in 0..k {
                let slope = 8.0 * (near.0[i] - near.1[i]) - (far.0[i] - far.1[i]);
                jacobian[i * p + j] = slope / (12.0 * h);
            }
        }
        let rows: Vec<&[f64]> = jacobian.chunks_exact(p.max(1)).collect();
        let standard_errors = (0..k)
            .map(|i| {
                rows.get(i).filter(|row| row.iter().any(|g| *g != 0.0)).and_then(|r| self.deviation(r))
            })
            .collect();
        let covariance = (0..k * k)
            .map(|ij| rows.get(ij / k).zip(rows.get(ij % k)).map_or(0.0, |(a, b)| self.bilinear(a, b)))
            .collect();
        Ok(DeltaEstimates { values, standard_errors, covariance })
    }

    /// ∂ entry / ∂x, exactly: the pull-back of the entry's own gradient.
    fn entry_gradient(&self, array: usize, entry: usize) -> Vec<f64> {
        let mut unit = Params::zeros(&self.schema);
        unit.arrays_mut()[array].values_mut()[entry] = 1.0;
        self.space.pull_back(&self.params, &unit)
    }

    /// aᵀ Cov(x̂) b.
    fn bilinear(&self, a: &[f64], b: &[f64]) -> f64 {
        let rows = self.covariance.chunks_exact(b.len().max(1));
        a.iter().zip(rows).map(|(a, row)| a * row.iter().zip(b).map(|(c, b)| c * b).sum::<f64>()).sum()
    }

    /// √(gᵀ Cov(x̂) g); `None` if g points along a flat direction.
    fn deviation(&self, gradient: &[f64]) -> Option<f64> {
        let scaled: Vec<f64> = gradient.iter().zip(&self.scales).map(|(g, s)| g * s).collect();
        let square = |x: f64| x * x;
        let leak: f64 = self.null_space.iter().map(|v| square(dot(v, &scaled))).sum();
        let identified = leak <= square(LEAK) * dot(&scaled, &scaled);
        identified.then(|| self.bilinear(gradient, gradient).max(0.0).sqrt())
    }

    /// Inverts the information within the directions that the data identify, and names the others.
    fn invert(&mut self, errors: &[f64]) -> Result<()> {
        let p = self.coordinates.len();
        if p == 0 {
            return Ok(());
        }
        let s = &self.scales;
        let scaled = |values: &[f64]| -> Vec<f64> {
            (0..p * p).map(|ij| values[ij] * s[ij / p] * s[ij % p]).collect()
        };
        let rough = scaled(errors).iter().fold(0.0f64, |a, x| a.max(x.abs()));
        let eigen = symmetric_eigen(&scaled(&self.information), p).map_err(|_| {
            Error::argument("params", "a log likelihood without finite curvature", "parameters of a fit")
        })?;
        if rough > ROUGH {
            self.warnings.push(format!(
                "the curvature of the log likelihood is known to {rough:.1e} only; standard errors may be off"
            ));
        }
        let threshold = FLAT.max(10.0 * rough * (p as f64).sqrt());
        let mut covariance = vec![0.0; p * p];
        let (mut smallest, mut largest) = (f64::INFINITY, 0.0f64);
        for (k, &value) in eigen.values.iter().enumerate() {
            let vector: Vec<f64> = (0..p).map(|i| eigen.vectors[i * p + k]).collect();
            if value > threshold {
                (smallest, largest) = (smallest.min(value), largest.max(value));
                for ij in 0..p * p {
                    let (i, j) = (ij / p, ij % p);
                    covariance[ij] += vector[i] * vector[j] / value * s[i] * s[j];
                }
            } else {
                self.null_space.push(vector);
                self.flat_directions.push(FlatDirection { curvature: value, entries: Vec::new() });
            }
        }
        self.covariance = covariance;
        self.condition_number = if largest > 0.0 { largest / smallest } else { 1.0 };
        self.name_flat_directions(threshold);
        Ok(())
    }

    fn name_flat_directions(&mut self, threshold: f64) {
        for k in 0..self.null_space.len() {
            let step: Vec<f64> = self.null_space[k].iter().zip(&self.scales).map(|(v, s)| v * s).collect();
            let entries = self.largest_entries(&step);
            let named: Vec<String> = entries.iter().map(|(name, x)| format!("{name} ({x:+.2})")).collect();
            let what = if self.flat_directions[k].curvature < -threshold {
                "the log likelihood curves upwards, so this is no maximum"
            } else {
                "the data do not identify a direction"
            };
            self.warnings.push(format!(
                "{what}: {}; fix or tie parameters, or start the fit elsewhere",
                named.join(", ")
            ));
            self.flat_directions[k].entries = entries;
        }
    }

    /// The entries that a step in free coordinates moves most, at most four, relative to their sizes.
    fn largest_entries(&self, step: &[f64]) -> Vec<(String, f64)> {
        let mut moves = Vec::new();
        for (array, spec) in self.schema.iter().enumerate() {
            for (entry, value) in self.params.arrays()[array].values().iter().enumerate() {
                let by = dot(&self.entry_gradient(array, entry), step);
                let place = unravel(entry, &spec.shape);
                moves.push((format!("{}{place:?}", spec.path), by, by.abs() / (1.0 + value.abs())));
            }
        }
        moves.sort_by(|a, b| b.2.total_cmp(&a.2));
        let largest = moves.first().map_or(1.0, |m| m.1);
        let floor = 0.05 * moves.first().map_or(0.0, |m| m.2);
        let counts = moves.into_iter().take(4).filter(|m| m.2 > 0.0 && m.2 >= floor);
        counts.map(|(name, by, _)| (name, by / largest)).collect()
    }

    fn warn_if_not_at_a_maximum(&mut self) {
        let length = self.bilinear(&self.gradient, &self.gradient).max(0.0).sqrt();
        if length > NOT_CONVERGED {
            self.warnings.push(format!(
                "the parameters are {length:.2e} standard errors from a maximum of the log likelihood; fit on"
            ));
        }
    }
}

/// Lengths in which the information has a unit diagonal; 1 + |x| where there is none.
fn scales(information: &[f64], x: &[f64]) -> Vec<f64> {
    let p = x.len();
    let scale = |i: usize| {
        let (size, curvature) = (1.0 + x[i].abs(), information[i * p + i].abs());
        if curvature * size * size > NO_INFORMATION { curvature.sqrt().recip() } else { size }
    };
    (0..p).map(scale).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A B for matrices of shape \[n, n\].
fn product(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|ij| (0..n).map(|k| a[ij / n * n + k] * b[k * n + ij % n]).sum()).collect()
}

/// The indices of a flat index, row-major.
fn unravel(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, n) in index.iter_mut().zip(shape).rev() {
        (*i, flat) = (flat % n, flat / n);
    }
    index
}
