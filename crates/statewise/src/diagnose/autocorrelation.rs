//! Autocorrelations of a series with gaps, and their bounds.
//!
//! ρ_k = c_k / c_0,  c_k = Σ_t (x_t − x̄)(x_{t+k} − x̄) / n,  over the pairs of which both are observed

use statewise_kernels::math::normal_quantile;

use crate::error::{Error, Result};

/// Autocorrelations of lags 0..=L.
#[derive(Clone, Debug, PartialEq)]
pub struct Autocorrelation {
    /// ρ_k, \[L + 1\]; ρ_0 = 1.
    pub values: Vec<f64>,
    /// n_k, how many pairs lie k apart, \[L + 1\]; n_0 is the number of observed values.
    pub num_pairs: Vec<usize>,
}

/// Which hypothesis the bounds of autocorrelations belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AcfBounds {
    /// The series is white noise: √(n_k) / n at every lag.
    #[default]
    WhiteNoise,
    /// ρ_j = 0 from lag k on (Bartlett, 1946): √((1 + 2 Σ_{0<j<k} ρ_j²) / n).
    Bartlett,
}

/// Computes autocorrelations up to `max_lag`; NaN marks a missing value.
///
/// # Errors
/// A lag of 0 or that no pair of observed values has, or a series without any variation.
///
/// # Source
/// Box and Jenkins (1970), §2.1; over observed pairs as Parzen (1963). O(T L).
pub fn autocorrelation(series: &[f64], max_lag: usize) -> Result<Autocorrelation> {
    if max_lag == 0 || max_lag >= series.len() {
        return Err(Error::argument(
            "lags",
            max_lag,
            format!("1 to {}, one less than the length of the series", series.len().saturating_sub(1)),
        ));
    }
    let centred = centred(series)?;
    let mut values = Vec::with_capacity(max_lag + 1);
    let mut num_pairs = Vec::with_capacity(max_lag + 1);
    for lag in 0..=max_lag {
        let pairs = centred.iter().zip(&centred[lag..]).filter(|(a, b)| !a.is_nan() && !b.is_nan());
        let (sum, count) = pairs.fold((0.0, 0), |(sum, count), (a, b)| (sum + a * b, count + 1));
        if count == 0 {
            return Err(Error::argument("lags", lag, "lags at which some pair of values is observed"));
        }
        values.push(sum);
        num_pairs.push(count);
    }
    let variance = values[0];
    values.iter_mut().for_each(|c| *c /= variance);
    Ok(Autocorrelation { values, num_pairs })
}

impl Autocorrelation {
    /// The half-width of the interval around zero (white noise) or around ρ_k (Bartlett) that has
    /// probability `level`, \[L + 1\]; 0 at lag 0.
    ///
    /// # Errors
    /// A level outside (0, 1).
    pub fn bounds(&self, level: f64, kind: AcfBounds) -> Result<Vec<f64>> {
        let z = two_sided_quantile(level)?;
        let n = self.num_pairs[0] as f64;
        let mut past = 0.0;
        let mut bounds = vec![0.0];
        for (rho, pairs) in self.values.iter().zip(&self.num_pairs).skip(1) {
            bounds.push(match kind {
                AcfBounds::WhiteNoise => z * (*pairs as f64).sqrt() / n,
                AcfBounds::Bartlett => z * ((1.0 + 2.0 * past) / n).sqrt(),
            });
            past += rho * rho;
        }
        Ok(bounds)
    }
}

/// x − x̄ with gaps kept.
pub(super) fn centred(series: &[f64]) -> Result<Vec<f64>> {
    let observed = || series.iter().filter(|x| !x.is_nan());
    let mean = observed().sum::<f64>() / observed().count() as f64;
    let centred: Vec<f64> = series.iter().map(|x| x - mean).collect();
    let scale = observed().fold(0.0f64, |a, x| a.max(x.abs()));
    // A constant leaves only what rounding makes of its mean.
    let varies = centred.iter().any(|x| x.abs() > 64.0 * f64::EPSILON * scale);
    if !varies {
        let found = format!("{} observed values without variation", observed().count());
        return Err(Error::argument("series", found, "values that differ"));
    }
    Ok(centred)
}

/// The z with P(|Z| ≤ z) = `level`.
pub(super) fn two_sided_quantile(level: f64) -> Result<f64> {
    if level > 0.0 && level < 1.0 {
        Ok(-normal_quantile(0.5 * (1.0 - level)))
    } else {
        Err(Error::argument("level", level, "a probability between 0 and 1"))
    }
}
