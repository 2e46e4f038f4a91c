//! Forms of a noise covariance: full, diagonal, one variance for all dimensions, or blocks of such.

use serde::{Deserialize, Serialize};
use statewise_kernels::linalg::{cholesky, inverse_chol};

use super::covariance_blocks::{CovarianceBlock, check_blocks};
use super::matrix::dot;
use crate::error::Result;
use crate::params::{Constraint, ParamSpec};

/// The form of a covariance, which learning keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CovarianceForm {
    /// Any covariance; an array of shape \[N, N\].
    #[default]
    Full,
    /// Independent noise; an array of variances, shape \[N\].
    Diagonal,
    /// Independent noise of one variance; an array of shape \[1\].
    Scalar,
    /// A partition into independent blocks, each of a form of its own; an array of shape \[N, N\] that is zero
    /// between blocks.
    Blocks(Vec<CovarianceBlock>),
}

impl CovarianceForm {
    /// Whether there is no covariance between any two dimensions.
    pub fn is_diagonal(&self) -> bool {
        match self {
            CovarianceForm::Full => false,
            CovarianceForm::Diagonal | CovarianceForm::Scalar => true,
            CovarianceForm::Blocks(blocks) => blocks.iter().all(CovarianceBlock::is_diagonal),
        }
    }

    /// Checks blocks against the dimension.
    pub(super) fn check(&self, name: &str, n: usize) -> Result<()> {
        match self {
            CovarianceForm::Blocks(blocks) => check_blocks(name, blocks, n),
            _ => Ok(()),
        }
    }

    /// The array of an N-dimensional covariance. Variances of zero and singular matrices are allowed.
    pub(super) fn spec(&self, path: &str, keyword: &str, n: usize) -> ParamSpec {
        let (shape, constraint) = match self {
            CovarianceForm::Full | CovarianceForm::Blocks(_) => (vec![n, n], Constraint::PositiveDefinite),
            CovarianceForm::Diagonal => (vec![n], Constraint::Positive),
            CovarianceForm::Scalar => (vec![1], Constraint::Positive),
        };
        let spec = ParamSpec::new(path, keyword, &shape, constraint).with_state_axes(0).with_closed();
        match self {
            CovarianceForm::Blocks(_) => spec.with_pattern(self.pattern(n)),
            _ => spec,
        }
    }

    /// Where Σ_ij lies in the array.
    pub(super) fn place(&self, i: usize, j: usize, n: usize) -> usize {
        match self {
            CovarianceForm::Full | CovarianceForm::Blocks(_) => i * n + j,
            CovarianceForm::Diagonal => i,
            CovarianceForm::Scalar => 0,
        }
    }

    /// The array of this form nearest to a diagonal matrix.
    pub(super) fn array_of_diagonal(&self, diagonal: &[f64]) -> Vec<f64> {
        let n = diagonal.len();
        match self {
            CovarianceForm::Full => {
                let mut full = vec![0.0; n * n];
                diagonal.iter().enumerate().for_each(|(i, v)| full[i * n + i] = *v);
                full
            }
            CovarianceForm::Diagonal => diagonal.to_vec(),
            CovarianceForm::Scalar => vec![diagonal.iter().sum::<f64>() / n as f64],
            CovarianceForm::Blocks(_) => {
                self.array_of_full(&CovarianceForm::Full.array_of_diagonal(diagonal), n)
            }
        }
    }

    /// The array nearest to a full matrix, shape \[N, N\].
    pub(super) fn array_of_full(&self, full: &[f64], n: usize) -> Vec<f64> {
        match self {
            CovarianceForm::Full => full.to_vec(),
            CovarianceForm::Blocks(_) => {
                let mut array = vec![0.0; n * n];
                self.groups(n, &[]).iter().for_each(|g| g.write(&g.mean_of(full, n), n, &mut array));
                array
            }
            _ => self.array_of_diagonal(&(0..n).map(|i| full[i * n + i]).collect::<Vec<f64>>()),
        }
    }

    /// The variances of an array of this form.
    pub(super) fn variances(&self, values: &[f64], n: usize) -> Vec<f64> {
        (0..n).map(|i| values[self.place(i, i, n)]).collect()
    }

    /// The matrix of an array of this form, shape \[N, N\].
    pub(super) fn matrix_of(&self, values: &[f64], n: usize) -> Vec<f64> {
        match self {
            CovarianceForm::Full | CovarianceForm::Blocks(_) => values.to_vec(),
            _ => CovarianceForm::Full.array_of_diagonal(&self.variances(values, n)),
        }
    }

    /// The gradient with respect to the array, given the one with respect to the matrix (or to its diagonal,
    /// where it is diagonal).
    pub(super) fn pull_back(&self, matrix: &[f64], n: usize) -> Vec<f64> {
        let at = |i: usize| if matrix.len() == n { matrix[i] } else { matrix[i * n + i] };
        match self {
            CovarianceForm::Full => matrix.to_vec(),
            CovarianceForm::Diagonal => (0..n).map(at).collect(),
            CovarianceForm::Scalar => vec![(0..n).map(at).sum()],
            CovarianceForm::Blocks(_) => {
                let mut array = vec![0.0; n * n];
                for copy in self.groups(n, &[]).iter().flat_map(|g| &g.copies) {
                    for (i, j) in copy.iter().flat_map(|i| copy.iter().map(move |j| (*i, *j))) {
                        array[i * n + j] = if i == j { at(i) } else { matrix[i * n + j] };
                    }
                }
                array
            }
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
    /// log |Σ| as a sum over dimensions, in which those of a block make up its share; 0 without noise.
    pub(super) log_dets: Vec<f64>,
}

impl Precision {
    /// `None` where the noisy part is singular (to rounding).
    pub(super) fn new(form: &CovarianceForm, values: &[f64], n: usize) -> Option<Self> {
        let variances = form.variances(values, n);
        let noisy: Vec<usize> = (0..n).filter(|i| variances[*i] != 0.0).collect();
        if form.is_diagonal() {
            let log_dets = variances.iter().map(|v| if *v == 0.0 { 0.0 } else { v.ln() }).collect();
            let values = variances.iter().map(|v| if *v == 0.0 { 0.0 } else { 1.0 / v }).collect();
            return Some(Precision { n, noisy, values, diagonal: true, log_dets });
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
        // A factor's pivot depends on the dimensions of its block alone.
        let mut log_dets = vec![0.0; n];
        noisy.iter().enumerate().for_each(|(a, i)| log_dets[*i] = 2.0 * chol[a * r + a].ln());
        Some(Precision { n, noisy, values: whole, diagonal: false, log_dets })
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
