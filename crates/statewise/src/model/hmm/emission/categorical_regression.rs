//! Emissions of one label by multinomial logistic regression on the inputs.
//!
//! p(y_t = c | z_t = k, u_t) = softmax(W_k u_t + b_k)_c, without a prior
//!
//! Statistics are those of [`SoftmaxBound`], tight in value and slope at the E-step's parameters.
//! Shifting all classes alike changes nothing; M-steps leave that direction as it is.

use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use statewise_kernels::math::log_sum_exp;
use statewise_kernels::random::draw_index;

use super::label_regression::{cluster_labels, free_entries, newton_steps, write_features};
use super::moments::dot;
use super::{Emission, Prepared, check_entries};
use crate::data::{Dataset, Sequence};
use crate::error::{Error, Result};
use crate::model::hmm::component::{Component, MStep, Maximised, check_size};
use crate::model::hmm::softmax::SoftmaxBound;
use crate::params::{Array, Constraint, ParamSpec};

/// The family of categorical regressions; y is a label 0, .., C − 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoricalRegression {
    /// K.
    pub num_states: usize,
    /// C, at least 2.
    pub num_classes: usize,
    /// U.
    pub input_dim: usize,
}

impl CategoricalRegression {
    /// The bound of one state.
    fn bound(&self) -> SoftmaxBound {
        SoftmaxBound { classes: self.num_classes, dim: self.input_dim + 1 }
    }
}

/// Θ_k = (W_k, b_k), shape \[C, U + 1\].
fn coefficients(params: &[Array], k: usize) -> Vec<f64> {
    let biases = params[1].row(k);
    let rows = params[0].row(k).chunks_exact(params[0].shape()[2]).zip(biases.chunks_exact(1));
    rows.flat_map(|(w, b)| w.iter().chain(b)).copied().collect()
}

impl Component for CategoricalRegression {
    fn schema(&self) -> Vec<ParamSpec> {
        let (k, c, u) = (self.num_states, self.num_classes, self.input_dim);
        vec![
            ParamSpec::new("emissions.weights", "emission_weights", &[k, c, u], Constraint::Real),
            ParamSpec::new("emissions.biases", "emission_biases", &[k, c], Constraint::Real),
        ]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("input_dim", self.input_dim)?;
        if self.num_classes < 2 {
            return Err(Error::argument("num_classes", self.num_classes, "at least 2"));
        }
        Ok(())
    }

    fn num_stats(&self) -> usize {
        self.num_states * self.bound().num_stats()
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        let bound = self.bound();
        let states = stats.chunks_exact(bound.num_stats()).enumerate();
        states.map(|(k, stats)| bound.value(&coefficients(params, k), stats)).sum()
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        let (bound, u) = (self.bound(), self.input_dim);
        for (k, stats) in stats.chunks_exact(bound.num_stats()).enumerate() {
            let slope = bound.gradient(&coefficients(params, k), stats);
            for (c, slope) in slope.chunks_exact(u + 1).enumerate() {
                let weights = &mut gradient[0].row_mut(k)[c * u..(c + 1) * u];
                weights.iter_mut().zip(slope).for_each(|(g, s)| *g += s);
                gradient[1].row_mut(k)[c] += slope[u];
            }
        }
    }

    fn log_prior(&self, _: &[Array]) -> f64 {
        0.0
    }

    fn log_prior_gradient(&self, _: &[Array], _: &mut [Array]) {}

    /// Θ ← Θ + 2 G S⁻¹ with G the slope: the maximum of the bound.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        if !step.is_whole() {
            return Maximised::NoClosedForm;
        }
        let (bound, u, n) = (self.bound(), self.input_dim, self.input_dim + 1);
        let free = free_entries(u, step.moves(0), step.moves(1));
        let mut repairs = 0;
        for (k, stats) in step.stats.chunks_exact(bound.num_stats()).enumerate() {
            let second = bound.second_moments(stats);
            // The last entry of S is Σγ.
            if second[n * n - 1] <= 0.0 {
                repairs += 1;
                continue;
            }
            let mut delta = bound.gradient(&coefficients(params, k), stats);
            repairs += usize::from(newton_steps(second, &free, &mut delta));
            for (c, delta) in delta.chunks_exact(n).enumerate() {
                let weights = &mut params[0].row_mut(k)[c * u..(c + 1) * u];
                weights.iter_mut().zip(delta).for_each(|(w, d)| *w += 2.0 * d);
                params[1].row_mut(k)[c] += 2.0 * delta[u];
            }
        }
        Maximised::Done { repairs }
    }

    /// Weights and biases of size 1; there is no prior.
    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let (k, c, u) = (self.num_states, self.num_classes, self.input_dim);
        let mut normals = |n: usize| -> Vec<f64> { (0..n).map(|_| StandardNormal.sample(rng)).collect() };
        vec![Array::new(&[k, c, u], normals(k * c * u)), Array::new(&[k, c], normals(k * c))]
    }
}

