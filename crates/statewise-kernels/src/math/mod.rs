//! Elementary functions over arrays.

pub(crate) mod dispatch;
mod gaussian;
mod independent;
mod special;
mod transpose;

pub use gaussian::{add_gaussian_moments, gaussian_log_densities, packed_len};
pub use independent::{add_independent_moments, independent_log_densities};
pub use special::{bessel_i0_scaled, bessel_i1_scaled, digamma, ln_gamma, trigamma};

/// Replaces each row of log-likelihoods x by exp(x − max x) and writes the maxima into `shift`.
pub fn exp_shifted_rows(rows: &mut [f64], shift: &mut [f64]) {
    let width = rows.len() / shift.len().max(1);
    for (row, shift) in rows.chunks_exact_mut(width.max(1)).zip(shift) {
        *shift = row.iter().copied().fold(f64::NEG_INFINITY, |m, x| if x.is_nan() { x } else { m.max(x) });
        row.iter_mut().for_each(|x| *x = (*x - *shift).exp());
    }
}

/// log Σ_i exp(x_i), −∞ for an empty slice or one of only −∞.
pub fn log_sum_exp(values: &[f64]) -> f64 {
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !max.is_finite() {
        return max;
    }
    max + values.iter().map(|x| (x - max).exp()).sum::<f64>().ln()
}
