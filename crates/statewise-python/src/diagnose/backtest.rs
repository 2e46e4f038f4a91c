//! Backtests: forecasts from rolling origins, and their scores.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use numpy::PyArrayDyn;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use serde::Deserialize;
use statewise::diagnose::{Backtest, BacktestOptions, ForecastScores, Refit};
use statewise::learn::Progress;
use statewise::params::Params;

use crate::convert::{ArraysArg, DataArg, arrays, error, params as to_params, properties, shaped};
use crate::learn::{learner, stoppable};
use crate::lgssm::{Lgssm, options};
use crate::model::Model;

/// (sequence and known steps of each origin, arrays by name).
type Found<'py> = (Vec<(usize, usize)>, BTreeMap<&'static str, Bound<'py, PyArrayDyn<f64>>>);
/// The same, with known steps and parameters of each fit.
type Refitted<'py> = (Found<'py>, Vec<(usize, Vec<Bound<'py, PyArrayDyn<f64>>>)>);

/// Where forecasts start, how far they go, and how they are scored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    first_origin: usize,
    stride: usize,
    horizon: usize,
    levels: Vec<f64>,
    season: usize,
}

impl Settings {
    /// Settings from their JSON text, and those of the filter from theirs.
    fn read(settings: &str, gaussian: &str) -> PyResult<BacktestOptions> {
        let Settings { first_origin, stride, horizon, levels, season } =
            serde_json::from_str(settings).map_err(error)?;
        let gaussian = options(gaussian)?;
        Ok(BacktestOptions { first_origin, stride, horizon, levels, season, gaussian })
    }
}

/// Forecasts [O, H, M] with errors and PIT, and mean scores [H, M] (`coverage` [H, M, levels]).
#[pyfunction]
#[pyo3(signature = (system: "Lgssm", data: "object", settings: "str", options: "str") -> "tuple[list[tuple[int, int]], dict[str, NDArray[float64]]]")]
pub(crate) fn lgssm_backtest<'py>(
    py: Python<'py>,
    system: &Lgssm,
    data: DataArg<'_>,
    settings: &str,
    options: &str,
) -> PyResult<Found<'py>> {
    let (data, options) = (data.dataset()?, Settings::read(settings, options)?);
    let found = py.detach(|| system.0.backtest(&data, &options)).map_err(error)?;
    Ok(tuple(py, found, &options, data.width()))
}

/// As `lgssm_backtest`, of a model that is fitted again at every `every`-th origin.
///
/// Ctrl-C stops all fits at their next iteration, and is raised.
#[pyfunction]
#[pyo3(signature = (model: "Model", learner: "str", params: "Sequence[NDArray[float64]]", props: "str", data: "object", settings: "str", options: "str", every: "int", warm: "bool") -> "tuple[tuple[list[tuple[int, int]], dict[str, NDArray[float64]]], list[tuple[int, list[NDArray[float64]]]]]")]
pub(crate) fn refitted_backtest<'py>(
    py: Python<'py>,
    model: &Model,
    learner: &str,
    params: ArraysArg<'_>,
    props: &str,
    data: DataArg<'_>,
    settings: &str,
    options: &str,
    every: usize,
    warm: bool,
) -> PyResult<Refitted<'py>> {
    let learner = self::learner(learner)?;
    let properties = properties(props, model.schema())?;
    let (start, data) = (to_params(&params)?, data.dataset()?);
    let options = Settings::read(settings, options)?;
    let stop = AtomicBool::new(false);
    let found = stoppable(py, &stop, || {
        let refit = Refit {
            learner: &*learner,
            model: model.learnable(),
            start: &start,
            properties: &properties,
            lower: &|params: &Params| model.0.lower(params, &data),
            every,
            warm,
            observe: &|_, _: Progress<'_>| !stop.load(Ordering::Relaxed),
        };
        refit.backtest(&data, &options)
    })?;
    if stop.into_inner() {
        return Err(PyKeyboardInterrupt::new_err(()));
    }
    let found = found.map_err(error)?;
    let refits = found.refits.iter().map(|(known, params)| (*known, arrays(py, params))).collect();
    Ok((tuple(py, found, &options, data.width()), refits))
}

/// A backtest for Python.
fn tuple<'py>(py: Python<'py>, found: Backtest, options: &BacktestOptions, m: usize) -> Found<'py> {
    let h = options.horizon;
    let forecasts = [found.origins.len(), h, m];
    let score = |pick: &dyn Fn(&ForecastScores) -> f64| {
        shaped(py, found.scores.iter().map(pick).collect(), &[h, m])
    };
    let coverage = found.scores.iter().flat_map(|score| score.coverage.clone()).collect();
    let arrays = [
        ("num_targets", score(&|s| s.count as f64)),
        ("log_score", score(&|s| s.log_score)),
        ("crps", score(&|s| s.crps)),
        ("mae", score(&|s| s.mae)),
        ("rmse", score(&|s| s.rmse)),
        ("mean_error", score(&|s| s.mean_error)),
        ("mase", score(&|s| s.mase)),
        ("coverage", shaped(py, coverage, &[h, m, options.levels.len()])),
        ("joint_log_score", shaped(py, found.joint_log_scores, &[h])),
        ("means", shaped(py, found.means, &forecasts)),
        ("variances", shaped(py, found.variances, &forecasts)),
        ("errors", shaped(py, found.errors, &forecasts)),
        ("pit", shaped(py, found.pit, &forecasts)),
    ];
    (found.origins, arrays.into())
}
