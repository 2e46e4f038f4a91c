//! Learning: statistics, M-steps and fits that Python can watch and stop.

use std::sync::atomic::{AtomicBool, Ordering};

use numpy::{PyArrayDyn, PyReadonlyArrayDyn};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use statewise::learn::{Em, FitReport, GradientState, Learner, Progress, Statistics};
use statewise::params::Params;

use crate::convert::{
    ArraysArg, DataArg, StatisticsTuple, arrays, error, params as to_params, properties, statistics,
    statistics_tuple,
};
use crate::learner::{LearnerSpec, SgdSpec};
use crate::model::Model;

type Arrays<'py> = Vec<Bound<'py, PyArrayDyn<f64>>>;
type StatisticsArg<'py> = (PyReadonlyArrayDyn<'py, f64>, f64, f64, f64);

/// (params, log_probs, converged, interrupted, repairs, warnings).
type ReportTuple<'py> = (Arrays<'py>, Vec<f64>, bool, bool, usize, Vec<String>);

/// Expected statistics of all sequences, merged in the order of [`groups`].
#[pyfunction]
#[pyo3(signature = (model: "Model", params: "Sequence[NDArray[float64]]", data: "object") -> "tuple[NDArray[float64], float, float, float]")]
pub(crate) fn e_step<'py>(
    py: Python<'py>,
    model: &Model,
    params: ArraysArg<'_>,
    data: DataArg<'_>,
) -> PyResult<StatisticsTuple<'py>> {
    let (params, data) = (to_params(&params)?, data.dataset()?);
    let statistics = py.detach(|| {
        model.learnable().check_data(&data)?;
        model.learnable().e_step(&params, &data)
    });
    Ok(statistics_tuple(py, statistics.map_err(error)?))
}

/// Parameters at the maximum, and how many repairs it took.
#[pyfunction]
#[pyo3(signature = (model: "Model", params: "Sequence[NDArray[float64]]", props: "str", stats: "tuple[NDArray[float64], float, float, float]", use_priors: "bool") -> "tuple[list[NDArray[float64]], int]")]
pub(crate) fn m_step<'py>(
    py: Python<'py>,
    model: &Model,
    params: ArraysArg<'_>,
    props: &str,
    stats: StatisticsArg<'_>,
    use_priors: bool,
) -> PyResult<(Arrays<'py>, usize)> {
    let properties = properties(props, model.schema())?;
    let (params, statistics) = (to_params(&params)?, statistics(stats)?);
    params.check(model.schema()).map_err(error)?;
    let outcome = py
        .detach(|| model.learnable().m_step(&params, &properties, &statistics, use_priors))
        .map_err(error)?;
    Ok((arrays(py, &outcome.params), outcome.repairs))
}

/// d log p(y) / dθ from the statistics at the same parameters.
#[pyfunction]
#[pyo3(signature = (model: "Model", params: "Sequence[NDArray[float64]]", stats: "tuple[NDArray[float64], float, float, float]") -> "list[NDArray[float64]]")]
pub(crate) fn score<'py>(
    py: Python<'py>,
    model: &Model,
    params: ArraysArg<'_>,
    stats: StatisticsArg<'_>,
) -> PyResult<Arrays<'py>> {
    let (params, statistics) = (to_params(&params)?, statistics(stats)?);
    params.check(model.schema()).map_err(error)?;
    Ok(arrays(py, &model.learnable().score(&params, &statistics)))
}

/// d log p(θ) / dθ.
#[pyfunction]
#[pyo3(signature = (model: "Model", params: "Sequence[NDArray[float64]]") -> "list[NDArray[float64]]")]
pub(crate) fn log_prior_gradient<'py>(
    py: Python<'py>,
    model: &Model,
    params: ArraysArg<'_>,
) -> PyResult<Arrays<'py>> {
    let params = to_params(&params)?;
    params.check(model.schema()).map_err(error)?;
    Ok(arrays(py, &model.learnable().log_prior_gradient(&params)))
}

