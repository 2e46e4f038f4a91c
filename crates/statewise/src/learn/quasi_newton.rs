//! Fitting by L-BFGS on the exact score, over all data at once.

use super::learner::prepare;
use super::{FitReport, Lbfgs, Learnable, Learner, Objective, Progress};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::params::{FreeSpace, Params, Properties};

/// Settings of the L-BFGS fit.
///
/// Tolerances are those of the objective per emission scalar, so that they mean the same for short
/// and long series.
#[derive(Clone, Copy, Debug)]
pub struct QuasiNewton {
    /// Most iterations.
    pub num_iters: usize,
    /// Stops when an iteration gains less than this times 1 + |objective|; `None`: never.
    pub tolerance: Option<f64>,
    /// Stops when no slope is steeper than this.
    pub gradient_tolerance: f64,
    /// Pairs of steps and gradient differences that shape the search direction.
    pub memory: usize,
    /// Whether the priors count (MAP) or not (maximum likelihood).
    pub prior: bool,
}

impl Default for QuasiNewton {
    fn default() -> Self {
        QuasiNewton {
            num_iters: 200,
            tolerance: Some(1e-12),
            gradient_tolerance: 1e-8,
            memory: 10,
            prior: true,
        }
    }
}

impl Learner for QuasiNewton {
    /// `log_probs` are the objectives at the start and after each iteration, the last at `params`.
    ///
    /// # Source
    /// Nocedal and Wright (2006), algorithm 7.5, on Fisher's identity. About one E-step an iteration.
    fn fit(
        &self,
        model: &dyn Learnable,
        start: &Params,
        properties: &Properties,
        data: &Dataset<'_>,
        observe: &mut dyn FnMut(Progress<'_>) -> bool,
    ) -> Result<FitReport> {
        let start = &prepare(model, start, properties, data)?;
        let space = FreeSpace::new(model.schema(), properties, start);
        let objective = Objective { model, space: &space, prior: self.prior, log_det_jacobian: false };
        let size = (data.num_rows() * data.width()) as f64;
        let mut failure: Option<Error> = None;
        // Outside its domain (an impossible sequence, a variance rounded to 0) the function is ∞.
        let negative = |x: &[f64], gradient: &mut [f64]| match objective.evaluate(x, data, 1.0) {
            Ok(here) => {
                gradient.iter_mut().zip(&here.gradient).for_each(|(g, s)| *g = -s / size);
                -here.log_prob / size
            }
            Err(error) => {
                failure.get_or_insert(error);
                f64::INFINITY
            }
        };
        let mut report = FitReport::start(start, self.num_iters + 1);
        let minimiser = Lbfgs {
            max_iterations: self.num_iters,
            gradient_tolerance: self.gradient_tolerance,
            value_tolerance: self.tolerance.unwrap_or(f64::NEG_INFINITY),
            memory: self.memory,
            ..Lbfgs::default()
        };
        let minimum = minimiser.minimise(&space.to_free(start), negative, |x, value| {
            let log_prob = -value * size;
            let iteration = report.log_probs.len();
            report.log_probs.push(log_prob);
            let params = space.from_free(x);
            observe(Progress { iteration, num_iters: self.num_iters, log_prob, params: &params })
        });
        if !minimum.value.is_finite() {
            let expected = "starting parameters with a finite objective";
            return Err(failure.unwrap_or_else(|| Error::argument("params", minimum.value, expected)));
        }
        report.params = space.from_free(&minimum.point);
        report.converged = minimum.converged;
        report.interrupted = minimum.interrupted;
        report.warnings = model.warnings(&model.e_step(&report.params, data)?);
        report.warn_of_identical_states(model.schema(), properties);
        Ok(report)
    }

    fn prior(&self) -> bool {
        self.prior
    }
}
