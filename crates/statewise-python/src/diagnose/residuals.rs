//! Innovations and smoothed disturbances.

use std::collections::BTreeMap;

use numpy::PyArrayDyn;
use pyo3::prelude::*;
use statewise::diagnose::{AuxiliaryResiduals, Innovations};

use crate::convert::{DataArg, error, shaped};
use crate::lgssm::{Lgssm, options};

type Arrays<'py> = BTreeMap<&'static str, Bound<'py, PyArrayDyn<f64>>>;

/// (arrays [rows, ...] by name, degrees of freedom of NIS [rows], diffuse steps [N]).
#[pyfunction]
#[pyo3(signature = (system: "Lgssm", data: "object", options: "str") -> "tuple[dict[str, NDArray[float64]], list[int], list[int]]")]
pub(crate) fn lgssm_innovations<'py>(
    py: Python<'py>,
    system: &Lgssm,
    data: DataArg<'_>,
    options: &str,
) -> PyResult<(Arrays<'py>, Vec<usize>, Vec<usize>)> {
    let (data, options) = (data.dataset()?, self::options(options)?);
    let Innovations { values, covs, standardised, marginal, nis, dofs, num_diffuse_steps } =
        py.detach(|| system.0.innovations(&data, &options)).map_err(error)?;
    let (rows, m) = (data.num_rows(), system.0.emission_dim());
    let arrays = [
        ("values", shaped(py, values, &[rows, m])),
        ("covs", shaped(py, covs, &[rows, m, m])),
        ("standardised", shaped(py, standardised, &[rows, m])),
        ("marginal", shaped(py, marginal, &[rows, m])),
        ("nis", shaped(py, nis, &[rows])),
    ];
    Ok((arrays.into(), dofs, num_diffuse_steps))
}

/// Arrays [rows, ...] by name.
#[pyfunction]
#[pyo3(signature = (system: "Lgssm", data: "object", options: "str") -> "dict[str, NDArray[float64]]")]
pub(crate) fn lgssm_auxiliary_residuals<'py>(
    py: Python<'py>,
    system: &Lgssm,
    data: DataArg<'_>,
    options: &str,
) -> PyResult<Arrays<'py>> {
    let (data, options) = (data.dataset()?, self::options(options)?);
    let AuxiliaryResiduals {
        observation,
        observation_covs,
        observation_standardised,
        state,
        state_covs,
        state_standardised,
    } = py.detach(|| system.0.auxiliary_residuals(&data, &options)).map_err(error)?;
    let (rows, m, d) = (data.num_rows(), system.0.emission_dim(), system.0.state_dim());
    Ok([
        ("observation", shaped(py, observation, &[rows, m])),
        ("observation_covs", shaped(py, observation_covs, &[rows, m, m])),
        ("observation_standardised", shaped(py, observation_standardised, &[rows, m])),
        ("state", shaped(py, state, &[rows, d])),
        ("state_covs", shaped(py, state_covs, &[rows, d, d])),
        ("state_standardised", shaped(py, state_standardised, &[rows, d])),
    ]
    .into())
}
