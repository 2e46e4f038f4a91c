//! Forecasts of the state.

use super::ChainError;
use super::check::length;

/// Writes p(z_{t+s} = k | y_{1:t}) for s = 1 … h.
///
/// p_{s}(j) = Σ_i p_{s-1}(i) A_s(i, j),  p_0 = p(z_t | y_{1:t})
///
/// * `filtered_last` – p(z_t = k | y_{1:t}), shape \[K\].
/// * `transition` – called with s - 1 (0 for the first step ahead) and a slice of shape \[K, K\] to
///   write A_s into.
/// * `out` – out, shape \[h, K\]; its first row is the one-step prediction.
///
/// # Errors
/// [`ChainError::Shape`] if `out` is not a whole number of rows.
pub fn forecast(
    filtered_last: &[f64],
    transition: &mut dyn FnMut(usize, &mut [f64]),
    out: &mut [f64],
) -> Result<(), ChainError> {
    let k = filtered_last.len().max(1);
    length("out", out.len(), out.len().next_multiple_of(k))?;
    let mut a = vec![0.0; k * k];
    let mut current = filtered_last.to_vec();
    for (s, row) in out.chunks_exact_mut(k).enumerate() {
        transition(s, &mut a);
        predict(&current, &a, row);
        current.copy_from_slice(row);
    }
    Ok(())
}

/// out(j) = Σ_i p(i) A(i, j).
pub(super) fn predict(p: &[f64], a: &[f64], out: &mut [f64]) {
    out.fill(0.0);
    for (p, row) in p.iter().zip(a.chunks_exact(p.len())) {
        for (out, a) in out.iter_mut().zip(row) {
            *out += p * a;
        }
    }
}
