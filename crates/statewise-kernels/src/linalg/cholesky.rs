//! Cholesky factor of a small symmetric positive definite matrix, and solves with it.

/// The pivot at which a matrix stopped being positive definite.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the matrix is not positive definite: pivot {index} is {pivot:e}")]
pub struct NotPositiveDefinite {
    /// Row of the pivot, 0-based.
    pub index: usize,
    /// Its value.
    pub pivot: f64,
}

/// Overwrites the lower triangle of A (\[n, n\], row-major) with L, A = L Lᵀ, and zeros the rest.
///
/// # Errors
/// [`NotPositiveDefinite`] at the first pivot that is not positive and finite, or that is lost to
/// rounding (below 1e-14 of its diagonal entry).
pub fn cholesky(a: &mut [f64], n: usize) -> Result<(), NotPositiveDefinite> {
    for j in 0..n {
        let diagonal = a[j * n + j];
        let row = &a[j * n..j * n + j];
        let pivot = diagonal - row.iter().map(|x| x * x).sum::<f64>();
        if !(pivot.is_finite() && pivot > 1e-14 * diagonal.abs()) {
            return Err(NotPositiveDefinite { index: j, pivot });
        }
        let root = pivot.sqrt();
        a[j * n + j] = root;
        for i in j + 1..n {
            let (head, tail) = a.split_at_mut(i * n);
            let dot: f64 = head[j * n..j * n + j].iter().zip(&tail[..j]).map(|(x, y)| x * y).sum();
            tail[j] = (tail[j] - dot) / root;
        }
        a[j * n + j + 1..(j + 1) * n].fill(0.0);
    }
    Ok(())
}

/// Overwrites b with L⁻¹ b.
pub fn solve_lower(l: &[f64], n: usize, b: &mut [f64]) {
    for i in 0..n {
        let dot: f64 = l[i * n..i * n + i].iter().zip(&*b).map(|(x, y)| x * y).sum();
        b[i] = (b[i] - dot) / l[i * n + i];
    }
}

/// Overwrites b with L⁻ᵀ b.
pub fn solve_upper_transposed(l: &[f64], n: usize, b: &mut [f64]) {
    for i in (0..n).rev() {
        let value = b[i] / l[i * n + i];
        b[i] = value;
        for j in 0..i {
            b[j] -= l[i * n + j] * value;
        }
    }
}

/// Overwrites b with (L Lᵀ)⁻¹ b.
pub fn solve_chol(l: &[f64], n: usize, b: &mut [f64]) {
    solve_lower(l, n, b);
    solve_upper_transposed(l, n, b);
}

/// log det(L Lᵀ) = 2 Σ_i log L_ii.
pub fn log_det_chol(l: &[f64], n: usize) -> f64 {
    2.0 * (0..n).map(|i| l[i * n + i].ln()).sum::<f64>()
}

/// Writes (L Lᵀ)⁻¹ into `out`, shape \[n, n\].
pub fn inverse_chol(l: &[f64], n: usize, out: &mut [f64]) {
    let mut column = vec![0.0; n];
    for j in 0..n {
        column.fill(0.0);
        column[j] = 1.0;
        solve_chol(l, n, &mut column);
        column.iter().enumerate().for_each(|(i, x)| out[i * n + j] = *x);
    }
}

/// Overwrites the lower triangle of A with L, A = L Lᵀ for a semi-definite A, and zeros the rest; a
/// pivot lost to rounding counts as zero and leaves a column of zeros. Answers the rank.
///
/// # Errors
/// [`NotPositiveDefinite`] at the first pivot that is negative beyond rounding, or not finite.
pub fn semidefinite_cholesky(a: &mut [f64], n: usize) -> Result<usize, NotPositiveDefinite> {
    let mut rank = 0;
    let scale = (0..n).map(|i| a[i * n + i].abs()).fold(0.0, f64::max);
    for j in 0..n {
        let diagonal = a[j * n + j];
        let pivot = diagonal - a[j * n..j * n + j].iter().map(|x| x * x).sum::<f64>();
        let rounding = 1e-14 * n as f64 * diagonal.abs() + 1e-18 * scale;
        if !pivot.is_finite() || pivot < -1e5 * rounding {
            return Err(NotPositiveDefinite { index: j, pivot });
        }
        let root = if pivot > rounding { pivot.sqrt() } else { 0.0 };
        rank += usize::from(root > 0.0);
        a[j * n + j] = root;
        for i in j + 1..n {
            let (head, tail) = a.split_at_mut(i * n);
            let dot: f64 = head[j * n..j * n + j].iter().zip(&tail[..j]).map(|(x, y)| x * y).sum();
            let residual = tail[j] - dot;
            if root == 0.0 && residual.abs() > 1e-6 * scale {
                return Err(NotPositiveDefinite { index: j, pivot: -residual.abs() });
            }
            tail[j] = if root > 0.0 { residual / root } else { 0.0 };
        }
        a[j * n + j + 1..(j + 1) * n].fill(0.0);
    }
    Ok(rank)
}

/// The first pivot of a symmetric matrix that is negative beyond rounding, or not finite.
pub fn negative_pivot(a: &[f64], n: usize) -> Option<f64> {
    semidefinite_cholesky(&mut a.to_vec(), n).err().map(|e| e.pivot)
}
