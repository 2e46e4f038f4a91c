//! Expectation maximisation.
//!
//! θ' = argmax E[log p(y, z | θ') | y, θ] (+ log p(θ')); no step lowers log p(y | θ) (+ log p(θ)).

use super::{Learnable, Statistics};
use crate::data::Dataset;
use crate::error::Result;
use crate::params::{Params, Properties};

/// Settings of EM.
#[derive(Clone, Copy, Debug)]
pub struct Em {
    /// Most iterations.
    pub num_iters: usize,
    /// Stops when an iteration gains less than this times 1 + |log probability|; `None`: never.
    pub tolerance: Option<f64>,
    /// Whether the priors count (MAP) or not (maximum likelihood).
    pub prior: bool,
}

impl Default for Em {
    fn default() -> Self {
        Em { num_iters: 50, tolerance: Some(1e-8), prior: true }
    }
}

/// What an observer sees of each iteration.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Iterations finished before this one.
    pub iteration: usize,
    /// Iterations at most.
    pub num_iters: usize,
    /// The objective at `params`.
    pub log_prob: f64,
    /// The parameters entering this iteration.
    pub params: &'a Params,
}

/// How a fit went.
#[derive(Clone, Debug)]
pub struct FitReport {
    /// The parameters reached.
    pub params: Params,
    /// The objective at the parameters entering each iteration: log p(y | θ), plus log p(θ) where
    /// priors count.
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

impl Em {
    /// Fits `model` to `data` from `start`. `observe` sees every iteration and answers whether to go
    /// on; when it says no, the fit returns what it reached.
    ///
    /// # Errors
    /// Parameters, properties or data that do not fit, or a sequence that can't be explained.
    ///
    /// # Source
    /// Dempster, Laird and Rubin (1977).
    pub fn fit(
        &self,
        model: &dyn Learnable,
        start: &Params,
        properties: &Properties,
        data: &Dataset<'_>,
        observe: &mut dyn FnMut(Progress<'_>) -> bool,
    ) -> Result<FitReport> {
        model.check_data(data)?;
        self.fit_with(model, start, properties, &mut |params| model.e_step(params, data), observe)
    }

    /// As [`Em::fit`], with an E-step of the caller's (on other processes or machines, say).
    ///
    /// # Errors
    /// Parameters or properties that do not fit, and whatever the E-step answers.
    pub fn fit_with(
        &self,
        model: &dyn Learnable,
        start: &Params,
        properties: &Properties,
        e_step: &mut dyn FnMut(&Params) -> Result<Statistics>,
        observe: &mut dyn FnMut(Progress<'_>) -> bool,
    ) -> Result<FitReport> {
        start.check(model.schema())?;
        properties.check(model.schema())?;
        let mut report = FitReport {
            params: start.clone(),
            log_probs: Vec::with_capacity(self.num_iters),
            converged: false,
            interrupted: false,
            repairs: 0,
            warnings: Vec::new(),
        };
        for iteration in 0..self.num_iters {
            let statistics = e_step(&report.params)?;
            let prior = if self.prior { model.log_prior(&report.params) } else { 0.0 };
            let log_prob = statistics.marginal_loglik + prior;
            let previous = report.log_probs.last().copied();
            report.log_probs.push(log_prob);
            report.warnings = model.warnings(&statistics);
            let num_iters = self.num_iters;
            if !observe(Progress { iteration, num_iters, log_prob, params: &report.params }) {
                report.interrupted = true;
                break;
            }
            if let (Some(tolerance), Some(previous)) = (self.tolerance, previous)
                && log_prob - previous <= tolerance * (1.0 + log_prob.abs())
            {
                report.converged = true;
                break;
            }
            let outcome = model.m_step(&report.params, properties, &statistics, self.prior)?;
            report.params = outcome.params;
            report.repairs += outcome.repairs;
        }
        if report.repairs > 0 {
            report.warnings.push(format!(
                "{} times a variance was floored or a state without data kept its parameters; \
                 use fewer states, more data or a stronger prior",
                report.repairs
            ));
        }
        Ok(report)
    }
}
