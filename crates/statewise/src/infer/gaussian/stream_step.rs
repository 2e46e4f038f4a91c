//! What one step of an online filter has of its own, and models that make it from the step's input.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use statewise_kernels::gaussian::{OnlineKalman, Series, Steps, System};
use statewise_kernels::linalg::negative_pivot;

use crate::error::{Error, Result};
use crate::model::linear_gaussian::LgssmParams;

/// The dynamics of one step: z_t = F z_{t-1} + b + N(0, Q).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianTransition {
    /// F, \[D, D\].
    pub weights: Vec<f64>,
    /// b with all that inputs add, \[D\].
    pub bias: Vec<f64>,
    /// Q, \[D, D\]; positive semi-definite.
    pub cov: Vec<f64>,
}

/// What a step has in the place of the parameters'.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianStep {
    /// Dynamics into the step.
    pub transition: Option<GaussianTransition>,
    /// H, \[M, D\].
    pub emission_weights: Option<Vec<f64>>,
}

/// A model whose steps follow from their inputs: the time that has passed, regressors.
pub trait StepModel: Debug + Send + Sync {
    /// Values of an input.
    fn input_dim(&self) -> usize;

    /// Whether steps differ by their number, so that none can be put between two others.
    fn counts_steps(&self) -> bool;

    /// Step t, counted from 0, from its input and that of the step before, which the first has none of.
    ///
    /// # Errors
    /// An input that the step cannot have.
    fn step(&self, t: usize, before: Option<&[f64]>, input: &[f64]) -> Result<GaussianStep>;
}

/// What defines a step.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Given {
    pub(super) emission: Vec<f64>,
    pub(super) input: Vec<f64>,
    pub(super) own: GaussianStep,
}

impl Given {
    /// The system of this step.
    pub(super) fn system<'a>(&'a self, params: &'a LgssmParams) -> System<'a> {
        let mut system = params.system();
        if let Some(own) = &self.own.transition {
            system.transition = Steps::fixed(&own.weights);
            system.transition_cov = Steps::fixed(&own.cov);
        }
        if let Some(own) = &self.own.emission_weights {
            system.emission = Steps::fixed(own);
        }
        system
    }

    /// b_t, \[D\], and d_t, \[M\], with all that inputs add.
    pub(super) fn offsets(&self, params: &LgssmParams, t: usize) -> (Vec<f64>, Vec<f64>) {
        // Inputs that a model of steps has turned into matrices have no weights.
        let input = if params.input_dim() == 0 { &[][..] } else { &self.input };
        let (b, d) = params.offsets_at(t, input);
        (self.own.transition.as_ref().map_or(b, |own| own.bias.clone()), d)
    }
}

/// Takes a step with the engine.
pub(super) fn advance(params: &LgssmParams, engine: &mut OnlineKalman, given: &Given) -> Result<f64> {
    let t = engine.num_steps();
    params.check_num_steps(t + 1)?;
    let (b, d) = given.offsets(params, t);
    let series = Series {
        emissions: &given.emission,
        transition_offset: Some(Steps::fixed(&b)),
        emission_offset: Some(Steps::fixed(&d)),
    };
    let system = given.system(params);
    let plain = given.own == GaussianStep::default();
    let answer = if plain { engine.step(&system, &series) } else { engine.step_with(&system, &series) };
    answer.map_err(Error::in_series(0))
}

impl GaussianStep {
    /// Checks sizes and values.
    pub(super) fn check(&self, d: usize, m: usize) -> Result<()> {
        self.transition.as_ref().map_or(Ok(()), |transition| transition.check(d))?;
        let Some(h) = &self.emission_weights else { return Ok(()) };
        match h.iter().find(|x| !x.is_finite()) {
            Some(bad) => Err(Error::argument("emission_weights", bad, "finite values")),
            None if h.len() != m * d => {
                Err(Error::argument("emission_weights", format!("{} values", h.len()), m * d))
            }
            None => Ok(()),
        }
    }
}

impl GaussianTransition {
    /// Checks sizes and values.
    pub(super) fn check(&self, d: usize) -> Result<()> {
        let parts = [
            ("transition.weights", &self.weights, d * d),
            ("transition.bias", &self.bias, d),
            ("transition.cov", &self.cov, d * d),
        ];
        for (name, values, len) in parts {
            if values.len() != len {
                return Err(Error::argument(name, format!("{} values", values.len()), len));
            }
            if let Some(bad) = values.iter().find(|x| !x.is_finite()) {
                return Err(Error::argument(name, bad, "finite values"));
            }
        }
        let scale = (0..d).map(|i| self.cov[i * d + i].abs()).fold(0.0, f64::max);
        let skew = |i: usize, j: usize| (self.cov[i * d + j] - self.cov[j * d + i]).abs() > 1e-8 * scale;
        if (0..d).any(|i| (0..i).any(|j| skew(i, j))) || negative_pivot(&self.cov, d).is_some() {
            let expected = "a symmetric positive semi-definite matrix";
            return Err(Error::argument("transition.cov", format!("{:?}", self.cov), expected));
        }
        Ok(())
    }
}
