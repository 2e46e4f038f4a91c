//! Exact noise of linear stochastic differential equations over a step of any length.
//!
//! dz = A z ds + L dW:  z_{s+Δ} = e^{AΔ} z_s + N(0, ∫_0^Δ e^{As} L Lᵀ e^{Aᵀs} ds)
//!
//! For all blocks here e^{As} L = p(s) e^{−λs} with polynomials p, so that the integral is a sum of
//! ∫_0^Δ sⁿ e^{−2λs} ds, which has a series without cancellation however small Δ is.

use super::block::Square;
use crate::dual::Real;

/// ∫_0^Δ p_i(s) p_j(s) e^{−rate s} ds for all i, j.
///
/// * `polynomials` – p_i by its coefficients of s⁰, s¹, ...
/// * `rate` – 2λ ≥ 0.
pub(crate) fn noise<R: Real>(polynomials: &[Vec<R>], rate: R, step: f64) -> Square<R> {
    let num_powers = polynomials.iter().map(|p| 2 * p.len()).max().unwrap_or(0);
    let moments: Vec<R> = (0..num_powers).map(|n| decay_moment(n, rate, step)).collect();
    let mut noise = Square::zeros(polynomials.len());
    for (i, p) in polynomials.iter().enumerate() {
        for (j, q) in polynomials.iter().enumerate() {
            for (a, x) in p.iter().enumerate() {
                for (b, y) in q.iter().enumerate() {
                    noise[(i, j)] = noise[(i, j)] + *x * *y * moments[a + b];
                }
            }
        }
    }
    noise
}

/// ∫_0^Δ sⁿ e^{−rate s} ds = Δ^{n+1} e^{−x} Σ_j x^j n! / (n + 1 + j)!,  x = rate Δ.
///
/// Where x is large, n! / rate^{n+1} less the rest of the exponential series, which is small there.
fn decay_moment<R: Real>(n: usize, rate: R, step: f64) -> R {
    let x = rate.scaled(step);
    let factorial = |k: usize| (1..=k).map(|i| i as f64).product::<f64>();
    if x.value() > 20.0 + n as f64 {
        let mut term = R::constant(1.0);
        let mut sum = term;
        for k in 1..=n {
            term = (term * x).scaled(1.0 / k as f64);
            sum = sum + term;
        }
        let whole = (0..=n).fold(R::constant(factorial(n)), |value, _| value / rate);
        return whole * (R::constant(1.0) - (-x).exp() * sum);
    }
    let mut term = R::constant(step.powi(n as i32 + 1) / (n + 1) as f64);
    let mut sum = term;
    // x ≤ 20 + n here: after 120 terms what is left is below the rounding of the sum.
    for j in 1..120 {
        term = (term * x).scaled(1.0 / (n + 1 + j) as f64);
        sum = sum + term;
    }
    (-x).exp() * sum
}
