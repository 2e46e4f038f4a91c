//! The one trait that learners see.

use serde::{Deserialize, Serialize};

use crate::data::Dataset;
use crate::error::Result;
use crate::params::{ParamSpec, Params, Properties};

/// Expected sufficient statistics: what an E-step leaves for the M-step and the score.
///
/// They add up over sequences, threads and machines; scaled, they are the statistics of a
/// minibatch seen as the whole data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// The statistics in the model's own order.
    pub values: Vec<f64>,
    /// Σ log p(y), weighted as the sequences are.
    pub marginal_loglik: f64,
    /// Sequences counted (their weights added up).
    pub num_sequences: f64,
    /// Time steps counted.
    pub num_steps: f64,
}

impl Statistics {
    /// Nothing seen yet.
    pub fn zeros(len: usize) -> Self {
        Statistics { values: vec![0.0; len], marginal_loglik: 0.0, num_sequences: 0.0, num_steps: 0.0 }
    }

    /// Adds another part of the data.
    pub fn merge(&mut self, other: &Statistics) {
        self.values.iter_mut().zip(&other.values).for_each(|(a, b)| *a += b);
        self.marginal_loglik += other.marginal_loglik;
        self.num_sequences += other.num_sequences;
        self.num_steps += other.num_steps;
    }

    /// Counts everything `factor` times.
    pub fn scale(&mut self, factor: f64) {
        self.values.iter_mut().for_each(|x| *x *= factor);
        self.marginal_loglik *= factor;
        self.num_sequences *= factor;
        self.num_steps *= factor;
    }
}

/// Parameters after an M-step, and what had to be done to them.
#[derive(Clone, Debug)]
pub struct MStepOutcome {
    /// The new parameters.
    pub params: Params,
    /// Variances floored, ridges added, states without data left as they were.
    pub repairs: usize,
}

/// A model that learners can fit.
pub trait Learnable: Sync {
    /// Names, shapes and constraints of the parameters.
    fn schema(&self) -> &[ParamSpec];

    /// Checks that data fit the model.
    ///
    /// # Errors
    /// What does not fit.
    fn check_data(&self, data: &Dataset<'_>) -> Result<()>;

    /// Expected sufficient statistics of the data under `params`. Data have been checked.
    ///
    /// # Errors
    /// Parameters that do not fit, or a sequence that they can't explain.
    fn e_step(&self, params: &Params, data: &Dataset<'_>) -> Result<Statistics>;

    /// Maximises the expected log-likelihood (plus the log prior if `prior`), starting at `params`.
    ///
    /// # Errors
    /// Statistics or properties that do not fit.
    fn m_step(
        &self,
        params: &Params,
        properties: &Properties,
        statistics: &Statistics,
        prior: bool,
    ) -> Result<MStepOutcome>;

    /// d log p(y | θ) / dθ from the statistics of an E-step at the same θ (Fisher's identity).
    fn score(&self, params: &Params, statistics: &Statistics) -> Params;

    /// An E-step and the score at the same parameters.
    ///
    /// # Errors
    /// As [`Learnable::e_step`].
    fn e_step_and_score(&self, params: &Params, data: &Dataset<'_>) -> Result<(Statistics, Params)> {
        let statistics = self.e_step(params, data)?;
        let score = self.score(params, &statistics);
        Ok((statistics, score))
    }

    /// log p(θ).
    fn log_prior(&self, params: &Params) -> f64;

    /// Its gradient.
    fn log_prior_gradient(&self, params: &Params) -> Params;

    /// What a user should know about these statistics (states that hardly any data visit).
    fn warnings(&self, statistics: &Statistics) -> Vec<String>;

    /// log p(y, ẑ | θ) with ẑ the most likely discrete path, weighted as the sequences are; `None`
    /// for models without discrete states. Data have been checked.
    ///
    /// # Errors
    /// As [`Learnable::e_step`].
    fn classification_log_prob(&self, params: &Params, data: &Dataset<'_>) -> Result<Option<f64>> {
        let _ = (params, data);
        Ok(None)
    }
}
