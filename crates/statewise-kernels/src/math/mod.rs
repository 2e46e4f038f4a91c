//! Elementary functions over arrays.

pub(crate) mod dispatch;
mod gaussian;
mod independent;
mod special;
mod tails;
mod transpose;
mod vector;

pub use gaussian::{add_gaussian_moments, gaussian_log_densities, packed_len};
pub use independent::{add_independent_moments, independent_log_densities};
pub use special::{bessel_i0_scaled, bessel_i1_scaled, digamma, ln_gamma, trigamma};
pub use tails::{
    chi_squared_cdf, chi_squared_quantile, chi_squared_tail, f_tail, normal_cdf, normal_density,
    normal_quantile, t_two_sided_tail,
};
pub(crate) use vector::{exp_lane, exp_shifted_rows_from, ln_lane};
pub use vector::{exp_shifted_rows, exp_slice, ln_slice};

/// log Σ_i exp(x_i), −∞ for an empty slice or one of only −∞.
pub fn log_sum_exp(values: &[f64]) -> f64 {
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !max.is_finite() {
        return max;
    }
    max + values.iter().map(|x| (x - max).exp()).sum::<f64>().ln()
}