/// A fit by the learner of these settings (JSON). `callback(iteration, num_iters, log_prob, params)`
/// is asked every iteration; `False` stops.
#[pyfunction]
#[pyo3(signature = (model: "Model", learner: "str", params: "Sequence[NDArray[float64]]", props: "str", data: "object", callback: "Callable[..., object] | None") -> "tuple[list[NDArray[float64]], list[float], bool, bool, int, list[str]]")]
pub(crate) fn fit<'py>(
    py: Python<'py>,
    model: &Model,
    learner: &str,
    params: ArraysArg<'_>,
    props: &str,
    data: DataArg<'_>,
    callback: Option<Py<PyAny>>,
) -> PyResult<ReportTuple<'py>> {
    let learner = self::learner(learner)?;
    let properties = properties(props, model.schema())?;
    let (params, data) = (to_params(&params)?, data.dataset()?);
    let mut watch = Watch::new(callback);
    let report =
        py.detach(|| learner.fit(model.learnable(), &params, &properties, &data, &mut |p| watch.sees(p)));
    watch.finish(py, report)
}

/// A gradient fit that can be resumed: the report as of [`fit`], and the state to go on from (JSON).
#[pyfunction]
#[pyo3(signature = (model: "Model", settings: "str", state: "str | None", params: "Sequence[NDArray[float64]]", props: "str", data: "object", callback: "Callable[..., object] | None") -> "tuple[tuple[list[NDArray[float64]], list[float], bool, bool, int, list[str]], str]")]
pub(crate) fn fit_sgd<'py>(
    py: Python<'py>,
    model: &Model,
    settings: &str,
    state: Option<&str>,
    params: ArraysArg<'_>,
    props: &str,
    data: DataArg<'_>,
    callback: Option<Py<PyAny>>,
) -> PyResult<(ReportTuple<'py>, String)> {
    let learner = serde_json::from_str::<SgdSpec>(settings).map_err(error)?.build();
    let state: Option<GradientState> = state.map(serde_json::from_str).transpose().map_err(error)?;
    let properties = properties(props, model.schema())?;
    let (params, data) = (to_params(&params)?, data.dataset()?);
    let mut watch = Watch::new(callback);
    let fit = py.detach(|| {
        learner.fit_from(state, model.learnable(), &params, &properties, &data, &mut |p| watch.sees(p))
    });
    let (report, state) = match fit {
        Ok(fit) => (Ok(fit.report), serde_json::to_string(&fit.state).map_err(error)?),
        Err(failure) => (Err(failure), String::new()),
    };
    Ok((watch.finish(py, report)?, state))
}

/// The learner of these settings.
pub(crate) fn learner(settings: &str) -> PyResult<Box<dyn Learner>> {
    Ok(serde_json::from_str::<LearnerSpec>(settings).map_err(error)?.build())
}

/// Fits from every start, in parallel, and keeps the best: (report, which start, log prob of each).
///
/// Ctrl-C stops all fits at their next iteration.
#[pyfunction]
#[pyo3(signature = (model: "Model", learner: "str", starts: "Sequence[Sequence[NDArray[float64]]]", props: "str", data: "object") -> "tuple[tuple[list[NDArray[float64]], list[float], bool, bool, int, list[str]], int, list[float | None]]")]
pub(crate) fn fit_restarts<'py>(
    py: Python<'py>,
    model: &Model,
    learner: &str,
    starts: Vec<ArraysArg<'_>>,
    props: &str,
    data: DataArg<'_>,
) -> PyResult<(ReportTuple<'py>, usize, Vec<Option<f64>>)> {
    let learner = self::learner(learner)?;
    let properties = properties(props, model.schema())?;
    let starts: Vec<Params> = starts.iter().map(to_params).collect::<PyResult<_>>()?;
    let data = data.dataset()?;
    let stop = AtomicBool::new(false);
    let go_on = |_: usize, _: Progress<'_>| !stop.load(Ordering::Relaxed);
    let restarts = stoppable(py, &stop, || {
        statewise::learn::fit_restarts(&*learner, model.learnable(), &starts, &properties, &data, &go_on)
    })?;
    let restarts = restarts.map_err(error)?;
    let report = Watch::new(None).finish(py, Ok(restarts.best))?;
    Ok((report, restarts.best_start, restarts.log_probs))
}

/// Runs fits on another thread while this one, which alone gets signals, waits for them: `stop` is set by
/// Ctrl-C.
pub(crate) fn stoppable<T: Send>(
    py: Python<'_>,
    stop: &AtomicBool,
    fits: impl FnOnce() -> T + Send,
) -> PyResult<T> {
    let found = py.detach(|| {
        std::thread::scope(|scope| {
            let fits = scope.spawn(fits);
            while !fits.is_finished() {
                std::thread::sleep(std::time::Duration::from_millis(5));
                if Python::attach(|py| py.check_signals()).is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
            }
            fits.join()
        })
    });
    found.map_err(|_| error("a fit panicked; please report this"))
}

