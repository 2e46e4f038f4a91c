//! Choosing among models, and the order of states.

use numpy::PyArrayDyn;
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use statewise::Seed;
use statewise::data::Dataset;
use statewise::learn::{self, Folds};

use crate::convert::{ArraysArg, DataArg, arrays, error, params as to_params, properties, slice};
use crate::learn::learner;
use crate::model::Model;

/// (marginal_loglik, num_parameters, num_observations, aic, bic, icl, aicc, hqic).
type Criteria = (f64, usize, f64, f64, f64, Option<f64>, f64, f64);

/// Information criteria at the parameters.
#[pyfunction]
#[pyo3(signature = (model: "Model", params: "Sequence[NDArray[float64]]", props: "str", data: "object") -> "tuple[float, int, float, float, float, float | None, float, float]")]
pub(crate) fn information_criteria(
    py: Python<'_>,
    model: &Model,
    params: ArraysArg<'_>,
    props: &str,
    data: DataArg<'_>,
) -> PyResult<Criteria> {
    let properties = properties(props, model.schema())?;
    let (params, data) = (to_params(&params)?, data.dataset()?);
    let c = py
        .detach(|| learn::information_criteria(model.learnable(), &params, &properties, &data))
        .map_err(error)?;
    Ok((c.marginal_loglik, c.num_parameters, c.num_observations, c.aic, c.bic, c.icl, c.aicc, c.hqic))
}

/// Held-out log likelihoods of each fold, for each model. Folds are `count` lots of sequences, or
/// `count` stretches of every sequence; starts come from the priors, or from the data
/// if `informed`, with `seed`.
#[pyfunction]
#[pyo3(signature = (models: "Sequence[Model]", learner: "str", data: "object", count: "int", by_blocks: "bool", informed: "bool", seed: "int") -> "list[list[float]]")]
pub(crate) fn cross_validate(
    py: Python<'_>,
    models: Vec<PyRef<'_, Model>>,
    learner: &str,
    data: DataArg<'_>,
    count: usize,
    by_blocks: bool,
    informed: bool,
    seed: u64,
) -> PyResult<Vec<Vec<f64>>> {
    let learner = self::learner(learner)?;
    let data = data.dataset()?;
    let models: Vec<_> = models.iter().map(|model| model.0.clone()).collect();
    let indices: Vec<usize> = (0..models.len()).collect();
    let folds =
        if by_blocks { Folds::Blocks { count } } else { Folds::Sequences { count, seed: Seed(seed) } };
    let build =
        |index: usize, training: &Dataset<'_>| models[index].candidate(training, informed, Seed(seed));
    let scores =
        py.detach(|| learn::cross_validate(&*learner, &indices, &data, folds, &build)).map_err(error)?;
    Ok(scores.into_iter().map(|score| score.fold_log_probs).collect())
}

/// Parameters and properties (JSON) with state k relabelled `permutation[k]`.
#[pyfunction]
#[pyo3(signature = (model: "Model", params: "Sequence[NDArray[float64]]", props: "str", permutation: "Sequence[int]") -> "tuple[list[NDArray[float64]], str]")]
pub(crate) fn permute<'py>(
    py: Python<'py>,
    model: &Model,
    params: ArraysArg<'_>,
    props: &str,
    permutation: Vec<usize>,
) -> PyResult<(Vec<Bound<'py, PyArrayDyn<f64>>>, String)> {
    let schema = model.schema();
    let properties = properties(props, schema)?;
    let params = learn::permute_params(schema, &to_params(&params)?, &permutation).map_err(error)?;
    let properties = learn::permute_properties(schema, &properties, &permutation).map_err(error)?;
    Ok((arrays(py, &params), serde_json::to_string(&properties).map_err(error)?))
}

/// The permutation that sorts states by a column of the array at `path`.
#[pyfunction]
#[pyo3(signature = (model: "Model", params: "Sequence[NDArray[float64]]", path: "str", column: "int") -> "list[int]")]
pub(crate) fn order_by_parameter(
    model: &Model,
    params: ArraysArg<'_>,
    path: &str,
    column: usize,
) -> PyResult<Vec<usize>> {
    learn::order_by_parameter(model.schema(), &to_params(&params)?, path, column).map_err(error)
}

/// (K, counts [K · K]) of how often state i of the first path meets state j of the second.
#[pyfunction]
#[pyo3(signature = (first: "NDArray[uint32]", second: "NDArray[uint32]") -> "tuple[int, list[int]]")]
pub(crate) fn state_overlap(
    first: PyReadonlyArray1<'_, u32>,
    second: PyReadonlyArray1<'_, u32>,
) -> PyResult<(usize, Vec<usize>)> {
    learn::state_overlap(slice(&first)?, slice(&second)?, 0).map_err(error)
}

/// The relabelling of the first path that agrees most with the second.
#[pyfunction]
#[pyo3(signature = (first: "NDArray[uint32]", second: "NDArray[uint32]") -> "list[int]")]
pub(crate) fn find_permutation(
    first: PyReadonlyArray1<'_, u32>,
    second: PyReadonlyArray1<'_, u32>,
) -> PyResult<Vec<usize>> {
    learn::find_permutation(slice(&first)?, slice(&second)?, 0).map_err(error)
}
