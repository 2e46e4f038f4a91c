//! What the three parts of a hidden Markov model have in common: parameters, a prior, and an
//! expected log-likelihood that is a function of statistics.

use std::fmt::Debug;

use rand_chacha::ChaCha8Rng;

use crate::error::{Error, Result};
use crate::params::{Array, ParamProperties, ParamSpec};

/// A part of a model: the initial distribution, the transitions or the emissions.
///
/// Parameter slices (`&[Array]`) are in the order of [`Component::schema`]. Statistics are a flat
/// vector of sums over rows, so they add up over sequences, threads and machines.
pub trait Component: Debug + Send + Sync {
    /// Names, shapes and constraints of the parameters. Paths start with the name of the part.
    fn schema(&self) -> Vec<ParamSpec>;

    /// Checks sizes (at least one state and dimension) and hyper-parameters (positive where needed).
    ///
    /// # Errors
    /// [`Error::Argument`] naming the constructor argument.
    fn check_hyperparameters(&self) -> Result<()>;

    /// Number of expected sufficient statistics.
    fn num_stats(&self) -> usize;

    /// E_q[log p(y, z | θ)] as a function of the statistics (up to terms free of θ, or a lower
    /// bound that is tight in value and slope at the parameters of the E-step).
    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64;

    /// Adds the gradient of [`Component::expected_log_prob`] with respect to the parameters. At the
    /// parameters of the E-step this is the exact score (Fisher's identity).
    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]);

    /// log p(θ).
    fn log_prior(&self, params: &[Array]) -> f64;

    /// Adds the gradient of [`Component::log_prior`].
    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]);

    /// Maximises the expected log-likelihood (plus the log prior if `step.prior`) in place, or
    /// answers that it has no closed form for these properties; then a generic maximiser is used.
    ///
    /// Never leaves the parameter space: states without data keep their parameters, collapsed
    /// variances are floored and counted.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised;

    /// Draws parameters from the prior, or from a vague stand-in where there is none.
    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array>;
}

/// What a maximisation is given.
#[derive(Clone, Copy, Debug)]
pub struct MStep<'a> {
    /// Expected sufficient statistics.
    pub stats: &'a [f64],
    /// Whether the prior counts (MAP) or not (maximum likelihood).
    pub prior: bool,
    /// What may move, in the order of the schema.
    pub properties: &'a [ParamProperties],
}

impl MStep<'_> {
    /// Whether parameter array `index` may move (as a whole).
    pub fn moves(&self, index: usize) -> bool {
        self.properties[index].trainable
    }

    /// Whether every array is wholly free or wholly fixed.
    pub fn is_whole(&self) -> bool {
        self.properties.iter().all(ParamProperties::is_whole)
    }
}

/// What a maximisation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maximised {
    /// The parameters are at the maximum; `repairs` counts variances that had to be floored.
    Done {
        /// Floored variances, ridges added, states without data that kept their parameters.
        repairs: usize,
    },
    /// There is no closed form for these properties.
    NoClosedForm,
}

/// Maximises in closed form where there is one, else numerically; answers the number of repairs.
pub(crate) fn maximise<C: Component + ?Sized>(
    component: &C,
    step: &MStep<'_>,
    params: &mut [Array],
) -> usize {
    match component.maximise(step, params) {
        Maximised::Done { repairs } => repairs,
        Maximised::NoClosedForm => {
            crate::learn::maximise_numerically(component, step, params);
            0
        }
    }
}

/// As [`maximise`], and never downhill: a floor or a ridge can lower what the M-step climbs, for one
/// because the floor rose since the parameters were last moved. A state that a repair made worse
/// keeps its parameters.
pub(crate) fn climb<C: Component + ?Sized>(component: &C, step: &MStep<'_>, params: &mut [Array]) -> usize {
    let before = params.to_vec();
    let repairs = maximise(component, step, params);
    if repairs > 0 {
        take_back_falls(component, step, &before, params);
    }
    repairs
}

fn take_back_falls<C: Component + ?Sized>(
    component: &C,
    step: &MStep<'_>,
    before: &[Array],
    params: &mut [Array],
) {
    let value = |params: &[Array]| {
        let prior = if step.prior { component.log_prior(params) } else { 0.0 };
        component.expected_log_prob(params, step.stats) + prior
    };
    let (start, mut reached) = (value(before), value(params));
    if reached >= start {
        return;
    }
    let schema = component.schema();
    let by_state: Vec<bool> =
        schema.iter().map(|spec| spec.state_axes > 0 && !spec.is_one_block()).collect();
    let num_states = schema.iter().zip(&by_state).find(|(_, by)| **by).map_or(0, |(spec, _)| spec.shape[0]);
    for k in 0..num_states {
        let mut kept = params.to_vec();
        for (i, array) in kept.iter_mut().enumerate().filter(|(i, _)| by_state[*i]) {
            array.row_mut(k).copy_from_slice(before[i].row(k));
        }
        let value = value(&kept);
        if value > reached {
            params.clone_from_slice(&kept);
            reached = value;
        }
    }
    // What states share (a covariance, say) can only go back as a whole.
    if reached < start {
        params.clone_from_slice(before);
    }
}

/// Checks that a size is at least one.
pub(crate) fn check_size(argument: &str, value: usize) -> Result<()> {
    if value == 0 { Err(Error::argument(argument, value, "at least 1")) } else { Ok(()) }
}

/// Checks that a hyper-parameter is positive and finite.
pub(crate) fn check_positive(argument: &str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        Ok(())
    } else {
        Err(Error::argument(argument, value, "a positive number"))
    }
}
