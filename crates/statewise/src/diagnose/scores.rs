//! Scores of Gaussian forecasts: how well a predictive distribution met what came.

use statewise_kernels::math::{normal_cdf, normal_density};

/// log N(y | mean, variance); for a variance of zero ∞ where y is the mean, else −∞.
pub fn gaussian_log_score(y: f64, mean: f64, variance: f64) -> f64 {
    if variance > 0.0 {
        let error = y - mean;
        -0.5 * ((2.0 * std::f64::consts::PI).ln() + variance.ln() + error * error / variance)
    } else if y == mean {
        f64::INFINITY
    } else {
        f64::NEG_INFINITY
    }
}

/// The continuous ranked probability score ∫ (F(x) − 1\[x ≥ y\])² dx of N(mean, variance); smaller is better.
///
/// σ (z (2Φ(z) − 1) + 2φ(z) − 1/√π),  z = (y − mean) / σ; |y − mean| for a variance of zero
///
/// # Source
/// Gneiting and Raftery (2007), §4.2.
pub fn gaussian_crps(y: f64, mean: f64, variance: f64) -> f64 {
    let deviation = variance.max(0.0).sqrt();
    if deviation == 0.0 {
        return (y - mean).abs();
    }
    let z = (y - mean) / deviation;
    let by_tail = z * (2.0 * normal_cdf(z) - 1.0);
    deviation * (by_tail + 2.0 * normal_density(z) - 1.0 / std::f64::consts::PI.sqrt())
}

/// Φ((y − mean) / σ), the probability integral transform: uniform on (0, 1) for a right forecast. For a
/// variance of zero 0, ½ or 1.
pub fn gaussian_pit(y: f64, mean: f64, variance: f64) -> f64 {
    if variance > 0.0 {
        normal_cdf((y - mean) / variance.sqrt())
    } else {
        0.5 * (f64::from(u8::from(y > mean)) + f64::from(u8::from(y >= mean)))
    }
}
