//! What every learner answers, and what its observer sees.

use super::alignment::identical_states;
use crate::params::{ParamSpec, Params, Properties};

/// What an observer sees of each iteration.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Iterations finished before this one.
    pub iteration: usize,
    /// Iterations at most.
    pub num_iters: usize,
    /// The objective at `params`; an estimate where the learner sees a minibatch at a time.
    pub log_prob: f64,
    /// The parameters entering this iteration; those it reached where it is a pass over minibatches.
    pub params: &'a Params,
}

/// How a fit went.
#[derive(Clone, Debug)]
pub struct FitReport {
    /// The parameters reached.
    pub params: Params,
    /// The objective at the parameters entering each iteration: log p(y | θ), plus log p(θ) where
    /// priors count.
    ///
    /// L-BFGS adds the objective at `params`. A learner that sees a minibatch at a time gives an
    /// estimate for each pass over the data.
    pub log_probs: Vec<f64>,
    /// Whether the tolerance was met.
    pub converged: bool,
    /// Whether the observer stopped the fit.
    pub interrupted: bool,
    /// Variances floored, ridges added, states without data left as they were.
    pub repairs: usize,
    /// What a user should know, in words.
    pub warnings: Vec<String>,
}

impl FitReport {
    /// Nothing done yet.
    pub(super) fn start(params: &Params, num_iters: usize) -> Self {
        FitReport {
            params: params.clone(),
            log_probs: Vec::with_capacity(num_iters),
            converged: false,
            interrupted: false,
            repairs: 0,
            warnings: Vec::new(),
        }
    }

    /// Iterations whose objective was computed.
    pub fn iterations(&self) -> usize {
        self.log_probs.len()
    }

    /// The last objective computed; no more than that of `params` after EM.
    pub fn final_log_prob(&self) -> Option<f64> {
        self.log_probs.last().copied()
    }

    /// Adds the warning that goes with repairs.
    pub(super) fn warn_of_repairs(&mut self) {
        if self.repairs > 0 {
            self.warnings.push(format!(
                "{} times a variance was floored or a state without data kept its parameters; \
                 use fewer states, more data or a stronger prior",
                self.repairs
            ));
        }
    }

    /// Adds a warning for each pair of states that the data could not tell apart.
    pub(super) fn warn_of_identical_states(&mut self, schema: &[ParamSpec], properties: &Properties) {
        for (i, j) in identical_states(schema, properties, &self.params) {
            self.warnings.push(format!(
                "states {i} and {j} have the same parameters; start from different values, or use fewer states"
            ));
        }
    }
}
