//! Intervention: β x_t with a known shape x_t from a known step on, and an unknown constant β.

use serde::{Deserialize, Serialize};

use super::{Block, Disturbance, Matrices, Scale, Square, Start, Weights};
use crate::dual::Real;
use crate::error::{Error, Result};

/// How a series changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// 1 from the step on: a shift of the level.
    Step,
    /// 1 at the step only: an outlier.
    Pulse,
    /// t − at from the step on: a change of the slope.
    Slope,
    /// From 0 to 1 between `at` and `until`, then 1: a shift in small steps.
    Ramp {
        /// The first step of the full shift.
        until: usize,
    },
}

/// A change at a known step of every sequence, counted from 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intervention {
    /// How the series changes.
    pub shape: Shape,
    /// The step from which on it does.
    pub at: usize,
}

impl Block for Intervention {
    fn check(&self, path: &str) -> Result<()> {
        match self.shape {
            Shape::Ramp { until } if until <= self.at => {
                let expected = format!("a step after {}", self.at);
                Err(Error::argument(format!("{path}.shape.ramp.until"), until, expected))
            }
            _ => Ok(()),
        }
    }

    fn states(&self) -> Vec<String> {
        vec!["coefficient".into()]
    }

    fn state_dim(&self) -> usize {
        1
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        vec![]
    }

    fn matrices<R: Real>(&self, _theta: &[R], _step: f64) -> Matrices<R> {
        let emission = vec![R::constant(0.0)];
        Matrices { transition: Square::identity(1), noise: vec![], start: vec![], emission }
    }

    fn weights(&self) -> Weights {
        Weights::Step
    }

    fn emission(&self, t: usize, _inputs: &[f64], out: &mut [f64]) {
        let since = t as f64 - self.at as f64;
        out[0] = match self.shape {
            Shape::Step => f64::from(t >= self.at),
            Shape::Pulse => f64::from(t == self.at),
            Shape::Slope => since.max(0.0),
            Shape::Ramp { until } => (since / (until as f64 - self.at as f64)).clamp(0.0, 1.0),
        };
    }

    fn start(&self, _scale: &Scale) -> Start {
        (vec![], vec![])
    }
}
