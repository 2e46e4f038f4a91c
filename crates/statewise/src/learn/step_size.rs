//! How much a minibatch counts against all before it, and the blend of their statistics.

use serde::{Deserialize, Serialize};

use super::Statistics;
use crate::error::{Error, Result};

/// The weight γ_t of update t = 0, 1, … in S ← (1 − γ_t) S + γ_t s. The first update, which has
/// nothing before it, always counts in full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step_size", rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepSize {
    /// (t + 2)^−κ; ½ < κ ≤ 1 for convergence.
    Power {
        /// κ.
        exponent: f64,
    },
    /// The same for every update: forgets at a fixed rate; 1 keeps the last update only.
    Constant {
        /// γ.
        weight: f64,
    },
    /// Given; the last one goes on.
    Given {
        /// γ_0, γ_1, …
        weights: Vec<f64>,
    },
}

impl Default for StepSize {
    fn default() -> Self {
        StepSize::Power { exponent: 0.6 }
    }
}

impl StepSize {
    /// γ_t.
    pub fn at(&self, t: u64) -> f64 {
        match self {
            StepSize::Power { exponent } => (t as f64 + 2.0).powf(-exponent),
            StepSize::Constant { weight } => *weight,
            StepSize::Given { weights } => {
                weights.get(t as usize).or(weights.last()).copied().unwrap_or(1.0)
            }
        }
    }

    /// Checks that all weights are in (0, 1].
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<()> {
        let inside = |w: &f64| *w > 0.0 && *w <= 1.0;
        let (bad, expected) = match self {
            StepSize::Power { exponent } => (
                (!(*exponent >= 0.0 && exponent.is_finite())).then_some(*exponent),
                "an exponent in [0.5, 1]",
            ),
            StepSize::Constant { weight } => ((!inside(weight)).then_some(*weight), "a weight in (0, 1]"),
            StepSize::Given { weights } if weights.is_empty() => {
                return Err(Error::argument("step_size", "no weights", "at least one"));
            }
            StepSize::Given { weights } => {
                (weights.iter().find(|w| !inside(w)).copied(), "weights in (0, 1]")
            }
        };
        bad.map_or(Ok(()), |bad| Err(Error::argument("step_size", bad, expected)))
    }
}

/// Statistics blended over updates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Blend {
    pub(super) statistics: Option<Statistics>,
    pub(super) updates: u64,
}

impl Blend {
    /// Takes the statistics of the next update, scaled as those of all data.
    pub(super) fn add(&mut self, step_size: &StepSize, mut new: Statistics) {
        let weight = step_size.at(self.updates);
        self.updates += 1;
        if let Some(mut old) = self.statistics.take() {
            old.scale(1.0 - weight);
            new.scale(weight);
            new.merge(&old);
        }
        self.statistics = Some(new);
    }
}
