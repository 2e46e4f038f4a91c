//! Coefficients of stationary autoregressions, and the partial autocorrelations that free them.
//!
//! φ^(k)_j = φ^(k-1)_j − r_k φ^(k-1)_{k−j} (j < k),  φ^(k)_k = r_k;  stationary iff all |r_k| < 1

use crate::dual::Real;

/// Coefficients φ_1..φ_p of partial autocorrelations r_1..r_p, in place.
///
/// # Source
/// Barndorff-Nielsen and Schou (1973), On the parametrization of autoregressive models by partial
/// autocorrelations; Monahan (1984). O(p²).
pub(crate) fn step_up<R: Real>(r: &mut [R]) {
    for k in 1..r.len() {
        let r_k = r[k];
        for j in 0..k.div_ceil(2) {
            let (a, b) = (r[j], r[k - 1 - j]);
            r[j] = a - r_k * b;
            if j != k - 1 - j {
                r[k - 1 - j] = b - r_k * a;
            }
        }
    }
}

/// Partial autocorrelations of stationary coefficients, in place: the inverse of [`step_up`].
pub(crate) fn step_down<R: Real>(phi: &mut [R]) {
    for k in (1..phi.len()).rev() {
        step_down_once(&mut phi[..=k]);
    }
}

/// φ^(k-1) in place of the first entries of φ^(k); the last is r_k.
fn step_down_once<R: Real>(phi: &mut [R]) {
    let k = phi.len() - 1;
    let r_k = phi[k];
    let scale = R::constant(1.0) - r_k * r_k;
    for j in 0..k.div_ceil(2) {
        let (a, b) = (phi[j], phi[k - 1 - j]);
        phi[j] = (a + r_k * b) / scale;
        if j != k - 1 - j {
            phi[k - 1 - j] = (b + r_k * a) / scale;
        }
    }
}

/// Whether coefficients are those of a stationary autoregression.
pub(crate) fn is_stationary(phi: &[f64]) -> bool {
    let mut r = phi.to_vec();
    (0..r.len()).rev().all(|k| {
        let inside = r[k].abs() < 1.0;
        if inside {
            step_down_once(&mut r[..=k]);
        }
        inside
    })
}

/// The gradient with respect to r, given the one with respect to φ(r). O(p²).
pub(crate) fn pull_back(r: &[f64], gradient: &mut [f64]) {
    let mut phi = r.to_vec();
    step_up(&mut phi);
    for k in (1..r.len()).rev() {
        step_down_once(&mut phi[..=k]);
        let after: Vec<f64> = gradient[..k].to_vec();
        for j in 0..k {
            gradient[k] -= after[j] * phi[k - 1 - j];
            gradient[j] = after[j] - r[k] * after[k - 1 - j];
        }
    }
}

/// log |∂φ/∂r|: of the k-th step det(I − r_k J), J the reversal of k − 1 entries.
pub(crate) fn log_det_jacobian(r: &[f64]) -> f64 {
    let term = |(k, r): (usize, &f64)| {
        let (even, odd) = (k.div_ceil(2) as f64, (k / 2) as f64);
        even * (-r).ln_1p() + odd * r.ln_1p()
    };
    r.iter().enumerate().map(term).sum()
}

/// Its derivative with respect to r_k (k from 0).
pub(crate) fn log_det_jacobian_slope(k: usize, r: f64) -> f64 {
    (k / 2) as f64 / (1.0 + r) - k.div_ceil(2) as f64 / (1.0 - r)
}
