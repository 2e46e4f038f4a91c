//! Models of every family, behind one base class: all that learners and model files need of one.

use std::sync::Arc;

use pyo3::prelude::*;
use statewise::Seed;
use statewise::data::Dataset;
use statewise::learn::{Candidate, Learnable};
use statewise::model::hmm;
use statewise::output::ModelSpec;
use statewise::params::{Constraint, ParamSpec};

use crate::convert::{ArraysArg, error, params};

/// A model of any family; the families are its subclasses.
#[pyclass(frozen, subclass)]
pub struct Model(pub(crate) AnyModel);

/// The families.
#[derive(Clone)]
pub(crate) enum AnyModel {
    Hmm(Arc<hmm::Hmm>),
}

impl AnyModel {
    /// As learners see it.
    pub(crate) fn learnable(&self) -> &dyn Learnable {
        match self {
            AnyModel::Hmm(model) => &**model,
        }
    }

    /// As model files hold it.
    pub(crate) fn spec(&self) -> ModelSpec {
        match self {
            AnyModel::Hmm(model) => ModelSpec::Hmm(model.spec().clone()),
        }
    }

    /// The specification alone, as JSON.
    fn spec_json(&self) -> serde_json::Result<String> {
        match self {
            AnyModel::Hmm(model) => serde_json::to_string(model.spec()),
        }
    }

    fn input_dim(&self) -> usize {
        match self {
            AnyModel::Hmm(model) => model.input_dim(),
        }
    }

    fn emission_shape(&self) -> Vec<usize> {
        match self {
            AnyModel::Hmm(model) => model.emission_shape(),
        }
    }

    /// A model of the same specification that starts from its priors, or from the data if `informed`.
    pub(crate) fn candidate(
        &self,
        training: &Dataset<'_>,
        informed: bool,
        seed: Seed,
    ) -> statewise::Result<Candidate> {
        match self {
            AnyModel::Hmm(model) => {
                let model = hmm::Hmm::new(model.spec().clone())?;
                let start = if informed { hmm::Start::KMeans(training) } else { hmm::Start::Prior };
                let (start, properties) = model.initialize(start, seed, &[])?;
                Ok(Candidate { model: Box::new(model), start, properties })
            }
        }
    }
}

impl Model {
    pub(crate) fn learnable(&self) -> &dyn Learnable {
        self.0.learnable()
    }

    pub(crate) fn schema(&self) -> &[ParamSpec] {
        self.learnable().schema()
    }
}

#[pymethods]
impl Model {
    /// The specification with all defaults filled in, as JSON.
    fn spec(&self) -> PyResult<String> {
        self.0.spec_json().map_err(error)
    }

    #[getter]
    fn input_dim(&self) -> usize {
        self.0.input_dim()
    }

    #[getter]
    fn emission_shape(&self) -> Vec<usize> {
        self.0.emission_shape()
    }

    /// (path, keyword of `initialize`, shape, constraint) of every parameter array.
    #[pyo3(name = "schema")]
    fn schema_tuples(&self) -> Vec<(String, String, Vec<usize>, &'static str)> {
        let entry = |spec: &ParamSpec| {
            let constraint = constraint_name(spec.constraint);
            (spec.path.clone(), spec.keyword.clone(), spec.shape.clone(), constraint)
        };
        self.schema().iter().map(entry).collect()
    }

    /// Checks parameters against the schema.
    #[pyo3(signature = (params: "Sequence[NDArray[float64]]"))]
    fn check(&self, params: ArraysArg<'_>) -> PyResult<()> {
        crate::convert::params(&params)?.check(self.schema()).map_err(error)
    }

    /// log p(θ).
    #[pyo3(signature = (params: "Sequence[NDArray[float64]]"))]
    fn log_prior(&self, params: ArraysArg<'_>) -> PyResult<f64> {
        let params = self::params(&params)?;
        params.check(self.schema()).map_err(error)?;
        Ok(self.learnable().log_prior(&params))
    }
}

fn constraint_name(constraint: Constraint) -> &'static str {
    match constraint {
        Constraint::Real => "real",
        Constraint::Positive => "positive",
        Constraint::Scale => "scale",
        Constraint::NonNegative => "non_negative",
        Constraint::UnitInterval => "unit_interval",
        Constraint::Interval { .. } => "interval",
        Constraint::Stationary => "stationary",
        Constraint::Invertible => "invertible",
        Constraint::Simplex => "simplex",
        Constraint::PositiveDefinite => "positive_definite",
    }
}
