//! Forms of a noise covariance: full, diagonal, or one variance for all dimensions.

use serde::{Deserialize, Serialize};
use statewise_kernels::linalg::{cholesky, inverse_chol, log_det_chol};

use super::matrix::dot;
use crate::params::{Constraint, ParamSpec};

/// The form of a covariance, which learning keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CovarianceForm {
    /// Any covariance; an array of shape \[N, N\].
    #[default]
    Full,
    /// Independent noise; an array of variances, shape \[N\].
    Diagonal,
    /// Independent noise of one variance; an array of shape \[1\].
    Scalar,
}

impl CovarianceForm {
    /// The array of an N-dimensional covariance. Variances of zero and singular matrices are allowed.
    pub(super) fn spec(self, path: &str, keyword: &str, n: usize) -> ParamSpec {
        let (shape, constraint) = match self {
            CovarianceForm::Full => (vec![n, n], Constraint::PositiveDefinite),
            CovarianceForm::Diagonal => (vec![n], Constraint::Positive),
            CovarianceForm::Scalar => (vec![1], Constraint::Positive),
        };
        ParamSpec::new(path, keyword, &shape, constraint).with_state_axes(0).with_closed()
    }

    /// The array of a diagonal matrix.
    pub(super) fn array_of_diagonal(self, diagonal: &[f64]) -> Vec<f64> {
        let n = diagonal.len();
        match self {
            CovarianceForm::Full => {
                let mut full = vec![0.0; n * n];
                diagonal.iter().enumerate().for_each(|(i, v)| full[i * n + i] = *v);
                full
            }
            CovarianceForm::Diagonal => diagonal.to_vec(),
            CovarianceForm::Scalar => vec![diagonal.iter().sum::<f64>() / n as f64],
        }
    }

    /// The array nearest to a full matrix, shape \[N, N\].
    pub(super) fn array_of_full(self, full: &[f64], n: usize) -> Vec<f64> {
        match self {
            CovarianceForm::Full => full.to_vec(),
            _ => self.array_of_diagonal(&(0..n).map(|i| full[i * n + i]).collect::<Vec<f64>>()),
        }
    }

    /// The variances of an array of this form.
    pub(super) fn variances(self, values: &[f64], n: usize) -> Vec<f64> {
        match self {
            CovarianceForm::Full => (0..n).map(|i| values[i * n + i]).collect(),
            CovarianceForm::Diagonal => values.to_vec(),
            CovarianceForm::Scalar => vec![values[0]; n],
        }
    }

    /// The matrix of an array of this form, shape \[N, N\].
    pub(super) fn matrix_of(self, values: &[f64], n: usize) -> Vec<f64> {
        match self {
            CovarianceForm::Full => values.to_vec(),
            _ => CovarianceForm::Full.array_of_diagonal(&self.variances(values, n)),
        }
    }

    /// The gradient with respect to the array, given the one with respect to the matrix.
    pub(super) fn pull_back(self, full: &[f64], n: usize) -> Vec<f64> {
        match self {
            CovarianceForm::Full => full.to_vec(),
            CovarianceForm::Diagonal => (0..n).map(|i| full[i * n + i]).collect(),
            CovarianceForm::Scalar => vec![(0..n).map(|i| full[i * n + i]).sum()],
        }
    }
}

/// Σ⁻¹ and log |Σ| on the dimensions that have noise.
///
/// A dimension of zero variance is left out: nothing there can move, and it costs nothing.
#[derive(Clone, Debug)]
pub(super) struct Precision {
    n: usize,
    /// Dimensions with noise.
    pub(super) noisy: Vec<usize>,
    /// The whole matrix with zeros in the rows and columns without noise, or its diagonal.
    values: Vec<f64>,
    pub(super) diagonal: bool,
    pub(super) log_det: f64,
}

impl Precision {
    /// `None` where the noisy part is singular (to rounding).
    pub(super) fn new(form: CovarianceForm, values: &[f64], n: usize) -> Option<Self> {
        let variances = form.variances(values, n);
        let noisy: Vec<usize> = (0..n).filter(|i| variances[*i] != 0.0).collect();
        if form != CovarianceForm::Full {
            let log_det = noisy.iter().map(|i| variances[*i].ln()).sum();
            let values = variances.iter().map(|v| if *v == 0.0 { 0.0 } else { 1.0 / v }).collect();
            return Some(Precision { n, noisy, values, diagonal: true, log_det });
        }
        let r = noisy.len();
        let mut chol: Vec<f64> =
            noisy.iter().flat_map(|i| noisy.iter().map(move |j| values[i * n + j])).collect();
        cholesky(&mut chol, r).ok()?;
        let mut inverse = vec![0.0; r * r];
        inverse_chol(&chol, r, &mut inverse);
        let mut whole = vec![0.0; n * n];
        for (a, i) in noisy.iter().enumerate() {
            noisy.iter().enumerate().for_each(|(b, j)| whole[i * n + j] = inverse[a * r + b]);
        }
        let log_det = log_det_chol(&chol, r);
        Some(Precision { n, noisy, values: whole, diagonal: false, log_det })
    }

    pub(super) fn at(&self, i: usize, j: usize) -> f64 {
        match (self.diagonal, i == j) {
            (true, true) => self.values[i],
            (true, false) => 0.0,
            (false, _) => self.values[i * self.n + j],
        }
    }

    /// Σ⁻¹ A for A of shape \[N, p\].
    pub(super) fn times(&self, a: &[f64], p: usize) -> Vec<f64> {
        let mut out = vec![0.0; a.len()];
        for &i in &self.noisy {
            let out = &mut out[i * p..(i + 1) * p];
            let mut add = |j: usize, w: f64| {
                out.iter_mut().zip(&a[j * p..(j + 1) * p]).for_each(|(o, x)| *o += w * x);
            };
            if self.diagonal {
                add(i, self.values[i]);
            } else {
                self.noisy.iter().for_each(|j| add(*j, self.values[i * self.n + j]));
            }
        }
        out
    }

    /// tr(Σ⁻¹ S), S of shape \[N, N\], or \[N\] where only its diagonal is kept.
    pub(super) fn trace_with(&self, s: &[f64]) -> f64 {
        match (self.diagonal, s.len() == self.n) {
            (true, true) => dot(&self.values, s),
            (true, false) => self.noisy.iter().map(|i| self.values[*i] * s[i * self.n + i]).sum(),
            (false, _) => dot(&self.values, s),
        }
    }
}
