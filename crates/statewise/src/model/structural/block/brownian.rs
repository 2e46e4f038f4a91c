//! Brownian level: dμ = σ dW, so that μ moves by N(0, σ² Δ) over a step of length Δ.

use serde::{Deserialize, Serialize};

use super::{Block, Disturbance, Matrices, Scale, Square, Start, first};
use crate::dual::Real;

/// A random walk in continuous time; with steps of length 1 the local level.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brownian {}

impl Block for Brownian {
    fn states(&self) -> Vec<String> {
        vec!["level".into()]
    }

    fn state_dim(&self) -> usize {
        1
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        vec![Disturbance::ONLY]
    }

    fn reads_time(&self) -> bool {
        true
    }

    fn matrices<R: Real>(&self, _theta: &[R], step: f64) -> Matrices<R> {
        Matrices {
            transition: Square::identity(1),
            noise: vec![Square::constants(1, &[step])],
            start: vec![],
            emission: first(1),
        }
    }

    fn start(&self, scale: &Scale) -> Start {
        (vec![], vec![0.1 * scale.change / scale.step])
    }
}
