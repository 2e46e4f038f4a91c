//! Draws from a model, and continuations of data.

use numpy::{PyArrayDyn, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use statewise::Seed;
use statewise_deep::infer::{Generated, PathKind};
use statewise_deep::model::EmissionKind;

use super::Dmm;
use crate::convert::{DataArg, error, shaped, slice};

type Array<'py> = Bound<'py, PyArrayDyn<f64>>;

/// (latents, their means, their variances, emission means, observations), each [N, T, ...].
pub(super) type PathsTuple<'py> = (Array<'py>, Array<'py>, Array<'py>, Array<'py>, Array<'py>);

/// Paths from the first step on; `mean_path` takes the mean of every transition.
#[pyfunction]
#[pyo3(signature = (model: "Dmm", num_paths: "int", num_steps: "int", mean_path: "bool", inputs: "NDArray[float64] | None", seed: "int") -> "tuple[NDArray[float64], NDArray[float64], NDArray[float64], NDArray[float64], NDArray[float64]]")]
pub(crate) fn dmm_sample<'py>(
    py: Python<'py>,
    model: &Dmm,
    num_paths: usize,
    num_steps: usize,
    mean_path: bool,
    inputs: Option<PyReadonlyArrayDyn<'_, f64>>,
    seed: u64,
) -> PyResult<PathsTuple<'py>> {
    let inputs = values(inputs.as_ref())?;
    let kind = if mean_path { PathKind::Mean } else { PathKind::Stochastic };
    let drawn = py.detach(|| model.0.sample(num_paths, num_steps, kind, inputs, Seed(seed)));
    Ok(paths_tuple(py, model, drawn.map_err(error)?))
}

/// Continuations of every sequence, as of `sample`, the paths of a sequence together.
#[pyfunction]
#[pyo3(signature = (model: "Dmm", data: "object", horizon: "int", num_samples: "int", inputs: "NDArray[float64] | None", seed: "int") -> "list[tuple[NDArray[float64], NDArray[float64], NDArray[float64], NDArray[float64], NDArray[float64]]]")]
pub(crate) fn dmm_forecast<'py>(
    py: Python<'py>,
    model: &Dmm,
    data: DataArg<'_>,
    horizon: usize,
    num_samples: usize,
    inputs: Option<PyReadonlyArrayDyn<'_, f64>>,
    seed: u64,
) -> PyResult<Vec<PathsTuple<'py>>> {
    let (data, inputs) = (data.dataset()?, values(inputs.as_ref())?);
    let found = py.detach(|| model.0.forecast(&data, horizon, num_samples, inputs, Seed(seed)));
    Ok(found.map_err(error)?.sequences.into_iter().map(|drawn| paths_tuple(py, model, drawn)).collect())
}

/// Values of E[x_t] in a row: one for each label of each feature, or one for each feature.
pub(super) fn mean_width(model: &Dmm) -> usize {
    let config = model.0.config();
    match config.emission {
        EmissionKind::Categorical => config.emission_dim * config.num_classes,
        _ => config.emission_dim,
    }
}

pub(super) fn paths_tuple<'py>(py: Python<'py>, model: &Dmm, drawn: Generated) -> PathsTuple<'py> {
    let config = model.0.config();
    let array = |values, width| shaped(py, values, &[drawn.num_paths, drawn.num_steps, width]);
    (
        array(drawn.latents, config.latent_dim),
        array(drawn.latent_means, config.latent_dim),
        array(drawn.latent_variances, config.latent_dim),
        array(drawn.emission_means, mean_width(model)),
        array(drawn.observations, config.emission_dim),
    )
}

/// The values of an array that may be absent.
pub(super) fn values<'a>(array: Option<&'a PyReadonlyArrayDyn<'_, f64>>) -> PyResult<&'a [f64]> {
    array.map_or(Ok(&[][..]), slice)
}
