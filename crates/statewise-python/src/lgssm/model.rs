//! The linear Gaussian model with fixed matrices, by maximum likelihood or with conjugate priors.

use std::sync::Arc;

use numpy::{PyArrayDyn, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use statewise::model::linear_gaussian::{self, LinearGaussianSpec, Start};

use super::Lgssm;
use crate::convert::{ArraysArg, DataArg, arrays, error, given, params as to_params};
use crate::model::{AnyModel, Model};
use statewise::Seed;

/// A linear Gaussian model, built from the JSON text of its specification.
#[pyclass(frozen, extends = Model)]
pub struct LinearGaussianSsm(pub(crate) Arc<linear_gaussian::LinearGaussianSsm>);

#[pymethods]
impl LinearGaussianSsm {
    #[new]
    fn new(spec: &str) -> PyResult<PyClassInitializer<Self>> {
        let spec: LinearGaussianSpec = serde_json::from_str(spec).map_err(error)?;
        let model = Arc::new(linear_gaussian::LinearGaussianSsm::new(spec).map_err(error)?);
        let base = Model(AnyModel::LinearGaussian(model.clone()));
        Ok(PyClassInitializer::from(base).add_subclass(LinearGaussianSsm(model)))
    }

    #[getter]
    fn state_dim(&self) -> usize {
        self.0.spec().state_dim
    }

    /// Starting parameters: Dynamax's, or found in the data ("pca", "subspace"); `given` are taken as
    /// they are, by path or keyword.
    #[pyo3(signature = (seed: "int", method: "str", data: "object | None", given: "list[tuple[str, NDArray[float64]]]") -> "list[NDArray[float64]]")]
    fn initialize<'py>(
        &self,
        py: Python<'py>,
        seed: u64,
        method: &str,
        data: Option<DataArg<'_>>,
        given: Vec<(String, PyReadonlyArrayDyn<'_, f64>)>,
    ) -> PyResult<Vec<Bound<'py, PyArrayDyn<f64>>>> {
        let given = self::given(given)?;
        let data = data.as_ref().map(DataArg::dataset).transpose()?;
        let start = match (method, &data) {
            ("pca", Some(data)) => Start::Pca(data),
            ("subspace", Some(data)) => Start::Subspace(data),
            _ => Start::Default,
        };
        let (params, _) = py.detach(|| self.0.initialize(start, Seed(seed), &given)).map_err(error)?;
        Ok(arrays(py, &params))
    }

    /// The system of these parameters; the data play no part.
    #[pyo3(signature = (params: "Sequence[NDArray[float64]]", data: "object") -> "Lgssm")]
    fn lower(&self, params: ArraysArg<'_>, data: &Bound<'_, PyAny>) -> PyResult<Lgssm> {
        let _ = data;
        Ok(Lgssm(Arc::new(self.0.lower(&to_params(&params)?).map_err(error)?)))
    }
}
