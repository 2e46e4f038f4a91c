//! Bounds of −log p(x).

use numpy::PyArray1;
use pyo3::prelude::*;
use statewise::Seed;
use statewise_deep::Evaluation;
use statewise_deep::learn::Device;

use super::Dmm;
use crate::convert::{DataArg, error, flat};

/// (per sequence, divergences, per step, mean of sequences, divergence per step).
type EvaluationTuple<'py> = (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>, f64, f64, f64);

/// −ELBO.
#[pyfunction]
#[pyo3(signature = (model: "Dmm", data: "object", num_samples: "int", seed: "int", device: "str") -> "tuple[NDArray[float64], NDArray[float64], float, float, float]")]
pub(crate) fn dmm_bound<'py>(
    py: Python<'py>,
    model: &Dmm,
    data: DataArg<'_>,
    num_samples: usize,
    seed: u64,
    device: &str,
) -> PyResult<EvaluationTuple<'py>> {
    let data = data.dataset()?;
    let device: Device = device.parse().map_err(error)?;
    let found = py.detach(|| model.0.bound_on(device, &data, num_samples, Seed(seed)));
    Ok(tuple(py, found.map_err(error)?))
}

/// −log of the mean importance weight of whole paths.
#[pyfunction]
#[pyo3(signature = (model: "Dmm", data: "object", num_samples: "int", seed: "int") -> "tuple[NDArray[float64], NDArray[float64], float, float, float]")]
pub(crate) fn dmm_importance_sampling<'py>(
    py: Python<'py>,
    model: &Dmm,
    data: DataArg<'_>,
    num_samples: usize,
    seed: u64,
) -> PyResult<EvaluationTuple<'py>> {
    let data = data.dataset()?;
    let found = py.detach(|| model.0.importance_sampling(&data, num_samples, Seed(seed)));
    Ok(tuple(py, found.map_err(error)?))
}

/// −log of the evidence of a particle filter with proposal q.
#[pyfunction]
#[pyo3(signature = (model: "Dmm", data: "object", num_particles: "int", seed: "int", resample_below: "float") -> "tuple[NDArray[float64], NDArray[float64], float, float, float]")]
pub(crate) fn dmm_particle_bound<'py>(
    py: Python<'py>,
    model: &Dmm,
    data: DataArg<'_>,
    num_particles: usize,
    seed: u64,
    resample_below: f64,
) -> PyResult<EvaluationTuple<'py>> {
    let data = data.dataset()?;
    let found = py.detach(|| model.0.particle_bound(&data, num_particles, resample_below, Seed(seed)));
    Ok(tuple(py, found.map_err(error)?))
}

fn tuple(py: Python<'_>, found: Evaluation) -> EvaluationTuple<'_> {
    let rates = (found.per_step(), found.mean_of_sequences(), found.divergence_per_step());
    (flat(py, found.per_sequence), flat(py, found.divergence), rates.0, rates.1, rates.2)
}
