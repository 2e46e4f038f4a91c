//! All that training changes: saved and restored, it goes on with the same numbers.

use statewise::learn::{Optimizer, OptimizerState};

use super::history::EpochRecord;

/// The state between two epochs.
#[derive(Clone, Debug)]
pub(super) struct TrainingState {
    /// The weights, in double precision.
    pub(super) theta: Vec<f64>,
    pub(super) optimizer: OptimizerState,
    /// The running average of the weights; empty where there is none.
    pub(super) average: Vec<f64>,
    /// The weights of the best validation bound.
    pub(super) best: Vec<f64>,
    pub(super) best_epoch: usize,
    pub(super) best_valid: Option<f64>,
    pub(super) history: Vec<EpochRecord>,
    pub(super) seconds: f64,
}

impl TrainingState {
    pub(super) fn new(theta: Vec<f64>, optimizer: &Optimizer, averaged: bool) -> Self {
        TrainingState {
            optimizer: optimizer.start(theta.len()),
            average: if averaged { theta.clone() } else { Vec::new() },
            best: theta.clone(),
            best_epoch: 0,
            best_valid: None,
            history: Vec::new(),
            seconds: 0.0,
            theta,
        }
    }

    pub(super) fn epochs(&self) -> usize {
        self.history.len()
    }

    /// The weights that are evaluated and kept.
    pub(super) fn evaluated(&self) -> &[f64] {
        if self.average.is_empty() { &self.theta } else { &self.average }
    }

    /// Moves the average towards the weights. Early on it forgets faster: after k updates it averages
    /// over about k / 9 of them at least.
    pub(super) fn take_average(&mut self, decay: f64) {
        let step = self.optimizer.step as f64;
        let decay = decay.min((1.0 + step) / (10.0 + step));
        for (average, x) in self.average.iter_mut().zip(&self.theta) {
            *average += (1.0 - decay) * (x - *average);
        }
    }
}
