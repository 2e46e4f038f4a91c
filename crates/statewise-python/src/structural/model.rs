//! The structural model: its specification, starting parameters, and the system that it becomes.

use std::sync::Arc;

use numpy::{PyArrayDyn, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use statewise::Seed;
use statewise::model::structural::{self, StructuralSpec};

use crate::convert::{ArraysArg, DataArg, arrays, error, given, params as to_params};
use crate::lgssm::{Lgssm, LgssmOnline, options};
use crate::model::{AnyModel, Model};

/// A structural time series model, built from the JSON text of its specification.
#[pyclass(frozen, extends = Model)]
pub struct StructuralTimeSeries(pub(crate) Arc<structural::StructuralTimeSeries>);

#[pymethods]
impl StructuralTimeSeries {
    #[new]
    fn new(spec: &str) -> PyResult<PyClassInitializer<Self>> {
        let spec: StructuralSpec = serde_json::from_str(spec).map_err(error)?;
        let model = Arc::new(structural::StructuralTimeSeries::new(spec).map_err(error)?);
        let base = Model(AnyModel::Structural(model.clone()));
        Ok(PyClassInitializer::from(base).add_subclass(StructuralTimeSeries(model)))
    }

    #[getter]
    fn component_names(&self) -> Vec<&str> {
        self.0.component_names()
    }

    #[getter]
    fn state_names(&self) -> Vec<String> {
        self.0.state_names()
    }

    /// Starting parameters, scaled by the data and moved at random if there is a seed; `given` are taken
    /// as they are, by path or keyword.
    #[pyo3(signature = (data: "object", seed: "int | None", given: "list[tuple[str, NDArray[float64]]]") -> "list[NDArray[float64]]")]
    fn initialize<'py>(
        &self,
        py: Python<'py>,
        data: DataArg<'_>,
        seed: Option<u64>,
        given: Vec<(String, PyReadonlyArrayDyn<'_, f64>)>,
    ) -> PyResult<Vec<Bound<'py, PyArrayDyn<f64>>>> {
        let (data, given) = (data.dataset()?, self::given(given)?);
        let (params, _) = py.detach(|| self.0.initialize(&data, seed.map(Seed), &given)).map_err(error)?;
        Ok(arrays(py, &params))
    }

    /// The system of these parameters, with arrays for each step of the data where they change.
    #[pyo3(signature = (params: "Sequence[NDArray[float64]]", data: "object") -> "Lgssm")]
    fn lower(&self, py: Python<'_>, params: ArraysArg<'_>, data: DataArg<'_>) -> PyResult<Lgssm> {
        let (params, data) = (to_params(&params)?, data.dataset()?);
        let system = py.detach(|| self.0.lower(&params, &data)).map_err(error)?;
        Ok(Lgssm(Arc::new(system)))
    }

    /// A filter that is fed one observation at a time, with the inputs of the model.
    #[pyo3(signature = (params: "Sequence[NDArray[float64]]", options: "str", history: "int") -> "LgssmOnline")]
    fn online_filter(&self, params: ArraysArg<'_>, options: &str, history: usize) -> PyResult<LgssmOnline> {
        let (params, options) = (to_params(&params)?, self::options(options)?);
        Ok(LgssmOnline(self.0.online_filter(&params, &options, history).map_err(error)?))
    }
}
