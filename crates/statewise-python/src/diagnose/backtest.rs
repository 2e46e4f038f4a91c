//! Backtests: forecasts from rolling origins, and their scores.

use std::collections::BTreeMap;

use numpy::PyArrayDyn;
use pyo3::prelude::*;
use statewise::diagnose::{BacktestOptions, ForecastScores};

use crate::convert::{DataArg, error, shaped};
use crate::lgssm::{Lgssm, options};

/// (sequence and known steps of each origin, arrays by name).
type Found<'py> = (Vec<(usize, usize)>, BTreeMap<&'static str, Bound<'py, PyArrayDyn<f64>>>);

/// Forecasts [O, H, M] with errors and PIT, and mean scores [H, M] (`coverage` [H, M, levels]).
#[pyfunction]
#[pyo3(signature = (system: "Lgssm", data: "object", first_origin: "int", stride: "int", horizon: "int", levels: "Sequence[float]", season: "int", options: "str") -> "tuple[list[tuple[int, int]], dict[str, NDArray[float64]]]")]
pub(crate) fn lgssm_backtest<'py>(
    py: Python<'py>,
    system: &Lgssm,
    data: DataArg<'_>,
    first_origin: usize,
    stride: usize,
    horizon: usize,
    levels: Vec<f64>,
    season: usize,
    options: &str,
) -> PyResult<Found<'py>> {
    let (data, gaussian) = (data.dataset()?, self::options(options)?);
    let num_levels = levels.len();
    let options = BacktestOptions { first_origin, stride, horizon, levels, season, gaussian };
    let found = py.detach(|| system.0.backtest(&data, &options)).map_err(error)?;
    let (h, m) = (horizon, system.0.emission_dim());
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
        ("coverage", shaped(py, coverage, &[h, m, num_levels])),
        ("joint_log_score", shaped(py, found.joint_log_scores, &[h])),
        ("means", shaped(py, found.means, &forecasts)),
        ("variances", shaped(py, found.variances, &forecasts)),
        ("errors", shaped(py, found.errors, &forecasts)),
        ("pit", shaped(py, found.pit, &forecasts)),
    ];
    Ok((found.origins, arrays.into()))
}
