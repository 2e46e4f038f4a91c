//! The periodogram: how the variance of a series spreads over frequencies.
//!
//! I(f_j) = (2 / n) |Σ_t (x_t − x̄) exp(−2πi f_j t)|²,  f_j = j / T,  j = 1..⌊T/2⌋; the factor is 1 at f = 1/2

use super::autocorrelation::centred;
use crate::error::Result;

/// Power at the Fourier frequencies; Σ_j I(f_j) / T is the variance.
#[derive(Clone, Debug, PartialEq)]
pub struct Periodogram {
    /// f_j in cycles per step, \[⌊T/2⌋\].
    pub frequencies: Vec<f64>,
    /// I(f_j), \[⌊T/2⌋\]; of white noise twice its variance in expectation.
    pub power: Vec<f64>,
}

/// Computes the periodogram of a series without its mean.
///
/// NaN marks a missing value; it counts as the mean, and n is the number of observed values.
///
/// # Errors
/// A series without any variation.
///
/// # Source
/// Schuster (1898), with the scale of a one-sided spectral density. O(T²), so that any length will do.
pub fn periodogram(series: &[f64]) -> Result<Periodogram> {
    let centred = centred(series)?;
    let len = series.len();
    let num_observed = series.iter().filter(|x| !x.is_nan()).count() as f64;
    // NUMERICS: angles are looked up by j t mod T; j t 2π/T itself loses digits as it grows.
    let angle = |s: usize| 2.0 * std::f64::consts::PI * s as f64 / len as f64;
    let wave: Vec<(f64, f64)> = (0..len).map(|s| angle(s).sin_cos()).collect();
    let mut frequencies = Vec::with_capacity(len / 2);
    let mut power = Vec::with_capacity(len / 2);
    for j in 1..=len / 2 {
        let (mut sine, mut cosine, mut place) = (0.0, 0.0, 0);
        for x in &centred {
            if !x.is_nan() {
                sine += x * wave[place].0;
                cosine += x * wave[place].1;
            }
            place = (place + j) % len;
        }
        let sides = if 2 * j == len { 1.0 } else { 2.0 };
        frequencies.push(j as f64 / len as f64);
        power.push(sides * (sine * sine + cosine * cosine) / num_observed);
    }
    Ok(Periodogram { frequencies, power })
}
