//! Standard errors of fitted parameters.

use std::cell::RefCell;

use numpy::PyArrayDyn;
use pyo3::prelude::*;
use statewise::diagnose::{self, CovarianceMethod, Estimate, ScoreUnits, Uncertainty};
use statewise::params::Params;

use crate::convert::{ArraysArg, DataArg, arrays, error, params as to_params, properties, shaped};
use crate::model::Model;

/// (path, index, estimate, standard error, ends of the interval).
type EstimateTuple = (String, Vec<usize>, f64, Option<f64>, Option<(f64, f64)>);

/// Values of a function of the parameters, their standard errors and covariance [K, K].
type Derived<'py> = (Vec<f64>, Vec<Option<f64>>, Bound<'py, PyArrayDyn<f64>>);

/// (estimates, covariance of the free coordinates [P, P], condition number, flat directions with their
/// curvature, warnings, what a function of the parameters answers).
type Found<'py> = (
    Vec<EstimateTuple>,
    Bound<'py, PyArrayDyn<f64>>,
    f64,
    Vec<(f64, Vec<(String, f64)>)>,
    Vec<String>,
    Option<Derived<'py>>,
);

/// Standard errors and intervals of every entry of the parameters, and of `function(arrays)` by the delta
/// method.
#[pyfunction]
#[pyo3(signature = (model: "Model", params: "Sequence[NDArray[float64]]", props: "str", data: "object", method: "str", by_steps: "bool", use_priors: "bool", level: "float", function: "Callable[..., Sequence[float]] | None") -> "tuple[list[tuple[str, list[int], float, float | None, tuple[float, float] | None]], NDArray[float64], float, list[tuple[float, list[tuple[str, float]]]], list[str], tuple[list[float], list[float | None], NDArray[float64]] | None]")]
pub(crate) fn uncertainty<'py>(
    py: Python<'py>,
    model: &Model,
    params: ArraysArg<'_>,
    props: &str,
    data: DataArg<'_>,
    method: &str,
    by_steps: bool,
    use_priors: bool,
    level: f64,
    function: Option<Bound<'py, PyAny>>,
) -> PyResult<Found<'py>> {
    let properties = properties(props, model.schema())?;
    let (params, data) = (to_params(&params)?, data.dataset()?);
    let units = if by_steps { ScoreUnits::Observations } else { ScoreUnits::Sequences };
    let method = match method {
        "outer_product" => CovarianceMethod::OuterProduct(units),
        "sandwich" => CovarianceMethod::Sandwich(units),
        _ => CovarianceMethod::ObservedInformation,
    };
    let learnable = model.learnable();
    let found = py
        .detach(|| diagnose::uncertainty(learnable, &params, &properties, &data, method, use_priors))
        .map_err(error)?;
    let derived = function.map(|function| derived(py, &found, &function)).transpose()?;
    let one = |estimate: Estimate| {
        let interval = estimate.bounded_interval(level).map_err(error)?;
        let Estimate { path, index, value, standard_error, .. } = estimate;
        Ok((path, index, value, standard_error, interval))
    };
    let estimates = found.estimates().into_iter().map(one).collect::<PyResult<_>>()?;
    let p = found.coordinates.len();
    let flat = found.flat_directions.into_iter().map(|direction| (direction.curvature, direction.entries));
    let covariance = shaped(py, found.covariance, &[p, p]);
    Ok((estimates, covariance, found.condition_number, flat.collect(), found.warnings, derived))
}

/// The delta method for a function of the arrays of the parameters.
fn derived<'py>(
    py: Python<'py>,
    found: &Uncertainty,
    function: &Bound<'py, PyAny>,
) -> PyResult<Derived<'py>> {
    let failure = RefCell::new(None);
    let call = |params: &Params| {
        let values = function.call1((arrays(py, params),)).and_then(|values| values.extract::<Vec<f64>>());
        values.map_err(|e| {
            let message = statewise::Error::argument("function", &e, "finite numbers of the parameters");
            failure.replace(Some(e));
            message
        })
    };
    let found = found.delta_method(&call).map_err(|e| failure.take().unwrap_or_else(|| error(e)))?;
    let k = found.values.len();
    Ok((found.values, found.standard_errors, shaped(py, found.covariance, &[k, k])))
}
