//! Model files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use numpy::PyArrayDyn;
use pyo3::prelude::*;
use statewise::output::{ModelFile, ModelSpec};

use crate::convert::{ArraysArg, arrays, error, params as to_params, properties};
use crate::model::Hmm;

/// Writes a model file.
#[pyfunction]
#[pyo3(signature = (path: "str | PathLike[str]", name: "str", model: "Hmm", params: "Sequence[NDArray[float64]]", props: "str", provenance: "dict[str, str]"))]
pub(crate) fn save(
    py: Python<'_>,
    path: PathBuf,
    name: String,
    model: &Hmm,
    params: ArraysArg<'_>,
    props: &str,
    provenance: BTreeMap<String, String>,
) -> PyResult<()> {
    let file = ModelFile {
        properties: properties(props, model.0.schema())?,
        provenance,
        ..ModelFile::hmm(name, &model.0, to_params(&params)?)
    };
    py.detach(|| file.save(&path)).map_err(error)
}

/// (name, specification, params, properties, provenance); specification and properties are JSON.
type Loaded<'py> = (String, String, Vec<Bound<'py, PyArrayDyn<f64>>>, String, BTreeMap<String, String>);

/// Reads a model file.
#[pyfunction]
#[pyo3(signature = (path: "str | PathLike[str]") -> "tuple[str, str, list[NDArray[float64]], str, dict[str, str]]")]
pub(crate) fn load(py: Python<'_>, path: PathBuf) -> PyResult<Loaded<'_>> {
    let file = py.detach(|| ModelFile::load(&path)).map_err(error)?;
    let ModelSpec::Hmm(spec) = &file.spec else {
        return Err(error(format!("{}: not a hidden Markov model", path.display())));
    };
    let spec = serde_json::to_string(spec).map_err(error)?;
    let props = serde_json::to_string(&file.properties).map_err(error)?;
    Ok((file.name, spec, arrays(py, &file.params), props, file.provenance))
}
