//! EM on a stream of batches.

use numpy::PyArrayDyn;
use pyo3::prelude::*;
use statewise::learn::{self, StepSize};

use crate::convert::{ArraysArg, DataArg, arrays, error, params as to_params, properties};
use crate::model::{AnyModel, Model};

/// An online learner with its model.
#[pyclass]
pub struct OnlineEm {
    model: AnyModel,
    learner: learn::OnlineEm,
}

#[pymethods]
impl OnlineEm {
    #[new]
    #[pyo3(signature = (model: "Model", params: "Sequence[NDArray[float64]]", props: "str", step_size: "str", use_priors: "bool", burn_in: "int"))]
    fn new(
        model: &Model,
        params: ArraysArg<'_>,
        props: &str,
        step_size: &str,
        use_priors: bool,
        burn_in: u64,
    ) -> PyResult<Self> {
        let properties = properties(props, model.schema())?;
        let step_size: StepSize = serde_json::from_str(step_size).map_err(error)?;
        let params = to_params(&params)?;
        let learner =
            learn::OnlineEm::new(model.learnable(), params, properties, step_size, use_priors, burn_in);
        Ok(OnlineEm { model: model.0.clone(), learner: learner.map_err(error)? })
    }

    /// Goes on from a saved state.
    #[staticmethod]
    #[pyo3(signature = (model: "Model", state: "str") -> "OnlineEm")]
    fn restored(model: &Model, state: &str) -> PyResult<Self> {
        let learner: learn::OnlineEm = serde_json::from_str(state).map_err(error)?;
        learner.check(model.learnable()).map_err(error)?;
        Ok(OnlineEm { model: model.0.clone(), learner })
    }

    /// All that is needed to go on later, as JSON.
    fn state(&self) -> PyResult<String> {
        serde_json::to_string(&self.learner).map_err(error)
    }

    /// Learns from one batch; answers its log p(y) under the parameters before, and the repairs.
    #[pyo3(signature = (data: "object") -> "tuple[float, int]")]
    fn update(&mut self, py: Python<'_>, data: DataArg<'_>) -> PyResult<(f64, usize)> {
        let data = data.dataset()?;
        let OnlineEm { model, learner } = self;
        let update = py.detach(|| learner.update(model.learnable(), &data)).map_err(error)?;
        Ok((update.marginal_loglik, update.repairs))
    }

    /// The parameters now.
    #[pyo3(signature = () -> "list[NDArray[float64]]")]
    fn params<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyArrayDyn<f64>>> {
        arrays(py, self.learner.params())
    }

    #[getter]
    fn updates(&self) -> u64 {
        self.learner.updates()
    }

    #[getter]
    fn steps_seen(&self) -> f64 {
        self.learner.steps_seen()
    }
}
