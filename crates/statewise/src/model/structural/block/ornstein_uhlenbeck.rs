//! Ornstein-Uhlenbeck process: dx = −κ x ds + √(2κ) σ dW, with stationary variance σ².
//!
//! F = e^{−κΔ},  Q = σ² (1 − e^{−2κΔ})

use serde::{Deserialize, Serialize};

use super::{Block, Disturbance, Matrices, Parameter, Scale, Square, Start, first};
use crate::dual::Real;
use crate::model::structural::diffusion;
use crate::params::Constraint;

/// A random walk in continuous time that is pulled to zero at `rate` κ, with stationary `variance`
/// σ². Over steps of length 1 it is the AR(1) with φ = e^{−κ} and noise σ² (1 − φ²).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrnsteinUhlenbeck {}

impl Block for OrnsteinUhlenbeck {
    fn states(&self) -> Vec<String> {
        vec!["value".into()]
    }

    fn state_dim(&self) -> usize {
        1
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter { name: "rate", len: None, constraint: Constraint::Scale }]
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        vec![Disturbance::ONLY]
    }

    fn is_stationary(&self) -> bool {
        true
    }

    fn reads_time(&self) -> bool {
        true
    }

    fn matrices<R: Real>(&self, theta: &[R], step: f64) -> Matrices<R> {
        let rate = theta[0];
        let twice = rate.scaled(2.0);
        Matrices {
            transition: Square { n: 1, values: vec![(-rate.scaled(step)).exp()] },
            noise: vec![diffusion::noise(&[vec![R::constant(1.0)]], twice, step).times(twice)],
            start: vec![Square::identity(1)],
            emission: first(1),
        }
    }

    fn start(&self, scale: &Scale) -> Start {
        (vec![10.0 / scale.span], vec![0.5 * scale.level])
    }
}
