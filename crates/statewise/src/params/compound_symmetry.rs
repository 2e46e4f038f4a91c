//! Matrices of one variance and one covariance, and the bijection that frees them.
//!
//! Σ = v on the diagonal, c elsewhere, has the eigenvalues λ_1 = v − c (n − 1 times) and λ_2 = v + (n − 1) c;
//! x = (log λ_1, log λ_2).

/// Eigenvalues below this count as this when they are mapped to the real line.
const TINY: f64 = 1e-300;

/// Writes the matrix of x.
pub(super) fn constrain(x: &[f64], n: usize, block: &mut [f64]) {
    let (across, along) = (x[0].exp(), x[1].exp());
    let covariance = (along - across) / n as f64;
    for (at, entry) in block.iter_mut().enumerate() {
        *entry = if at / n == at % n { covariance + across } else { covariance };
    }
}

/// Writes the x of a matrix.
pub(super) fn unconstrain(block: &[f64], n: usize, x: &mut [f64]) {
    let (across, along) = eigenvalues(block, n);
    x[0] = across.max(TINY).ln();
    x[1] = along.max(TINY).ln();
}

/// Adds the gradient with respect to x, given the one with respect to all entries as if independent.
pub(super) fn pull_back(block: &[f64], n: usize, gradient: &[f64], out: &mut [f64]) {
    let (across, along) = eigenvalues(block, n);
    let variance: f64 = (0..n).map(|i| gradient[i * n + i]).sum();
    let covariance = gradient.iter().sum::<f64>() - variance;
    out[0] += across * ((n - 1) as f64 * variance - covariance) / n as f64;
    out[1] += along * (variance + covariance) / n as f64;
}

/// log |d (v, c) / d x| = log λ_1 + log λ_2 − log n.
pub(super) fn log_det_jacobian(block: &[f64], n: usize) -> f64 {
    let (across, along) = eigenvalues(block, n);
    across.max(TINY).ln() + along.max(TINY).ln() - (n as f64).ln()
}

/// Checks that there is one variance and one covariance, and that eigenvalues are positive (`closed`: not
/// negative beyond rounding).
pub(super) fn check(block: &[f64], n: usize, closed: bool) -> Result<(), (String, String)> {
    let scale = block.iter().fold(0.0, |a: f64, x| a.max(x.abs()));
    for (at, x) in block.iter().enumerate() {
        let other = if at / n == at % n { block[0] } else { block[1] };
        if (x - other).abs() > 1e-8 * scale {
            return Err((
                format!("{other} and {x}"),
                "one variance, and one covariance of all pairs".into(),
            ));
        }
    }
    let (across, along) = eigenvalues(block, n);
    let least = across.min(along);
    if least > 0.0 || closed && least >= -1e-12 * scale {
        return Ok(());
    }
    let expected = if closed { "a positive semi-definite matrix" } else { "a positive definite matrix" };
    Err((format!("an eigenvalue of {least:e}"), expected.into()))
}

/// (λ_1, λ_2).
fn eigenvalues(block: &[f64], n: usize) -> (f64, f64) {
    (block[0] - block[1], block[0] + (n - 1) as f64 * block[1])
}
