//! Conjugate priors of linear Gaussian models: densities, modes, posteriors and draws.
//!
//! Σ ~ InverseWishart(ν, Ψ),  W | Σ ~ MatrixNormal(M, Σ, V⁻¹)
//!
//! The Normal-inverse-Wishart of a mean is the case of one column, with V = κ.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use statewise_kernels::linalg::{
    cholesky, inverse_chol, log_det_chol, solve_lower, solve_upper_transposed,
};

use super::inverse_wishart::{InverseWishart, log_det};
use super::matrix::{dot, product, product_transposed, symmetrise, transpose};
use crate::error::{Error, Result};
use crate::params::Array;

const LN_TAU: f64 = 1.837_877_066_409_345_5;

/// (W, Σ) of N rows and p columns: Σ ~ InverseWishart(ν, Ψ), W | Σ ~ MatrixNormal(M, Σ, V⁻¹).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatrixNormalInverseWishart {
    /// M, shape \[N, p\].
    pub loc: Array,
    /// V, shape \[p, p\].
    pub col_precision: Array,
    /// ν > N − 1.
    pub df: f64,
    /// Ψ, shape \[N, N\].
    pub scale: Array,
}

/// (μ, Σ): Σ ~ InverseWishart(ν, Ψ), μ | Σ ~ N(m, Σ / κ).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormalInverseWishart {
    /// m, shape \[N\].
    pub loc: Array,
    /// κ, in observations.
    pub mean_concentration: f64,
    /// ν > N − 1.
    pub df: f64,
    /// Ψ, shape \[N, N\].
    pub scale: Array,
}

/// Sums that a regression of y on x leaves: n, Σ y xᵀ, Σ x xᵀ, Σ y yᵀ.
#[derive(Clone, Copy, Debug)]
pub struct RegressionSums<'a> {
    /// n.
    pub count: f64,
    /// Σ y xᵀ, shape \[N, p\].
    pub yx: &'a [f64],
    /// Σ x xᵀ, shape \[p, p\].
    pub xx: &'a [f64],
    /// Σ y yᵀ, shape \[N, N\].
    pub yy: &'a [f64],
}

impl MatrixNormalInverseWishart {
    /// Dynamax's default: M = 0, V = I, ν = N + 0.1, Ψ = I.
    pub fn default_of(rows: usize, columns: usize) -> Self {
        MatrixNormalInverseWishart {
            loc: Array::zeros(&[rows, columns]),
            col_precision: identity(columns),
            df: rows as f64 + 0.1,
            scale: identity(rows),
        }
    }

    /// (N, p).
    pub fn shape(&self) -> (usize, usize) {
        (self.loc.shape()[0], self.loc.shape()[1])
    }

    fn inverse_wishart(&self) -> InverseWishart {
        InverseWishart { df: self.df, scale: self.scale.clone() }
    }

    /// log p(W, Σ); −∞ where Σ is not positive definite.
    pub fn log_prob(&self, weights: &[f64], cov: &[f64]) -> f64 {
        self.weights_log_prob(weights, cov) + self.inverse_wishart().log_prob(cov)
    }

    /// log p(W | Σ); −∞ where Σ is not positive definite.
    pub fn weights_log_prob(&self, weights: &[f64], cov: &[f64]) -> f64 {
        let (n, p) = self.shape();
        let mut chol = cov.to_vec();
        if cholesky(&mut chol, n).is_err() {
            return f64::NEG_INFINITY;
        }
        let mut precision = vec![0.0; n * n];
        inverse_chol(&chol, n, &mut precision);
        let off: Vec<f64> = weights.iter().zip(self.loc.values()).map(|(w, m)| w - m).collect();
        let spread =
            product_transposed(&product(&off, self.col_precision.values(), n, p, p), &off, n, p, n);
        self.weights_log_normaliser()
            - 0.5 * p as f64 * log_det_chol(&chol, n)
            - 0.5 * dot(&precision, &spread)
    }

    /// ½ N log |V| − ½ N p log 2π.
    pub(super) fn weights_log_normaliser(&self) -> f64 {
        let (n, p) = self.shape();
        0.5 * n as f64 * (log_det(self.col_precision.values(), p) - p as f64 * LN_TAU)
    }

    /// argmax p(W, Σ) = (M, Ψ / (ν + N + p + 1)).
    pub fn mode(&self) -> (Vec<f64>, Vec<f64>) {
        let (n, p) = self.shape();
        let c = self.df + (n + p + 1) as f64;
        (self.loc.values().to_vec(), self.scale.values().iter().map(|x| x / c).collect())
    }

    /// The posterior given sums of a regression.
    ///
    /// V' = V + Σxxᵀ,  M' = (M V + Σyxᵀ) V'⁻¹,  ν' = ν + n,  Ψ' = Ψ + M V Mᵀ + Σyyᵀ − M' V' M'ᵀ
    ///
    /// # Errors
    /// A column precision that is not positive definite.
    pub fn posterior(&self, sums: &RegressionSums<'_>) -> Result<Self> {
        let (n, p) = self.shape();
        let m_v = product(self.loc.values(), self.col_precision.values(), n, p, p);
        let v: Vec<f64> = self.col_precision.values().iter().zip(sums.xx).map(|(a, b)| a + b).collect();
        let right: Vec<f64> = m_v.iter().zip(sums.yx).map(|(a, b)| a + b).collect();
        let mut chol = v.clone();
        cholesky(&mut chol, p)
            .map_err(|e| Error::argument("col_precision", e, "a positive definite matrix"))?;
        let mut loc = right.clone();
        for row in loc.chunks_exact_mut(p) {
            solve_lower(&chol, p, row);
            solve_upper_transposed(&chol, p, row);
        }
        let before = product_transposed(&m_v, self.loc.values(), n, p, n);
        let after = product_transposed(&right, &loc, n, p, n);
        let terms = before.iter().zip(sums.yy).zip(&after);
        let mut scale: Vec<f64> =
            self.scale.values().iter().zip(terms).map(|(s, ((b, y), a))| s + b + y - a).collect();
        symmetrise(&mut scale, n);
        Ok(MatrixNormalInverseWishart {
            loc: Array::new(&[n, p], loc),
            col_precision: Array::new(&[p, p], v),
            df: self.df + sums.count,
            scale: Array::new(&[n, n], scale),
        })
    }

