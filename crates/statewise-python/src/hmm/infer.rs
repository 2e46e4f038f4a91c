//! Inference on datasets. Results of all sequences lie one after another, in the rows of the data;
//! Python cuts them up.

use numpy::{PyArray1, PyArrayDyn, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArrayDyn};
use pyo3::prelude::*;
use statewise::infer::{Forecast, SmoothedSlices};
use statewise_kernels::random::Seed;

use super::Hmm;
use crate::convert::{ArraysArg, DataArg, error, flat, params as to_params, shaped, slice, slice_mut};

/// An array that Python lends to be written.
type Out<'py> = PyReadwriteArrayDyn<'py, f64>;
type Array1<'py> = Bound<'py, PyArray1<f64>>;
type Array<'py> = Bound<'py, PyArrayDyn<f64>>;
type States<'py> = Bound<'py, PyArrayDyn<u32>>;

/// States [N · T] and emissions [N · T, width] of N independent draws; `past` are the emissions
/// [L, width] before them.
#[pyfunction]
#[pyo3(signature = (model: "Hmm", params: "Sequence[NDArray[float64]]", seed: "int", num_sequences: "int", num_steps: "int", inputs: "NDArray[float64] | None", past: "NDArray[float64] | None") -> "tuple[NDArray[uint32], NDArray[float64]]")]
pub(crate) fn sample<'py>(
    py: Python<'py>,
    model: &Hmm,
    params: ArraysArg<'_>,
    seed: u64,
    num_sequences: usize,
    num_steps: usize,
    inputs: Option<PyReadonlyArray2<'_, f64>>,
    past: Option<PyReadonlyArray2<'_, f64>>,
) -> PyResult<(States<'py>, Array<'py>)> {
    let params = to_params(&params)?;
    let inputs = inputs.as_ref().map_or(Ok(&[][..]), slice)?;
    let past = past.as_ref().map_or(Ok(&[][..]), slice)?;
    let block = num_steps * model.0.input_dim();
    if inputs.len() != num_sequences * block {
        let expected = format!("{num_sequences} × {num_steps} rows of dimension {}", model.0.input_dim());
        return Err(error(statewise::Error::argument(
            "inputs",
            format!("{} values", inputs.len()),
            expected,
        )));
    }
    let (states, emissions) = py
        .detach(|| {
            let mut states = Vec::with_capacity(num_sequences * num_steps);
            let mut emissions = Vec::with_capacity(states.capacity() * model.0.emission_width());
            for n in 0..num_sequences {
                let u = &inputs[n * block..(n + 1) * block];
                let (z, y) = model.0.sample_after(&params, Seed(seed), n as u64, num_steps, u, past)?;
                states.extend(z);
                emissions.extend(y);
            }
            Ok((states, emissions))
        })
        .map_err(|e: statewise::Error| error(e))?;
    let rows = states.len();
    Ok((shaped(py, states, &[rows]), shaped(py, emissions, &[rows, model.0.emission_width()])))
}

/// log p(z, y) of each sequence.
#[pyfunction]
#[pyo3(signature = (model: "Hmm", params: "Sequence[NDArray[float64]]", states: "NDArray[uint32]", data: "object") -> "NDArray[float64]")]
pub(crate) fn log_prob<'py>(
    py: Python<'py>,
    model: &Hmm,
    params: ArraysArg<'_>,
    states: PyReadonlyArray1<'_, u32>,
    data: DataArg<'_>,
) -> PyResult<Array1<'py>> {
    let (params, states, data) = (to_params(&params)?, slice(&states)?, data.dataset()?);
    let values = py.detach(|| model.0.log_prob(&params, states, &data)).map_err(error)?;
    Ok(flat(py, values))
}

/// log p(y) of each sequence.
#[pyfunction]
#[pyo3(signature = (model: "Hmm", params: "Sequence[NDArray[float64]]", data: "object") -> "NDArray[float64]")]
pub(crate) fn marginal_log_prob<'py>(
    py: Python<'py>,
    model: &Hmm,
    params: ArraysArg<'_>,
    data: DataArg<'_>,
) -> PyResult<Array1<'py>> {
    let (params, data) = (to_params(&params)?, data.dataset()?);
    let values = py.detach(|| model.0.marginal_log_prob(&params, &data)).map_err(error)?;
    Ok(flat(py, values))
}

