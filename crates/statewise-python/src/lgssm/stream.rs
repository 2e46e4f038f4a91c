//! The filter of Gaussian states that is fed one observation at a time.

use numpy::{PyArrayDyn, PyReadonlyArray1};
use pyo3::prelude::*;
use statewise::infer::gaussian::{GaussianFilterState, GaussianOnlineFilter, GaussianTransition};

use super::{ForecastTuple, Lgssm, forecast_tuples, options};
use crate::convert::{error, shaped, slice};

type Array<'py> = Bound<'py, PyArrayDyn<f64>>;
type Input<'py> = Option<PyReadonlyArray1<'py, f64>>;
/// (F, b, Q), flat.
type Dynamics = (Vec<f64>, Vec<f64>, Vec<f64>);

/// A filter with its parameters and the last steps that it keeps.
#[pyclass]
pub struct LgssmOnline(pub(crate) GaussianOnlineFilter);

#[pymethods]
impl LgssmOnline {
    #[new]
    #[pyo3(signature = (system: "Lgssm", options: "str", history: "int"))]
    fn new(system: &Lgssm, options: &str, history: usize) -> PyResult<Self> {
        let options = self::options(options)?;
        Ok(LgssmOnline(system.0.online_filter(&options, history).map_err(error)?))
    }

    /// Opens the next step; dynamics (F, b, Q), flat, may stand in for those of the parameters.
    #[pyo3(signature = (input: "NDArray[float64] | None", transition: "tuple[list[float], list[float], list[float]] | None"))]
    fn predict(&mut self, input: Input<'_>, transition: Option<Dynamics>) -> PyResult<()> {
        let input = or_empty(input.as_ref())?;
        match transition {
            None => self.0.predict(input).map_err(error),
            Some(own) => self.0.predict_with(transition_of(own), input).map_err(error),
        }
    }

    /// Takes in one observation and returns log p(y_t | y_{1:t-1}).
    #[pyo3(signature = (emission: "NDArray[float64]", input: "NDArray[float64] | None") -> "float")]
    fn update(&mut self, emission: PyReadonlyArray1<'_, f64>, input: Input<'_>) -> PyResult<f64> {
        self.0.update(slice(&emission)?, or_empty(input.as_ref())?).map_err(error)
    }

    /// Takes in what was missing at a step kept (or, with `replace`, another row for it).
    #[pyo3(signature = (step: "int", emission: "NDArray[float64]", replace: "bool") -> "float")]
    fn late_update(
        &mut self,
        step: usize,
        emission: PyReadonlyArray1<'_, f64>,
        replace: bool,
    ) -> PyResult<f64> {
        let emission = slice(&emission)?;
        let gain = if replace { self.0.revise(step, emission) } else { self.0.late_update(step, emission) };
        gain.map_err(error)
    }

    /// Inserts a step before the one that is `step`, by dynamics (F, b, Q), flat, into it and onward from it,
    /// or by those that its input makes.
    #[pyo3(signature = (step: "int", emission: "NDArray[float64]", input: "NDArray[float64] | None", dynamics: "tuple[tuple[list[float], list[float], list[float]], tuple[list[float], list[float], list[float]]] | None") -> "float")]
    fn insert_step(
        &mut self,
        step: usize,
        emission: PyReadonlyArray1<'_, f64>,
        input: Input<'_>,
        dynamics: Option<(Dynamics, Dynamics)>,
    ) -> PyResult<f64> {
        let (emission, input) = (slice(&emission)?, or_empty(input.as_ref())?);
        let gain = match dynamics {
            None => self.0.insert_observation(step, emission, input),
            Some((into, onward)) => {
                self.0.insert_step(step, transition_of(into), transition_of(onward), emission, input)
            }
        };
        gain.map_err(error)
    }

    /// Mean [D] and covariance [D, D] of the state now.
    #[pyo3(signature = () -> "tuple[NDArray[float64], NDArray[float64]]")]
    fn belief<'py>(&self, py: Python<'py>) -> (Array<'py>, Array<'py>) {
        let (belief, d) = (self.0.belief(), self.0.params().state_dim());
        (shaped(py, belief.mean, &[d]), shaped(py, belief.cov, &[d, d]))
    }

    /// (residual [M], covariance [M, M], standardised [M], NIS, entries observed) of the last step.
    #[pyo3(signature = () -> "tuple[NDArray[float64], NDArray[float64], NDArray[float64], float, int] | None")]
    fn innovation<'py>(&self, py: Python<'py>) -> Option<(Array<'py>, Array<'py>, Array<'py>, f64, usize)> {
        let m = self.0.params().emission_dim();
        self.0.innovation().map(|found| {
            (
                shaped(py, found.residual, &[m]),
                shaped(py, found.cov, &[m, m]),
                shaped(py, found.standardised, &[m]),
                found.nis,
                found.num_observed,
            )
        })
    }

    /// Means [L, D] and covariances [L, D, D] of the last states given all so far.
    #[pyo3(signature = (lag: "int") -> "tuple[NDArray[float64], NDArray[float64]]")]
    fn fixed_lag<'py>(&self, py: Python<'py>, lag: usize) -> PyResult<(Array<'py>, Array<'py>)> {
        let (window, d) = (self.0.fixed_lag(lag).map_err(error)?, self.0.params().state_dim());
        let steps = window.means.len() / d;
        Ok((shaped(py, window.means, &[steps, d]), shaped(py, window.covs, &[steps, d, d])))
    }

    /// As `lgssm_forecast`, of the steps to come.
    #[pyo3(signature = (horizon: "int", inputs: "NDArray[float64] | None") -> "tuple[NDArray[float64], NDArray[float64], NDArray[float64], NDArray[float64]]")]
    fn forecast<'py>(
        &self,
        py: Python<'py>,
        horizon: usize,
        inputs: Input<'_>,
    ) -> PyResult<Option<ForecastTuple<'py>>> {
        let found = self.0.forecast(horizon, or_empty(inputs.as_ref())?).map_err(error)?;
        let (d, m) = (self.0.params().state_dim(), self.0.params().emission_dim());
        Ok(forecast_tuples(py, vec![found], horizon, d, m).pop())
    }

    /// A second filter that goes on from here on its own.
    #[pyo3(signature = () -> "LgssmOnline")]
    fn fork(&self) -> Self {
        LgssmOnline(self.0.fork())
    }

    #[getter]
    fn marginal_loglik(&self) -> f64 {
        self.0.marginal_loglik()
    }

    #[getter]
    fn num_steps(&self) -> usize {
        self.0.num_steps()
    }

    /// All that is needed to go on later, as JSON.
    fn state(&self) -> PyResult<String> {
        serde_json::to_string(&self.0.state()).map_err(error)
    }

    /// Goes on from a saved state.
    fn restore(&mut self, state: &str) -> PyResult<()> {
        let state: GaussianFilterState = serde_json::from_str(state).map_err(error)?;
        self.0.restore(&state).map_err(error)
    }
}

fn transition_of((weights, bias, cov): Dynamics) -> GaussianTransition {
    GaussianTransition { weights, bias, cov }
}

fn or_empty<'a>(array: Option<&'a PyReadonlyArray1<'_, f64>>) -> PyResult<&'a [f64]> {
    array.map_or(Ok(&[][..]), slice)
}
