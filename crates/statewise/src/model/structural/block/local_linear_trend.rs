//! Local linear trend: μ_t = μ_{t-1} + ν_{t-1} + N(0, σ²_level),  ν_t = ν_{t-1} + N(0, σ²_slope).

use serde::{Deserialize, Serialize};

use super::{Block, Disturbance, Matrices, Scale, Square, Start, first, yes};
use crate::dual::Real;

/// A level with a slope. A fixed level and a stochastic slope are a smooth trend, a stochastic level
/// and a fixed slope a random walk with drift, both fixed a straight line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalLinearTrend {
    /// Whether the level is disturbed, with the parameter `level_variance`.
    #[serde(default = "yes")]
    pub stochastic_level: bool,
    /// Whether the slope is disturbed, with the parameter `slope_variance`.
    #[serde(default = "yes")]
    pub stochastic_slope: bool,
}

impl Default for LocalLinearTrend {
    fn default() -> Self {
        LocalLinearTrend { stochastic_level: true, stochastic_slope: true }
    }
}

impl LocalLinearTrend {
    /// Prefix, entry of the state and share of the scale of each disturbance that there is.
    fn disturbed(&self) -> impl Iterator<Item = (&'static str, usize, f64)> {
        let all = [(self.stochastic_level, "level_", 0, 0.1), (self.stochastic_slope, "slope_", 1, 0.01)];
        all.into_iter().filter(|d| d.0).map(|(_, prefix, entry, share)| (prefix, entry, share))
    }
}

impl Block for LocalLinearTrend {
    fn states(&self) -> Vec<String> {
        vec!["level".into(), "slope".into()]
    }

    fn state_dim(&self) -> usize {
        2
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        self.disturbed().map(|(prefix, _, _)| Disturbance { prefix, count: None }).collect()
    }

    fn matrices<R: Real>(&self, _theta: &[R], _step: f64) -> Matrices<R> {
        Matrices {
            transition: Square::constants(2, &[1.0, 1.0, 0.0, 1.0]),
            noise: self.disturbed().map(|(_, entry, _)| Square::unit(2, entry)).collect(),
            start: vec![],
            emission: first(2),
        }
    }

    fn start(&self, scale: &Scale) -> Start {
        (vec![], self.disturbed().map(|(_, _, share)| share * scale.change).collect())
    }
}
