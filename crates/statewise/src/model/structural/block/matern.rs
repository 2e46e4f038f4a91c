//! Matérn Gaussian processes of half-integer smoothness, as exact Markov processes.
//!
//! k(s) = σ² e^{−λ|s|} × 1, (1 + λ|s|) or (1 + λ|s| + λ²s²/3);  λ = √(2ν) / length scale
//!
//! The state holds the process and its derivatives. The drift is A = N − λ I with N nilpotent, so
//! that e^{AΔ} = e^{−λΔ} (I + NΔ + N²Δ²/2) is exact.

use serde::{Deserialize, Serialize};

use super::{Block, Disturbance, Matrices, Parameter, Scale, Square, Start, first};
use crate::dual::Real;
use crate::model::structural::diffusion;
use crate::params::Constraint;

/// ν.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Smoothness {
    /// Continuous paths.
    #[serde(rename = "1/2")]
    Half,
    /// Paths with one derivative.
    #[serde(rename = "3/2")]
    ThreeHalves,
    /// Paths with two derivatives.
    #[serde(rename = "5/2")]
    FiveHalves,
}

/// A stationary process with the parameters `length_scale` and `variance` σ².
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matern {
    /// ν.
    pub smoothness: Smoothness,
}

impl Block for Matern {
    fn states(&self) -> Vec<String> {
        let names = ["value", "first_derivative", "second_derivative"];
        names[..self.state_dim()].iter().map(|name| (*name).into()).collect()
    }

    fn state_dim(&self) -> usize {
        match self.smoothness {
            Smoothness::Half => 1,
            Smoothness::ThreeHalves => 2,
            Smoothness::FiveHalves => 3,
        }
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter { name: "length_scale", len: None, constraint: Constraint::Scale }]
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

    /// # Source
    /// Hartikainen and Särkkä (2010), Kalman filtering and smoothing solutions to temporal Gaussian
    /// process regression models, for A and the density of the noise; the rest is elementary.
    fn matrices<R: Real>(&self, theta: &[R], step: f64) -> Matrices<R> {
        let n = self.state_dim();
        let one = R::constant(1.0);
        let lambda = R::constant((2.0 * n as f64 - 1.0).sqrt()) / theta[0];
        let squared = lambda * lambda;
        let cubed = squared * lambda;
        // N: ones above the diagonal, λ on it, and the last row of the companion form.
        let mut nilpotent = Square::diagonal(vec![lambda; n]);
        for i in 1..n {
            nilpotent[(i - 1, i)] = one;
        }
        let (last, density, start) = match self.smoothness {
            Smoothness::Half => (vec![-lambda], lambda.scaled(2.0), Square::identity(1)),
            Smoothness::ThreeHalves => (
                vec![-squared, lambda.scaled(-2.0)],
                cubed.scaled(4.0),
                Square::diagonal(vec![one, squared]),
            ),
            Smoothness::FiveHalves => {
                let third = squared.scaled(1.0 / 3.0);
                let mut start = Square::diagonal(vec![one, third, squared * squared]);
                (start[(0, 2)], start[(2, 0)]) = (-third, -third);
                let last = vec![-cubed, squared.scaled(-3.0), lambda.scaled(-3.0)];
                (last, (cubed * squared).scaled(16.0 / 3.0), start)
            }
        };
        for (j, x) in last.into_iter().enumerate() {
            nilpotent[(n - 1, j)] = nilpotent[(n - 1, j)] + x;
        }
        let square = product(&nilpotent, &nilpotent);
        let decay = (-lambda.scaled(step)).exp();
        let mut transition = Square::identity(n);
        for (i, f) in transition.values.iter_mut().enumerate() {
            let series = *f + nilpotent.values[i].scaled(step) + square.values[i].scaled(step * step / 2.0);
            *f = decay * series;
        }
        // The last column of I + N s + N² s²/2: how a shock spreads.
        let column = |i: usize| {
            let last = (i, n - 1);
            let all = [Square::identity(n)[last], nilpotent[last], square[last].scaled(0.5)];
            all[..n].to_vec()
        };
        let paths: Vec<Vec<R>> = (0..n).map(column).collect();
        Matrices {
            transition,
            noise: vec![diffusion::noise(&paths, lambda.scaled(2.0), step).times(density)],
            start: vec![start],
            emission: first(n),
        }
    }

    fn start(&self, scale: &Scale) -> Start {
        (vec![0.1 * scale.span], vec![0.5 * scale.level])
    }
}

fn product<R: Real>(a: &Square<R>, b: &Square<R>) -> Square<R> {
    let mut out = Square::zeros(a.n);
    for i in 0..a.n {
        for j in 0..a.n {
            for k in 0..a.n {
                out[(i, j)] = out[(i, j)] + a[(i, k)] * b[(k, j)];
            }
        }
    }
    out
}