/// EM with the caller's E-step, `e_step(params) -> statistics` (on other processes, say).
#[pyfunction]
#[pyo3(signature = (model: "Model", params: "Sequence[NDArray[float64]]", props: "str", e_step: "Callable[[list[NDArray[float64]]], tuple[NDArray[float64], float, float, float]]", num_iters: "int", tolerance: "float | None", use_priors: "bool", callback: "Callable[..., object] | None") -> "tuple[list[NDArray[float64]], list[float], bool, bool, int, list[str]]")]
pub(crate) fn fit_em_with<'py>(
    py: Python<'py>,
    model: &Model,
    params: ArraysArg<'_>,
    props: &str,
    e_step: Py<PyAny>,
    num_iters: usize,
    tolerance: Option<f64>,
    use_priors: bool,
    callback: Option<Py<PyAny>>,
) -> PyResult<ReportTuple<'py>> {
    let properties = properties(props, model.schema())?;
    let params = to_params(&params)?;
    let em = Em { num_iters, tolerance, prior: use_priors };
    let mut watch = Watch::new(callback);
    let mut failure = None;
    let ask = |params: &Params| -> PyResult<Statistics> {
        Python::attach(|py| {
            let answer = e_step.call1(py, (arrays(py, params),))?;
            statistics(answer.extract::<StatisticsArg<'_>>(py)?)
        })
    };
    let report = py.detach(|| {
        em.fit_with(
            model.learnable(),
            &params,
            &properties,
            &mut |params| {
                ask(params).map_err(|raised| {
                    failure = Some((raised, params.clone()));
                    statewise::Error::argument("e_step", "an exception", "statistics")
                })
            },
            &mut |p| watch.sees(p),
        )
    });
    if let Some((raised, reached)) = failure {
        return watch.interrupted(py, raised, &reached);
    }
    watch.finish(py, report)
}

/// Looks for signals and asks the callback; keeps what was raised.
pub(crate) struct Watch {
    callback: Option<Py<PyAny>>,
    raised: Option<PyErr>,
    log_probs: Vec<f64>,
}

impl Watch {
    pub(crate) fn new(callback: Option<Py<PyAny>>) -> Self {
        Watch { callback, raised: None, log_probs: Vec::new() }
    }

    /// Whether to go on. Ctrl-C stops the fit without an error.
    pub(crate) fn sees(&mut self, progress: Progress<'_>) -> bool {
        self.log_probs.push(progress.log_prob);
        let answer = Python::attach(|py| {
            py.check_signals()?;
            let Some(callback) = &self.callback else { return Ok(true) };
            let Progress { iteration, num_iters, log_prob, params } = progress;
            let answer = callback.call1(py, (iteration, num_iters, log_prob, arrays(py, params)))?;
            Ok(!answer.bind(py).is(pyo3::types::PyBool::new(py, false)))
        });
        answer.unwrap_or_else(|raised: PyErr| {
            if !is_keyboard_interrupt(&raised) {
                self.raised = Some(raised);
            }
            false
        })
    }

    /// What the callback raised.
    pub(crate) fn raised(self) -> PyResult<()> {
        self.raised.map_or(Ok(()), Err)
    }

    /// The report, or what the callback or the fit raised.
    pub(crate) fn finish(
        self,
        py: Python<'_>,
        report: statewise::Result<FitReport>,
    ) -> PyResult<ReportTuple<'_>> {
        if let Some(raised) = self.raised {
            return Err(raised);
        }
        let report = report.map_err(error)?;
        let FitReport { params, log_probs, converged, interrupted, repairs, warnings, .. } = report;
        Ok((arrays(py, &params), log_probs, converged, interrupted, repairs, warnings))
    }

    /// What was reached when Ctrl-C fell into an E-step written in Python.
    fn interrupted<'py>(
        self,
        py: Python<'py>,
        raised: PyErr,
        reached: &Params,
    ) -> PyResult<ReportTuple<'py>> {
        if is_keyboard_interrupt(&raised) {
            Ok((arrays(py, reached), self.log_probs, false, true, 0, Vec::new()))
        } else {
            Err(raised)
        }
    }
}

fn is_keyboard_interrupt(raised: &PyErr) -> bool {
    Python::attach(|py| raised.is_instance_of::<PyKeyboardInterrupt>(py))
}
