//! Regression on inputs: Σ_j β_jt u_tj, the coefficients states: unknown constants, or random walks.

use serde::{Deserialize, Serialize};

use super::{Block, Disturbance, MAX_DIM, Matrices, Scale, Square, Start, Weights, size};
use crate::dual::Real;
use crate::error::Result;

/// Inputs with coefficients; the last smoothed state holds estimates and their standard errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regression {
    /// Columns of the inputs, from 0.
    pub inputs: Vec<usize>,
    /// Whether coefficients are random walks, with the parameter `variance` (one per column).
    #[serde(default)]
    pub time_varying: bool,
}

impl Block for Regression {
    fn check(&self, path: &str) -> Result<()> {
        size(path, "inputs", self.inputs.len(), 1, MAX_DIM)
    }

    fn states(&self) -> Vec<String> {
        self.inputs.iter().map(|column| format!("coefficient_{column}")).collect()
    }

    fn state_dim(&self) -> usize {
        self.inputs.len()
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        let each = Disturbance { prefix: "", count: Some(self.inputs.len()) };
        if self.time_varying { vec![each] } else { vec![] }
    }

    fn matrices<R: Real>(&self, _theta: &[R], _step: f64) -> Matrices<R> {
        let n = self.state_dim();
        let noise = if self.time_varying { (0..n).map(|j| Square::unit(n, j)).collect() } else { vec![] };
        let emission = vec![R::constant(0.0); n];
        Matrices { transition: Square::identity(n), noise, start: vec![], emission }
    }

    fn weights(&self) -> Weights {
        Weights::Inputs
    }

    fn inputs(&self) -> &[usize] {
        &self.inputs
    }

    fn emission(&self, _t: usize, inputs: &[f64], out: &mut [f64]) {
        out.iter_mut().zip(&self.inputs).for_each(|(h, column)| *h = inputs[*column]);
    }

    fn start(&self, scale: &Scale) -> Start {
        let num = if self.time_varying { self.inputs.len() } else { 0 };
        (vec![], vec![0.01 * scale.change; num])
    }
}
