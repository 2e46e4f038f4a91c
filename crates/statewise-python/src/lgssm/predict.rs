//! What linear Gaussian systems predict, and the gradient of their evidence.

use std::collections::BTreeMap;

use numpy::{PyArray1, PyArrayDyn, PyReadonlyArray2};
use pyo3::prelude::*;
use statewise::infer::gaussian::{GaussianForecast, LgssmGradient};

use super::Lgssm;
use super::infer::options;
use super::params::arrays_by_name;
use crate::convert::{DataArg, error, flat, shaped, slice};

type Array<'py> = Bound<'py, PyArrayDyn<f64>>;

/// Means [rows, M] of new observations, their covariances [rows of the plan, M, M], and the row at
/// which those of each sequence begin.
#[pyfunction]
#[pyo3(signature = (system: "Lgssm", data: "object", options: "str") -> "tuple[NDArray[float64], NDArray[float64], list[int]]")]
pub(crate) fn lgssm_posterior_predictive<'py>(
    py: Python<'py>,
    system: &Lgssm,
    data: DataArg<'_>,
    options: &str,
) -> PyResult<(Array<'py>, Array<'py>, Vec<usize>)> {
    let (data, options) = (data.dataset()?, self::options(options)?);
    let found = py.detach(|| system.0.posterior_predictive(&data, &options)).map_err(error)?;
    let m = system.0.emission_dim();
    let means = shaped(py, found.means, &[data.num_rows(), m]);
    let rows = found.covs.values.len() / (m * m);
    Ok((means, shaped(py, found.covs.values, &[rows, m, m]), found.covs.starts))
}

/// (state means [H, D], covariances [H, D, D], emission means [H, M], covariances [H, M, M]) of each
/// sequence; future inputs are [N · H, U].
#[pyfunction]
#[pyo3(signature = (system: "Lgssm", data: "object", horizon: "int", future_inputs: "NDArray[float64] | None", options: "str") -> "list[tuple[NDArray[float64], NDArray[float64], NDArray[float64], NDArray[float64]]]")]
pub(crate) fn lgssm_forecast<'py>(
    py: Python<'py>,
    system: &Lgssm,
    data: DataArg<'_>,
    horizon: usize,
    future_inputs: Option<PyReadonlyArray2<'_, f64>>,
    options: &str,
) -> PyResult<Vec<ForecastTuple<'py>>> {
    let (data, options) = (data.dataset()?, self::options(options)?);
    let inputs = future_inputs.as_ref().map_or(Ok(&[][..]), slice)?;
    let found = py.detach(|| system.0.forecast(&data, horizon, inputs, &options)).map_err(error)?;
    Ok(forecast_tuples(py, found, horizon, system.0.state_dim(), system.0.emission_dim()))
}

/// State means and covariances, emission means and covariances.
pub(crate) type ForecastTuple<'py> = (Array<'py>, Array<'py>, Array<'py>, Array<'py>);

pub(crate) fn forecast_tuples(
    py: Python<'_>,
    forecasts: Vec<GaussianForecast>,
    horizon: usize,
    d: usize,
    m: usize,
) -> Vec<ForecastTuple<'_>> {
    let one = |forecast: GaussianForecast| {
        (
            shaped(py, forecast.state_means, &[horizon, d]),
            shaped(py, forecast.state_covs, &[horizon, d, d]),
            shaped(py, forecast.emission_means, &[horizon, m]),
            shaped(py, forecast.emission_covs, &[horizon, m, m]),
        )
    };
    forecasts.into_iter().map(one).collect()
}

/// (log p(y) of each sequence, gradient by the names of the arrays, in emissions [rows, M], in inputs
/// [rows, U]).
type Gradient<'py> =
    (Bound<'py, PyArray1<f64>>, BTreeMap<&'static str, Array<'py>>, Array<'py>, Array<'py>);

/// log p(y) and its gradient.
#[pyfunction]
#[pyo3(signature = (system: "Lgssm", data: "object", options: "str") -> "tuple[NDArray[float64], dict[str, NDArray[float64]], NDArray[float64], NDArray[float64]]")]
pub(crate) fn lgssm_gradient<'py>(
    py: Python<'py>,
    system: &Lgssm,
    data: DataArg<'_>,
    options: &str,
) -> PyResult<Gradient<'py>> {
    let (data, options) = (data.dataset()?, self::options(options)?);
    let LgssmGradient { marginal_loglik, params, emissions, inputs } =
        py.detach(|| system.0.gradient(&data, &options)).map_err(error)?;
    let rows = data.num_rows();
    Ok((
        flat(py, marginal_loglik),
        arrays_by_name(py, &params),
        shaped(py, emissions, &[rows, system.0.emission_dim()]),
        shaped(py, inputs, &[rows, data.input_dim()]),
    ))
}
