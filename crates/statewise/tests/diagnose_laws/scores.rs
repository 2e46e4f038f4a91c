//! Scores of Gaussian forecasts against their definitions.

use statewise::diagnose::{gaussian_crps, gaussian_log_score, gaussian_pit};
use statewise_kernels::math::{normal_cdf, normal_density};

#[test]
fn crps_is_the_integral_of_the_squared_distance_of_distribution_functions() {
    for (y, mean, variance) in [(0.3, 0.0, 1.0), (-4.0, 1.0, 2.5), (10.0, 9.9, 0.04)] {
        let sigma = f64::sqrt(variance);
        let (low, high) = (f64::min(y, mean) - 12.0 * sigma, f64::max(y, mean) + 12.0 * sigma);
        // The integrand jumps at y: each side by Simpson's rule, error of order h⁴.
        let side = |a: f64, b: f64, jump: f64| {
            let n = 4000;
            let h = (b - a) / f64::from(n);
            let f = |k: i32| (normal_cdf((a + h * f64::from(k) - mean) / sigma) - jump).powi(2);
            let inner: f64 = (1..n).map(|k| if k % 2 == 1 { 4.0 * f(k) } else { 2.0 * f(k) }).sum();
            h / 3.0 * (f(0) + inner + f(n))
        };
        let want = side(low, y, 0.0) + side(y, high, 1.0);
        let got = gaussian_crps(y, mean, variance);
        assert!((got - want).abs() < 1e-9 * (1.0 + want), "{got} against {want}");
    }
    assert_eq!(gaussian_crps(3.0, 1.0, 0.0), 2.0);
}

#[test]
fn the_log_score_is_the_slope_of_the_probability_transform() {
    let (y, mean, variance) = (0.7, 0.2, 3.0);
    let h = 1e-4;
    let slope = (gaussian_pit(y + h, mean, variance) - gaussian_pit(y - h, mean, variance)) / (2.0 * h);
    assert!((gaussian_log_score(y, mean, variance) - slope.ln()).abs() < 1e-8);
    let z = (y - mean) / variance.sqrt();
    assert!(
        (gaussian_log_score(y, mean, variance).exp() - normal_density(z) / variance.sqrt()).abs() < 1e-15
    );
    assert_eq!(gaussian_pit(1.0, 1.0, 0.0), 0.5);
    assert_eq!(gaussian_log_score(2.0, 1.0, 0.0), f64::NEG_INFINITY);
}
