//! One learner from several starts; the best is kept.

use super::{FitReport, Learnable, Learner, Progress};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::params::{Params, Properties};
use crate::threads;

/// The best of several fits.
#[derive(Clone, Debug)]
pub struct Restarts {
    /// The fit with the highest objective; of equals, the first. Its warnings tell of starts that
    /// failed.
    pub best: FitReport,
    /// Which start it came from.
    pub best_start: usize,
    /// The objective at the parameters each start reached; `None` where it failed.
    pub log_probs: Vec<Option<f64>>,
}

/// Fits from every start, in parallel, and keeps the one with the highest objective.
///
/// The objective is computed once more at the parameters reached, so that learners which end with
/// a step compare with those which end with an evaluation. `observe` is given the index of the start
/// too, and is called from several threads. Results do not depend on the number of threads.
///
/// # Errors
/// No starts, or the error of the first start if all fail.
pub fn fit_restarts(
    learner: &dyn Learner,
    model: &dyn Learnable,
    starts: &[Params],
    properties: &Properties,
    data: &Dataset<'_>,
    observe: &(dyn Fn(usize, Progress<'_>) -> bool + Sync),
) -> Result<Restarts> {
    let fits = threads::map(starts.iter().enumerate().collect(), |(index, start): (usize, &Params)| {
        let mut see = |progress: Progress<'_>| observe(index, progress);
        let report = learner.fit(model, start, properties, data, &mut see)?;
        let prior = if learner.prior() { model.log_prior(&report.params) } else { 0.0 };
        let log_prob = model.e_step(&report.params, data)?.marginal_loglik + prior;
        if log_prob.is_nan() {
            return Err(Error::argument(
                "params",
                "an objective that is not a number",
                "a finite objective",
            ));
        }
        Ok((report, log_prob))
    });
    let mut best: Option<(usize, FitReport, f64)> = None;
    let mut log_probs = Vec::with_capacity(starts.len());
    let mut failures = Vec::new();
    for (index, fit) in fits.into_iter().enumerate() {
        match fit {
            Ok((report, log_prob)) => {
                log_probs.push(Some(log_prob));
                if best.as_ref().is_none_or(|(_, _, value)| log_prob > *value) {
                    best = Some((index, report, log_prob));
                }
            }
            Err(error) => {
                log_probs.push(None);
                failures.push((index, error));
            }
        }
    }
    let Some((best_start, mut best, _)) = best else {
        let first = failures.into_iter().next();
        return Err(first.map_or_else(|| Error::argument("starts", 0, "at least one start"), |(_, e)| e));
    };
    best.warnings.extend(failures.iter().map(|(index, error)| format!("start {index} failed: {error}")));
    Ok(Restarts { best, best_start, log_probs })
}