/// Writes filtered_probs and predicted_probs, [rows, K], where they are given; marginal_loglik [N].
///
/// The arrays are NumPy's own, which maps large ones in large pages.
#[pyfunction]
#[pyo3(signature = (model: "Hmm", params: "Sequence[NDArray[float64]]", data: "object", filtered: "NDArray[float64]", predicted: "NDArray[float64] | None") -> "NDArray[float64]")]
pub(crate) fn filter<'py>(
    py: Python<'py>,
    model: &Hmm,
    params: ArraysArg<'_>,
    data: DataArg<'_>,
    mut filtered: Out<'_>,
    mut predicted: Option<Out<'_>>,
) -> PyResult<Array1<'py>> {
    let (params, data) = (to_params(&params)?, data.dataset()?);
    let filtered = slice_mut(&mut filtered)?;
    let predicted = predicted.as_mut().map(slice_mut).transpose()?;
    let loglik = py.detach(|| model.0.filter_into(&params, &data, filtered, predicted)).map_err(error)?;
    Ok(flat(py, loglik))
}

/// Writes smoothed_probs, and filtered_probs, predicted_probs, [rows, K], and trans_probs, [N, K, K],
/// where they are given; marginal_loglik [N].
#[pyfunction]
#[pyo3(signature = (model: "Hmm", params: "Sequence[NDArray[float64]]", data: "object", smoothed: "NDArray[float64]", filtered: "NDArray[float64] | None", predicted: "NDArray[float64] | None", pairs: "NDArray[float64] | None") -> "NDArray[float64]")]
pub(crate) fn smoother<'py>(
    py: Python<'py>,
    model: &Hmm,
    params: ArraysArg<'_>,
    data: DataArg<'_>,
    mut smoothed: Out<'_>,
    mut filtered: Option<Out<'_>>,
    mut predicted: Option<Out<'_>>,
    mut pairs: Option<Out<'_>>,
) -> PyResult<Array1<'py>> {
    let (params, data) = (to_params(&params)?, data.dataset()?);
    let out = SmoothedSlices {
        smoothed_probs: slice_mut(&mut smoothed)?,
        filtered_probs: filtered.as_mut().map(slice_mut).transpose()?,
        predicted_probs: predicted.as_mut().map(slice_mut).transpose()?,
        trans_probs: pairs.as_mut().map(slice_mut).transpose()?,
    };
    let loglik = py.detach(|| model.0.smoother_into(&params, &data, out)).map_err(error)?;
    Ok(flat(py, loglik))
}

/// p(z_t = i, z_{t+1} = j | y), [T − 1, K, K] of each sequence.
#[pyfunction]
#[pyo3(signature = (model: "Hmm", params: "Sequence[NDArray[float64]]", data: "object") -> "list[NDArray[float64]]")]
pub(crate) fn pairwise<'py>(
    py: Python<'py>,
    model: &Hmm,
    params: ArraysArg<'_>,
    data: DataArg<'_>,
) -> PyResult<Vec<Array<'py>>> {
    let (params, data) = (to_params(&params)?, data.dataset()?);
    let pairs = py.detach(|| model.0.pairwise(&params, &data)).map_err(error)?;
    let k = model.0.num_states();
    let shape = |values: &Vec<f64>| [values.len() / (k * k), k, k];
    Ok(pairs.into_iter().map(|p| (shape(&p), p)).map(|(s, p)| shaped(py, p, &s)).collect())
}

/// p(z_t | y_{1:min(T, t + lag)}), [rows, K].
#[pyfunction]
#[pyo3(signature = (model: "Hmm", params: "Sequence[NDArray[float64]]", data: "object", lag: "int") -> "NDArray[float64]")]
pub(crate) fn fixed_lag_smoother<'py>(
    py: Python<'py>,
    model: &Hmm,
    params: ArraysArg<'_>,
    data: DataArg<'_>,
    lag: usize,
) -> PyResult<Array<'py>> {
    let (params, data) = (to_params(&params)?, data.dataset()?);
    let values = py.detach(|| model.0.fixed_lag_smoother(&params, &data, lag)).map_err(error)?;
    Ok(shaped(py, values, &[data.num_rows(), model.0.num_states()]))
}

