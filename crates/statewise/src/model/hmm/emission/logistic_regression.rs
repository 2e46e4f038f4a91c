//! Binary emissions by logistic regression on the inputs.
//!
//! p(y_t = 1 | z_t = k, u_t) = σ(w_k · u_t + b_k),  w_ku ~ N(0, scale²)
//!
//! Statistics are those of the quadratic lower bound of Jaakkola and Jordan (2000), tight at the
//! E-step's parameters: with η = w · u + b there, ξ = |η| and λ(ξ) = tanh(ξ/2) / (4 ξ),
//!
//! log p ≥ log σ(ξ) − ξ/2 + λ ξ² + (y − ½) η' − λ η'²  at any other η'.
//!
//! So an M-step is a linear system and never lowers the likelihood.

use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use statewise_kernels::math::packed_len;

use super::label_regression::{
    add_packed_outer, cluster_labels, free_entries, newton_steps, unpack, write_features,
};
use super::moments::{LN_TAU, dot, product};
use super::{Emission, Prepared, check_entries};
use crate::data::{Dataset, Sequence};
use crate::error::Result;
use crate::model::hmm::component::{Component, MStep, Maximised, check_positive, check_size};
use crate::params::{Array, Constraint, ParamSpec, logistic, softplus};

/// The family of logistic regressions; y is 0 or 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogisticRegression {
    /// K.
    pub num_states: usize,
    /// U.
    pub input_dim: usize,
    /// Standard deviation of the weights' prior.
    #[serde(default = "default_scale")]
    pub emission_matrices_scale: f64,
}

fn default_scale() -> f64 {
    1e8
}

impl LogisticRegression {
    /// 1 + U + 1 + (U + 1)(U + 2) / 2: the constant, Σγ(y − ½) x, Σγλ x xᵀ with x = (u, 1).
    fn stride(&self) -> usize {
        let n = self.input_dim + 1;
        1 + n + packed_len(n)
    }

    /// θ = (w_k, b_k), and H and h of the bound c + hᵀθ − ½ θᵀHθ.
    fn quadratic(&self, params: &[Array], stats: &[f64], k: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let n = self.input_dim + 1;
        let stats = &stats[k * self.stride()..(k + 1) * self.stride()];
        let theta = [params[0].row(k), &params[1].values()[k..=k]].concat();
        let hessian = unpack(&stats[1 + n..], n).iter().map(|a| 2.0 * a).collect();
        (theta, hessian, stats[1..=n].to_vec())
    }
}

impl Component for LogisticRegression {
    fn schema(&self) -> Vec<ParamSpec> {
        let (k, u) = (self.num_states, self.input_dim);
        vec![
            ParamSpec::new("emissions.weights", "emission_weights", &[k, u], Constraint::Real),
            ParamSpec::new("emissions.biases", "emission_biases", &[k], Constraint::Real),
        ]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("input_dim", self.input_dim)?;
        check_positive("emission_matrices_scale", self.emission_matrices_scale)
    }

    fn num_stats(&self) -> usize {
        self.num_states * self.stride()
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        let term = |k: usize| {
            let (theta, hessian, h) = self.quadratic(params, stats, k);
            let curved = product(&hessian, &theta, theta.len(), 1);
            stats[k * self.stride()] + dot(&h, &theta) - 0.5 * dot(&curved, &theta)
        };
        (0..self.num_states).map(term).sum()
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        for k in 0..self.num_states {
            let (theta, hessian, h) = self.quadratic(params, stats, k);
            let curved = product(&hessian, &theta, theta.len(), 1);
            let slope: Vec<f64> = h.iter().zip(curved).map(|(h, c)| h - c).collect();
            gradient[0].row_mut(k).iter_mut().zip(&slope).for_each(|(g, s)| *g += s);
            gradient[1].values_mut()[k] += slope[self.input_dim];
        }
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        let s = self.emission_matrices_scale;
        params[0].values().iter().map(|w| -0.5 * (LN_TAU + (w / s).powi(2)) - s.ln()).sum()
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        for (g, w) in gradient[0].values_mut().iter_mut().zip(params[0].values()) {
            *g -= w / self.emission_matrices_scale.powi(2);
        }
    }

