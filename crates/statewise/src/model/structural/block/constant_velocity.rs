//! Constant velocity up to white-noise acceleration: dx = v ds,  dv = σ dW.
//!
//! F = [1 Δ; 0 1],  Q = σ² [Δ³/3 Δ²/2; Δ²/2 Δ]

use serde::{Deserialize, Serialize};

use super::{Block, Disturbance, Matrices, Scale, Square, Start, first};
use crate::dual::Real;
use crate::model::structural::diffusion;

/// A position with a velocity; the position is what is seen. Its smoothed mean is a cubic spline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConstantVelocity {}

impl Block for ConstantVelocity {
    fn states(&self) -> Vec<String> {
        vec!["position".into(), "velocity".into()]
    }

    fn state_dim(&self) -> usize {
        2
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        vec![Disturbance::ONLY]
    }

    fn reads_time(&self) -> bool {
        true
    }

    fn matrices<R: Real>(&self, _theta: &[R], step: f64) -> Matrices<R> {
        let (zero, one) = (R::constant(0.0), R::constant(1.0));
        let noise = diffusion::noise(&[vec![zero, one], vec![one]], zero, step);
        Matrices {
            transition: Square::constants(2, &[1.0, step, 0.0, 1.0]),
            noise: vec![noise],
            start: vec![],
            emission: first(2),
        }
    }

    fn start(&self, scale: &Scale) -> Start {
        (vec![], vec![0.1 * scale.change / scale.step.powi(3)])
    }
}
