//! Damped trend: μ_t = μ_{t-1} + δ + ν_{t-1} + N(0, σ²_level),  ν_t = φ ν_{t-1} + N(0, σ²_slope).
//!
//! With the drift δ, an unknown constant, it is the semi-local trend; without it the slope dies out.

use serde::{Deserialize, Serialize};

use super::{Block, Disturbance, Matrices, Parameter, Scale, Square, Start, first, yes};
use crate::dual::Real;
use crate::params::Constraint;

/// A level whose slope returns to a long-run value; the level starts diffuse, the slope at its
/// stationary law.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DampedTrend {
    /// Whether the level is disturbed, with the parameter `level_variance`.
    #[serde(default = "yes")]
    pub stochastic_level: bool,
    /// Whether the slope returns to an unknown drift δ (else: to zero).
    #[serde(default)]
    pub drift: bool,
}

impl Default for DampedTrend {
    fn default() -> Self {
        DampedTrend { stochastic_level: true, drift: false }
    }
}

impl Block for DampedTrend {
    fn states(&self) -> Vec<String> {
        let names = ["level", "slope", "drift"];
        names[..self.state_dim()].iter().map(|name| (*name).into()).collect()
    }

    fn state_dim(&self) -> usize {
        if self.drift { 3 } else { 2 }
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter { name: "damping", len: None, constraint: Constraint::UnitInterval }]
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        let slope = Disturbance { prefix: "slope_", count: None };
        let level = Disturbance { prefix: "level_", count: None };
        if self.stochastic_level { vec![slope, level] } else { vec![slope] }
    }

    fn is_stationary(&self) -> bool {
        true
    }

    fn diffuse(&self) -> Vec<bool> {
        [true, false, true][..self.state_dim()].to_vec()
    }

    fn matrices<R: Real>(&self, theta: &[R], _step: f64) -> Matrices<R> {
        let n = self.state_dim();
        let (phi, one) = (theta[0], R::constant(1.0));
        let mut transition = Square::identity(n);
        transition[(0, 1)] = one;
        transition[(1, 1)] = phi;
        if self.drift {
            transition[(0, 2)] = one;
        }
        let mut noise = vec![Square::unit(n, 1)];
        let mut start = vec![Square::unit(n, 1).times(one / (one - phi * phi))];
        if self.stochastic_level {
            noise.push(Square::unit(n, 0));
            start.push(Square::zeros(n));
        }
        Matrices { transition, noise, start, emission: first(n) }
    }

    fn start(&self, scale: &Scale) -> Start {
        let shares = [0.05, 0.1];
        let variances = shares[..self.disturbances().len()].iter().map(|s| s * scale.change);
        (vec![0.8], variances.collect())
    }
}
