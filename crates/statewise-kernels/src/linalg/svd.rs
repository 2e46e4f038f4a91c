//! Singular value decomposition.

use faer::MatRef;

use super::NotConverged;

/// A = U diag(σ) Vᵀ, with r = min(m, n) columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Svd {
    /// U, shape \[m, r\]; the largest entry of a column is positive.
    pub left: Vec<f64>,
    /// σ in descending order, shape \[r\].
    pub values: Vec<f64>,
    /// V, shape \[n, r\].
    pub right: Vec<f64>,
}

/// Decomposes `a`, shape \[m, n\].
///
/// # Errors
/// [`NotConverged`] where an entry is not finite.
///
/// # Source
/// `faer`: bidiagonalisation and divide and conquer. O(m n min(m, n)).
pub fn svd(a: &[f64], m: usize, n: usize) -> Result<Svd, NotConverged> {
    if a.iter().any(|x| !x.is_finite()) {
        return Err(NotConverged);
    }
    let decomposed = MatRef::from_row_major_slice(a, m, n).thin_svd().map_err(|_| NotConverged)?;
    let r = m.min(n);
    let values: Vec<f64> = decomposed.S().column_vector().iter().copied().collect();
    let (mut left, mut right) = (vec![0.0; m * r], vec![0.0; n * r]);
    for j in 0..r {
        let column: Vec<f64> = decomposed.U().col(j).iter().copied().collect();
        let sign = super::sign_of_largest(&column);
        column.iter().enumerate().for_each(|(i, x)| left[i * r + j] = sign * x);
        decomposed.V().col(j).iter().enumerate().for_each(|(i, x)| right[i * r + j] = sign * x);
    }
    Ok(Svd { left, values, right })
}
