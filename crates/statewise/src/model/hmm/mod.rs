//! Hidden Markov models: an initial distribution, a transition model and an emission family.
//!
//! p(z_{1:T}, y_{1:T} | u_{1:T}) = π(z_1) Π_{t≥2} A(z_{t-1}, z_t | u_t) Π_t p(y_t | z_t, u_t, y_{<t})

pub mod component;
mod dirichlet;
pub mod emission;
mod initial;
mod learnable;
pub(crate) mod lower;
mod softmax;
pub mod transition;

pub use initial::InitialState;

use std::ops::Range;

use serde::{Deserialize, Serialize};
use statewise_kernels::random::Seed;

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::params::{Array, ParamSpec, Params, Properties, set_given};
use component::Component;
use emission::{Emission, EmissionSpec};
use transition::{StandardTransitions, Transition, TransitionSpec};

/// What a hidden Markov model is made of, without parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HmmSpec {
    /// The first state.
    pub initial: InitialState,
    /// The moves between states.
    pub transitions: TransitionSpec,
    /// The observations given a state.
    pub emissions: EmissionSpec,
}

impl HmmSpec {
    /// The default initial distribution and one transition matrix around these emissions.
    pub fn new(emissions: impl Into<EmissionSpec>) -> Self {
        let emissions = emissions.into();
        let num_states = emissions.num_states();
        HmmSpec {
            initial: InitialState::new(num_states),
            transitions: TransitionSpec::Standard(StandardTransitions::new(num_states)),
            emissions,
        }
    }
}

/// How parameters are started where no values are given.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a, 'b> {
    /// Draws from the priors.
    Prior,
    /// Emissions from clusters of the data; initial and transition probabilities from the priors.
    KMeans(&'a Dataset<'b>),
}

/// A hidden Markov model. Parameters live outside, in a [`Params`].
#[derive(Debug)]
pub struct Hmm {
    spec: HmmSpec,
    transition: Box<dyn Transition>,
    emission: Box<dyn Emission>,
    schema: Vec<ParamSpec>,
    transition_arrays: Range<usize>,
    emission_arrays: Range<usize>,
}

impl Hmm {
    /// Builds the model of a specification.
    ///
    /// # Errors
    /// A size or hyper-parameter out of range, components of different numbers of states, or
    /// components that read inputs of different dimensions.
    pub fn new(spec: HmmSpec) -> Result<Self> {
        spec.initial.check_hyperparameters()?;
        let transition = spec.transitions.build()?;
        let emission = spec.emissions.build()?;
        let k = spec.initial.num_states;
        if emission.num_states() != k {
            return Err(Error::argument("emissions.num_states", emission.num_states(), k));
        }
        let (a, b) = (transition.input_dim(), emission.input_dim());
        if a > 0 && b > 0 && a != b {
            return Err(Error::argument(
                "input_dim",
                format!("{a} for transitions, {b} for emissions"),
                "one",
            ));
        }
        let mut schema = spec.initial.schema();
        let first = schema.len();
        schema.extend(transition.schema());
        let second = schema.len();
        schema.extend(emission.schema());
        if schema[first].shape[0] != k {
            return Err(Error::argument("transitions.num_states", schema[first].shape[0], k));
        }
        let end = schema.len();
        Ok(Hmm {
            spec,
            transition,
            emission,
            schema,
            transition_arrays: first..second,
            emission_arrays: second..end,
        })
    }

    /// What the model is made of.
    pub fn spec(&self) -> &HmmSpec {
        &self.spec
    }

    /// Names, shapes and constraints of all parameters.
    pub fn schema(&self) -> &[ParamSpec] {
        &self.schema
    }

    /// K.
    pub fn num_states(&self) -> usize {
        self.spec.initial.num_states
    }

    /// U, the dimension of the inputs the model reads; 0 if it reads none.
    pub fn input_dim(&self) -> usize {
        self.transition.input_dim().max(self.emission.input_dim())
    }

    /// Shape of one emission: `[]` for scalars.
    pub fn emission_shape(&self) -> Vec<usize> {
        self.emission.emission_shape()
    }

    /// Values in one row of emissions.
    pub fn emission_width(&self) -> usize {
        self.emission_shape().iter().product()
    }

    /// The emission family.
    pub fn emission(&self) -> &dyn Emission {
        &*self.emission
    }

    pub(crate) fn transition(&self) -> &dyn Transition {
        &*self.transition
    }

    /// Checks that data fit the model: width, inputs, and every value in the family's domain.
    ///
    /// # Errors
    /// [`Error::Argument`] naming what does not fit.
    pub fn check_data(&self, data: &Dataset<'_>) -> Result<()> {
        let width = self.emission_width();
        if data.width() != width {
            let expected = format!("{width} columns (emission shape {:?})", self.emission_shape());
            return Err(Error::argument("emissions", format!("{} columns", data.width()), expected));
        }
        if data.input_dim() != self.input_dim() {
            let expected = match self.input_dim() {
                0 => "no inputs, the model reads none".to_owned(),
                dim => format!("inputs of dimension {dim}"),
            };
            return Err(Error::argument("inputs", format!("dimension {}", data.input_dim()), expected));
        }
        self.emission.check_rows(data.rows())
    }

    /// Draws or computes starting parameters; `given` values are taken as they are.
    ///
    /// # Errors
    /// A given value that does not fit, a path the model does not have, or data that do not fit.
    pub fn initialize(
        &self,
        start: Start<'_, '_>,
        seed: Seed,
        given: &[(String, Array)],
    ) -> Result<(Params, Properties)> {
        let mut rng = seed.stream("initialize", 0);
        let mut arrays = self.spec.initial.sample_prior(&mut rng);
        arrays.extend(self.transition.sample_prior(&mut rng));
        arrays.extend(match start {
            Start::Prior => self.emission.sample_prior(&mut rng),
            Start::KMeans(data) => {
                self.check_data(data)?;
                self.emission.initialize_from_data(data, &mut rng)?
            }
        });
        set_given(&self.schema, &mut arrays, given)?;
        let params = Params::new(arrays);
        params.check(&self.schema)?;
        Ok((params, Properties::trainable(&self.schema)))
    }

    /// log p(θ) under the priors.
    pub fn log_prior(&self, params: &Params) -> f64 {
        self.spec.initial.log_prior(self.initial_params(params))
            + self.transition.log_prior(self.transition_params(params))
            + self.emission.log_prior(self.emission_params(params))
    }

    pub(crate) fn initial_params<'p>(&self, params: &'p Params) -> &'p [Array] {
        &params.arrays()[..self.transition_arrays.start]
    }

    pub(crate) fn transition_params<'p>(&self, params: &'p Params) -> &'p [Array] {
        &params.arrays()[self.transition_arrays.clone()]
    }

    pub(crate) fn emission_params<'p>(&self, params: &'p Params) -> &'p [Array] {
        &params.arrays()[self.emission_arrays.clone()]
    }
}
