//! Hypothesis tests of residuals: are they uncorrelated, of one variance, Gaussian, and of the size claimed?
//!
//! All take a series in which NaN marks what is missing; missing values are left out, not filled in.

use statewise_kernels::math::{chi_squared_cdf, chi_squared_quantile, chi_squared_tail, f_tail};

use super::autocorrelation::autocorrelation;
use crate::error::{Error, Result};

/// What a test found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TestResult {
    /// The statistic.
    pub statistic: f64,
    /// The probability of a statistic at least as extreme if the hypothesis is true.
    pub p_value: f64,
    /// Degrees of freedom of the χ² distribution, or of the F distribution's numerator.
    pub dof: f64,
    /// Degrees of freedom of the F distribution's denominator; `None` for a χ² test.
    pub denominator_dof: Option<f64>,
}

/// How autocorrelations are added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Portmanteau {
    /// Each over its variance in white noise: n (n + 2) Σ ρ_k² / n_k.
    #[default]
    LjungBox,
    /// n Σ ρ_k², with (n − k) / n_k for what gaps take.
    BoxPierce,
}

/// Which change of the variance counts against the hypothesis that there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alternative {
    /// Either.
    #[default]
    TwoSided,
    /// A variance that grows.
    Increasing,
    /// A variance that falls.
    Decreasing,
}

/// A test of normality, with the moments it is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normality {
    /// The test.
    pub test: TestResult,
    /// m_3 / m_2^{3/2}, 0 for a Gaussian.
    pub skewness: f64,
    /// m_4 / m_2², 3 for a Gaussian.
    pub kurtosis: f64,
}

/// A test that squared errors are as large as their claimed covariances say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Consistency {
    /// Σ of the normalised squared errors against χ²; the p-value is two-sided.
    pub test: TestResult,
    /// The mean per degree of freedom: 1 if covariances are right, above where they are too small.
    pub ratio: f64,
    /// The interval in which `ratio` lies with the probability asked for.
    pub bounds: (f64, f64),
}

/// Tests that lags 1..=K are uncorrelated, for each K of `lags`.
///
/// * `model_dof` – parameters that shaped the correlations (p + q of an ARMA model), taken off the degrees
///   of freedom.
///
/// # Errors
/// Lags of 0, beyond the series, or not above `model_dof`; a series without variation.
///
/// # Source
/// Ljung and Box (1978); Box and Pierce (1970). For gaps n_k, the number of pairs observed, takes
/// the place of n − k, which leaves each term its expectation (Stoffer and Toloi, 1992).
pub fn portmanteau(
    series: &[f64],
    lags: &[usize],
    model_dof: usize,
    kind: Portmanteau,
) -> Result<Vec<TestResult>> {
    if let Some(bad) = lags.iter().find(|lag| **lag <= model_dof) {
        return Err(Error::argument("lags", bad, format!("more than {model_dof} (model_dof)")));
    }
    let Some(max_lag) = lags.iter().max() else { return Ok(Vec::new()) };
    let acf = autocorrelation(series, *max_lag)?;
    let n = acf.num_pairs[0] as f64;
    let mut sums = vec![0.0];
    for (lag, (rho, pairs)) in acf.values.iter().zip(&acf.num_pairs).enumerate().skip(1) {
        let scale = match kind {
            Portmanteau::LjungBox => n * (n + 2.0),
            Portmanteau::BoxPierce => n * (n - lag as f64).max(0.0),
        };
        sums.push(sums[lag - 1] + scale * rho * rho / *pairs as f64);
    }
    Ok(lags.iter().map(|lag| chi_squared_test(sums[*lag], (lag - model_dof) as f64)).collect())
}

