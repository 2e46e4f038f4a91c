//! ARMA: x_t = Σ_j φ_j x_{t-j} + ε_t + Σ_j θ_j ε_{t-j}, written as an autoregression seen through θ.
//!
//! φ(L) w_t = ε_t,  x_t = w_t + Σ_j θ_j w_{t-j}: the state holds w_t and its lags, whose stationary
//! covariance is the Toeplitz matrix of the autocovariances of w.

use serde::{Deserialize, Serialize};

use super::{Block, Disturbance, MAX_DIM, Matrices, Parameter, Scale, Square, Start, size};
use crate::dual::Real;
use crate::error::Result;
use crate::params::{Constraint, stationary};

/// ARMA(p, q) from row to row, stationary, invertible and started at its stationary law.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arma {
    /// p.
    pub ar_order: usize,
    /// q.
    pub ma_order: usize,
}

impl Block for Arma {
    fn check(&self, path: &str) -> Result<()> {
        size(path, "ar_order", self.ar_order, 0, MAX_DIM)?;
        size(path, "ma_order", self.ma_order, 0, MAX_DIM - 1)
    }

    fn states(&self) -> Vec<String> {
        (0..self.state_dim()).map(|lag| format!("lag_{lag}")).collect()
    }

    fn state_dim(&self) -> usize {
        self.ar_order.max(self.ma_order + 1)
    }

    fn parameters(&self) -> Vec<Parameter> {
        let parameter = |name, order, constraint| Parameter { name, len: Some(order), constraint };
        let both = [
            parameter("ar_coefficients", self.ar_order, Constraint::Stationary),
            parameter("ma_coefficients", self.ma_order, Constraint::Invertible),
        ];
        both.into_iter().filter(|p| p.len != Some(0)).collect()
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        vec![Disturbance::ONLY]
    }

    fn is_stationary(&self) -> bool {
        true
    }

    fn matrices<R: Real>(&self, theta: &[R], _step: f64) -> Matrices<R> {
        let (ar, ma) = theta.split_at(self.ar_order);
        let n = self.state_dim();
        let mut emission = vec![R::constant(0.0); n];
        emission[0] = R::constant(1.0);
        emission[1..=self.ma_order].copy_from_slice(ma);
        lags(ar, n, emission)
    }

    fn start(&self, scale: &Scale) -> Start {
        let mut coefficients = vec![0.0; self.ar_order + self.ma_order];
        if self.ar_order > 0 {
            coefficients[0] = 0.5;
        }
        (coefficients, vec![0.25 * scale.change])
    }
}

/// An autoregression of unit noise, with n ≥ p values in the state.
pub(super) fn lags<R: Real>(coefficients: &[R], n: usize, emission: Vec<R>) -> Matrices<R> {
    let mut transition = Square::zeros(n);
    transition.values[..coefficients.len()].copy_from_slice(coefficients);
    for j in 1..n {
        transition[(j, j - 1)] = R::constant(1.0);
    }
    let gamma = autocovariances(coefficients, n);
    let mut start = Square::zeros(n);
    for i in 0..n {
        for j in 0..n {
            start[(i, j)] = gamma[i.abs_diff(j)];
        }
    }
    Matrices { transition, noise: vec![Square::unit(n, 0)], start: vec![start], emission }
}

/// γ_0..γ_{len-1} of an autoregression of unit noise.
///
/// γ_0 = Π_k 1 / (1 − r_k²);  γ_k = Σ_{j<k} φ^(k-1)_j γ_{k-j} + r_k γ_0 Π_{j<k} (1 − r_j²)
///
/// # Source
/// The recursion of Levinson and Durbin, run from partial autocorrelations r. O(p² + p len).
fn autocovariances<R: Real>(coefficients: &[R], len: usize) -> Vec<R> {
    let one = R::constant(1.0);
    let mut r = coefficients.to_vec();
    stationary::step_down(&mut r);
    let mut innovation = r.iter().fold(one, |product, r| product / (one - *r * *r));
    let mut gamma = vec![innovation];
    let mut phi: Vec<R> = Vec::with_capacity(r.len());
    let dot = |phi: &[R], gamma: &[R]| {
        let products = phi.iter().zip(gamma.iter().rev()).map(|(p, g)| *p * *g);
        products.fold(R::constant(0.0), |sum, x| sum + x)
    };
    for k in 1..len {
        if let Some(&r_k) = r.get(k - 1) {
            gamma.push(dot(&phi, &gamma) + r_k * innovation);
            let before = phi.clone();
            for (j, p) in phi.iter_mut().enumerate() {
                *p = before[j] - r_k * before[k - 2 - j];
            }
            phi.push(r_k);
            innovation = innovation * (one - r_k * r_k);
        } else {
            gamma.push(dot(coefficients, &gamma));
        }
    }
    gamma
}
