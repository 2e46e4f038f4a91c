//! Local level: μ_t = μ_{t-1} + N(0, σ²), from row to row.

use serde::{Deserialize, Serialize};

use super::{Block, Disturbance, Matrices, Scale, Square, Start, first, yes};
use crate::dual::Real;

/// A random walk; constant where it is not stochastic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalLevel {
    /// Whether the level moves; else it is an unknown constant without a parameter.
    #[serde(default = "yes")]
    pub stochastic: bool,
}

impl Default for LocalLevel {
    fn default() -> Self {
        LocalLevel { stochastic: true }
    }
}

impl Block for LocalLevel {
    fn states(&self) -> Vec<String> {
        vec!["level".into()]
    }

    fn state_dim(&self) -> usize {
        1
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        if self.stochastic { vec![Disturbance::ONLY] } else { vec![] }
    }

    fn matrices<R: Real>(&self, _theta: &[R], _step: f64) -> Matrices<R> {
        let noise = if self.stochastic { vec![Square::identity(1)] } else { vec![] };
        Matrices { transition: Square::identity(1), noise, start: vec![], emission: first(1) }
    }

    fn start(&self, scale: &Scale) -> Start {
        (vec![], self.disturbances().iter().map(|_| 0.1 * scale.change).collect())
    }
}
