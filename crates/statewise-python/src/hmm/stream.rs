//! The filter that is fed one observation at a time.

use numpy::{PyArray1, PyArrayDyn, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use statewise::infer::{FilterState, OnlineFilter as Filter};
use statewise::params::Params;
use statewise_kernels::discrete::OnlineState;

use super::Hmm;
use crate::convert::{ArraysArg, error, flat, params as to_params, shaped, slice};

struct Owner {
    model: std::sync::Arc<statewise::model::hmm::Hmm>,
    params: Params,
}

self_cell::self_cell!(
    struct Cell {
        owner: Owner,
        #[covariant]
        dependent: Filter,
    }
);

/// A filter with its model and parameters made ready once.
#[pyclass]
pub struct OnlineFilter(Cell);

#[pymethods]
impl OnlineFilter {
    #[new]
    #[pyo3(signature = (model: "Hmm", params: "Sequence[NDArray[float64]]"))]
    fn new(model: &Hmm, params: ArraysArg<'_>) -> PyResult<Self> {
        let owner = Owner { model: model.0.clone(), params: to_params(&params)? };
        let cell = Cell::try_new(owner, |owner| owner.model.online_filter(&owner.params));
        Ok(OnlineFilter(cell.map_err(error)?))
    }

    /// Takes in one observation and returns log p(y_t | y_{1:t-1}).
    #[pyo3(signature = (emission: "NDArray[float64]", inputs: "NDArray[float64] | None"))]
    fn update(
        &mut self,
        emission: PyReadonlyArray1<'_, f64>,
        inputs: Option<PyReadonlyArray1<'_, f64>>,
    ) -> PyResult<f64> {
        let (emission, inputs) = (slice(&emission)?, slice_or_none(inputs.as_ref())?);
        self.0.with_dependent_mut(|_, filter| filter.update(emission, inputs)).map_err(error)
    }

    /// p(z_t | y_{1:t}), [K].
    #[pyo3(signature = () -> "NDArray[float64]")]
    fn filtered_probs<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        flat(py, self.0.borrow_dependent().filtered_probs().to_vec())
    }

    /// p(z_{t+h} | y_{1:t}), [horizon, K].
    #[pyo3(signature = (horizon: "int", inputs: "NDArray[float64] | None") -> "NDArray[float64]")]
    fn forecast<'py>(
        &self,
        py: Python<'py>,
        horizon: usize,
        inputs: Option<PyReadonlyArray1<'_, f64>>,
    ) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
        let probs =
            self.0.borrow_dependent().forecast(horizon, slice_or_none(inputs.as_ref())?).map_err(error)?;
        Ok(shaped(py, probs, &[horizon, self.0.borrow_owner().model.num_states()]))
    }

    #[getter]
    fn marginal_loglik(&self) -> f64 {
        self.0.borrow_dependent().marginal_loglik()
    }

    #[getter]
    fn num_steps(&self) -> usize {
        self.0.borrow_dependent().num_steps()
    }

    /// All that is needed to go on later, as plain numbers and lists.
    #[pyo3(signature = () -> "dict[str, int | float | list[float]]")]
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let FilterState { belief, emissions, inputs } = self.0.borrow_dependent().state();
        let dict = PyDict::new(py);
        dict.set_item("initial", belief.initial)?;
        dict.set_item("num_steps", belief.num_steps)?;
        dict.set_item("filtered", belief.filtered)?;
        dict.set_item("alpha", belief.alpha)?;
        dict.set_item("exponent", belief.exponent)?;
        dict.set_item("shift", belief.shift)?;
        dict.set_item("shift_error", belief.shift_error)?;
        dict.set_item("log_faint", belief.log_faint)?;
        dict.set_item("emissions", emissions)?;
        dict.set_item("inputs", inputs)?;
        Ok(dict)
    }

    /// Goes on from a saved state.
    #[pyo3(signature = (state: "dict[str, int | float | list[float]]"))]
    fn restore(&mut self, state: StateArg) -> PyResult<()> {
        let StateArg {
            initial,
            num_steps,
            filtered,
            alpha,
            exponent,
            shift,
            shift_error,
            log_faint,
            emissions,
            inputs,
        } = state;
        let belief =
            OnlineState { initial, num_steps, filtered, alpha, exponent, shift, shift_error, log_faint };
        let state = FilterState { belief, emissions, inputs };
        self.0.with_dependent_mut(|_, filter| filter.restore(&state)).map_err(error)
    }
}

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct StateArg {
    initial: Vec<f64>,
    num_steps: usize,
    filtered: Vec<f64>,
    alpha: Vec<f64>,
    exponent: i64,
    shift: f64,
    shift_error: f64,
    log_faint: Vec<f64>,
    emissions: Vec<f64>,
    inputs: Vec<f64>,
}

fn slice_or_none<'a>(array: Option<&'a PyReadonlyArray1<'_, f64>>) -> PyResult<&'a [f64]> {
    array.map_or(Ok(&[][..]), slice)
}