    /// Draws (W, Σ).
    ///
    /// # Errors
    /// A scale or column precision that is not positive definite.
    pub fn sample(&self, rng: &mut ChaCha8Rng) -> Result<(Vec<f64>, Vec<f64>)> {
        let cov = self.inverse_wishart().sample(rng)?;
        Ok((self.sample_weights(&cov, rng)?, cov))
    }

    /// Draws W = M + L Z C⁻¹ with Σ = L Lᵀ, V = C Cᵀ and Z of standard normals.
    ///
    /// # Errors
    /// A covariance or column precision that is not positive definite.
    pub fn sample_weights(&self, cov: &[f64], rng: &mut ChaCha8Rng) -> Result<Vec<f64>> {
        let (n, p) = self.shape();
        let (mut l, mut c) = (cov.to_vec(), self.col_precision.values().to_vec());
        cholesky(&mut l, n).map_err(|e| Error::argument("cov", e, "a positive definite matrix"))?;
        cholesky(&mut c, p)
            .map_err(|e| Error::argument("col_precision", e, "a positive definite matrix"))?;
        let mut z: Vec<f64> = (0..n * p).map(|_| StandardNormal.sample(rng)).collect();
        // Rows of Z C⁻¹ solve xᵀ C = zᵀ, that is Cᵀ x = z.
        z.chunks_exact_mut(p).for_each(|row| solve_upper_transposed(&c, p, row));
        let mut weights = product(&l, &z, n, n, p);
        weights.iter_mut().zip(self.loc.values()).for_each(|(w, m)| *w += m);
        Ok(weights)
    }

    /// Checks shapes, symmetry and definiteness.
    ///
    /// # Errors
    /// [`Error::Argument`] naming the member of `name` that does not fit.
    pub fn check(&self, name: &str, rows: usize, columns: usize) -> Result<()> {
        shape(&format!("{name}.loc"), &self.loc, &[rows, columns])?;
        positive_definite(&format!("{name}.col_precision"), &self.col_precision, columns)?;
        degrees(&format!("{name}.df"), self.df, rows)?;
        positive_definite(&format!("{name}.scale"), &self.scale, rows)
    }
}

impl NormalInverseWishart {
    /// Dynamax's default: m = 0, κ = 1, ν = N + 0.1, Ψ = I.
    pub fn default_of(dim: usize) -> Self {
        NormalInverseWishart {
            loc: Array::zeros(&[dim]),
            mean_concentration: 1.0,
            df: dim as f64 + 0.1,
            scale: identity(dim),
        }
    }

    /// The same distribution as one of matrices with one column.
    pub fn as_matrix_normal(&self) -> MatrixNormalInverseWishart {
        let n = self.loc.values().len();
        MatrixNormalInverseWishart {
            loc: Array::new(&[n, 1], self.loc.values().to_vec()),
            col_precision: Array::full(&[1, 1], self.mean_concentration),
            df: self.df,
            scale: self.scale.clone(),
        }
    }

    /// Checks shapes, symmetry and definiteness.
    ///
    /// # Errors
    /// [`Error::Argument`] naming the member of `name` that does not fit.
    pub fn check(&self, name: &str, dim: usize) -> Result<()> {
        shape(&format!("{name}.loc"), &self.loc, &[dim])?;
        if !(self.mean_concentration > 0.0 && self.mean_concentration.is_finite()) {
            let argument = format!("{name}.mean_concentration");
            return Err(Error::argument(argument, self.mean_concentration, "a positive number"));
        }
        degrees(&format!("{name}.df"), self.df, dim)?;
        positive_definite(&format!("{name}.scale"), &self.scale, dim)
    }
}

fn identity(n: usize) -> Array {
    Array::new(&[n, n], Array::identities(1, n, 1.0).values().to_vec())
}

fn shape(argument: &str, value: &Array, expected: &[usize]) -> Result<()> {
    if value.shape() != expected {
        let found = format!("shape {:?}", value.shape());
        return Err(Error::argument(argument, found, format!("shape {expected:?}")));
    }
    match value.values().iter().find(|x| !x.is_finite()) {
        Some(bad) => Err(Error::argument(argument, bad, "finite numbers")),
        None => Ok(()),
    }
}

fn positive_definite(argument: &str, value: &Array, n: usize) -> Result<()> {
    shape(argument, value, &[n, n])?;
    let a = value.values();
    let gap = a.iter().zip(transpose(a, n, n)).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
    if gap > 1e-8 * a.iter().fold(0.0, |m: f64, x| m.max(x.abs())) {
        return Err(Error::argument(
            argument,
            format!("a gap of {gap} across the diagonal"),
            "a symmetric matrix",
        ));
    }
    cholesky(&mut a.to_vec(), n).map_err(|e| Error::argument(argument, e, "a positive definite matrix"))
}

fn degrees(argument: &str, df: f64, n: usize) -> Result<()> {
    if df > n as f64 - 1.0 && df.is_finite() {
        Ok(())
    } else {
        Err(Error::argument(argument, df, format!("above {} (the dimension less one)", n as f64 - 1.0)))
    }
}
