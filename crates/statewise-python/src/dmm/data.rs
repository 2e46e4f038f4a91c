//! Piano rolls, array files and the synthetic systems.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::PyArrayDyn;
use pyo3::prelude::*;
use statewise::Seed;
use statewise::data::Dataset;
use statewise_deep::data::{ArrayChoice, ArrayFile, PianoRolls, SyntheticSplit, SyntheticSystem};

use super::Dmm;
use crate::convert::{error, shaped};
use crate::lgssm::Lgssm;

type Array<'py> = Bound<'py, PyArrayDyn<f64>>;

/// (rows [rows, width], lengths, inputs [rows, input_dim] or None).
pub(super) type DataTuple<'py> = (Array<'py>, Vec<usize>, Option<Array<'py>>);

/// A dataset for Python.
pub(super) fn data_tuple<'py>(py: Python<'py>, data: &Dataset<'_>) -> DataTuple<'py> {
    let rows = shaped(py, data.rows().to_vec(), &[data.num_rows(), data.width()]);
    let inputs = (data.input_dim() > 0).then(|| {
        let values =
            data.sequences().flat_map(|s| (0..s.num_steps()).flat_map(move |t| s.input(t)).copied());
        shaped(py, values.collect(), &[data.num_rows(), data.input_dim()])
    });
    (rows, data.lengths().collect(), inputs)
}

/// The three splits of a file of packed piano rolls.
#[pyfunction]
#[pyo3(signature = (path: "str | PathLike[str]") -> "list[tuple[NDArray[float64], list[int], NDArray[float64] | None]]")]
pub(crate) fn piano_rolls(py: Python<'_>, path: PathBuf) -> PyResult<Vec<DataTuple<'_>>> {
    let rolls = py.detach(|| PianoRolls::read(&path)).map_err(error)?;
    Ok(rolls.splits().into_iter().map(|(_, data)| data_tuple(py, data)).collect())
}

/// Sequences from the arrays of an npz, npy or safetensors file.
#[pyfunction]
#[pyo3(signature = (path: "str | PathLike[str]", emissions: "str | None", lengths: "str | None", inputs: "str | None") -> "tuple[NDArray[float64], list[int], NDArray[float64] | None]")]
pub(crate) fn read_arrays(
    py: Python<'_>,
    path: PathBuf,
    emissions: Option<String>,
    lengths: Option<String>,
    inputs: Option<String>,
) -> PyResult<DataTuple<'_>> {
    let choice = ArrayChoice { emissions, lengths, inputs };
    let data = py.detach(|| ArrayFile::read(&path)?.dataset(&choice)).map_err(error)?;
    Ok(data_tuple(py, &data))
}

/// Observations [N, T, M] and states [N, T, D] of each split of a synthetic system.
#[pyfunction]
#[pyo3(signature = (id: "int") -> "list[tuple[NDArray[float64], NDArray[float64]]]")]
pub(crate) fn synthetic(py: Python<'_>, id: u32) -> PyResult<Vec<(Array<'_>, Array<'_>)>> {
    let data = py.detach(|| SyntheticSystem::new(id)?.generate()).map_err(error)?;
    let arrays = |split: SyntheticSplit| {
        let data = &split.observations;
        let (n, t) = (data.num_sequences(), data.num_rows() / data.num_sequences());
        let rows = shaped(py, data.rows().to_vec(), &[n, t, data.width()]);
        (rows, shaped(py, split.states, &[n, t, split.state_dim]))
    };
    Ok([data.train, data.valid, data.test].map(arrays).into())
}

/// The linear Gaussian model of a synthetic system.
#[pyfunction]
#[pyo3(signature = (id: "int") -> "Lgssm")]
pub(crate) fn synthetic_lgssm(id: u32) -> PyResult<Lgssm> {
    let params = SyntheticSystem::new(id).and_then(|system| system.to_lgssm());
    Ok(Lgssm(Arc::new(params.map_err(error)?)))
}

/// The model of a synthetic system with its own law; the inference network is that of the options (JSON).
#[pyfunction]
#[pyo3(signature = (id: "int", guide: "str", seed: "int") -> "Dmm")]
pub(crate) fn synthetic_model(py: Python<'_>, id: u32, guide: &str, seed: u64) -> PyResult<Dmm> {
    let guide = serde_json::from_str(guide).map_err(error)?;
    let model = py.detach(|| SyntheticSystem::new(id)?.model(&guide, Seed(seed)));
    Ok(Dmm(Arc::new(model.map_err(error)?)))
}
