//! The hidden Markov model: its specification and starting parameters.

use std::sync::Arc;

use numpy::{PyArrayDyn, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use statewise::Seed;
use statewise::model::hmm::{self, HmmSpec, Start};

use crate::convert::{DataArg, arrays, error, given};
use crate::model::{AnyModel, Model};

/// A hidden Markov model, built from the JSON text of its specification.
#[pyclass(frozen, extends = Model)]
pub struct Hmm(pub(crate) Arc<hmm::Hmm>);

#[pymethods]
impl Hmm {
    #[new]
    fn new(spec: &str) -> PyResult<PyClassInitializer<Self>> {
        let spec: HmmSpec = serde_json::from_str(spec).map_err(error)?;
        let model = Arc::new(hmm::Hmm::new(spec).map_err(error)?);
        Ok(PyClassInitializer::from(Model(AnyModel::Hmm(model.clone()))).add_subclass(Hmm(model)))
    }

    #[getter]
    fn num_states(&self) -> usize {
        self.0.num_states()
    }

    /// Starting parameters: from the priors, or with `data` from its clusters; `given` are taken as
    /// they are, by path or keyword.
    #[pyo3(signature = (seed: "int", data: "object | None", given: "list[tuple[str, NDArray[float64]]]") -> "list[NDArray[float64]]")]
    fn initialize<'py>(
        &self,
        py: Python<'py>,
        seed: u64,
        data: Option<DataArg<'_>>,
        given: Vec<(String, PyReadonlyArrayDyn<'_, f64>)>,
    ) -> PyResult<Vec<Bound<'py, PyArrayDyn<f64>>>> {
        let given = self::given(given)?;
        let data = data.as_ref().map(DataArg::dataset).transpose()?;
        let start = data.as_ref().map_or(Start::Prior, Start::KMeans);
        let (params, _) = py.detach(|| self.0.initialize(start, Seed(seed), &given)).map_err(error)?;
        Ok(arrays(py, &params))
    }
}
