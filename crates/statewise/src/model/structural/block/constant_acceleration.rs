//! Constant acceleration up to white-noise jerk: dx = v ds,  dv = a ds,  da = σ dW.
//!
//! F = [1 Δ Δ²/2; 0 1 Δ; 0 0 1],  Q = σ² ∫_0^Δ p(s) p(s)ᵀ ds,  p(s) = (s²/2, s, 1)

use serde::{Deserialize, Serialize};

use super::{Block, Disturbance, Matrices, Scale, Square, Start, first};
use crate::dual::Real;
use crate::model::structural::diffusion;

/// A position with a velocity and an acceleration; the position is what is seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConstantAcceleration {}

impl Block for ConstantAcceleration {
    fn states(&self) -> Vec<String> {
        ["position", "velocity", "acceleration"].map(String::from).into()
    }

    fn state_dim(&self) -> usize {
        3
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        vec![Disturbance::ONLY]
    }

    fn reads_time(&self) -> bool {
        true
    }

    fn matrices<R: Real>(&self, _theta: &[R], step: f64) -> Matrices<R> {
        let (zero, half, one) = (R::constant(0.0), R::constant(0.5), R::constant(1.0));
        let paths = [vec![zero, zero, half], vec![zero, one], vec![one]];
        let square = step * step / 2.0;
        Matrices {
            transition: Square::constants(3, &[1.0, step, square, 0.0, 1.0, step, 0.0, 0.0, 1.0]),
            noise: vec![diffusion::noise(&paths, zero, step)],
            start: vec![],
            emission: first(3),
        }
    }

    fn start(&self, scale: &Scale) -> Start {
        (vec![], vec![0.01 * scale.change / scale.step.powi(5)])
    }
}
