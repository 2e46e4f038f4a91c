//! Blocked Gibbs sampling, which Python can watch and stop.

use numpy::PyArrayDyn;
use pyo3::prelude::*;
use serde::Deserialize;
use statewise::Seed;
use statewise::model::linear_gaussian::{Gibbs, GibbsState};
use statewise::params::Params;

use super::LinearGaussianSsm;
use crate::convert::{ArraysArg, DataArg, error, params as to_params, properties, shaped};
use crate::learn::Watch;

/// The settings of a chain; Python fills in the defaults.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GibbsSpec {
    num_samples: usize,
    burn_in: usize,
    thin: usize,
    seed: u64,
}

/// (draws [S, ...] of every array, log prob of each, where the chain is (JSON), interrupted).
type Chain<'py> = (Vec<Bound<'py, PyArrayDyn<f64>>>, Vec<f64>, String, bool);

/// Draws parameters from their posterior; `state` is where an earlier chain ended.
#[pyfunction]
#[pyo3(signature = (model: "LinearGaussianSsm", settings: "str", state: "str | None", params: "Sequence[NDArray[float64]]", props: "str", data: "object", callback: "Callable[..., object] | None") -> "tuple[list[NDArray[float64]], list[float], str, bool]")]
pub(crate) fn fit_blocked_gibbs<'py>(
    py: Python<'py>,
    model: &LinearGaussianSsm,
    settings: &str,
    state: Option<&str>,
    params: ArraysArg<'_>,
    props: &str,
    data: DataArg<'_>,
    callback: Option<Py<PyAny>>,
) -> PyResult<Chain<'py>> {
    let GibbsSpec { num_samples, burn_in, thin, seed } = serde_json::from_str(settings).map_err(error)?;
    let gibbs = Gibbs { num_samples, burn_in, thin, seed: Seed(seed) };
    let properties = properties(props, model.0.schema())?;
    let start = match state {
        Some(state) => serde_json::from_str(state).map_err(error)?,
        None => GibbsState::start(to_params(&params)?),
    };
    let data = data.dataset()?;
    let mut watch = Watch::new(callback);
    let chain =
        py.detach(|| model.0.fit_blocked_gibbs(&gibbs, &start, &properties, &data, &mut |p| watch.sees(p)));
    watch.raised()?;
    let chain = chain.map_err(error)?;
    let state = serde_json::to_string(&chain.state).map_err(error)?;
    Ok((stacked(py, model, &chain.params), chain.log_probs, state, chain.interrupted))
}

/// Every array of the schema with an axis of draws before its own.
fn stacked<'py>(
    py: Python<'py>,
    model: &LinearGaussianSsm,
    draws: &[Params],
) -> Vec<Bound<'py, PyArrayDyn<f64>>> {
    let one = |(index, spec): (usize, &statewise::params::ParamSpec)| {
        let values = draws.iter().flat_map(|params| params.arrays()[index].values()).copied().collect();
        let shape: Vec<usize> = [draws.len()].into_iter().chain(spec.shape.iter().copied()).collect();
        shaped(py, values, &shape)
    };
    model.0.schema().iter().enumerate().map(one).collect()
}
