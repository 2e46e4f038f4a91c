//! Long sequences in blocks of time, on all threads.

use std::collections::BTreeMap;

use numpy::{PyArray1, PyArrayDyn};
use pyo3::prelude::*;
use statewise::Seed;
use statewise::infer::Schedule;
use statewise::infer::gaussian::{Covariances, GaussianFiltered, GaussianOptions, GaussianSmoothed};

use super::Lgssm;
use crate::convert::{DataArg, error, flat, shaped};

type Array<'py> = Bound<'py, PyArrayDyn<f64>>;
/// (marginal_loglik \[N\], row of the first covariance of each sequence \[N\], arrays by name).
type Found<'py> = (Bound<'py, PyArray1<f64>>, Vec<usize>, BTreeMap<&'static str, Array<'py>>);

/// p(z_t | y_{1:t}) and p(z_t | y_{1:t-1}), by the names of the arrays.
#[pyfunction]
#[pyo3(signature = (system: "Lgssm", data: "object", schedule: "str", steady_state: "bool") -> "tuple[NDArray[float64], list[int], dict[str, NDArray[float64]]]")]
pub(crate) fn parallel_lgssm_filter<'py>(
    py: Python<'py>,
    system: &Lgssm,
    data: DataArg<'_>,
    schedule: &str,
    steady_state: bool,
) -> PyResult<Found<'py>> {
    let (data, options, schedule) = (data.dataset()?, options(steady_state), self::schedule(schedule)?);
    let GaussianFiltered { marginal_loglik, filtered, predicted } =
        py.detach(|| system.0.parallel_filter(&data, &options, schedule)).map_err(error)?;
    let starts = filtered.covs.starts.clone();
    let (rows, d) = (data.num_rows(), system.0.state_dim());
    let arrays = BTreeMap::from([
        ("filtered_means", shaped(py, filtered.means, &[rows, d])),
        ("filtered_covariances", blocks(py, filtered.covs, d)),
        ("predicted_means", shaped(py, predicted.means, &[rows, d])),
        ("predicted_covariances", blocks(py, predicted.covs, d)),
    ]);
    Ok((flat(py, marginal_loglik), starts, arrays))
}

/// p(z_t | y_{1:t}), p(z_t | y_{1:T}) and Cov(z_t, z_{t+1} | y_{1:T}), by the names of the arrays.
#[pyfunction]
#[pyo3(signature = (system: "Lgssm", data: "object", schedule: "str", steady_state: "bool") -> "tuple[NDArray[float64], list[int], dict[str, NDArray[float64]]]")]
pub(crate) fn parallel_lgssm_smoother<'py>(
    py: Python<'py>,
    system: &Lgssm,
    data: DataArg<'_>,
    schedule: &str,
    steady_state: bool,
) -> PyResult<Found<'py>> {
    let (data, options, schedule) = (data.dataset()?, options(steady_state), self::schedule(schedule)?);
    let GaussianSmoothed { marginal_loglik, filtered, smoothed, lag_one_covs } =
        py.detach(|| system.0.parallel_smoother(&data, &options, schedule)).map_err(error)?;
    let starts = filtered.covs.starts.clone();
    let (rows, d) = (data.num_rows(), system.0.state_dim());
    let arrays = BTreeMap::from([
        ("filtered_means", shaped(py, filtered.means, &[rows, d])),
        ("filtered_covariances", blocks(py, filtered.covs, d)),
        ("smoothed_means", shaped(py, smoothed.means, &[rows, d])),
        ("smoothed_covariances", blocks(py, smoothed.covs, d)),
        ("smoothed_lag_one_covariances", blocks(py, lag_one_covs, d)),
    ]);
    Ok((flat(py, marginal_loglik), starts, arrays))
}

/// States drawn given the observations, [num_samples, rows, D].
#[pyfunction]
#[pyo3(signature = (system: "Lgssm", data: "object", schedule: "str", steady_state: "bool", seed: "int", num_samples: "int") -> "NDArray[float64]")]
pub(crate) fn parallel_lgssm_posterior_sample<'py>(
    py: Python<'py>,
    system: &Lgssm,
    data: DataArg<'_>,
    schedule: &str,
    steady_state: bool,
    seed: u64,
    num_samples: usize,
) -> PyResult<Array<'py>> {
    let (data, options, schedule) = (data.dataset()?, options(steady_state), self::schedule(schedule)?);
    let draws = py
        .detach(|| system.0.parallel_posterior_sample(&data, &options, schedule, Seed(seed), num_samples))
        .map_err(error)?;
    Ok(shaped(py, draws, &[num_samples, data.num_rows(), system.0.state_dim()]))
}

fn options(steady_state: bool) -> GaussianOptions {
    GaussianOptions { steady_state, ..GaussianOptions::default() }
}

fn schedule(name: &str) -> PyResult<Schedule> {
    match name {
        "auto" => Ok(Schedule::Auto),
        "scan" => Ok(Schedule::Scan),
        "sequential" => Ok(Schedule::Sequential),
        _ => Err(error(statewise::Error::argument("schedule", name, "auto, scan or sequential"))),
    }
}

fn blocks(py: Python<'_>, covs: Covariances, d: usize) -> Array<'_> {
    let rows = covs.values.len() / (d * d);
    shaped(py, covs.values, &[rows, d, d])
}
