//! Filters and smoothers. Python names the arrays that it wants; covariances of sequences that share
//! them come once, with the row at which each sequence begins.

use std::collections::BTreeMap;

use numpy::{PyArray1, PyArrayDyn, PyArrayMethods, PyReadwriteArrayDyn};
use pyo3::prelude::*;
use serde::Deserialize;
use statewise::infer::gaussian::{FilteredSlices, Form, GaussianOptions, GaussianSmoothedSlices, Plan};

use super::Lgssm;
use crate::convert::{DataArg, error, flat, slice_mut};

type Arrays<'py> = BTreeMap<String, Bound<'py, PyArrayDyn<f64>>>;
/// (marginal_loglik \[N\], row of the first covariance of each sequence \[N\], arrays by name).
type Found<'py> = (Bound<'py, PyArray1<f64>>, Vec<usize>, Arrays<'py>);

/// The options of Python's methods.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OptionsSpec {
    form: Form,
    steady_state: bool,
    share: bool,
}

/// Options from their JSON text.
pub(crate) fn options(json: &str) -> PyResult<GaussianOptions> {
    let OptionsSpec { form, steady_state, share } = serde_json::from_str(json).map_err(error)?;
    Ok(GaussianOptions { form, steady_state, share })
}

/// log p(y) of each sequence.
#[pyfunction]
#[pyo3(signature = (system: "Lgssm", data: "object", options: "str") -> "NDArray[float64]")]
pub(crate) fn lgssm_marginal_log_prob<'py>(
    py: Python<'py>,
    system: &Lgssm,
    data: DataArg<'_>,
    options: &str,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let (data, options) = (data.dataset()?, self::options(options)?);
    let values = py.detach(|| system.0.marginal_log_prob(&data, &options)).map_err(error)?;
    Ok(flat(py, values))
}

/// The arrays of a filter that are named: `filtered_means` [rows, D], `filtered_covariances`
/// [rows of the plan, D, D], and the predicted ones.
#[pyfunction]
#[pyo3(signature = (system: "Lgssm", data: "object", options: "str", fields: "Sequence[str]") -> "tuple[NDArray[float64], list[int], dict[str, NDArray[float64]]]")]
pub(crate) fn lgssm_filter<'py>(
    py: Python<'py>,
    system: &Lgssm,
    data: DataArg<'_>,
    options: &str,
    fields: Vec<String>,
) -> PyResult<Found<'py>> {
    let (data, options) = (data.dataset()?, self::options(options)?);
    let plan = Plan::new(&data, options.share);
    let lent = Lent::new(py, fields, data.num_rows(), plan.num_rows(), system.0.state_dim())?;
    let mut writers = lent.writers()?;
    let mut parts = split(&mut writers)?;
    let out = FilteredSlices {
        filtered_means: parts.remove("filtered_means"),
        filtered_covs: parts.remove("filtered_covariances"),
        predicted_means: parts.remove("predicted_means"),
        predicted_covs: parts.remove("predicted_covariances"),
    };
    let loglik = py.detach(|| system.0.filter_into(&plan, &data, &options, out)).map_err(error)?;
    drop(writers);
    Ok((flat(py, loglik), plan.starts().to_vec(), lent.0))
}

/// The arrays of a smoother that are named: filtered and smoothed moments as of the filter, and
/// `smoothed_lag_one_covariances` [rows of the plan, D, D].
#[pyfunction]
#[pyo3(signature = (system: "Lgssm", data: "object", options: "str", fields: "Sequence[str]") -> "tuple[NDArray[float64], list[int], dict[str, NDArray[float64]]]")]
pub(crate) fn lgssm_smoother<'py>(
    py: Python<'py>,
    system: &Lgssm,
    data: DataArg<'_>,
    options: &str,
    fields: Vec<String>,
) -> PyResult<Found<'py>> {
    let (data, options) = (data.dataset()?, self::options(options)?);
    let plan = Plan::new(&data, options.share);
    let lent = Lent::new(py, fields, data.num_rows(), plan.num_rows(), system.0.state_dim())?;
    let mut writers = lent.writers()?;
    let mut parts = split(&mut writers)?;
    let out = GaussianSmoothedSlices {
        filtered_means: parts.remove("filtered_means"),
        filtered_covs: parts.remove("filtered_covariances"),
        smoothed_means: parts.remove("smoothed_means"),
        smoothed_covs: parts.remove("smoothed_covariances"),
        lag_one_covs: parts.remove("smoothed_lag_one_covariances"),
    };
    let loglik = py.detach(|| system.0.smoother_into(&plan, &data, &options, out)).map_err(error)?;
    drop(writers);
    Ok((flat(py, loglik), plan.starts().to_vec(), lent.0))
}

/// NumPy's own arrays, which maps large ones in large pages, for engines to write.
struct Lent<'py>(Arrays<'py>);

impl<'py> Lent<'py> {
    /// Arrays of which every value will be written: `numpy.empty` leaves the memory alone.
    fn new(
        py: Python<'py>,
        fields: Vec<String>,
        rows: usize,
        plan_rows: usize,
        d: usize,
    ) -> PyResult<Self> {
        let empty = py.import("numpy")?.getattr("empty")?;
        let array = |name: String| {
            let shape = if name.ends_with("means") { vec![rows, d] } else { vec![plan_rows, d, d] };
            let array = empty.call1((shape,))?.cast_into()?;
            Ok((name, array))
        };
        Ok(Lent(fields.into_iter().map(array).collect::<PyResult<_>>()?))
    }

    fn writers(&self) -> PyResult<BTreeMap<String, PyReadwriteArrayDyn<'py, f64>>> {
        let borrow = |(name, array): (&String, &Bound<'py, PyArrayDyn<f64>>)| {
            Ok((name.clone(), array.try_readwrite().map_err(error)?))
        };
        self.0.iter().map(borrow).collect()
    }
}

fn split<'a>(
    writers: &'a mut BTreeMap<String, PyReadwriteArrayDyn<'_, f64>>,
) -> PyResult<BTreeMap<&'a str, &'a mut [f64]>> {
    writers.iter_mut().map(|(name, writer)| Ok((name.as_str(), slice_mut(writer)?))).collect()
}
