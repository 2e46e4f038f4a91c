//! Filtering one observation at a time.
//!
//! The filter owns its parameters and keeps its last steps, so that it can smooth them again, and take
//! measurements that come late, without seeing the series a second time.

use std::collections::VecDeque;
use std::sync::Arc;

use statewise_kernels::gaussian::{DiffuseTable, Directions, Gains, OnlineKalman, OnlineKalmanState};

use super::GaussianOptions;
use super::stream_step::{GaussianStep, GaussianTransition, Given, StepModel, advance};
use crate::error::{Error, Result};
use crate::model::linear_gaussian::LgssmParams;

/// A filter that is fed one observation at a time; bit for bit what [`LgssmParams::filter`] computes.
#[derive(Clone, Debug)]
pub struct GaussianOnlineFilter {
    pub(super) params: Arc<LgssmParams>,
    /// What makes steps of their inputs.
    pub(super) model: Option<Arc<dyn StepModel>>,
    pub(super) engine: OnlineKalman,
    history: usize,
    /// The last steps, oldest first; at least one where there was one.
    pub(super) kept: VecDeque<Arc<KeptStep>>,
    pub(super) pending: Option<Pending>,
    /// The input of the last step taken.
    pub(super) last_input: Option<Vec<f64>>,
}

/// A Gaussian over the state.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianBelief {
    /// Its mean, \[D\].
    pub mean: Vec<f64>,
    /// Its covariance, \[D, D\].
    pub cov: Vec<f64>,
}

/// A step taken, and all that is needed to take it again or to smooth it.
#[derive(Clone, Debug)]
pub(super) struct KeptStep {
    pub(super) given: Given,
    pub(super) before: OnlineKalmanState,
    pub(super) gains: Gains,
    pub(super) predicted: Vec<f64>,
    /// Given δ = 0 where a diffuse start counts, as `innovation`.
    pub(super) filtered: Vec<f64>,
    pub(super) innovation: Vec<f64>,
    pub(super) diffuse: Option<KeptDiffuse>,
}

/// What a step keeps where a diffuse start counts.
#[derive(Clone, Debug)]
pub(super) struct KeptDiffuse {
    pub(super) table: DiffuseTable,
    pub(super) directions: Directions,
    /// E(y_t | y_{1:t-1}), \[M\].
    pub(super) emission: Vec<f64>,
}

/// A step predicted but not updated.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pending {
    pub(super) input: Vec<f64>,
    pub(super) own: GaussianStep,
    pub(super) belief: GaussianBelief,
}

impl LgssmParams {
    /// Starts a filter before the first observation, with a copy of the parameters.
    ///
    /// `history` is the number of last steps that are kept for fixed-lag smoothing and for late
    /// measurements; memory grows with it, not with the length of the series.
    ///
    /// With a diffuse start, beliefs have infinite variances as [`LgssmParams::filter`] says.
    ///
    /// # Errors
    /// Parameters that do not fit.
    pub fn online_filter(&self, options: &GaussianOptions, history: usize) -> Result<GaussianOnlineFilter> {
        GaussianOnlineFilter::start(self.clone(), None, options, history)
    }
}

impl GaussianOnlineFilter {
    /// Starts before the first observation; `model` makes steps of their inputs, where parameters do not.
    ///
    /// # Errors
    /// Parameters that do not fit.
    pub(crate) fn start(
        params: LgssmParams,
        model: Option<Arc<dyn StepModel>>,
        options: &GaussianOptions,
        history: usize,
    ) -> Result<Self> {
        params.check_params()?;
        let engine =
            OnlineKalman::new(&params.system(), options.steady_state).map_err(Error::in_series(0))?;
        Ok(GaussianOnlineFilter {
            params: Arc::new(params),
            model,
            engine,
            history,
            kept: VecDeque::new(),
            pending: None,
            last_input: None,
        })
    }

    /// Opens the next step: predicts z_{t+1} by the parameters' dynamics and u_{t+1} (empty without
    /// inputs). The first step has the initial moments. A step opened before and not updated counts as
    /// one without observation.
    ///
    /// # Errors
    /// An input of another size, arrays that end, or a state that is not finite; the filter then stays
    /// as it was.
    pub fn predict(&mut self, input: &[f64]) -> Result<()> {
        self.check_input(input)?;
        self.open_next(input, None)
    }

    /// As [`GaussianOnlineFilter::predict`], by dynamics given for this step alone: those of the time
    /// that has passed, say. `input` is only read by the emission. The transition into the first step is
    /// not read.
    ///
    /// # Errors
    /// As [`GaussianOnlineFilter::predict`]; also a transition of another size, with values that are not
    /// finite or a covariance that is not positive semi-definite.
    pub fn predict_with(&mut self, transition: GaussianTransition, input: &[f64]) -> Result<()> {
        self.check_input(input)?;
        transition.check(self.params.state_dim())?;
        self.open_next(input, Some(transition))
    }

    fn open_next(&mut self, input: &[f64], transition: Option<GaussianTransition>) -> Result<()> {
        if self.pending.is_some() {
            let mut next = self.clone();
            next.update(&vec![f64::NAN; self.params.emission_dim()], &[])?;
            next.open_next(input, transition)?;
            *self = next;
            return Ok(());
        }
        let own = self.own(self.num_steps(), self.last_input.as_deref(), input)?;
        self.open(input.to_vec(), GaussianStep { transition: transition.or(own.transition), ..own })
    }

