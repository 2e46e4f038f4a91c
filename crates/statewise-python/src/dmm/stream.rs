//! Posteriors as observations come in.

use std::sync::Arc;

use numpy::{PyArray1, PyReadonlyArray1, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use statewise::Seed;
use statewise_deep::infer;

use super::Dmm;
use super::generate::{PathsTuple, paths_tuple, values};
use crate::convert::{error, flat, slice};

type Vector<'py> = Bound<'py, PyArray1<f64>>;

/// Drawn paths that follow one sequence.
#[pyclass]
pub struct DmmStream {
    stream: infer::DmmStream,
    model: Dmm,
}

#[pymethods]
impl DmmStream {
    #[new]
    #[pyo3(signature = (model: "Dmm", num_samples: "int", seed: "int"))]
    fn new(model: &Dmm, num_samples: usize, seed: u64) -> PyResult<Self> {
        let stream = model.0.stream(num_samples, Seed(seed)).map_err(error)?;
        Ok(DmmStream { stream, model: Dmm(Arc::clone(&model.0)) })
    }

    /// Takes in one observation: mean [S], variance [S], and what the step adds to −ELBO.
    #[pyo3(signature = (emission: "NDArray[float64]", input: "NDArray[float64] | None") -> "tuple[NDArray[float64], NDArray[float64], float]")]
    fn update<'py>(
        &mut self,
        py: Python<'py>,
        emission: PyReadonlyArray1<'_, f64>,
        input: Option<PyReadonlyArrayDyn<'_, f64>>,
    ) -> PyResult<(Vector<'py>, Vector<'py>, f64)> {
        let step = self.stream.update(slice(&emission)?, values(input.as_ref())?).map_err(error)?;
        Ok((flat(py, step.mean), flat(py, step.variance), step.bound))
    }

    /// Steps that go on from every path, as of `Dmm.sample`.
    #[pyo3(signature = (horizon: "int", inputs: "NDArray[float64] | None") -> "tuple[NDArray[float64], NDArray[float64], NDArray[float64], NDArray[float64], NDArray[float64]]")]
    fn forecast<'py>(
        &self,
        py: Python<'py>,
        horizon: usize,
        inputs: Option<PyReadonlyArrayDyn<'_, f64>>,
    ) -> PyResult<PathsTuple<'py>> {
        let inputs = values(inputs.as_ref())?;
        let drawn = py.detach(|| self.stream.forecast(horizon, inputs)).map_err(error)?;
        Ok(paths_tuple(py, &self.model, drawn))
    }

    /// A second stream that goes on from here on its own.
    #[pyo3(signature = () -> "DmmStream")]
    fn fork(&self) -> Self {
        DmmStream { stream: self.stream.clone(), model: Dmm(Arc::clone(&self.model.0)) }
    }

    #[getter]
    fn num_steps(&self) -> usize {
        self.stream.num_steps()
    }
}
