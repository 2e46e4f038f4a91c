//! Draws from linear Gaussian systems, and densities of states with observations.

use numpy::{PyArray1, PyArrayDyn, PyReadonlyArray2};
use pyo3::prelude::*;
use statewise::Seed;

use super::Lgssm;
use super::infer::options;
use crate::convert::{DataArg, error, flat, shaped, slice};

type Array<'py> = Bound<'py, PyArrayDyn<f64>>;

/// States [N · T, D] and emissions [N · T, M] of N independent draws; inputs are [N · T, U].
#[pyfunction]
#[pyo3(signature = (system: "Lgssm", seed: "int", num_sequences: "int", num_steps: "int", inputs: "NDArray[float64] | None") -> "tuple[NDArray[float64], NDArray[float64]]")]
pub(crate) fn lgssm_sample<'py>(
    py: Python<'py>,
    system: &Lgssm,
    seed: u64,
    num_sequences: usize,
    num_steps: usize,
    inputs: Option<PyReadonlyArray2<'_, f64>>,
) -> PyResult<(Array<'py>, Array<'py>)> {
    let inputs = inputs.as_ref().map_or(Ok(&[][..]), slice)?;
    let block = num_steps * system.0.input_dim();
    if inputs.len() != num_sequences * block {
        let expected = format!("{num_sequences} × {num_steps} rows of dimension {}", system.0.input_dim());
        let found = format!("{} values", inputs.len());
        return Err(error(statewise::Error::argument("inputs", found, expected)));
    }
    let (states, emissions) = py
        .detach(|| {
            let (mut states, mut emissions) = (Vec::new(), Vec::new());
            for n in 0..num_sequences {
                let u = &inputs[n * block..(n + 1) * block];
                let (z, y) = system.0.sample(Seed(seed), n as u64, num_steps, u)?;
                states.extend(z);
                emissions.extend(y);
            }
            Ok((states, emissions))
        })
        .map_err(|e: statewise::Error| error(e))?;
    let rows = num_sequences * num_steps;
    let (d, m) = (system.0.state_dim(), system.0.emission_dim());
    Ok((shaped(py, states, &[rows, d]), shaped(py, emissions, &[rows, m])))
}

/// log p(z, y) of each sequence; states are [rows, D].
#[pyfunction]
#[pyo3(signature = (system: "Lgssm", states: "NDArray[float64]", data: "object") -> "NDArray[float64]")]
pub(crate) fn lgssm_log_prob<'py>(
    py: Python<'py>,
    system: &Lgssm,
    states: PyReadonlyArray2<'_, f64>,
    data: DataArg<'_>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let (states, data) = (slice(&states)?, data.dataset()?);
    let values = py.detach(|| system.0.log_prob(states, &data)).map_err(error)?;
    Ok(flat(py, values))
}

/// States drawn given the observations, [num_samples, rows, D].
#[pyfunction]
#[pyo3(signature = (system: "Lgssm", data: "object", options: "str", seed: "int", num_samples: "int") -> "NDArray[float64]")]
pub(crate) fn lgssm_posterior_sample<'py>(
    py: Python<'py>,
    system: &Lgssm,
    data: DataArg<'_>,
    options: &str,
    seed: u64,
    num_samples: usize,
) -> PyResult<Array<'py>> {
    let (data, options) = (data.dataset()?, self::options(options)?);
    let draws =
        py.detach(|| system.0.posterior_sample(&data, &options, Seed(seed), num_samples)).map_err(error)?;
    Ok(shaped(py, draws, &[num_samples, data.num_rows(), system.0.state_dim()]))
}
