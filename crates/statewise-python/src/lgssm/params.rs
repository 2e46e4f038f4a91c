//! Parameters of a linear Gaussian model on their own: what its inference functions take.

use std::collections::BTreeMap;
use std::sync::Arc;

use numpy::{PyArrayDyn, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use statewise::model::linear_gaussian::LgssmParams;
use statewise::params::Array;

use crate::convert::{NamedArrays, error, shaped};

/// A linear Gaussian system with everything that inference needs to know.
#[pyclass(frozen)]
pub struct Lgssm(pub(crate) Arc<LgssmParams>);

#[pymethods]
impl Lgssm {
    /// Arrays by the names of the fields; the optional ones may be absent. `diagonal` says that
    /// `emissions_cov` holds variances.
    #[new]
    #[pyo3(signature = (arrays: "dict[str, NDArray[float64]]", diagonal: "bool"))]
    fn new(arrays: BTreeMap<String, PyReadonlyArrayDyn<'_, f64>>, diagonal: bool) -> PyResult<Self> {
        let mut arrays = NamedArrays::read(arrays)?;
        let params = LgssmParams {
            initial_mean: arrays.needed("initial_mean")?,
            initial_cov: arrays.needed("initial_cov")?,
            dynamics_weights: arrays.needed("dynamics_weights")?,
            dynamics_cov: arrays.needed("dynamics_cov")?,
            emissions_weights: arrays.needed("emissions_weights")?,
            emissions_cov: arrays.needed("emissions_cov")?,
            initial_diffuse: arrays.take("initial_diffuse"),
            dynamics_bias: arrays.take("dynamics_bias"),
            dynamics_input_weights: arrays.take("dynamics_input_weights"),
            emissions_bias: arrays.take("emissions_bias"),
            emissions_input_weights: arrays.take("emissions_input_weights"),
            diagonal_emissions_cov: diagonal,
        };
        params.check_params().map_err(error)?;
        Ok(Lgssm(Arc::new(params)))
    }

    /// The arrays by the names of the fields, without the absent ones.
    #[pyo3(signature = () -> "dict[str, NDArray[float64]]")]
    fn arrays<'py>(&self, py: Python<'py>) -> BTreeMap<&'static str, Bound<'py, PyArrayDyn<f64>>> {
        arrays_by_name(py, &self.0)
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

    /// Whether `emissions_cov` holds variances.
    #[getter]
    fn diagonal(&self) -> bool {
        self.0.diagonal_emissions_cov
    }
}

/// The arrays that there are, by the names of the fields.
pub(super) fn arrays_by_name<'py>(
    py: Python<'py>,
    params: &LgssmParams,
) -> BTreeMap<&'static str, Bound<'py, PyArrayDyn<f64>>> {
    let to_py = |a: &Array| shaped(py, a.values().to_vec(), a.shape());
    fields(params).filter_map(|(name, value)| Some((name, to_py(value?)))).collect()
}

fn fields(params: &LgssmParams) -> impl Iterator<Item = (&'static str, Option<&Array>)> {
    [
        ("initial_mean", Some(&params.initial_mean)),
        ("initial_cov", Some(&params.initial_cov)),
        ("initial_diffuse", params.initial_diffuse.as_ref()),
        ("dynamics_weights", Some(&params.dynamics_weights)),
        ("dynamics_bias", params.dynamics_bias.as_ref()),
        ("dynamics_input_weights", params.dynamics_input_weights.as_ref()),
        ("dynamics_cov", Some(&params.dynamics_cov)),
        ("emissions_weights", Some(&params.emissions_weights)),
        ("emissions_bias", params.emissions_bias.as_ref()),
        ("emissions_input_weights", params.emissions_input_weights.as_ref()),
        ("emissions_cov", Some(&params.emissions_cov)),
    ]
    .into_iter()
}