impl Emission for CategoricalRegression {
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
        let classes = self.num_classes as f64;
        let expected = format!("a label from 0 to {}", self.num_classes - 1);
        check_entries(rows, 1, &expected, |y| y >= 0.0 && y < classes && y.fract() == 0.0)
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let theta = (0..self.num_states).map(|k| coefficients(params, k)).collect();
        Ok(Box::new(PreparedCategorical { family: self, theta }))
    }

    /// Clusters the inputs; weights zero, biases the log frequencies in each cluster.
    fn initialize_from_data(&self, data: &Dataset<'_>, rng: &mut ChaCha8Rng) -> Result<Vec<Array>> {
        let (k, c) = (self.num_states, self.num_classes);
        let mut biases = cluster_labels(data, (k, c), rng)?;
        for counts in biases.chunks_exact_mut(c) {
            let total: f64 = counts.iter().sum();
            counts.iter_mut().for_each(|n| *n = (*n / total).ln());
        }
        Ok(vec![Array::zeros(&[k, c, self.input_dim]), Array::new(&[k, c], biases)])
    }
}

struct PreparedCategorical<'a> {
    family: &'a CategoricalRegression,
    /// Θ of each state.
    theta: Vec<Vec<f64>>,
}

impl PreparedCategorical<'_> {
    /// Writes log p(y = c) for all classes.
    fn log_probs(&self, k: usize, inputs: &[f64], out: &mut [f64]) {
        let u = self.family.input_dim;
        for (out, theta) in out.iter_mut().zip(self.theta[k].chunks_exact(u + 1)) {
            *out = theta[u] + dot(&theta[..u], inputs);
        }
        let total = log_sum_exp(out);
        out.iter_mut().for_each(|l| *l -= total);
    }
}

impl Prepared for PreparedCategorical<'_> {
    fn log_likelihoods(&self, sequence: &Sequence<'_>, steps: Range<usize>, out: &mut [f64]) {
        let mut logs = vec![0.0; self.family.num_classes];
        for (t, out) in steps.zip(out.chunks_exact_mut(self.family.num_states)) {
            let y = sequence.emission(t)[0];
            for (k, out) in out.iter_mut().enumerate() {
                *out = if y.is_nan() {
                    0.0
                } else {
                    self.log_probs(k, sequence.input(t), &mut logs);
                    logs.get(y as usize).copied().unwrap_or(f64::NEG_INFINITY)
                };
            }
        }
    }

    fn accumulate(&self, sequence: &Sequence<'_>, steps: Range<usize>, gamma: &[f64], stats: &mut [f64]) {
        let bound = self.family.bound();
        let (mut x, mut logs) = (vec![0.0; bound.dim], vec![0.0; bound.classes]);
        let mut weights = vec![0.0; bound.classes];
        for (t, gamma) in steps.zip(gamma.chunks_exact(self.family.num_states)) {
            let y = sequence.emission(t)[0];
            if y.is_nan() {
                continue;
            }
            write_features(sequence, t, &mut x);
            for (k, (stats, gamma)) in stats.chunks_exact_mut(bound.num_stats()).zip(gamma).enumerate() {
                self.log_probs(k, sequence.input(t), &mut logs);
                weights[y as usize] = *gamma;
                bound.accumulate(&logs, &weights, &x, stats);
            }
            weights[y as usize] = 0.0;
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
        let mut logs = vec![0.0; self.family.num_classes];
        self.log_probs(state, sequence.input(t), &mut logs);
        logs.iter_mut().for_each(|l| *l = l.exp());
        out[0] = draw_index(&logs, rng.random()) as f64;
    }

    fn moments(&self, state: usize, sequence: &Sequence<'_>, t: usize, mean: &mut [f64], cov: &mut [f64]) {
        let mut logs = vec![0.0; self.family.num_classes];
        self.log_probs(state, sequence.input(t), &mut logs);
        let expect = |f: &dyn Fn(f64) -> f64| -> f64 {
            logs.iter().enumerate().map(|(c, l)| l.exp() * f(c as f64)).sum()
        };
        mean[0] = expect(&|c| c);
        cov[0] = expect(&|c| (c - mean[0]).powi(2));
    }
}
