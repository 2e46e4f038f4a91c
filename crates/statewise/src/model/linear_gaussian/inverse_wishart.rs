//! The inverse Wishart distribution of covariances.

use rand_chacha::ChaCha8Rng;
use rand_distr::{ChiSquared, Distribution, StandardNormal};
use statewise_kernels::linalg::{cholesky, inverse_chol, log_det_chol, solve_lower};
use statewise_kernels::math::ln_gamma;

use super::matrix::{dot, product_transposed, symmetrise};
use crate::error::{Error, Result};
use crate::params::Array;

/// p(Σ) ∝ |Σ|^(−(ν + N + 1)/2) exp(−½ tr Ψ Σ⁻¹).
#[derive(Clone, Debug, PartialEq)]
pub struct InverseWishart {
    /// ν > N − 1.
    pub df: f64,
    /// Ψ, shape \[N, N\].
    pub scale: Array,
}

impl InverseWishart {
    fn dim(&self) -> usize {
        self.scale.shape()[0]
    }

    /// log p(Σ); −∞ where Σ is not positive definite.
    pub fn log_prob(&self, cov: &[f64]) -> f64 {
        let n = self.dim();
        let mut chol = cov.to_vec();
        if cholesky(&mut chol, n).is_err() {
            return f64::NEG_INFINITY;
        }
        let mut precision = vec![0.0; n * n];
        inverse_chol(&chol, n, &mut precision);
        self.log_normaliser()
            - 0.5 * (self.df + n as f64 + 1.0) * log_det_chol(&chol, n)
            - 0.5 * dot(&precision, self.scale.values())
    }

    /// ½ ν log |Ψ| − ½ ν N log 2 − log Γ_N(ν/2).
    pub(super) fn log_normaliser(&self) -> f64 {
        let n = self.dim();
        let d = n as f64;
        let ln_multigamma = 0.25 * d * (d - 1.0) * std::f64::consts::PI.ln()
            + (0..n).map(|i| ln_gamma(0.5 * (self.df - i as f64))).sum::<f64>();
        0.5 * self.df * (log_det(self.scale.values(), n) - d * std::f64::consts::LN_2) - ln_multigamma
    }

    /// E Σ = Ψ / (ν − N − 1); `None` for ν ≤ N + 1.
    pub fn mean(&self) -> Option<Vec<f64>> {
        let c = self.df - self.dim() as f64 - 1.0;
        (c > 0.0).then(|| self.scale.values().iter().map(|x| x / c).collect())
    }

    /// Var Σ_ij = ((ν − N + 1) Ψ_ij² + (ν − N − 1) Ψ_ii Ψ_jj) / ((ν − N)(ν − N − 1)²(ν − N − 3));
    /// `None` for ν ≤ N + 3.
    pub fn variance(&self) -> Option<Vec<f64>> {
        let n = self.dim();
        let c = self.df - n as f64;
        let psi = self.scale.values();
        let entry = |at: usize| {
            let (i, j) = (at / n, at % n);
            let top = (c + 1.0) * psi[at] * psi[at] + (c - 1.0) * psi[i * n + i] * psi[j * n + j];
            top / (c * (c - 1.0) * (c - 1.0) * (c - 3.0))
        };
        (c > 3.0).then(|| (0..n * n).map(entry).collect())
    }

    /// argmax p(Σ) = Ψ / (ν + N + 1).
    pub fn mode(&self) -> Vec<f64> {
        let c = self.df + self.dim() as f64 + 1.0;
        self.scale.values().iter().map(|x| x / c).collect()
    }

    /// Draws Σ = L A⁻ᵀ A⁻¹ Lᵀ with Ψ = L Lᵀ and A the Bartlett factor of a standard Wishart.
    ///
    /// # Errors
    /// A scale that is not positive definite to rounding.
    ///
    /// # Source
    /// Smith and Hocking (1972), algorithm AS 53.
    pub fn sample(&self, rng: &mut ChaCha8Rng) -> Result<Vec<f64>> {
        let n = self.dim();
        let mut l = self.scale.values().to_vec();
        cholesky(&mut l, n).map_err(|e| Error::argument("scale", e, "a positive definite matrix"))?;
        for _ in 0..100 {
            let mut a = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..i {
                    a[i * n + j] = StandardNormal.sample(rng);
                }
                let chi_squared = ChiSquared::new(self.df - i as f64)
                    .map_err(|_| Error::argument("df", self.df, format!("above {}", n - 1)))?;
                a[i * n + i] = f64::sqrt(chi_squared.sample(rng));
            }
            // Row i of L solved against A is column i of A⁻¹ Lᵀ.
            let mut factor = l.clone();
            factor.chunks_exact_mut(n).for_each(|row| solve_lower(&a, n, row));
            let mut cov = product_transposed(&factor, &factor, n, n, n);
            symmetrise(&mut cov, n);
            // With few degrees of freedom a draw can be singular to working precision.
            if cov.iter().all(|x| x.is_finite()) && cholesky(&mut cov.clone(), n).is_ok() {
                return Ok(cov);
            }
        }
        Err(Error::argument(
            "df",
            self.df,
            "enough degrees of freedom for a covariance in double precision",
        ))
    }
}

/// log |A| of a matrix that was checked; NaN where it is not positive definite.
pub(super) fn log_det(a: &[f64], n: usize) -> f64 {
    let mut chol = a.to_vec();
    cholesky(&mut chol, n).map_or(f64::NAN, |()| log_det_chol(&chol, n))
}
