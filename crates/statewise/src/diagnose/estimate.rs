//! Estimates with standard errors, and the intervals that follow from them.
//!
//! Wald: θ̂ ± z σ;  within a range: g⁻¹(g(θ̂) ± z σ g'(θ̂)) with g the logarithm or the logit

use statewise_kernels::math::normal_cdf;

use super::autocorrelation::two_sided_quantile;
use crate::error::Result;
use crate::params::Constraint;

/// One entry of a parameter array.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Dotted name of the array.
    pub path: String,
    /// Where in the array.
    pub index: Vec<usize>,
    /// θ̂.
    pub value: f64,
    /// σ, its standard error; `None` for fixed entries and for what the data do not identify.
    pub standard_error: Option<f64>,
    /// The constraint of the array, which bounds the entry.
    pub constraint: Constraint,
}

/// Values of a function of the parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct DeltaEstimates {
    /// f(θ̂), \[K\].
    pub values: Vec<f64>,
    /// Their standard errors, \[K\]; `None` where constant or not identified.
    pub standard_errors: Vec<Option<f64>>,
    /// Their covariance within what the data identify, \[K, K\].
    pub covariance: Vec<f64>,
}

impl Estimate {
    /// θ̂ ± z σ with probability `level`; `None` without a standard error.
    ///
    /// # Errors
    /// A level outside (0, 1).
    pub fn interval(&self, level: f64) -> Result<Option<(f64, f64)>> {
        let z = two_sided_quantile(level)?;
        Ok(self.standard_error.map(|sigma| (self.value - z * sigma, self.value + z * sigma)))
    }

    /// As [`Estimate::interval`], on the scale of logarithms (variances, other positive values) or of logits
    /// (probabilities), so that it stays within the range of the parameter.
    ///
    /// # Errors
    /// A level outside (0, 1).
    pub fn bounded_interval(&self, level: f64) -> Result<Option<(f64, f64)>> {
        let z = two_sided_quantile(level)?;
        let is_variance = matches!(self.index[..], [.., i, j] if i == j);
        let x = self.value;
        let logit = |s: f64| {
            let (center, half) = ((x / (1.0 - x)).ln(), z * s / (x * (1.0 - x)));
            let at = |l: f64| crate::params::logistic(l);
            (at(center - half), at(center + half))
        };
        let log = |s: f64| (x * (-z * s / x).exp(), x * (z * s / x).exp());
        Ok(match self.constraint {
            Constraint::Positive | Constraint::Scale if x > 0.0 => self.standard_error.map(log),
            Constraint::PositiveDefinite | Constraint::CompoundSymmetric if is_variance && x > 0.0 => {
                self.standard_error.map(log)
            }
            Constraint::UnitInterval | Constraint::Simplex if x > 0.0 && x < 1.0 => {
                self.standard_error.map(logit)
            }
            _ => self.interval(level)?,
        })
    }

    /// The two-sided p-value of the hypothesis θ = `value`, by the Wald statistic; `None` without a standard
    /// error.
    pub fn p_value(&self, value: f64) -> Option<f64> {
        self.standard_error.map(|sigma| 2.0 * normal_cdf(-((self.value - value) / sigma).abs()))
    }
}

impl DeltaEstimates {
    /// f(θ̂) ± z σ with probability `level`; `None` without a standard error.
    ///
    /// # Errors
    /// A level outside (0, 1).
    pub fn intervals(&self, level: f64) -> Result<Vec<Option<(f64, f64)>>> {
        let z = two_sided_quantile(level)?;
        let interval = |(x, sigma): (&f64, &Option<f64>)| sigma.map(|s| (x - z * s, x + z * s));
        Ok(self.values.iter().zip(&self.standard_errors).map(interval).collect())
    }
}
