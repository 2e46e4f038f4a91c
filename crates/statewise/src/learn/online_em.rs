//! EM on a stream: batches come, count, and are forgotten.
//!
//! s̄ ← (1 − γ_t) s̄ + γ_t s(B_t; θ) / steps(B_t),  θ ← argmax Q(θ; steps so far · s̄)

use serde::{Deserialize, Serialize};

use super::learner::prepare_params;
use super::step_size::Blend;
use super::{Learnable, StepSize};
use crate::data::Dataset;
use crate::error::Result;
use crate::params::{Params, Properties};

/// An online learner: what it is made of is all it needs to go on, so it can be saved and restored.
///
/// Each sequence of a batch starts from the initial distribution; one endless series is fed as
/// pieces. Statistics are averages per time step, so batches of any lengths count alike, and the
/// prior weighs against all steps seen. For statistics of bounds see [`super::StochasticEm`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnlineEm {
    params: Params,
    properties: Properties,
    step_size: StepSize,
    prior: bool,
    /// Updates that only collect statistics, before the first M-step.
    burn_in: u64,
    blend: Blend,
    steps_seen: f64,
}

/// What one batch did.
#[derive(Clone, Debug, PartialEq)]
pub struct OnlineUpdate {
    /// Σ log p(y) of the batch under the parameters before it: an honest one-batch-ahead score.
    pub marginal_loglik: f64,
    /// Variances floored, ridges added, states without data left as they were.
    pub repairs: usize,
}

impl OnlineEm {
    /// Starts at `params`; the first `burn_in` batches only collect statistics.
    ///
    /// # Errors
    /// Parameters, properties or step sizes that do not fit.
    pub fn new(
        model: &dyn Learnable,
        params: Params,
        properties: Properties,
        step_size: StepSize,
        prior: bool,
        burn_in: u64,
    ) -> Result<Self> {
        let params = prepare_params(model, &params, &properties)?;
        step_size.check()?;
        let blend = Blend::default();
        Ok(OnlineEm { params, properties, step_size, prior, burn_in, blend, steps_seen: 0.0 })
    }

    /// Checks a learner that was saved against the model it is to go on with.
    ///
    /// # Errors
    /// Parameters, properties or step sizes that do not fit.
    pub fn check(&self, model: &dyn Learnable) -> Result<()> {
        self.params.check(model.schema())?;
        self.properties.check(model.schema())?;
        self.step_size.check()
    }

    /// Learns from one batch.
    ///
    /// # Errors
    /// Data that do not fit, or a sequence that can't be explained; the learner is then as before.
    ///
    /// # Source
    /// Cappé and Moulines (2009). One E-step of the batch, one M-step.
    pub fn update(&mut self, model: &dyn Learnable, data: &Dataset<'_>) -> Result<OnlineUpdate> {
        model.check_data(data)?;
        let mut statistics = model.e_step(&self.params, data)?;
        let marginal_loglik = statistics.marginal_loglik;
        if statistics.num_steps <= 0.0 {
            return Ok(OnlineUpdate { marginal_loglik, repairs: 0 });
        }
        let steps_seen = self.steps_seen + statistics.num_steps;
        statistics.scale(1.0 / statistics.num_steps);
        let mut blend = self.blend.clone();
        blend.add(&self.step_size, statistics);
        let mut repairs = 0;
        if blend.updates > self.burn_in
            && let Some(average) = &blend.statistics
        {
            let mut all = average.clone();
            all.scale(steps_seen);
            let outcome = model.m_step(&self.params, &self.properties, &all, self.prior)?;
            (self.params, repairs) = (outcome.params, outcome.repairs);
        }
        (self.blend, self.steps_seen) = (blend, steps_seen);
        Ok(OnlineUpdate { marginal_loglik, repairs })
    }

    /// The parameters now.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Batches counted.
    pub fn updates(&self) -> u64 {
        self.blend.updates
    }

    /// Time steps counted, by weight.
    pub fn steps_seen(&self) -> f64 {
        self.steps_seen
    }
}
