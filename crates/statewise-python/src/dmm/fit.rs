//! Training that Python can watch and stop.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::PyArray1;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use statewise_deep::DeepMarkovModel;
use statewise_deep::learn::{EpochRecord, Fit, FitOptions, Progress, StopReason};

use super::Dmm;
use crate::convert::{DataArg, error, flat};

/// What a callback sees: epoch, epochs, update, updates; bound, NLL, KL, β, gradient norm, learning
/// rate, steps per second, seconds left; the last validation bound.
type Seen = ([usize; 4], [f64; 8], Option<f64>);

/// (model, history as columns, best epoch, its validation bound, why it ended, a message).
type FitTuple<'py> =
    (Dmm, Vec<(&'static str, Bound<'py, PyArray1<f64>>)>, usize, Option<f64>, &'static str, Vec<String>);

/// Trains a copy. `callback(...)` is asked after every update; `False` stops.
#[pyfunction]
#[pyo3(signature = (model: "Dmm", options: "str", checkpoint: "str | PathLike[str] | None", train: "object", valid: "object | None", callback: "Callable[..., object] | None") -> "tuple[Dmm, list[tuple[str, NDArray[float64]]], int, float | None, str, list[str]]")]
pub(crate) fn dmm_fit<'py>(
    py: Python<'py>,
    model: &Dmm,
    options: &str,
    checkpoint: Option<PathBuf>,
    train: DataArg<'_>,
    valid: Option<DataArg<'_>>,
    callback: Option<Py<PyAny>>,
) -> PyResult<FitTuple<'py>> {
    let mut options: FitOptions = serde_json::from_str(options).map_err(error)?;
    options.checkpoint = checkpoint;
    let fit = Fit::new(options).map_err(error)?;
    let train = train.dataset()?;
    let valid = valid.as_ref().map(DataArg::dataset).transpose()?;
    let mut trained = DeepMarkovModel::clone(&model.0);
    let mut raised = None;
    let report = py.detach(|| {
        fit.run(&mut trained, &train, valid.as_ref(), &mut |progress| {
            goes_on(callback.as_ref(), progress).unwrap_or_else(|error| {
                raised = Some(error);
                false
            })
        })
    });
    // Ctrl-C keeps what was reached; anything else that a callback raises goes to its caller.
    if let Some(raised) = raised.filter(|raised| !raised.is_instance_of::<PyKeyboardInterrupt>(py)) {
        return Err(raised);
    }
    let report = report.map_err(error)?;
    let stop = match report.stop {
        StopReason::Epochs => "epochs",
        StopReason::TimeLimit => "time_limit",
        StopReason::Patience => "patience",
        StopReason::Interrupted => "interrupted",
        StopReason::NotFinite(_) => "not_finite",
    };
    let history = columns(py, &report.history);
    Ok((
        Dmm(Arc::new(trained)),
        history,
        report.best_epoch,
        report.best_valid_bound,
        stop,
        report.warnings(),
    ))
}

/// Looks for signals and asks the callback.
fn goes_on(callback: Option<&Py<PyAny>>, progress: Progress<'_>) -> PyResult<bool> {
    Python::attach(|py| {
        py.check_signals()?;
        let Some(callback) = callback else { return Ok(true) };
        let Progress { epoch, epochs, update, updates, running, history, .. } = progress;
        let valid_bound = history.iter().rev().find_map(|record| record.valid_bound);
        let values = [
            running.train_bound,
            running.nll,
            running.kl,
            running.kl_weight,
            running.gradient_norm,
            running.learning_rate,
            progress.steps_per_second,
            progress.seconds_left,
        ];
        let seen: Seen = ([epoch, epochs, update, updates], values, valid_bound);
        let answer = callback.call1(py, seen)?;
        Ok(!answer.bind(py).is(pyo3::types::PyBool::new(py, false)))
    })
}

/// The history as columns; NaN where there was no evaluation.
fn columns<'py>(
    py: Python<'py>,
    history: &[EpochRecord],
) -> Vec<(&'static str, Bound<'py, PyArray1<f64>>)> {
    let column = |of: &dyn Fn(&EpochRecord) -> f64| flat(py, history.iter().map(of).collect());
    vec![
        ("epoch", column(&|r| r.epoch as f64)),
        ("updates", column(&|r| r.updates as f64)),
        ("seconds", column(&|r| r.seconds)),
        ("train_bound", column(&|r| r.train_bound)),
        ("nll", column(&|r| r.nll)),
        ("kl", column(&|r| r.kl)),
        ("kl_weight", column(&|r| r.kl_weight)),
        ("gradient_norm", column(&|r| r.gradient_norm)),
        ("learning_rate", column(&|r| r.learning_rate)),
        ("valid_bound", column(&|r| r.valid_bound.unwrap_or(f64::NAN))),
    ]
}
