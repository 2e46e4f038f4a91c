//! What a covariance recursion knows between two steps, apart from its buffers.

use super::riccati::{Riccati, RiccatiReport};
use super::system::{GaussianError, System, length};

/// All that a [`Riccati`] recursion needs to go on with the same bits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RiccatiState {
    /// The predicted covariance of the first step, \[D, D\]; empty after it.
    pub start: Vec<f64>,
    /// The last step's covariances and gains: P, P − Wᵀ W, W, U, L⁻¹ and the log normaliser.
    pub last: Vec<f64>,
    /// Directions of the last innovation without variance.
    pub last_lost: Vec<u32>,
    /// Which entries the last step observed, \[M\]; empty before the first step.
    pub observed: Vec<bool>,
    /// Whether the recursion has settled.
    pub settled: bool,
    /// The last relative change of the predicted covariance; ∞ before there is one.
    pub change: f64,
    /// Steps for which the change has not fallen.
    pub stalled: u32,
    /// Standard deviations that are rounding, \[D\].
    pub floor: Vec<f64>,
    /// What was done so far.
    pub report: RiccatiReport,
}

impl Riccati {
    /// Copies the state out; memory of `state` is used again.
    pub(super) fn save(&self, state: &mut RiccatiState) {
        state.start.clone_from(&self.start);
        state.last.clone_from(&self.last);
        state.last_lost.clone_from(&self.last_lost);
        state.observed.clone_from(&self.observed);
        state.settled = self.settled;
        state.change = self.change;
        state.stalled = self.stalled;
        state.floor.clone_from(&self.floor);
        state.report = self.report;
    }

    /// Goes back to a state of the same recursion.
    pub(super) fn load(&mut self, state: &RiccatiState) {
        self.start.clone_from(&state.start);
        self.last.clone_from(&state.last);
        self.last_lost.clone_from(&state.last_lost);
        self.observed.clone_from(&state.observed);
        self.settled = state.settled;
        self.change = state.change;
        self.stalled = state.stalled;
        self.floor.clone_from(&state.floor);
        self.report = state.report;
    }

    /// Forgets what was derived from the system of the last step: neither has the recursion settled nor
    /// do transposes hold.
    pub(super) fn renew(&mut self) {
        self.settled = false;
        self.change = f64::INFINITY;
        self.stalled = 0;
        self.scratch.has_transposes = false;
    }
}

impl RiccatiState {
    /// Checks sizes against a system.
    ///
    /// # Errors
    /// [`GaussianError::Shape`] naming the array.
    pub fn check(&self, system: &System<'_>) -> Result<(), GaussianError> {
        let (d, m) = (system.state_dim, system.emission_dim);
        length("last", self.last.len(), 2 * d * d + 2 * m * d + m * m + 1)?;
        length("floor", self.floor.len(), d)?;
        if self.start.is_empty() {
            length("observed", self.observed.len(), m)?;
        } else {
            length("start", self.start.len(), d * d)?;
        }
        match self.last_lost.iter().find(|row| **row as usize >= m) {
            Some(row) => {
                Err(GaussianError::Shape { argument: "last_lost", found: *row as usize, expected: m })
            }
            None => Ok(()),
        }
    }
}
