//! The posterior q(z | x), and what it says of observations.

use numpy::PyArrayDyn;
use pyo3::prelude::*;
use statewise::Seed;

use super::Dmm;
use crate::convert::{DataArg, error, shaped};

type Array<'py> = Bound<'py, PyArrayDyn<f64>>;

/// Means [rows, S], variances [rows, S] and drawn paths [num_samples, rows, S].
#[pyfunction]
#[pyo3(signature = (model: "Dmm", data: "object", num_samples: "int", seed: "int") -> "tuple[NDArray[float64], NDArray[float64], NDArray[float64]]")]
pub(crate) fn dmm_infer<'py>(
    py: Python<'py>,
    model: &Dmm,
    data: DataArg<'_>,
    num_samples: usize,
    seed: u64,
) -> PyResult<(Array<'py>, Array<'py>, Array<'py>)> {
    let data = data.dataset()?;
    let found = py.detach(|| model.0.infer(&data, num_samples, Seed(seed))).map_err(error)?;
    let shape = [num_samples, data.num_rows(), found.latent_dim];
    let moments = [found.means, found.variances].map(|values| shaped(py, values, &shape[1..]));
    let [means, variances] = moments;
    Ok((means, variances, shaped(py, found.samples, &shape)))
}

/// Means [rows, E] (probabilities [rows, E K] of labels) and observations [num_samples, rows, E] with
/// draws for missing entries.
#[pyfunction]
#[pyo3(signature = (model: "Dmm", data: "object", num_samples: "int", seed: "int") -> "tuple[NDArray[float64], NDArray[float64]]")]
pub(crate) fn dmm_reconstruct<'py>(
    py: Python<'py>,
    model: &Dmm,
    data: DataArg<'_>,
    num_samples: usize,
    seed: u64,
) -> PyResult<(Array<'py>, Array<'py>)> {
    let data = data.dataset()?;
    let found = py.detach(|| model.0.reconstruct(&data, num_samples, Seed(seed))).map_err(error)?;
    let rows = data.num_rows();
    let means = shaped(py, found.means, &[rows, super::generate::mean_width(model)]);
    Ok((means, shaped(py, found.filled, &[num_samples, rows, data.width()])))
}
