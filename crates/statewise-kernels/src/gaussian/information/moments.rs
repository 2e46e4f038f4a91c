//! From natural parameters to means and covariances.

use super::super::GaussianError;
use super::super::system::length;
use crate::linalg::{cholesky, solve_lower, solve_upper_transposed};

/// Writes m_t = Λ_t⁻¹ η_t and P_t = Λ_t⁻¹ for all t.
///
/// * `etas` – η, shape \[T, D\]; `precisions` – Λ, shape \[T, D, D\].
/// * `means`, `covs` – out, the same shapes.
///
/// # Errors
/// [`GaussianError::Shape`]; [`GaussianError::Indefinite`] at the first t with a singular Λ, as flat
/// directions leave it: there is no covariance then.
pub fn info_to_moment_form(
    etas: &[f64],
    precisions: &[f64],
    dim: usize,
    means: &mut [f64],
    covs: &mut [f64],
) -> Result<(), GaussianError> {
    let num_steps = etas.len() / dim.max(1);
    length("etas", etas.len(), num_steps * dim)?;
    length("precisions", precisions.len(), num_steps * dim * dim)?;
    length("means", means.len(), num_steps * dim)?;
    length("covs", covs.len(), num_steps * dim * dim)?;
    covs.copy_from_slice(precisions);
    means.copy_from_slice(etas);
    let both = means.chunks_exact_mut(dim.max(1)).zip(covs.chunks_exact_mut((dim * dim).max(1)));
    for (t, (mean, cov)) in both.enumerate() {
        cholesky(cov, dim).map_err(|error| GaussianError::Indefinite {
            argument: "precisions",
            t,
            pivot: error.pivot,
        })?;
        solve_lower(cov, dim, mean);
        solve_upper_transposed(cov, dim, mean);
        invert_in_place(cov, dim);
    }
    Ok(())
}

/// Overwrites L with (L Lᵀ)⁻¹ = L⁻ᵀ L⁻¹.
pub(in super::super) fn invert_in_place(l: &mut [f64], n: usize) {
    // L⁻¹, column by column.
    for j in 0..n {
        l[j * n + j] = 1.0 / l[j * n + j];
        for i in j + 1..n {
            let sum: f64 = (j..i).map(|k| l[i * n + k] * l[k * n + j]).sum();
            l[i * n + j] = -sum / l[i * n + i];
        }
    }
    // Entry (i, j), i ≤ j, reads rows from j on of columns i and j; the diagonal goes last.
    for i in 0..n {
        for j in (i..n).rev() {
            l[i * n + j] = (j..n).map(|k| l[k * n + i] * l[k * n + j]).sum();
        }
    }
    for i in 0..n {
        (0..i).for_each(|j| l[i * n + j] = l[j * n + i]);
    }
}
