//! What a structural model says of its components, and of the steps to come.

use numpy::{PyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use statewise::model::structural::{Coefficient, ComponentSeries};

use super::StructuralTimeSeries;
use crate::convert::{ArraysArg, DataArg, error, flat, params as to_params, slice};
use crate::lgssm::{ForecastTuple, forecast_tuples, options};

type Array1<'py> = Bound<'py, PyArray1<f64>>;

/// (component, series, means [rows], variances [rows]) of every component of every series.
#[pyfunction]
#[pyo3(signature = (model: "StructuralTimeSeries", params: "Sequence[NDArray[float64]]", data: "object", options: "str") -> "list[tuple[str, int, NDArray[float64], NDArray[float64]]]")]
pub(crate) fn structural_decompose<'py>(
    py: Python<'py>,
    model: &StructuralTimeSeries,
    params: ArraysArg<'_>,
    data: DataArg<'_>,
    options: &str,
) -> PyResult<Vec<(String, usize, Array1<'py>, Array1<'py>)>> {
    let (params, data, options) = (to_params(&params)?, data.dataset()?, self::options(options)?);
    let found = py.detach(|| model.0.decompose(&params, &data, &options)).map_err(error)?;
    let one = |ComponentSeries { name, series, mean, variance }| {
        (name, series, flat(py, mean), flat(py, variance))
    };
    Ok(found.into_iter().map(one).collect())
}

/// (state, sequence, mean, standard error) of the coefficients of regressions and interventions.
#[pyfunction]
#[pyo3(signature = (model: "StructuralTimeSeries", params: "Sequence[NDArray[float64]]", data: "object", options: "str") -> "list[tuple[str, int, float, float]]")]
pub(crate) fn structural_coefficients(
    py: Python<'_>,
    model: &StructuralTimeSeries,
    params: ArraysArg<'_>,
    data: DataArg<'_>,
    options: &str,
) -> PyResult<Vec<(String, usize, f64, f64)>> {
    let (params, data, options) = (to_params(&params)?, data.dataset()?, self::options(options)?);
    let found = py.detach(|| model.0.coefficients(&params, &data, &options)).map_err(error)?;
    let one = |Coefficient { name, sequence, mean, std_error }| (name, sequence, mean, std_error);
    Ok(found.into_iter().map(one).collect())
}

/// As `lgssm_forecast`, with inputs of the steps to come.
#[pyfunction]
#[pyo3(signature = (model: "StructuralTimeSeries", params: "Sequence[NDArray[float64]]", data: "object", horizon: "int", future_inputs: "NDArray[float64] | None", options: "str") -> "list[tuple[NDArray[float64], NDArray[float64], NDArray[float64], NDArray[float64]]]")]
pub(crate) fn structural_forecast<'py>(
    py: Python<'py>,
    model: &StructuralTimeSeries,
    params: ArraysArg<'_>,
    data: DataArg<'_>,
    horizon: usize,
    future_inputs: Option<PyReadonlyArray2<'_, f64>>,
    options: &str,
) -> PyResult<Vec<ForecastTuple<'py>>> {
    let (params, data, options) = (to_params(&params)?, data.dataset()?, self::options(options)?);
    let inputs = future_inputs.as_ref().map_or(Ok(&[][..]), slice)?;
    let found = py.detach(|| model.0.forecast(&params, &data, horizon, inputs, &options)).map_err(error)?;
    Ok(forecast_tuples(py, found, horizon, model.0.state_dim(), model.0.emission_dim()))
}
