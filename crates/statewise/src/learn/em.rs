//! Expectation maximisation.
//!
//! θ' = argmax E[log p(y, z | θ') | y, θ] (+ log p(θ')); no step lowers log p(y | θ) (+ log p(θ)).

use super::learner::prepare_params;
use super::{FitReport, Learnable, Learner, Progress, Statistics};
use crate::data::Dataset;
use crate::error::Result;
use crate::params::{Params, Properties};

/// A fall of the objective by less than this times 1 + |objective| is rounding.
const ROUNDING: f64 = 1e-9;

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
        let start = &prepare_params(model, start, properties)?;
        let mut report = FitReport::start(start, self.num_iters);
        let mut falls = Vec::new();
        for iteration in 0..self.num_iters {
            let statistics = e_step(&report.params)?;
            let prior = if self.prior { model.log_prior(&report.params) } else { 0.0 };
            let log_prob = statistics.marginal_loglik + prior;
            let previous = report.log_probs.last().copied();
            report.log_probs.push(log_prob);
            report.warnings = model.warnings(&statistics);
            if let Some(previous) = previous
                && log_prob < previous - ROUNDING * (1.0 + previous.abs())
            {
                falls.push(format!(
                    "EM lowered its objective by {:.2e} in iteration {}, which it should not; a variance may \
                     have been floored, else please report it",
                    previous - log_prob,
                    iteration - 1
                ));
            }
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
        report.warnings.append(&mut falls);
        report.warn_of_repairs();
        report.warn_of_identical_states(model.schema(), properties);
        Ok(report)
    }
}

impl Learner for Em {
    fn fit(
        &self,
        model: &dyn Learnable,
        start: &Params,
        properties: &Properties,
        data: &Dataset<'_>,
        observe: &mut dyn FnMut(Progress<'_>) -> bool,
    ) -> Result<FitReport> {
        Em::fit(self, model, start, properties, data, observe)
    }

    fn prior(&self) -> bool {
        self.prior
    }
}
