//! Between Python's arrays and the library's datasets, parameters and errors.

use std::collections::BTreeMap;

use numpy::ndarray::{Array1, ArrayD, Dimension, IxDyn};
use numpy::{
    Element, IntoPyArray, PyArray1, PyArrayDyn, PyArrayMethods, PyReadonlyArray, PyReadonlyArray2,
    PyReadonlyArrayDyn, PyReadwriteArrayDyn, PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use statewise::data::Dataset;
use statewise::learn::Statistics;
use statewise::params::{Array, ParamSpec, Params, Properties};

pyo3::import_exception!(statewise.errors, StatewiseError);

/// An error of the library as Python's.
pub(crate) fn error(error: impl std::fmt::Display) -> PyErr {
    StatewiseError::new_err(error.to_string())
}

/// A `statewise.Dataset`, by its attributes; its arrays are borrowed.
#[derive(FromPyObject)]
pub(crate) struct DataArg<'py> {
    rows: PyReadonlyArray2<'py, f64>,
    lengths: Vec<usize>,
    inputs: Option<PyReadonlyArray2<'py, f64>>,
    weights: Option<Vec<f64>>,
}

impl DataArg<'_> {
    /// The dataset behind the arrays, which must be C-contiguous.
    pub(crate) fn dataset(&self) -> PyResult<Dataset<'_>> {
        let width = self.rows.shape()[1];
        let mut data = Dataset::ragged(slice(&self.rows)?, &self.lengths, width).map_err(error)?;
        if let Some(inputs) = &self.inputs {
            data = data.with_inputs(slice(inputs)?, inputs.shape()[1]).map_err(error)?;
        }
        match &self.weights {
            Some(weights) => data.with_weights(weights.clone()).map_err(error),
            None => Ok(data),
        }
    }
}

/// Arrays in the order of a schema.
pub(crate) type ArraysArg<'py> = Vec<PyReadonlyArrayDyn<'py, f64>>;

/// The values of an array, which must be C-contiguous and aligned; Python sees to both.
///
/// NumPy arrays may lie at any address (after a pickle out of band, in a record); a slice may not.
pub(crate) fn slice<'a, T: Element, D: Dimension>(
    array: &'a PyReadonlyArray<'_, T, D>,
) -> PyResult<&'a [T]> {
    if array.data().is_aligned() {
        Ok(array.as_slice()?)
    } else {
        Err(error("arrays: found one at an odd address, expected an aligned one (numpy.require)"))
    }
}

/// The values of an array to be written, C-contiguous and aligned as NumPy makes them.
pub(crate) fn slice_mut<'a>(array: &'a mut PyReadwriteArrayDyn<'_, f64>) -> PyResult<&'a mut [f64]> {
    Ok(array.as_slice_mut()?)
}

/// One array, copied.
pub(crate) fn array(value: &PyReadonlyArrayDyn<'_, f64>) -> PyResult<Array> {
    Ok(Array::new(value.shape(), slice(value)?.to_vec()))
}

/// Arrays by name, to be taken one by one.
pub(crate) struct NamedArrays(BTreeMap<String, Array>);

impl NamedArrays {
    /// Copies them.
    pub(crate) fn read(arrays: BTreeMap<String, PyReadonlyArrayDyn<'_, f64>>) -> PyResult<Self> {
        let copied = arrays.into_iter().map(|(name, value)| Ok((name, array(&value)?)));
        Ok(NamedArrays(copied.collect::<PyResult<_>>()?))
    }

    /// One that may be absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Array> {
        self.0.remove(name)
    }

    /// One that must be there.
    pub(crate) fn needed(&mut self, name: &str) -> PyResult<Array> {
        self.take(name).ok_or_else(|| error(statewise::Error::argument(name, "none", "an array")))
    }
}

/// Parameters, copied.
pub(crate) fn params(arrays: &ArraysArg<'_>) -> PyResult<Params> {
    Ok(Params::new(arrays.iter().map(array).collect::<PyResult<_>>()?))
}

/// Arrays by path or keyword, copied.
pub(crate) fn given(values: Vec<(String, PyReadonlyArrayDyn<'_, f64>)>) -> PyResult<Vec<(String, Array)>> {
    values.into_iter().map(|(path, value)| Ok((path, array(&value)?))).collect()
}

/// Parameters for Python, in the order of the schema.
pub(crate) fn arrays<'py>(py: Python<'py>, params: &Params) -> Vec<Bound<'py, PyArrayDyn<f64>>> {
    let to_py = |a: &Array| shaped(py, a.values().to_vec(), a.shape());
    params.arrays().iter().map(to_py).collect()
}

/// Properties from their JSON text.
pub(crate) fn properties(json: &str, schema: &[ParamSpec]) -> PyResult<Properties> {
    let properties: Properties = serde_json::from_str(json).map_err(error)?;
    properties.check(schema).map_err(error)?;
    Ok(properties)
}

/// A vector as a NumPy array of this shape, without a copy.
pub(crate) fn shaped<'py, T: Element>(
    py: Python<'py>,
    values: Vec<T>,
    shape: &[usize],
) -> Bound<'py, PyArrayDyn<T>> {
    debug_assert_eq!(values.len(), shape.iter().product::<usize>());
    match ArrayD::from_shape_vec(IxDyn(shape), values) {
        Ok(array) => array.into_pyarray(py),
        Err(_) => {
            ArrayD::from_shape_simple_fn(IxDyn(&[0]), || unreachable!("an empty array")).into_pyarray(py)
        }
    }
}

/// A vector as a NumPy array, without a copy.
pub(crate) fn flat<T: Element>(py: Python<'_>, values: Vec<T>) -> Bound<'_, PyArray1<T>> {
    Array1::from_vec(values).into_pyarray(py)
}

/// `(values, marginal_loglik, num_sequences, num_steps)`.
pub(crate) type StatisticsTuple<'py> = (Bound<'py, PyArray1<f64>>, f64, f64, f64);

/// Statistics for Python.
pub(crate) fn statistics_tuple(py: Python<'_>, statistics: Statistics) -> StatisticsTuple<'_> {
    let Statistics { values, marginal_loglik, num_sequences, num_steps } = statistics;
    (flat(py, values), marginal_loglik, num_sequences, num_steps)
}

/// Statistics from Python.
pub(crate) fn statistics(
    (values, marginal_loglik, num_sequences, num_steps): (PyReadonlyArrayDyn<'_, f64>, f64, f64, f64),
) -> PyResult<Statistics> {
    let values = slice(&values)?.to_vec();
    Ok(Statistics { values, marginal_loglik, num_sequences, num_steps })
}