/// Tests that the last `len` values have the variance of the first `len`; `None` takes a third of them.
/// NaN marks a missing value; those before the first observed one (innovations of a diffuse start) are cut off.
///
/// H = (Σ_last x² / n_last) / (Σ_first x² / n_first) ~ F(n_last, n_first)
///
/// # Errors
/// A `len` of 0 or above the length of the series, or fewer than two values observed at either end.
///
/// # Source
/// Harvey (1989), §5.4.2.
pub fn heteroskedasticity(
    series: &[f64],
    len: Option<usize>,
    alternative: Alternative,
) -> Result<TestResult> {
    let series = &series[series.iter().position(|x| !x.is_nan()).unwrap_or(0)..];
    let total = series.len();
    let len = len.unwrap_or((total as f64 / 3.0).round_ties_even() as usize);
    if len == 0 || len > total {
        return Err(Error::argument(
            "subset_length",
            len,
            format!("1 to {total}, the length of the series"),
        ));
    }
    let squares = |part: &[f64]| {
        let seen: Vec<f64> = part.iter().filter(|x| !x.is_nan()).map(|x| x * x).collect();
        (seen.iter().sum::<f64>(), seen.len() as f64)
    };
    let (first, first_dof) = squares(&series[..len]);
    let (last, last_dof) = squares(&series[total - len..]);
    if first_dof < 2.0 || last_dof < 2.0 || first <= 0.0 {
        let found = format!("{first_dof} and {last_dof} values at its ends");
        return Err(Error::argument("series", found, "two values at either end, not all zero"));
    }
    let statistic = last / last_dof / (first / first_dof);
    let upper = f_tail(statistic, last_dof, first_dof);
    let lower = f_tail(1.0 / statistic, first_dof, last_dof);
    let p_value = match alternative {
        Alternative::TwoSided => (2.0 * upper.min(lower)).min(1.0),
        Alternative::Increasing => upper,
        Alternative::Decreasing => lower,
    };
    Ok(TestResult { statistic, p_value, dof: last_dof, denominator_dof: Some(first_dof) })
}

/// Tests that values are Gaussian by their third and fourth moments.
///
/// n (S² / 6 + (K − 3)² / 24) ~ χ²(2), with skewness S and kurtosis K
///
/// # Errors
/// Fewer than two different values.
///
/// # Source
/// Bowman and Shenton (1975); Jarque and Bera (1980).
pub fn normality(series: &[f64]) -> Result<Normality> {
    let centred = super::autocorrelation::centred(series)?;
    let seen: Vec<f64> = centred.into_iter().filter(|x| !x.is_nan()).collect();
    let n = seen.len() as f64;
    let moment = |power: i32| seen.iter().map(|x| x.powi(power)).sum::<f64>() / n;
    let variance = moment(2);
    let skewness = moment(3) / variance.powf(1.5);
    let kurtosis = moment(4) / (variance * variance);
    let statistic = n * (skewness * skewness / 6.0 + (kurtosis - 3.0).powi(2) / 24.0);
    Ok(Normality { test: chi_squared_test(statistic, 2.0), skewness, kurtosis })
}

/// Tests normalised squared errors (NIS or NEES), one per step, each χ² with its own degrees of freedom.
///
/// Σ ε_t ~ χ²(Σ n_t). This presumes errors of different steps to be independent: true for
/// innovations, and for estimation errors of separate runs, not of neighbouring steps of one run.
///
/// # Errors
/// Series of different lengths, nothing observed, or a level outside (0, 1).
///
/// # Source
/// Bar-Shalom, Li and Kirubarajan (2001), §5.4.
pub fn consistency(squared_errors: &[f64], dofs: &[usize], level: f64) -> Result<Consistency> {
    if squared_errors.len() != dofs.len() {
        return Err(Error::argument("dofs", dofs.len(), format!("{} steps", squared_errors.len())));
    }
    super::autocorrelation::two_sided_quantile(level)?;
    let seen = || squared_errors.iter().zip(dofs).filter(|(x, dof)| !x.is_nan() && **dof > 0);
    let statistic: f64 = seen().map(|(x, _)| x).sum();
    let dof = seen().map(|(_, dof)| *dof).sum::<usize>() as f64;
    if dof == 0.0 {
        return Err(Error::argument("squared_errors", "no step with a value", "at least one"));
    }
    let tail = chi_squared_tail(statistic, dof).min(chi_squared_cdf(statistic, dof));
    let p_value = (2.0 * tail).min(1.0);
    let (low, high) = chi_squared_bounds(dof, level);
    Ok(Consistency {
        test: TestResult { statistic, p_value, dof, denominator_dof: None },
        ratio: statistic / dof,
        bounds: (low / dof, high / dof),
    })
}

/// The central interval of χ² that has probability `level`.
pub fn chi_squared_bounds(dof: f64, level: f64) -> (f64, f64) {
    let tail = 0.5 * (1.0 - level);
    (chi_squared_quantile(tail, dof), chi_squared_quantile(1.0 - tail, dof))
}

fn chi_squared_test(statistic: f64, dof: f64) -> TestResult {
    TestResult { statistic, p_value: chi_squared_tail(statistic, dof), dof, denominator_dof: None }
}
