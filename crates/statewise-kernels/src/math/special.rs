//! Special functions that emission families need.

pub use statrs::function::gamma::{digamma, ln_gamma};

/// ψ'(x) for x > 0: recurrence up to x ≥ 10, then the asymptotic series
/// 1/x + 1/(2x²) + Σ B_{2n}/x^{2n+1}.
///
/// # Source
/// Abramowitz and Stegun (1964), 6.4.6 and 6.4.12. Absolute error below 1e-14 · ψ'(x).
pub fn trigamma(x: f64) -> f64 {
    let mut x = x;
    let mut sum = 0.0;
    while x < 10.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let r = 1.0 / (x * x);
    // Bernoulli numbers B_2 .. B_16.
    const B: [f64; 8] = [
        1.0 / 6.0,
        -1.0 / 30.0,
        1.0 / 42.0,
        -1.0 / 30.0,
        5.0 / 66.0,
        -691.0 / 2730.0,
        7.0 / 6.0,
        -3617.0 / 510.0,
    ];
    let series = B.iter().rev().fold(0.0, |acc, b| (acc + b) * r);
    sum + 1.0 / x + 0.5 * r + series / x
}

/// exp(−x) I_0(x) for x ≥ 0.
pub fn bessel_i0_scaled(x: f64) -> f64 {
    bessel_scaled(x, 0.0)
}

/// exp(−x) I_1(x) for x ≥ 0.
pub fn bessel_i1_scaled(x: f64) -> f64 {
    bessel_scaled(x, 1.0)
}

/// exp(−x) I_ν(x) for ν in {0, 1}: the power series up to x = 30, the asymptotic series above.
///
/// # Source
/// Abramowitz and Stegun (1964), 9.6.10 and 9.7.1. All terms of the power series are positive, so
/// it loses no digits; at x > 30 the asymptotic terms fall below 1e-17 before they grow.
fn bessel_scaled(x: f64, order: f64) -> f64 {
    if x <= 30.0 {
        let quarter = 0.25 * x * x;
        let mut term = if order == 0.0 { 1.0 } else { 0.5 * x };
        let mut sum = term;
        let mut k = 1.0;
        while term > 1e-17 * sum {
            term *= quarter / (k * (k + order));
            sum += term;
            k += 1.0;
        }
        return sum * (-x).exp();
    }
    let mu = 4.0 * order * order;
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..40 {
        let k = f64::from(k);
        let odd = 2.0 * k - 1.0;
        let next = -term * (mu - odd * odd) / (k * 8.0 * x);
        if next.abs() >= term.abs() || next.abs() < 1e-18 {
            break;
        }
        term = next;
        sum += term;
    }
    sum / (2.0 * std::f64::consts::PI * x).sqrt()
}
