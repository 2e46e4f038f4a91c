//! Structural time series: a series is a sum of components with a state each, plus noise.
//!
//! y_t = Σ_c h_ctᵀ z_ct + ε_t,  z_ct = F_c(θ, Δ_t) z_c,t-1 + N(0, Q_c(θ, Δ_t))
//!
//! The blocks are in `block/`, a file each; a model writes their matrices side by side into the
//! parameters of a linear Gaussian model (`lower`), and takes gradients back (`pull_back`).

pub mod block;
mod component;
mod decompose;
mod diffusion;
mod forecast;
mod learnable;
mod lower;
mod m_step;
mod pull_back;
mod spec;
mod start;
mod stream;
mod timeline;

pub use decompose::{Coefficient, ComponentSeries};
pub use pull_back::ArrayGradients;
pub use spec::{Across, ComponentSpec, Initial, Irregular, StructuralSpec, Time};

use block::{Block, BlockSpec, MAX_DIM, Weights};
use component::{Component, Spread};

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::params::{Constraint, ParamSpec};

/// A structural time series model. Parameters live outside, in a [`Params`](crate::params::Params).
///
/// The parameters of a component are named by it (`level.variance`, `cycle.period`,
/// `ar.coefficients`), those of the observation noise `irregular.variance` or
/// `irregular.covariance`. Of several series that share a component, `variance` has an axis for the
/// series, or is a `covariance`.
#[derive(Clone, Debug)]
pub struct StructuralTimeSeries {
    spec: StructuralSpec,
    components: Vec<Component>,
    schema: Vec<ParamSpec>,
    state_dim: usize,
}

impl StructuralTimeSeries {
    /// Builds the model of a specification.
    ///
    /// # Errors
    /// A size or choice out of range, a name used twice, or inputs that there are not.
    pub fn new(spec: StructuralSpec) -> Result<Self> {
        if spec.emission_dim == 0 {
            return Err(Error::argument("emission_dim", 0, "at least 1"));
        }
        let mut schema = Vec::new();
        let mut components: Vec<Component> = Vec::with_capacity(spec.components.len());
        let mut state_dim = 0;
        for (index, component) in spec.components.iter().enumerate() {
            let built = Component::new(component, index, spec.emission_dim, state_dim, &mut schema)?;
            let path = format!("components[{index}]");
            if built.name == "irregular" || components.iter().any(|other| other.name == built.name) {
                let expected = "a name of its own for each component (not `irregular`)";
                return Err(Error::argument(format!("{path}.name"), built.name, expected));
            }
            if let Some(column) = built.block.inputs().iter().find(|column| **column >= spec.input_dim) {
                let expected = format!("columns below input_dim = {}", spec.input_dim);
                return Err(Error::argument(format!("{path}.model.inputs"), column, expected));
            }
            if let BlockSpec::TrigonometricSeasonal(waves) = &built.block
                && spec.time != Time::Regular
                && !waves.irregular
            {
                let expected = "true, as the model has a time column";
                return Err(Error::argument(format!("{path}.model.irregular"), false, expected));
            }
            state_dim = built.states().end;
            components.push(built);
        }
        if state_dim == 0 || state_dim > MAX_DIM {
            let expected = format!("components with 1 to {MAX_DIM} states in all");
            return Err(Error::argument("components", format!("{state_dim} states"), expected));
        }
        if let Time::Step { input } | Time::Stamp { input } = spec.time
            && input >= spec.input_dim
        {
            let expected = format!("a column below input_dim = {}", spec.input_dim);
            return Err(Error::argument("time.input", input, expected));
        }
        schema.extend(irregular_schema(&spec));
        Ok(StructuralTimeSeries { spec, components, schema, state_dim })
    }

    /// What the model is made of.
    pub fn spec(&self) -> &StructuralSpec {
        &self.spec
    }

    /// Names, shapes and constraints of all parameters.
    pub fn schema(&self) -> &[ParamSpec] {
        &self.schema
    }

    /// D, entries of the state.
    pub fn state_dim(&self) -> usize {
        self.state_dim
    }

    /// M, number of series.
    pub fn emission_dim(&self) -> usize {
        self.spec.emission_dim
    }

    /// U, columns of the inputs.
    pub fn input_dim(&self) -> usize {
        self.spec.input_dim
    }

    /// Names of the components.
    pub fn component_names(&self) -> Vec<&str> {
        self.components.iter().map(|component| component.name.as_str()).collect()
    }

    /// Names of the entries of the state, `trend.slope`; with the series where each has its own,
    /// `trend.slope[1]`.
    pub fn state_names(&self) -> Vec<String> {
        let mut names = Vec::with_capacity(self.state_dim);
        for component in &self.components {
            for copy in 0..component.copies {
                let suffix = if component.copies > 1 {
                    format!("[{}]", component.series[copy])
                } else {
                    String::new()
                };
                let states = component.block.states().into_iter();
                names.extend(states.map(|state| format!("{}.{state}{suffix}", component.name)));
            }
        }
        names
    }

    /// Checks that data fit the model: series, inputs, and steps that go forward.
    ///
    /// # Errors
    /// [`Error::Argument`] naming what does not fit.
    pub fn check_data(&self, data: &Dataset<'_>) -> Result<()> {
        if data.width() != self.emission_dim() {
            let expected = format!("{} (emission_dim)", self.emission_dim());
            return Err(Error::argument("emissions", format!("{} columns", data.width()), expected));
        }
        if data.input_dim() != self.input_dim() {
            let expected = match self.input_dim() {
                0 => "no inputs, the model reads none".to_owned(),
                dim => format!("inputs of dimension {dim}"),
            };
            return Err(Error::argument("inputs", format!("dimension {}", data.input_dim()), expected));
        }
        data.sequences().try_for_each(|sequence| self.timeline(&sequence).map(|_| ()))
    }

    /// Whether matrices differ between sequences with different inputs.
    pub(crate) fn reads_inputs(&self) -> bool {
        let of_inputs = |component: &Component| component.block.weights() == Weights::Inputs;
        self.reads_time() || self.components.iter().any(of_inputs)
    }

    /// Whether F and Q follow from the lengths of steps.
    pub(crate) fn reads_time(&self) -> bool {
        self.spec.time != Time::Regular && self.components.iter().any(|part| part.block.reads_time())
    }

    /// Whether H differs from step to step.
    pub(crate) fn has_regressors(&self) -> bool {
        self.components.iter().any(|component| component.block.weights() != Weights::Fixed)
    }

    /// How the observation noise spans the series; `None` without noise.
    pub(crate) fn irregular_spread(&self) -> Option<Spread> {
        irregular_spread(&self.spec)
    }
}

fn irregular_spread(spec: &StructuralSpec) -> Option<Spread> {
    match spec.irregular {
        Irregular::None => None,
        _ if spec.emission_dim == 1 => Some(Spread::Scalar),
        Irregular::EqualVariance => Some(Spread::Scalar),
        Irregular::Independent => Some(Spread::Diagonal),
        Irregular::Correlated => Some(Spread::Full),
    }
}

fn irregular_schema(spec: &StructuralSpec) -> Option<ParamSpec> {
    let spread = irregular_spread(spec)?;
    let (noun, constraint) = match spread {
        Spread::Full => ("covariance", Constraint::PositiveDefinite),
        _ => ("variance", Constraint::Scale),
    };
    let shape = vec![spec.emission_dim; spread.rank()];
    let (path, keyword) = (format!("irregular.{noun}"), format!("irregular_{noun}"));
    Some(ParamSpec::new(&path, &keyword, &shape, constraint).with_state_axes(0).with_closed())
}