    /// Predicts a step, which is then open.
    pub(super) fn open(&mut self, input: Vec<f64>, own: GaussianStep) -> Result<()> {
        let given = Given { emission: vec![f64::NAN; self.params.emission_dim()], input, own };
        let mut engine = self.engine.clone();
        advance(&self.params, &mut engine, &given)?;
        let belief = belief(&engine);
        self.pending = Some(Pending { input: given.input, own: given.own, belief });
        Ok(())
    }

    /// What the model of steps makes of an input; nothing without one.
    pub(super) fn own(&self, t: usize, before: Option<&[f64]>, input: &[f64]) -> Result<GaussianStep> {
        self.model.as_ref().map_or(Ok(GaussianStep::default()), |model| model.step(t, before, input))
    }

    /// Takes in y_t (NaN where missing) and returns log p(y_t | y_{1:t-1}). Without a step opened by a
    /// prediction, it is opened by the parameters' dynamics and `input`; with one, `input` is that of the
    /// prediction or empty.
    ///
    /// # Errors
    /// A row or input of another size, infinite values, arrays that end, or an observation that
    /// contradicts a noise-free state; the filter then stays as it was.
    pub fn update(&mut self, emission: &[f64], input: &[f64]) -> Result<f64> {
        self.check_emission(emission)?;
        let (input, own) = match &self.pending {
            Some(pending) if input.is_empty() || input == pending.input => {
                (pending.input.clone(), pending.own.clone())
            }
            Some(pending) => {
                return Err(Error::argument(
                    "input",
                    format!("{input:?}"),
                    format!("{:?} as in the prediction, or none", pending.input),
                ));
            }
            None => {
                self.check_input(input)?;
                (input.to_vec(), self.own(self.num_steps(), self.last_input.as_deref(), input)?)
            }
        };
        let log_prob = self.take(Given { emission: emission.to_vec(), input, own })?;
        self.pending = None;
        Ok(log_prob)
    }

    /// Takes a step without observation.
    ///
    /// # Errors
    /// As [`GaussianOnlineFilter::update`].
    pub fn skip(&mut self, input: &[f64]) -> Result<()> {
        self.update(&vec![f64::NAN; self.params.emission_dim()], input).map(|_| ())
    }

    /// Takes a step and keeps it.
    pub(super) fn take(&mut self, given: Given) -> Result<f64> {
        let log_prob = advance(&self.params, &mut self.engine, &given)?;
        if self.kept.len() >= self.history.max(1) {
            self.kept.pop_front();
        }
        self.last_input = Some(given.input.clone());
        let diffuse = self.engine.diffuse_step().map(|(table, directions, emission)| KeptDiffuse {
            table: table.clone(),
            directions: directions.clone(),
            emission: emission.to_vec(),
        });
        self.kept.push_back(Arc::new(KeptStep {
            given,
            before: self.engine.state_before().clone(),
            gains: self.engine.gains().clone(),
            predicted: self.engine.predicted_mean().to_vec(),
            filtered: self.engine.mean_given_zero().to_vec(),
            innovation: self.engine.innovation().to_vec(),
            diffuse,
        }));
        Ok(log_prob)
    }

    /// p(z_t | y_{1:t}); with a step opened, the prediction of z_{t+1}. Before any step, the initial
    /// moments.
    pub fn belief(&self) -> GaussianBelief {
        self.pending.as_ref().map_or_else(|| belief(&self.engine), |pending| pending.belief.clone())
    }

    /// A second filter that goes on from here on its own; the steps kept are shared.
    pub fn fork(&self) -> Self {
        self.clone()
    }

    /// log p(y_{1:t}).
    pub fn marginal_loglik(&self) -> f64 {
        self.engine.marginal_loglik()
    }

    /// t, the number of steps taken; one that is open is not.
    pub fn num_steps(&self) -> usize {
        self.engine.num_steps()
    }

    /// The parameters; with a model of steps, what all steps share.
    pub fn params(&self) -> &LgssmParams {
        &self.params
    }

    /// Values of an input.
    pub fn input_dim(&self) -> usize {
        self.model.as_ref().map_or_else(|| self.params.input_dim(), |model| model.input_dim())
    }

    pub(super) fn check_emission(&self, emission: &[f64]) -> Result<()> {
        let m = self.params.emission_dim();
        if emission.len() != m {
            return Err(Error::argument("emission", format!("{} values", emission.len()), m));
        }
        match emission.iter().find(|y| y.is_infinite()) {
            Some(y) => Err(Error::argument("emission", y, "finite values, NaN where missing")),
            None => Ok(()),
        }
    }

    pub(super) fn check_input(&self, input: &[f64]) -> Result<()> {
        let u = self.input_dim();
        if input.len() != u {
            return Err(Error::argument("input", format!("{} values", input.len()), u));
        }
        match input.iter().find(|u| !u.is_finite()) {
            Some(u) => Err(Error::argument("input", u, "finite values")),
            None => Ok(()),
        }
    }
}

fn belief(engine: &OnlineKalman) -> GaussianBelief {
    GaussianBelief { mean: engine.filtered_mean().to_vec(), cov: engine.filtered_cov().to_vec() }
}
