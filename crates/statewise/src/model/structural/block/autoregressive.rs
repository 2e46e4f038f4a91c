//! Autoregression: x_t = Σ_j φ_j x_{t-j} + N(0, σ²), stationary and started at its stationary law.

use serde::{Deserialize, Serialize};

use super::arma::lags;
use super::{Block, Disturbance, MAX_DIM, Matrices, Parameter, Scale, Start, first, size};
use crate::dual::Real;
use crate::error::Result;
use crate::params::Constraint;

/// AR(p) from row to row; the state holds x_t..x_{t-p+1}.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Autoregressive {
    /// p.
    pub order: usize,
}

impl Block for Autoregressive {
    fn check(&self, path: &str) -> Result<()> {
        size(path, "order", self.order, 1, MAX_DIM)
    }

    fn states(&self) -> Vec<String> {
        (0..self.order).map(|lag| format!("lag_{lag}")).collect()
    }

    fn state_dim(&self) -> usize {
        self.order
    }

    fn parameters(&self) -> Vec<Parameter> {
        let (name, constraint) = ("coefficients", Constraint::Stationary);
        vec![Parameter { name, len: Some(self.order), constraint }]
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        vec![Disturbance::ONLY]
    }

    fn is_stationary(&self) -> bool {
        true
    }

    fn matrices<R: Real>(&self, theta: &[R], _step: f64) -> Matrices<R> {
        lags(theta, self.order, first(self.order))
    }

    fn start(&self, scale: &Scale) -> Start {
        let mut coefficients = vec![0.0; self.order];
        coefficients[0] = 0.5;
        (coefficients, vec![0.25 * scale.change])
    }
}
