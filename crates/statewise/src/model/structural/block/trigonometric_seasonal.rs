//! Trigonometric seasonal: a sum of waves, each a rotation of its own pair of states.
//!
//! s_t = Σ_j ψ_jt,  (ψ_j, ψ*_j)_t = Rot(2π j Δ / period) (ψ_j, ψ*_j)_{t-1} + N(0, σ² Δ I)
//!
//! Over steps of any length Δ this is the exact law of the rotation driven by Brownian noise.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

use super::{Block, Disturbance, MAX_DIM, Matrices, Scale, Square, Start, size, yes};
use crate::dual::Real;
use crate::error::{Error, Result};

/// Waves of periods period / j for j = 1..num_harmonics; the period need not be whole.
///
/// A wave of two rows a period, 2 j = period, has one state where steps have length 1 (its other
/// state can't be seen), so that all harmonics together have period − 1 states, as the dummy form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrigonometricSeasonal {
    /// Length of a period, in the unit of Δ (rows where there are no time stamps).
    pub period: f64,
    /// Number of waves; at most period / 2 where steps have length 1.
    pub num_harmonics: usize,
    /// Whether the pattern changes, with the parameter `variance`.
    #[serde(default = "yes")]
    pub stochastic: bool,
    /// Whether steps have other lengths than 1; a model with a time column asks for it.
    #[serde(default)]
    pub irregular: bool,
}

impl TrigonometricSeasonal {
    /// Waves that change, over steps of length 1.
    pub fn new(period: f64, num_harmonics: usize) -> Self {
        TrigonometricSeasonal { period, num_harmonics, stochastic: true, irregular: false }
    }

    /// Whether the last wave alternates from row to row.
    fn alternates(&self) -> bool {
        !self.irregular && 2.0 * self.num_harmonics as f64 == self.period
    }
}

impl Block for TrigonometricSeasonal {
    fn check(&self, path: &str) -> Result<()> {
        size(path, "num_harmonics", self.num_harmonics, 1, MAX_DIM / 2)?;
        if !(self.period.is_finite() && self.period > 0.0) {
            return Err(Error::argument(format!("{path}.period"), self.period, "a positive number"));
        }
        if !self.irregular && 2.0 * self.num_harmonics as f64 > self.period {
            return Err(Error::argument(
                format!("{path}.num_harmonics"),
                self.num_harmonics,
                format!("at most half the period {}: shorter waves can't be told apart", self.period),
            ));
        }
        Ok(())
    }

    fn states(&self) -> Vec<String> {
        let pairs = (1..=self.num_harmonics).flat_map(|j| [format!("cos_{j}"), format!("sin_{j}")]);
        pairs.take(self.state_dim()).collect()
    }

    fn state_dim(&self) -> usize {
        2 * self.num_harmonics - usize::from(self.alternates())
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        if self.stochastic { vec![Disturbance::ONLY] } else { vec![] }
    }

    fn reads_time(&self) -> bool {
        true
    }

    fn matrices<R: Real>(&self, _theta: &[R], step: f64) -> Matrices<R> {
        let n = self.state_dim();
        let mut transition = Square::zeros(n);
        let mut emission = vec![R::constant(0.0); n];
        for j in 1..=self.num_harmonics {
            let i = 2 * (j - 1);
            emission[i] = R::constant(1.0);
            if i + 1 == n {
                transition[(i, i)] = R::constant(-1.0);
                continue;
            }
            let (sin, cos) = (TAU * j as f64 / self.period * step).sin_cos();
            let rotation = [((i, i), cos), ((i, i + 1), sin), ((i + 1, i), -sin), ((i + 1, i + 1), cos)];
            rotation.into_iter().for_each(|(at, x)| transition[at] = R::constant(x));
        }
        let noise =
            if self.stochastic { vec![Square::identity(n).times(R::constant(step))] } else { vec![] };
        Matrices { transition, noise, start: vec![], emission }
    }

    fn start(&self, scale: &Scale) -> Start {
        let variance = 0.01 * scale.change / (self.num_harmonics as f64 * scale.step);
        (vec![], self.disturbances().iter().map(|_| variance).collect())
    }
}
