//! Tail probabilities and quantiles of the distributions that tests and intervals refer to.

use statrs::function::beta::beta_reg;
use statrs::function::erf::erfc_inv;
use statrs::function::gamma::{gamma_lr, gamma_ur, ln_gamma};

use std::f64::consts::{PI, SQRT_2};

/// φ(z), the density of N(0, 1).
pub fn normal_density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (2.0 * PI).sqrt()
}

/// Φ(z) = P(Z ≤ z) for Z ~ N(0, 1).
///
/// Half the tail of χ²(1) at z², which has fifteen digits in either tail; rational approximations of the error
/// function have eleven.
pub fn normal_cdf(z: f64) -> f64 {
    let tail = 0.5 * chi_squared_tail(z * z, 1.0);
    if z > 0.0 { 1.0 - tail } else { tail }
}

/// The z with Φ(z) = p; ∓∞ at 0 and 1, NaN outside.
pub fn normal_quantile(p: f64) -> f64 {
    if !(p > 0.0 && p < 1.0) {
        return match p {
            0.0 => f64::NEG_INFINITY,
            1.0 => f64::INFINITY,
            _ => f64::NAN,
        };
    }
    // NUMERICS: in the upper tail Φ has no digits left below 1 − p; the lower one has.
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    // Two steps of Newton's method take the rational approximation to full precision.
    let newton = |z: f64| z - (normal_cdf(z) - p) / normal_density(z);
    newton(newton(-SQRT_2 * erfc_inv(2.0 * p)))
}

/// P(X > x) for X ~ χ² with `dof` > 0 degrees of freedom.
pub fn chi_squared_tail(x: f64, dof: f64) -> f64 {
    match x {
        _ if x.is_nan() || dof.is_nan() || dof <= 0.0 => f64::NAN,
        _ if x <= 0.0 => 1.0,
        _ if x.is_infinite() || dof.is_infinite() => f64::from(u8::from(x.is_finite())),
        _ => gamma_ur(0.5 * dof, 0.5 * x),
    }
}

/// P(X ≤ x) for X ~ χ² with `dof` > 0 degrees of freedom.
pub fn chi_squared_cdf(x: f64, dof: f64) -> f64 {
    match x {
        _ if x.is_nan() || dof.is_nan() || dof <= 0.0 => f64::NAN,
        _ if x <= 0.0 => 0.0,
        _ if x.is_infinite() || dof.is_infinite() => f64::from(u8::from(x.is_infinite())),
        _ => gamma_lr(0.5 * dof, 0.5 * x),
    }
}

/// The x with P(X ≤ x) = p for X ~ χ² with `dof` degrees of freedom; NaN for a p outside \[0, 1\].
///
/// Newton's method from the cube of a Gaussian (Wilson and Hilferty, 1931), kept within a bracket, on the
/// tail that has the smaller probability.
pub fn chi_squared_quantile(p: f64, dof: f64) -> f64 {
    if !((0.0..=1.0).contains(&p) && dof > 0.0 && dof.is_finite()) {
        return f64::NAN;
    }
    if p == 0.0 || p == 1.0 {
        return if p == 0.0 { 0.0 } else { f64::INFINITY };
    }
    let excess = |x: f64| {
        if p < 0.5 { chi_squared_cdf(x, dof) - p } else { (1.0 - p) - chi_squared_tail(x, dof) }
    };
    let c = 2.0 / (9.0 * dof);
    let cube = 1.0 - c + normal_quantile(p) * c.sqrt();
    let mut x = (dof * cube.powi(3)).max(1e-3 * dof);
    let (mut low, mut high) = (0.0, f64::INFINITY);
    for _ in 0..200 {
        let value = excess(x);
        if value > 0.0 {
            high = x;
        } else {
            low = x;
        }
        let log_density =
            (0.5 * dof - 1.0) * x.ln() - 0.5 * x - 0.5 * dof * 2f64.ln() - ln_gamma(0.5 * dof);
        let newton = x - value / log_density.exp();
        let next = match newton {
            _ if newton > low && newton < high => newton,
            _ if high.is_finite() => 0.5 * (low + high),
            _ => 2.0 * x,
        };
        if (next - x).abs() <= 4.0 * f64::EPSILON * x {
            return next;
        }
        x = next;
    }
    x
}

/// P(X > x) for X ~ F with `numerator` and `denominator` degrees of freedom.
pub fn f_tail(x: f64, numerator: f64, denominator: f64) -> f64 {
    match x {
        _ if !(numerator > 0.0 && denominator > 0.0) || x.is_nan() => f64::NAN,
        _ if x <= 0.0 => 1.0,
        _ if x.is_infinite() => 0.0,
        _ => beta_reg(0.5 * denominator, 0.5 * numerator, denominator / (denominator + numerator * x)),
    }
}

/// P(|X| > |x|) for X ~ t with `dof` degrees of freedom.
pub fn t_two_sided_tail(x: f64, dof: f64) -> f64 {
    f_tail(x * x, 1.0, dof)
}
