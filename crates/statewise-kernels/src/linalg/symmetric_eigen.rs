//! Eigenvalues and eigenvectors of symmetric matrices.

use faer::{MatRef, Side};

use super::NotConverged;

/// A = V diag(λ) Vᵀ of a symmetric matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct SymmetricEigen {
    /// λ in ascending order, shape \[n\].
    pub values: Vec<f64>,
    /// V with the eigenvector of λ_j in column j, shape \[n, n\]; its largest entry is positive.
    pub vectors: Vec<f64>,
}

/// Decomposes a symmetric matrix `a`, shape \[n, n\]; its lower triangle is read.
///
/// # Errors
/// [`NotConverged`] where an entry is not finite.
///
/// # Source
/// `faer`: tridiagonalisation and divide and conquer. O(n³).
pub fn symmetric_eigen(a: &[f64], n: usize) -> Result<SymmetricEigen, NotConverged> {
    if a.iter().any(|x| !x.is_finite()) {
        return Err(NotConverged);
    }
    let eigen =
        MatRef::from_row_major_slice(a, n, n).self_adjoint_eigen(Side::Lower).map_err(|_| NotConverged)?;
    let values: Vec<f64> = eigen.S().column_vector().iter().copied().collect();
    let mut vectors = vec![0.0; n * n];
    for j in 0..n {
        let column: Vec<f64> = eigen.U().col(j).iter().copied().collect();
        let sign = super::sign_of_largest(&column);
        column.iter().enumerate().for_each(|(i, x)| vectors[i * n + j] = sign * x);
    }
    Ok(SymmetricEigen { values, vectors })
}
