//! Models of every family, behind one base class: all that learners and model files need of one.

use std::sync::Arc;

use pyo3::prelude::*;
use serde_json::Value;
use statewise::Seed;
use statewise::data::Dataset;
use statewise::learn::{Candidate, Learnable};
use statewise::model::hmm::{self, Hmm};
use statewise::model::linear_gaussian::{self, LgssmParams, LinearGaussianSsm};
use statewise::model::structural::StructuralTimeSeries;
use statewise::output::ModelSpec;
use statewise::params::{Constraint, ParamSpec, Params};

use crate::convert::{ArraysArg, error, params};

/// A model of any family; the families are its subclasses.
#[pyclass(frozen, subclass)]
pub struct Model(pub(crate) AnyModel);

/// The families.
#[derive(Clone)]
pub(crate) enum AnyModel {
    Hmm(Arc<Hmm>),
    LinearGaussian(Arc<LinearGaussianSsm>),
    Structural(Arc<StructuralTimeSeries>),
}

impl AnyModel {
    /// As learners see it.
    pub(crate) fn learnable(&self) -> &dyn Learnable {
        match self {
            AnyModel::Hmm(model) => &**model,
            AnyModel::LinearGaussian(model) => &**model,
            AnyModel::Structural(model) => &**model,
        }
    }

    /// The specification alone, and the name of its kind in model files.
    fn spec_value(&self) -> serde_json::Result<(Value, &'static str)> {
        Ok(match self {
            AnyModel::Hmm(model) => (serde_json::to_value(model.spec())?, "hmm"),
            AnyModel::LinearGaussian(model) => (serde_json::to_value(model.spec())?, "linear_gaussian"),
            AnyModel::Structural(model) => (serde_json::to_value(model.spec())?, "structural"),
        })
    }

    /// As model files hold it.
    pub(crate) fn spec(&self) -> serde_json::Result<ModelSpec> {
        let (mut spec, kind) = self.spec_value()?;
        spec["kind"] = kind.into();
        serde_json::from_value(spec)
    }

    fn input_dim(&self) -> usize {
        match self {
            AnyModel::Hmm(model) => model.input_dim(),
            AnyModel::LinearGaussian(model) => model.spec().input_dim,
            AnyModel::Structural(model) => model.input_dim(),
        }
    }

    fn emission_shape(&self) -> Vec<usize> {
        match self {
            AnyModel::Hmm(model) => model.emission_shape(),
            AnyModel::LinearGaussian(model) => vec![model.spec().emission_dim],
            AnyModel::Structural(model) => vec![model.emission_dim()],
        }
    }

    /// The linear Gaussian system that the model is with these parameters, for these data.
    pub(crate) fn lower(&self, params: &Params, data: &Dataset<'_>) -> statewise::Result<LgssmParams> {
        match self {
            AnyModel::Hmm(_) => {
                Err(statewise::Error::argument("model", "discrete states", "Gaussian states"))
            }
            AnyModel::LinearGaussian(model) => model.lower(params),
            AnyModel::Structural(model) => model.lower(params, data),
        }
    }

    /// A model of the same specification that starts from its priors, or from the data if `informed`.
    pub(crate) fn candidate(
        &self,
        training: &Dataset<'_>,
        informed: bool,
        seed: Seed,
    ) -> statewise::Result<Candidate> {
        Ok(match self {
            AnyModel::Hmm(model) => {
                let model = Hmm::new(model.spec().clone())?;
                let start = if informed { hmm::Start::KMeans(training) } else { hmm::Start::Prior };
                let (start, properties) = model.initialize(start, seed, &[])?;
                Candidate { model: Box::new(model), start, properties }
            }
            AnyModel::LinearGaussian(model) => {
                let model = LinearGaussianSsm::new(model.spec().clone())?;
                let start = if informed {
                    linear_gaussian::Start::Subspace(training)
                } else {
                    linear_gaussian::Start::Default
                };
                let (start, properties) = model.initialize(start, seed, &[])?;
                Candidate { model: Box::new(model), start, properties }
            }
            AnyModel::Structural(model) => {
                let (start, properties) = model.initialize(training, None, &[])?;
                Candidate { model: Box::new((**model).clone()), start, properties }
            }
        })
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
        Ok(self.0.spec_value().map_err(error)?.0.to_string())
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
        Constraint::UnitInterval => "unit_interval",
        Constraint::Interval { .. } => "interval",
        Constraint::Stationary => "stationary",
        Constraint::Invertible => "invertible",
        Constraint::Simplex => "simplex",
        Constraint::PositiveDefinite => "positive_definite",
        Constraint::CompoundSymmetric => "compound_symmetric",
    }
}
