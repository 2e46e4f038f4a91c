//! The ratio of Bessel functions behind von Mises densities, its inverse, and the variance of an
//! angle.

use std::f64::consts::PI;

use statewise_kernels::math::{bessel_i0_scaled, bessel_i1_scaled};

/// Concentrations above this are not told apart; the answer is capped there.
pub(super) const LARGEST_CONCENTRATION: f64 = 1e8;

/// Concentrations below this are not told apart from a uniform angle.
pub(super) const SMALLEST_CONCENTRATION: f64 = 1e-10;

/// 1 − A(κ) and A'(κ) with A = I_1 / I_0.
///
/// A' = 1 − A / κ − A². NUMERICS: above 200 both cancel, so there the asymptotic series of A is
/// used; its first neglected term is below 1e-13 of 1 − A.
///
/// # Source
/// Mardia and Jupp (2000), Directional Statistics, appendix 1, (A.8) and (A.14), by two more terms.
pub(super) fn bessel_ratio(kappa: f64) -> (f64, f64) {
    if kappa > 200.0 {
        const C: [f64; 6] = [0.5, 0.125, 0.125, 25.0 / 128.0, 13.0 / 32.0, 1073.0 / 1024.0];
        let r = 1.0 / kappa;
        let complement = C.iter().rev().fold(0.0, |sum, c| (sum + c) * r);
        let slope = (0..C.len()).rev().fold(0.0, |sum, n| (sum + (n + 1) as f64 * C[n]) * r);
        return (complement, r * slope);
    }
    let a = bessel_i1_scaled(kappa) / bessel_i0_scaled(kappa);
    (1.0 - a, 1.0 - a / kappa - a * a)
}

/// Solves A(κ) = R by Newton's method, given 1 − R; the flag tells that κ is at an end of its range.
///
/// # Source
/// Start: Banerjee, Dhillon, Ghosh and Sra (2005), (4.4). A is concave, so that Newton's method
/// goes up to the root from below after its first step.
pub(super) fn solve_concentration(complement: f64) -> (f64, bool) {
    let resultant = 1.0 - complement;
    if complement <= bessel_ratio(LARGEST_CONCENTRATION).0 {
        return (LARGEST_CONCENTRATION, true);
    }
    if resultant <= 0.5 * SMALLEST_CONCENTRATION {
        return (SMALLEST_CONCENTRATION, true);
    }
    let mut kappa = resultant * (2.0 - resultant * resultant) / (complement * (1.0 + resultant));
    for _ in 0..100 {
        let (value, slope) = bessel_ratio(kappa);
        let next = kappa + (value - complement) / slope;
        let next = if next > 0.0 { next } else { 0.5 * kappa };
        let change = (next - kappa).abs();
        kappa = next;
        if change <= 4.0 * f64::EPSILON * kappa {
            break;
        }
    }
    (kappa.clamp(SMALLEST_CONCENTRATION, LARGEST_CONCENTRATION), false)
}

/// ∫ x² p(x) dx over (−π, π] for a von Mises density around 0.
///
/// π²/3 + 4 Σ_j (−1)^j I_j(κ) / (I_0(κ) j²); above κ = 50, where the sum cancels, the trapezoid
/// rule over the part of the circle with density above e^−40 of its maximum.
pub(super) fn angle_variance(kappa: f64) -> f64 {
    if kappa > 50.0 {
        let half = 2.0 * (20.0 / kappa).sqrt().asin();
        let (mut mass, mut second) = (0.0, 0.0);
        for i in 0..=400 {
            let x = half * (f64::from(i) / 200.0 - 1.0);
            let density = (-2.0 * kappa * (0.5 * x).sin().powi(2)).exp();
            mass += density;
            second += density * x * x;
        }
        return second / mass;
    }
    // I_j / I_{j−1} by the backward recurrence 1 / (2j/κ + I_{j+1} / I_j), which is stable.
    const TERMS: usize = 120;
    let mut ratios = [0.0; TERMS + 2];
    for j in (1..=TERMS).rev() {
        ratios[j] = 1.0 / (2.0 * j as f64 / kappa + ratios[j + 1]);
    }
    let (mut product, mut sum) = (1.0, 0.0);
    for (j, ratio) in ratios.iter().enumerate().take(TERMS + 1).skip(1) {
        product *= -ratio;
        sum += product / (j * j) as f64;
    }
    PI * PI / 3.0 + 4.0 * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concentrations_solve_their_equation() {
        for kappa in [1e-6, 1e-3, 0.1, 1.0, 5.0, 49.0, 199.0, 201.0, 1e4, 1e6] {
            let (complement, _) = bessel_ratio(kappa);
            let (got, capped) = solve_concentration(complement);
            // A rounding error of 1e-16 in 1 − A moves small concentrations by as much.
            assert!((got - kappa).abs() < 1e-11 * kappa + 1e-15, "{got} against {kappa}");
            assert!(!capped);
        }
        assert_eq!(solve_concentration(0.0), (LARGEST_CONCENTRATION, true));
        assert_eq!(solve_concentration(1.0), (SMALLEST_CONCENTRATION, true));
        assert_eq!(solve_concentration(1.5), (SMALLEST_CONCENTRATION, true));
    }

    #[test]
    fn asymptotic_series_continue_the_bessel_functions() {
        let (kappa, next) = (200.0, 200.0 * (1.0 + 1e-15));
        let (below, above) = (bessel_ratio(kappa), bessel_ratio(next));
        // 1 − A loses 1e-16 / 2.5e-3 to cancellation, A' 1e-16 / 1.3e-5.
        assert!((below.0 / above.0 - 1.0).abs() < 1e-12, "{below:?} {above:?}");
        assert!((below.1 / above.1 - 1.0).abs() < 1e-9, "{below:?} {above:?}");
        let (series, rule) = (angle_variance(50.0), angle_variance(50.0 * (1.0 + 1e-15)));
        assert!((series / rule - 1.0).abs() < 1e-11, "{series} {rule}");
    }
}
