//! The model: its specification, schema, starting parameters and log prior.

use std::sync::Arc;

use numpy::{PyArrayDyn, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use statewise::model::hmm::{self, HmmSpec, Start};
use statewise::params::{Array, Constraint};
use statewise_kernels::random::Seed;

use crate::convert::{ArraysArg, DataArg, array, arrays, error, params};

/// A hidden Markov model, built from the JSON text of its specification.
#[pyclass(frozen)]
pub struct Hmm(pub(crate) Arc<hmm::Hmm>);

#[pymethods]
impl Hmm {
    #[new]
    fn new(spec: &str) -> PyResult<Self> {
        let spec: HmmSpec = serde_json::from_str(spec).map_err(error)?;
        Ok(Hmm(Arc::new(hmm::Hmm::new(spec).map_err(error)?)))
    }

    /// The specification with all defaults filled in, as JSON.
    fn spec(&self) -> PyResult<String> {
        serde_json::to_string(self.0.spec()).map_err(error)
    }

    /// (path, keyword of `initialize`, shape, constraint) of every parameter array.
    fn schema(&self) -> Vec<(String, String, Vec<usize>, &'static str)> {
        let entry = |spec: &statewise::params::ParamSpec| {
            let constraint = constraint_name(spec.constraint);
            (spec.path.clone(), spec.keyword.clone(), spec.shape.clone(), constraint)
        };
        self.0.schema().iter().map(entry).collect()
    }

    #[getter]
    fn num_states(&self) -> usize {
        self.0.num_states()
    }

    #[getter]
    fn input_dim(&self) -> usize {
        self.0.input_dim()
    }

    #[getter]
    fn emission_shape(&self) -> Vec<usize> {
        self.0.emission_shape()
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
        let given: Vec<(String, Array)> =
            given.into_iter().map(|(path, value)| Ok((path, array(&value)?))).collect::<PyResult<_>>()?;
        let data = data.as_ref().map(DataArg::dataset).transpose()?;
        let start = data.as_ref().map_or(Start::Prior, Start::KMeans);
        let (params, _) = py.detach(|| self.0.initialize(start, Seed(seed), &given)).map_err(error)?;
        Ok(arrays(py, &params))
    }

    /// Checks parameters against the schema.
    #[pyo3(signature = (params: "Sequence[NDArray[float64]]"))]
    fn check(&self, params: ArraysArg<'_>) -> PyResult<()> {
        crate::convert::params(&params)?.check(self.0.schema()).map_err(error)
    }

    /// log p(θ).
    #[pyo3(signature = (params: "Sequence[NDArray[float64]]"))]
    fn log_prior(&self, params: ArraysArg<'_>) -> PyResult<f64> {
        let params = self::params(&params)?;
        params.check(self.0.schema()).map_err(error)?;
        Ok(self.0.log_prior(&params))
    }
}

fn constraint_name(constraint: Constraint) -> &'static str {
    match constraint {
        Constraint::Real => "real",
        Constraint::Positive => "positive",
        Constraint::Scale => "scale",
        Constraint::UnitInterval => "unit_interval",
        Constraint::Interval { .. } => "interval",
        Constraint::Stationary => "stationary",
        Constraint::Invertible => "invertible",
        Constraint::Simplex => "simplex",
        Constraint::PositiveDefinite => "positive_definite",
    }
}
