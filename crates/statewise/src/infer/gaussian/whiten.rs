//! Standardised residuals: L⁻¹ v with L Lᵀ = Cov v.

use statewise_kernels::linalg::semidefinite_cholesky;

/// L⁻¹ v over the entries that are not NaN, with L Lᵀ their part of `cov`; NaN elsewhere.
pub(crate) fn whiten_observed(v: &[f64], cov: &[f64]) -> Vec<f64> {
    let m = v.len();
    let seen: Vec<usize> = (0..m).filter(|i| !v[*i].is_nan()).collect();
    let k = seen.len();
    let block: Vec<f64> = (0..k * k).map(|ij| cov[seen[ij / k] * m + seen[ij % k]]).collect();
    let values: Vec<f64> = seen.iter().map(|i| v[*i]).collect();
    let mut white = vec![f64::NAN; m];
    for (i, e) in seen.into_iter().zip(whiten(&values, block)) {
        white[i] = e;
    }
    white
}

/// L⁻¹ v with L Lᵀ = `cov`; NaN in directions without variance.
pub(crate) fn whiten(v: &[f64], cov: Vec<f64>) -> Vec<f64> {
    let n = v.len();
    let mut l = cov;
    if semidefinite_cholesky(&mut l, n).is_err() {
        return vec![f64::NAN; n];
    }
    let mut white = v.to_vec();
    for i in 0..n {
        let known: f64 = (0..i).filter(|j| l[j * n + j] > 0.0).map(|j| l[i * n + j] * white[j]).sum();
        white[i] = if l[i * n + i] > 0.0 { (white[i] - known) / l[i * n + i] } else { f64::NAN };
    }
    white
}