    /// The maximum of the bound plus the log prior, a linear system per state.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        if !step.is_whole() {
            return Maximised::NoClosedForm;
        }
        let (u, n) = (self.input_dim, self.input_dim + 1);
        let free = free_entries(u, step.moves(0), step.moves(1));
        let mut repairs = 0;
        for k in 0..self.num_states {
            let (theta, mut hessian, h) = self.quadratic(params, step.stats, k);
            if hessian[n * n - 1] <= 0.0 && !step.prior {
                repairs += 1;
                continue;
            }
            if step.prior {
                (0..u).for_each(|i| hessian[i * (n + 1)] += self.emission_matrices_scale.powi(-2));
            }
            let curved = product(&hessian, &theta, n, 1);
            let mut delta: Vec<f64> = h.iter().zip(curved).map(|(h, c)| h - c).collect();
            repairs += usize::from(newton_steps(&hessian, &free, &mut delta));
            params[0].row_mut(k).iter_mut().zip(&delta).for_each(|(w, d)| *w += d);
            params[1].values_mut()[k] += delta[u];
        }
        Maximised::Done { repairs }
    }

    /// Weights and biases of size 1: a stand-in for the prior, whose draws would all be certain.
    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let (k, u) = (self.num_states, self.input_dim);
        let mut normals = |n: usize| -> Vec<f64> { (0..n).map(|_| StandardNormal.sample(rng)).collect() };
        vec![Array::new(&[k, u], normals(k * u)), Array::new(&[k], normals(k))]
    }
}

impl Emission for LogisticRegression {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![]
    }

    fn input_dim(&self) -> usize {
        self.input_dim
    }

    fn check_rows(&self, rows: &[f64]) -> Result<()> {
        check_entries(rows, 1, "0 or 1", |y| y == 0.0 || y == 1.0)
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        Ok(Box::new(PreparedLogistic { weights: &params[0], biases: params[1].values() }))
    }

    /// Clusters the inputs; weights zero, biases the log odds in each cluster.
    fn initialize_from_data(&self, data: &Dataset<'_>, rng: &mut ChaCha8Rng) -> Result<Vec<Array>> {
        let counts = cluster_labels(data, (self.num_states, 2), rng)?;
        let biases = counts.chunks_exact(2).map(|n| (n[1] / n[0]).ln()).collect();
        let weights = Array::zeros(&[self.num_states, self.input_dim]);
        Ok(vec![weights, Array::new(&[self.num_states], biases)])
    }
}

struct PreparedLogistic<'a> {
    weights: &'a Array,
    biases: &'a [f64],
}

impl PreparedLogistic<'_> {
    fn logit(&self, k: usize, inputs: &[f64]) -> f64 {
        self.biases[k] + dot(self.weights.row(k), inputs)
    }
}

impl Prepared for PreparedLogistic<'_> {
    fn log_likelihoods(&self, sequence: &Sequence<'_>, steps: Range<usize>, out: &mut [f64]) {
        for (t, out) in steps.zip(out.chunks_exact_mut(self.biases.len())) {
            let y = sequence.emission(t)[0];
            for (k, out) in out.iter_mut().enumerate() {
                let logit = self.logit(k, sequence.input(t));
                *out = if y.is_nan() { 0.0 } else { -softplus(if y > 0.5 { -logit } else { logit }) };
            }
        }
    }

    fn accumulate(&self, sequence: &Sequence<'_>, steps: Range<usize>, gamma: &[f64], stats: &mut [f64]) {
        let num_states = self.biases.len();
        let n = sequence.input_dim + 1;
        let mut x = vec![0.0; n];
        let stride = stats.len() / num_states;
        for (t, gamma) in steps.zip(gamma.chunks_exact(num_states)) {
            let y = sequence.emission(t)[0];
            if y.is_nan() {
                continue;
            }
            write_features(sequence, t, &mut x);
            for (k, (stats, gamma)) in stats.chunks_exact_mut(stride).zip(gamma).enumerate() {
                let xi = self.logit(k, sequence.input(t)).abs();
                // tanh(ξ/2) / (4 ξ) → 1/8 as ξ → 0.
                let lambda = if xi < 1e-4 { 0.125 } else { (0.5 * xi).tanh() / (4.0 * xi) };
                stats[0] += gamma * (lambda * xi * xi - 0.5 * xi - softplus(-xi));
                stats[1..=n].iter_mut().zip(&x).for_each(|(s, x)| *s += gamma * (y - 0.5) * x);
                add_packed_outer(&mut stats[1 + n..], &x, gamma * lambda);
            }
        }
    }

    fn sample(
        &self,
        state: usize,
        sequence: &Sequence<'_>,
        t: usize,
        rng: &mut ChaCha8Rng,
        out: &mut [f64],
    ) {
        let p = logistic(self.logit(state, sequence.input(t)));
        out[0] = f64::from(u8::from(rng.random::<f64>() < p));
    }

    fn moments(&self, state: usize, sequence: &Sequence<'_>, t: usize, mean: &mut [f64], cov: &mut [f64]) {
        let p = logistic(self.logit(state, sequence.input(t)));
        mean[0] = p;
        cov[0] = p * (1.0 - p);
    }
}
