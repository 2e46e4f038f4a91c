//! Filters and smoothers on precisions.

use std::collections::BTreeMap;
use std::sync::Arc;

use numpy::{PyArray1, PyArrayDyn, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use statewise::infer::gaussian;
use statewise::model::linear_gaussian::LgssmInfoParams;

use crate::convert::{DataArg, NamedArrays, error, flat, shaped, slice};

type Values<'py> = Bound<'py, PyArray1<f64>>;
type Table<'py> = Bound<'py, PyArrayDyn<f64>>;

/// A linear Gaussian system by precisions.
#[pyclass(frozen)]
pub struct LgssmInfo(Arc<LgssmInfoParams>);

#[pymethods]
impl LgssmInfo {
    /// Arrays by the names of the fields; biases and input weights may be absent. `diagonal` says that
    /// `emission_precision` holds diagonals.
    #[new]
    #[pyo3(signature = (arrays: "dict[str, NDArray[float64]]", diagonal: "bool"))]
    fn new(arrays: BTreeMap<String, PyReadonlyArrayDyn<'_, f64>>, diagonal: bool) -> PyResult<Self> {
        let mut arrays = NamedArrays::read(arrays)?;
        let params = LgssmInfoParams {
            initial_mean: arrays.needed("initial_mean")?,
            dynamics_weights: arrays.needed("dynamics_weights")?,
            emission_weights: arrays.needed("emission_weights")?,
            initial_precision: arrays.needed("initial_precision")?,
            dynamics_precision: arrays.needed("dynamics_precision")?,
            emission_precision: arrays.needed("emission_precision")?,
            dynamics_input_weights: arrays.take("dynamics_input_weights"),
            dynamics_bias: arrays.take("dynamics_bias"),
            emission_input_weights: arrays.take("emission_input_weights"),
            emission_bias: arrays.take("emission_bias"),
            diagonal_emission_precision: diagonal,
        };
        params.check_params().map_err(error)?;
        Ok(LgssmInfo(Arc::new(params)))
    }

    #[getter]
    fn state_dim(&self) -> usize {
        self.0.state_dim()
    }

    #[getter]
    fn emission_dim(&self) -> usize {
        self.0.emission_dim()
    }

    #[getter]
    fn input_dim(&self) -> usize {
        self.0.input_dim()
    }
}

/// log p(y) of each sequence, and the filtered etas [rows, D] and precisions [rows, D, D].
#[pyfunction]
#[pyo3(signature = (system: "LgssmInfo", data: "object") -> "tuple[NDArray[float64], NDArray[float64], NDArray[float64]]")]
pub(crate) fn lgssm_info_filter<'py>(
    py: Python<'py>,
    system: &LgssmInfo,
    data: DataArg<'_>,
) -> PyResult<(Values<'py>, Table<'py>, Table<'py>)> {
    let data = data.dataset()?;
    let found = py.detach(|| system.0.filter(&data)).map_err(error)?;
    let (rows, d) = (data.num_rows(), system.0.state_dim());
    Ok((
        flat(py, found.marginal_loglik),
        shaped(py, found.filtered_etas, &[rows, d]),
        shaped(py, found.filtered_precisions, &[rows, d, d]),
    ))
}

/// (log p(y) of each sequence, filtered etas, filtered precisions, smoothed etas, smoothed precisions).
type Smoothed<'py> = (Values<'py>, Table<'py>, Table<'py>, Table<'py>, Table<'py>);

/// log p(y) of each sequence, filtered etas and precisions, and smoothed ones.
#[pyfunction]
#[pyo3(signature = (system: "LgssmInfo", data: "object") -> "tuple[NDArray[float64], NDArray[float64], NDArray[float64], NDArray[float64], NDArray[float64]]")]
pub(crate) fn lgssm_info_smoother<'py>(
    py: Python<'py>,
    system: &LgssmInfo,
    data: DataArg<'_>,
) -> PyResult<Smoothed<'py>> {
    let data = data.dataset()?;
    let found = py.detach(|| system.0.smoother(&data)).map_err(error)?;
    let (rows, d) = (data.num_rows(), system.0.state_dim());
    Ok((
        flat(py, found.filtered.marginal_loglik),
        shaped(py, found.filtered.filtered_etas, &[rows, d]),
        shaped(py, found.filtered.filtered_precisions, &[rows, d, d]),
        shaped(py, found.smoothed_etas, &[rows, d]),
        shaped(py, found.smoothed_precisions, &[rows, d, d]),
    ))
}

/// Means [rows, D] and covariances [rows, D, D] of etas and precisions of sequences of these lengths.
#[pyfunction]
#[pyo3(signature = (etas: "NDArray[float64]", precisions: "NDArray[float64]", state_dim: "int", lengths: "list[int]") -> "tuple[NDArray[float64], NDArray[float64]]")]
pub(crate) fn info_to_moment_form<'py>(
    py: Python<'py>,
    etas: PyReadonlyArrayDyn<'_, f64>,
    precisions: PyReadonlyArrayDyn<'_, f64>,
    state_dim: usize,
    lengths: Vec<usize>,
) -> PyResult<(Table<'py>, Table<'py>)> {
    let (etas, precisions) = (slice(&etas)?, slice(&precisions)?);
    let (means, covs) = py
        .detach(|| gaussian::info_to_moment_form(etas, precisions, state_dim, &lengths))
        .map_err(error)?;
    let rows = lengths.iter().sum();
    Ok((shaped(py, means, &[rows, state_dim]), shaped(py, covs, &[rows, state_dim, state_dim])))
}
