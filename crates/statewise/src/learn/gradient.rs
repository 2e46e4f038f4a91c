//! Stochastic gradient descent on minibatches of sequences.
//!
//! loss(θ; B) = −(log p(θ) + N/|B| Σ_{n∈B} log p(y_n | θ)) / number of emission scalars

use serde::{Deserialize, Serialize};
use statewise_kernels::random::Seed;

use super::learner::prepare;
use super::minibatch::Minibatches;
use super::{FitReport, Learnable, Learner, Objective, Optimizer, OptimizerState, Progress, Statistics};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::params::{FreeSpace, Params, Properties};

/// Settings of the gradient fit; the defaults are those of Dynamax's `fit_sgd`.
#[derive(Clone, Debug)]
pub struct GradientDescent {
    /// How gradients become steps.
    pub optimizer: Optimizer,
    /// |B|, sequences in a minibatch; the last of a pass may be shorter.
    pub batch_size: usize,
    /// Passes over the data.
    pub num_epochs: usize,
    /// Whether each pass takes the sequences in a new order.
    pub shuffle: bool,
    /// Where the orders come from.
    pub seed: Seed,
    /// Whether the priors count (MAP) or not (maximum likelihood).
    pub prior: bool,
}

impl Default for GradientDescent {
    fn default() -> Self {
        GradientDescent {
            optimizer: Optimizer::default(),
            batch_size: 1,
            num_epochs: 50,
            shuffle: false,
            seed: Seed(0),
            prior: true,
        }
    }
}

/// What a gradient fit needs to go on where it stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GradientState {
    /// Passes finished.
    pub epochs: u64,
    /// The free coordinates reached.
    pub point: Vec<f64>,
    /// The optimiser's memory.
    pub optimizer: OptimizerState,
}

/// The outcome of a gradient fit.
#[derive(Clone, Debug)]
pub struct GradientFit {
    /// The report; its `log_probs` are −loss × number of emission scalars.
    pub report: FitReport,
    /// The mean over the minibatches of each pass of the loss before the step.
    pub losses: Vec<f64>,
    /// From here the fit can go on.
    pub state: GradientState,
}

impl GradientDescent {
    /// Fits, or goes on from `state` (of the same model, properties and fixed values).
    ///
    /// Going on for m passes after n equals n + m passes at once, bit for bit. A loss that is not a
    /// number ends the fit at the last parameters that had one, with a warning.
    ///
    /// # Errors
    /// As [`Learner::fit`]; also a state of another rule or number of free parameters.
    pub fn fit_from(
        &self,
        state: Option<GradientState>,
        model: &dyn Learnable,
        start: &Params,
        properties: &Properties,
        data: &Dataset<'_>,
        observe: &mut dyn FnMut(Progress<'_>) -> bool,
    ) -> Result<GradientFit> {
        let start = &prepare(model, start, properties, data)?;
        let space = FreeSpace::new(model.schema(), properties, start);
        if self.batch_size == 0 {
            return Err(Error::argument("batch_size", 0, "at least 1"));
        }
        self.optimizer.check(state.as_ref().map(|s| &s.optimizer), space.dim())?;
        let mut state = match state {
            Some(state) if state.point.len() == space.dim() => state,
            Some(state) => return Err(Error::argument("state.point", state.point.len(), space.dim())),
            None => GradientState {
                epochs: 0,
                point: space.to_free(start),
                optimizer: self.optimizer.start(space.dim()),
            },
        };
        let objective = Objective { model, space: &space, prior: self.prior, log_det_jacobian: false };
        let minibatches = Minibatches {
            num_sequences: data.num_sequences(),
            batch_size: self.batch_size,
            shuffle: self.shuffle,
            seed: self.seed,
        };
        let size = (data.num_rows() * data.width()) as f64;
        let mut report = FitReport::start(start, self.num_epochs);
        let mut losses = Vec::with_capacity(self.num_epochs);
        let mut last_good = state.point.clone();
        'epochs: for iteration in 0..self.num_epochs {
            let batches = minibatches.of_epoch(state.epochs);
            let mut total = 0.0;
            let mut seen: Option<Statistics> = None;
            for batch in &batches {
                let scale = data.num_sequences() as f64 / batch.len() as f64;
                let evaluation = objective.evaluate(&state.point, &data.select(batch), scale);
                let first = iteration == 0 && state.optimizer.step == 0;
                let here = match evaluation {
                    Ok(here) if here.is_finite() => here,
                    Err(error) if first => return Err(error),
                    _ => {
                        let pass = state.epochs;
                        report.warnings.push(format!(
                            "in pass {pass} the loss was not a number; the fit ends before the step that led there: \
                             lower the learning rate, or clip gradients"
                        ));
                        state.point.clone_from(&last_good);
                        break 'epochs;
                    }
                };
                total -= here.log_prob / size;
                match &mut seen {
                    Some(seen) => seen.merge(&here.statistics),
                    None => seen = Some(here.statistics),
                }
                let mut gradient: Vec<f64> = here.gradient.iter().map(|g| -g / size).collect();
                last_good.clone_from(&state.point);
                self.optimizer.step(&mut state.optimizer, &mut state.point, &mut gradient);
            }
            let loss = total / batches.len() as f64;
            losses.push(loss);
            state.epochs += 1;
            report.warnings = seen.map_or(vec![], |seen| model.warnings(&seen));
            let log_prob = -loss * size;
            report.log_probs.push(log_prob);
            let params = space.from_free(&state.point);
            if !observe(Progress { iteration, num_iters: self.num_epochs, log_prob, params: &params }) {
                report.interrupted = true;
                break;
            }
        }
        let params = space.from_free(&state.point);
        // The last step of all may have led out of the space; nothing was evaluated there.
        if params.check(model.schema()).is_ok() {
            report.params = params;
        } else {
            report.warnings.push("the last step left the parameter space and was undone".into());
            state.point.clone_from(&last_good);
            report.params = space.from_free(&last_good);
        }
        report.warn_of_identical_states(model.schema(), properties);
        Ok(GradientFit { report, losses, state })
    }
}

impl Learner for GradientDescent {
    /// # Source
    /// Dynamax 1.0.3's `fit_sgd` and `run_sgd`, with the shuffle always honoured.
    fn fit(
        &self,
        model: &dyn Learnable,
        start: &Params,
        properties: &Properties,
        data: &Dataset<'_>,
        observe: &mut dyn FnMut(Progress<'_>) -> bool,
    ) -> Result<FitReport> {
        Ok(self.fit_from(None, model, start, properties, data, observe)?.report)
    }

    fn prior(&self) -> bool {
        self.prior
    }
}
