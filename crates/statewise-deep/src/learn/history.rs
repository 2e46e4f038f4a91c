//! What training tells: epoch by epoch, and at its end.

use serde::{Deserialize, Serialize};

/// One pass over the training data; bounds are nats per time step, lower is better.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Epochs finished, this one included.
    pub epoch: usize,
    /// Updates made since the start.
    pub updates: u64,
    /// Seconds of training since the start, over all resumed runs.
    pub seconds: f64,
    /// −bound of log p(x) per step on the training data, with dropout.
    pub train_bound: f64,
    /// −log p(x | z) per step.
    pub nll: f64,
    /// The divergence per step.
    pub kl: f64,
    /// β of the last update.
    pub kl_weight: f64,
    /// Norm of the gradient before it was limited, averaged over updates.
    pub gradient_norm: f64,
    /// Learning rate of the last update.
    pub learning_rate: f64,
    /// −ELBO per step on the validation data, where it was evaluated.
    pub valid_bound: Option<f64>,
}

/// Why training ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// All epochs are done.
    Epochs,
    /// The time limit was reached.
    TimeLimit,
    /// The validation bound stopped improving.
    Patience,
    /// The observer said so.
    Interrupted,
    /// A bound or a gradient was not finite; the message says where.
    NotFinite(String),
}

/// How training went.
#[derive(Clone, Debug)]
pub struct FitReport {
    /// Every epoch.
    pub history: Vec<EpochRecord>,
    /// The epoch whose weights the model has now: the best on the validation data, or the last.
    pub best_epoch: usize,
    /// Its validation bound.
    pub best_valid_bound: Option<f64>,
    /// Why it ended.
    pub stop: StopReason,
}

impl FitReport {
    /// What one should know of the result, in words.
    pub fn warnings(&self) -> Vec<String> {
        let weight = self.history.last().map_or(1.0, |record| record.kl_weight);
        match &self.stop {
            StopReason::NotFinite(message) => vec![message.clone()],
            StopReason::Epochs | StopReason::TimeLimit if weight < 1.0 => vec![format!(
                "training ended while the divergence weighed {weight:.2}, which raises the bound: train longer, or let \
                 fewer updates raise the weight to 1"
            )],
            _ => Vec::new(),
        }
    }
}

/// What an observer sees after every update.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The running epoch, 1-based.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// Updates done in this epoch.
    pub update: usize,
    /// Updates of an epoch.
    pub updates: usize,
    /// The epoch so far.
    pub running: &'a EpochRecord,
    /// The epochs before it.
    pub history: &'a [EpochRecord],
    /// Time steps that training went through, per second of this run.
    pub steps_per_second: f64,
    /// Seconds until the last epoch or the time limit, if training goes on as it did.
    pub seconds_left: f64,
}