/// The most likely paths [rows] and their log p(z, y) [N].
#[pyfunction]
#[pyo3(signature = (model: "Hmm", params: "Sequence[NDArray[float64]]", data: "object") -> "tuple[NDArray[uint32], NDArray[float64]]")]
pub(crate) fn most_likely_states<'py>(
    py: Python<'py>,
    model: &Hmm,
    params: ArraysArg<'_>,
    data: DataArg<'_>,
) -> PyResult<(States<'py>, Array1<'py>)> {
    let (params, data) = (to_params(&params)?, data.dataset()?);
    let (paths, log_probs) = py.detach(|| model.0.most_likely_states(&params, &data)).map_err(error)?;
    let rows = paths.len();
    Ok((shaped(py, paths, &[rows]), flat(py, log_probs)))
}

/// The best `count` paths [count, T] of each sequence, and their log p(z, y) [count].
#[pyfunction]
#[pyo3(signature = (model: "Hmm", params: "Sequence[NDArray[float64]]", data: "object", count: "int") -> "list[tuple[NDArray[uint32], NDArray[float64]]]")]
pub(crate) fn k_best_states<'py>(
    py: Python<'py>,
    model: &Hmm,
    params: ArraysArg<'_>,
    data: DataArg<'_>,
    count: usize,
) -> PyResult<Vec<(States<'py>, Array1<'py>)>> {
    let (params, data) = (to_params(&params)?, data.dataset()?);
    let best = py.detach(|| model.0.k_best_states(&params, &data, count)).map_err(error)?;
    let one = |(n, found): (usize, Vec<(f64, Vec<u32>)>)| {
        let log_probs: Vec<f64> = found.iter().map(|(log_prob, _)| *log_prob).collect();
        let paths: Vec<u32> = found.into_iter().flat_map(|(_, path)| path).collect();
        (shaped(py, paths, &[log_probs.len(), data.range(n).len()]), flat(py, log_probs))
    };
    Ok(best.into_iter().enumerate().map(one).collect())
}

/// Paths drawn given the observations, [num_samples, T] of each sequence.
#[pyfunction]
#[pyo3(signature = (model: "Hmm", params: "Sequence[NDArray[float64]]", seed: "int", data: "object", num_samples: "int") -> "list[NDArray[uint32]]")]
pub(crate) fn posterior_sample<'py>(
    py: Python<'py>,
    model: &Hmm,
    params: ArraysArg<'_>,
    seed: u64,
    data: DataArg<'_>,
    num_samples: usize,
) -> PyResult<Vec<States<'py>>> {
    let (params, data) = (to_params(&params)?, data.dataset()?);
    let paths =
        py.detach(|| model.0.posterior_sample(&params, Seed(seed), &data, num_samples)).map_err(error)?;
    let one = |(n, p): (usize, Vec<u32>)| shaped(py, p, &[num_samples, data.range(n).len()]);
    Ok(paths.into_iter().enumerate().map(one).collect())
}

/// (state_probs [H, K], means [H, width], covs [H, width, width]) of each sequence; future inputs
/// are [N · H, U].
#[pyfunction]
#[pyo3(signature = (model: "Hmm", params: "Sequence[NDArray[float64]]", data: "object", horizon: "int", future_inputs: "NDArray[float64] | None") -> "list[tuple[NDArray[float64], NDArray[float64], NDArray[float64]]]")]
pub(crate) fn forecast<'py>(
    py: Python<'py>,
    model: &Hmm,
    params: ArraysArg<'_>,
    data: DataArg<'_>,
    horizon: usize,
    future_inputs: Option<PyReadonlyArray2<'_, f64>>,
) -> PyResult<Vec<(Array<'py>, Array<'py>, Array<'py>)>> {
    let (params, data) = (to_params(&params)?, data.dataset()?);
    let inputs = future_inputs.as_ref().map_or(Ok(&[][..]), slice)?;
    let forecasts = py.detach(|| model.0.forecast(&params, &data, horizon, inputs)).map_err(error)?;
    let (k, width) = (model.0.num_states(), model.0.emission_width());
    let one = |Forecast { state_probs, means, covs }| {
        (
            shaped(py, state_probs, &[horizon, k]),
            shaped(py, means, &[horizon, width]),
            shaped(py, covs, &[horizon, width, width]),
        )
    };
    Ok(forecasts.into_iter().map(one).collect())
}
