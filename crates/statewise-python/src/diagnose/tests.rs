//! Tests of residuals.

use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use statewise::diagnose::{self, AcfBounds, Alternative, Portmanteau, TestResult};

use crate::convert::{error, flat, slice};

/// (statistic, p-value, degrees of freedom, those of the denominator of an F test).
type TestTuple = (f64, f64, f64, Option<f64>);

fn tuple(test: TestResult) -> TestTuple {
    (test.statistic, test.p_value, test.dof, test.denominator_dof)
}

type Values<'py> = Bound<'py, PyArray1<f64>>;

/// Autocorrelations of lags 0..=max_lag, and their bounds under white noise (or, with `bartlett`, of no
/// correlation from each lag on).
#[pyfunction]
#[pyo3(signature = (series: "NDArray[float64]", max_lag: "int", level: "float", bartlett: "bool") -> "tuple[NDArray[float64], NDArray[float64]]")]
pub(crate) fn autocorrelation<'py>(
    py: Python<'py>,
    series: PyReadonlyArray1<'_, f64>,
    max_lag: usize,
    level: f64,
    bartlett: bool,
) -> PyResult<(Values<'py>, Values<'py>)> {
    let found = diagnose::autocorrelation(slice(&series)?, max_lag).map_err(error)?;
    let kind = if bartlett { AcfBounds::Bartlett } else { AcfBounds::WhiteNoise };
    let bounds = found.bounds(level, kind).map_err(error)?;
    Ok((flat(py, found.values), flat(py, bounds)))
}

/// Tests that lags 1..=K are uncorrelated, for each K.
#[pyfunction]
#[pyo3(signature = (series: "NDArray[float64]", lags: "Sequence[int]", model_dof: "int", box_pierce: "bool") -> "list[tuple[float, float, float, float | None]]")]
pub(crate) fn portmanteau(
    series: PyReadonlyArray1<'_, f64>,
    lags: Vec<usize>,
    model_dof: usize,
    box_pierce: bool,
) -> PyResult<Vec<TestTuple>> {
    let kind = if box_pierce { Portmanteau::BoxPierce } else { Portmanteau::LjungBox };
    let found = diagnose::portmanteau(slice(&series)?, &lags, model_dof, kind).map_err(error)?;
    Ok(found.into_iter().map(tuple).collect())
}

/// Tests that the variance at the end is that of the start.
#[pyfunction]
#[pyo3(signature = (series: "NDArray[float64]", len: "int | None", alternative: "str") -> "tuple[float, float, float, float | None]")]
pub(crate) fn heteroskedasticity(
    series: PyReadonlyArray1<'_, f64>,
    len: Option<usize>,
    alternative: &str,
) -> PyResult<TestTuple> {
    let alternative = match alternative {
        "increasing" => Alternative::Increasing,
        "decreasing" => Alternative::Decreasing,
        _ => Alternative::TwoSided,
    };
    Ok(tuple(diagnose::heteroskedasticity(slice(&series)?, len, alternative).map_err(error)?))
}

/// Tests that values are Gaussian: the test, skewness and kurtosis.
#[pyfunction]
#[pyo3(signature = (series: "NDArray[float64]") -> "tuple[tuple[float, float, float, float | None], float, float]")]
pub(crate) fn normality(series: PyReadonlyArray1<'_, f64>) -> PyResult<(TestTuple, f64, f64)> {
    let found = diagnose::normality(slice(&series)?).map_err(error)?;
    Ok((tuple(found.test), found.skewness, found.kurtosis))
}

/// Tests normalised squared errors: the test, their mean per degree of freedom, and its bounds.
#[pyfunction]
#[pyo3(signature = (squared_errors: "NDArray[float64]", dofs: "Sequence[int]", level: "float") -> "tuple[tuple[float, float, float, float | None], float, tuple[float, float]]")]
pub(crate) fn consistency(
    squared_errors: PyReadonlyArray1<'_, f64>,
    dofs: Vec<usize>,
    level: f64,
) -> PyResult<(TestTuple, f64, (f64, f64))> {
    let found = diagnose::consistency(slice(&squared_errors)?, &dofs, level).map_err(error)?;
    Ok((tuple(found.test), found.ratio, found.bounds))
}

/// Normalised estimation errors squared [rows] of states [rows, D], and their degrees of freedom.
#[pyfunction]
#[pyo3(signature = (states: "NDArray[float64]", means: "NDArray[float64]", covs: "NDArray[float64]", state_dim: "int") -> "tuple[NDArray[float64], list[int]]")]
pub(crate) fn nees<'py>(
    py: Python<'py>,
    states: PyReadonlyArray1<'_, f64>,
    means: PyReadonlyArray1<'_, f64>,
    covs: PyReadonlyArray1<'_, f64>,
    state_dim: usize,
) -> PyResult<(Values<'py>, Vec<usize>)> {
    let found = diagnose::nees(slice(&states)?, slice(&means)?, slice(&covs)?, state_dim).map_err(error)?;
    Ok((flat(py, found.values), found.dofs))
}

/// Frequencies in cycles per step, and the power at each.
#[pyfunction]
#[pyo3(signature = (series: "NDArray[float64]") -> "tuple[NDArray[float64], NDArray[float64]]")]
pub(crate) fn periodogram<'py>(
    py: Python<'py>,
    series: PyReadonlyArray1<'_, f64>,
) -> PyResult<(Values<'py>, Values<'py>)> {
    let found = diagnose::periodogram(slice(&series)?).map_err(error)?;
    Ok((flat(py, found.frequencies), flat(py, found.power)))
}
