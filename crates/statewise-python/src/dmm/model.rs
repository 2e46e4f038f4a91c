//! A deep Markov model: its options as JSON, its weights as arrays, its file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use numpy::{PyArrayDyn, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use statewise::{Error, Seed};
use statewise_deep::DeepMarkovModel;
use statewise_deep::learn::FitOptions;
use statewise_deep::model::DmmConfig;

use crate::convert::{error, shaped, slice};

type Provenance = BTreeMap<String, String>;

/// A model that never changes: training and new weights make another.
#[pyclass(frozen)]
pub struct Dmm(pub(crate) Arc<DeepMarkovModel>);

#[pymethods]
impl Dmm {
    /// A model with drawn weights, from all its options (JSON).
    #[new]
    #[pyo3(signature = (config: "str", seed: "int"))]
    fn new(py: Python<'_>, config: &str, seed: u64) -> PyResult<Self> {
        let config: DmmConfig = serde_json::from_str(config).map_err(error)?;
        let model = py.detach(|| DeepMarkovModel::new(&config, Seed(seed)));
        Ok(Dmm(Arc::new(model.map_err(error)?)))
    }

    /// All options, as JSON.
    #[pyo3(signature = () -> "str")]
    fn config(&self) -> PyResult<String> {
        serde_json::to_string(self.0.config()).map_err(error)
    }

    /// Name and shape of every array of weights.
    #[pyo3(signature = () -> "list[tuple[str, list[int]]]")]
    fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        self.0.tensors().iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone())).collect()
    }

    /// One array of weights, copied.
    #[pyo3(signature = (name: "str") -> "NDArray[float32]")]
    fn tensor<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let values = self.0.tensor(name).map_err(error)?.to_vec();
        let found = self.0.tensors().iter().find(|tensor| tensor.name == name);
        Ok(shaped(py, values, found.map_or(&[], |tensor| &tensor.shape)))
    }

    /// A model with some arrays replaced.
    #[pyo3(signature = (arrays: "dict[str, NDArray[float32]]") -> "Dmm")]
    fn with_tensors(&self, arrays: BTreeMap<String, PyReadonlyArrayDyn<'_, f32>>) -> PyResult<Self> {
        let mut model = DeepMarkovModel::clone(&self.0);
        for (name, array) in &arrays {
            let known = self.0.tensors().iter().find(|tensor| tensor.name == *name);
            if let Some(tensor) = known.filter(|tensor| tensor.shape != array.shape()) {
                let (found, expected) = (array.shape(), &tensor.shape);
                let refusal = Error::argument(name, format!("shape {found:?}"), format!("{expected:?}"));
                return Err(error(refusal));
            }
            let values = slice(array)?;
            if let Some(bad) = values.iter().find(|x| !x.is_finite()) {
                return Err(error(Error::argument(name, bad, "finite weights")));
            }
            model.tensor_mut(name).map_err(error)?.copy_from_slice(values);
        }
        Ok(Dmm(Arc::new(model)))
    }

    /// The bytes of the model file.
    #[pyo3(signature = (provenance: "dict[str, str]") -> "bytes")]
    fn to_bytes<'py>(&self, py: Python<'py>, provenance: Provenance) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| self.0.to_bytes(&provenance)).map_err(error)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// A model with its notes from the bytes of a model file.
    #[staticmethod]
    #[pyo3(signature = (bytes: "bytes") -> "tuple[Dmm, dict[str, str]]")]
    fn from_bytes(py: Python<'_>, bytes: &[u8]) -> PyResult<(Self, Provenance)> {
        let (model, provenance) = py.detach(|| DeepMarkovModel::from_bytes(bytes)).map_err(error)?;
        Ok((Dmm(Arc::new(model)), provenance))
    }

    /// Writes the model file.
    #[pyo3(signature = (path: "str | PathLike[str]", provenance: "dict[str, str]"))]
    fn save(&self, py: Python<'_>, path: PathBuf, provenance: Provenance) -> PyResult<()> {
        py.detach(|| self.0.save(&path, &provenance)).map_err(error)
    }

    /// A model with its notes from a model file.
    #[staticmethod]
    #[pyo3(signature = (path: "str | PathLike[str]") -> "tuple[Dmm, dict[str, str]]")]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<(Self, Provenance)> {
        let (model, provenance) = py.detach(|| DeepMarkovModel::load(&path)).map_err(error)?;
        Ok((Dmm(Arc::new(model)), provenance))
    }
}

/// The options of a model preset, as JSON.
#[pyfunction]
#[pyo3(signature = (preset: "str", emission_dim: "int") -> "str")]
pub(crate) fn dmm_config(preset: &str, emission_dim: usize) -> PyResult<String> {
    let config = DmmConfig::preset(preset, emission_dim).map_err(error)?;
    serde_json::to_string(&config).map_err(error)
}

/// The options of training of a preset, as JSON.
#[pyfunction]
#[pyo3(signature = (preset: "str") -> "str")]
pub(crate) fn dmm_fit_options(preset: &str) -> PyResult<String> {
    serde_json::to_string(&FitOptions::preset(preset).map_err(error)?).map_err(error)
}
