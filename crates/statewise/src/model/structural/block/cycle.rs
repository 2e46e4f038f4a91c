//! Cycle: a wave of unknown period, damped or not, disturbed or not.
//!
//! (c, c*)_t = ρ^Δ Rot(2π Δ / period) (c, c*)_{t-1} + N(0, σ² g(Δ) I)
//!
//! g(Δ) = (1 − ρ^{2Δ}) / (1 − ρ²), or Δ where ρ = 1; g(1) = 1.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

use super::{Block, Disturbance, Matrices, Parameter, Scale, Square, Start, first, yes};
use crate::dual::Real;
use crate::error::{Error, Result};
use crate::params::Constraint;

/// A wave; with damping and disturbances stationary, else it starts diffuse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cycle {
    /// The shortest and longest period, in the unit of Δ; equal ends leave no parameter.
    pub period: (f64, f64),
    /// Whether the wave dies out, with the parameter `damping` ρ.
    #[serde(default = "yes")]
    pub damped: bool,
    /// Whether the wave is disturbed, with the parameter `variance`.
    #[serde(default = "yes")]
    pub stochastic: bool,
}

impl Cycle {
    /// A stationary cycle with a period between two bounds.
    pub fn new(shortest: f64, longest: f64) -> Self {
        Cycle { period: (shortest, longest), damped: true, stochastic: true }
    }

    fn has_known_period(&self) -> bool {
        self.period.0 == self.period.1
    }

    /// (period, ρ).
    fn read<R: Real>(&self, theta: &[R]) -> (R, R) {
        let mut rest = theta.iter().copied();
        let period = if self.has_known_period() { None } else { rest.next() };
        let damping = if self.damped { rest.next() } else { None };
        (period.unwrap_or(R::constant(self.period.0)), damping.unwrap_or(R::constant(1.0)))
    }
}

impl Block for Cycle {
    fn check(&self, path: &str) -> Result<()> {
        let (low, high) = self.period;
        if 0.0 < low && low <= high && high.is_finite() {
            return Ok(());
        }
        let expected = "two positive numbers, the lower first";
        Err(Error::argument(format!("{path}.period"), format!("({low}, {high})"), expected))
    }

    fn states(&self) -> Vec<String> {
        vec!["cycle".into(), "auxiliary".into()]
    }

    fn state_dim(&self) -> usize {
        2
    }

    fn parameters(&self) -> Vec<Parameter> {
        let (low, high) = self.period;
        let period =
            Parameter { name: "period", len: None, constraint: Constraint::Interval { low, high } };
        let damping = Parameter { name: "damping", len: None, constraint: Constraint::UnitInterval };
        let present = [(!self.has_known_period(), period), (self.damped, damping)];
        present.into_iter().filter(|p| p.0).map(|p| p.1).collect()
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        if self.stochastic { vec![Disturbance::ONLY] } else { vec![] }
    }

    fn is_stationary(&self) -> bool {
        self.damped && self.stochastic
    }

    fn reads_time(&self) -> bool {
        true
    }

    fn matrices<R: Real>(&self, theta: &[R], step: f64) -> Matrices<R> {
        let (period, damping) = self.read(theta);
        let (sin, cos) = (R::constant(TAU * step) / period).sin_cos();
        let decay = damping.powf(step);
        let rows = vec![decay * cos, decay * sin, -(decay * sin), decay * cos];
        let one = R::constant(1.0);
        let lost = one - damping * damping;
        let growth = if self.damped { (one - decay * decay) / lost } else { R::constant(step) };
        let noise = if self.stochastic { vec![Square::identity(2).times(growth)] } else { vec![] };
        let start = if self.is_stationary() { vec![Square::identity(2).times(one / lost)] } else { vec![] };
        Matrices { transition: Square { n: 2, values: rows }, noise, start, emission: first(2) }
    }

    fn start(&self, scale: &Scale) -> Start {
        let (low, high) = self.period;
        let values = self.parameters().into_iter().map(|parameter| match parameter.name {
            "period" => (low * high).sqrt(),
            _ => 0.9f64.powf(1.0 / scale.step),
        });
        let variance = 0.1 * scale.change / scale.step;
        (values.collect(), self.disturbances().iter().map(|_| variance).collect())
    }
}
