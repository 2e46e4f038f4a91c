//! Seasonal in dummy form: s_t = −Σ_{j<period} s_{t-j} + N(0, σ²), so that each period sums to noise.

use serde::{Deserialize, Serialize};

use super::{Block, Disturbance, MAX_DIM, Matrices, Scale, Square, Start, first, size, yes};
use crate::dual::Real;
use crate::error::Result;

/// A pattern over `period` rows; the state holds the last period − 1 seasons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seasonal {
    /// Rows in a period.
    pub period: usize,
    /// Whether the pattern changes, with the parameter `variance`.
    #[serde(default = "yes")]
    pub stochastic: bool,
}

impl Seasonal {
    /// A pattern that changes.
    pub fn new(period: usize) -> Self {
        Seasonal { period, stochastic: true }
    }
}

impl Block for Seasonal {
    fn check(&self, path: &str) -> Result<()> {
        size(path, "period", self.period, 2, MAX_DIM)
    }

    fn states(&self) -> Vec<String> {
        (0..self.state_dim()).map(|lag| format!("lag_{lag}")).collect()
    }

    fn state_dim(&self) -> usize {
        self.period - 1
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        if self.stochastic { vec![Disturbance::ONLY] } else { vec![] }
    }

    fn matrices<R: Real>(&self, _theta: &[R], _step: f64) -> Matrices<R> {
        let n = self.state_dim();
        let mut transition = Square::zeros(n);
        for j in 0..n {
            transition[(0, j)] = R::constant(-1.0);
        }
        for j in 1..n {
            transition[(j, j - 1)] = R::constant(1.0);
        }
        let noise = if self.stochastic { vec![Square::unit(n, 0)] } else { vec![] };
        Matrices { transition, noise, start: vec![], emission: first(n) }
    }

    fn start(&self, scale: &Scale) -> Start {
        (vec![], self.disturbances().iter().map(|_| 0.01 * scale.change).collect())
    }
}
