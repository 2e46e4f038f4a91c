//! Model files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use numpy::PyArrayDyn;
use pyo3::prelude::*;
use statewise::output::ModelFile;

use crate::convert::{ArraysArg, arrays, error, params as to_params, properties};
use crate::model::Model;

/// Writes a model file.
#[pyfunction]
#[pyo3(signature = (path: "str | PathLike[str]", name: "str", model: "Model", params: "Sequence[NDArray[float64]]", props: "str", provenance: "dict[str, str]"))]
pub(crate) fn save(
    py: Python<'_>,
    path: PathBuf,
    name: String,
    model: &Model,
    params: ArraysArg<'_>,
    props: &str,
    provenance: BTreeMap<String, String>,
) -> PyResult<()> {
    let (spec, params) = (model.0.spec().map_err(error)?, to_params(&params)?);
    let file = ModelFile { name, spec, params, properties: properties(props, model.schema())?, provenance };
    py.detach(|| file.save(&path)).map_err(error)
}

/// (name, specification, params, properties, provenance); specification (with its `kind`) and
/// properties are JSON.
type Loaded<'py> = (String, String, Vec<Bound<'py, PyArrayDyn<f64>>>, String, BTreeMap<String, String>);

/// Reads a model file.
#[pyfunction]
#[pyo3(signature = (path: "str | PathLike[str]") -> "tuple[str, str, list[NDArray[float64]], str, dict[str, str]]")]
pub(crate) fn load(py: Python<'_>, path: PathBuf) -> PyResult<Loaded<'_>> {
    let file = py.detach(|| ModelFile::load(&path)).map_err(error)?;
    let spec = serde_json::to_string(&file.spec).map_err(error)?;
    let props = serde_json::to_string(&file.properties).map_err(error)?;
    Ok((file.name, spec, arrays(py, &file.params), props, file.provenance))
}
