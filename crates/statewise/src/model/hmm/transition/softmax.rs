//! Transitions driven by inputs: a softmax regression per row (input-output HMM, GLM-HMM).
//!
//! A(i, j | u_t) ∝ exp(w_ij · u_t + b_ij),  w, b ~ N(0, scale²), b_ii ~ N(stickiness, scale²)

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::Transition;
use crate::error::{Error, Result};
use crate::model::hmm::component::{Component, MStep, Maximised, check_positive, check_size};
use crate::model::hmm::softmax::SoftmaxBound;
use crate::params::{Array, Constraint, ParamSpec};

/// Input-driven transitions. Statistics: those of [`SoftmaxBound`] for each row.
///
/// The M-step maximises Böhning's quadratic bound: monotone, with the exact score, and with
/// statistics that add up over steps and machines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftmaxTransitions {
    /// K.
    pub num_states: usize,
    /// U.
    pub input_dim: usize,
    /// Standard deviation of the normal prior on weights and biases.
    #[serde(default = "default_scale")]
    pub transition_weights_scale: f64,
    /// Prior mean of the bias of staying.
    #[serde(default)]
    pub transition_stickiness: f64,
}

fn default_scale() -> f64 {
    10.0
}

impl SoftmaxTransitions {
    fn bound(&self) -> SoftmaxBound {
        SoftmaxBound { classes: self.num_states, dim: self.input_dim + 1 }
    }

    /// θ of row i, \[K, U + 1\]: weights, then bias.
    fn row_theta(&self, params: &[Array], i: usize) -> Vec<f64> {
        let biases = params[1].row(i);
        let weights = params[0].row(i).chunks_exact(self.input_dim);
        weights.zip(biases).flat_map(|(w, b)| w.iter().chain([b])).copied().collect()
    }

    fn row_logits(&self, params: &[Array], i: usize, input: &[f64], out: &mut [f64]) {
        let weights = params[0].row(i).chunks_exact(self.input_dim);
        for ((out, w), b) in out.iter_mut().zip(weights).zip(params[1].row(i)) {
            *out = b + w.iter().zip(input).map(|(w, u)| w * u).sum::<f64>();
        }
    }

    fn prior_mean(&self, i: usize, j: usize) -> f64 {
        if i == j { self.transition_stickiness } else { 0.0 }
    }
}

impl Component for SoftmaxTransitions {
    fn schema(&self) -> Vec<ParamSpec> {
        let k = self.num_states;
        vec![
            ParamSpec::new(
                "transitions.weights",
                "transition_weights",
                &[k, k, self.input_dim],
                Constraint::Real,
            )
            .with_state_axes(2),
            ParamSpec::new("transitions.biases", "transition_biases", &[k, k], Constraint::Real)
                .with_state_axes(2),
        ]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("input_dim", self.input_dim)?;
        check_positive("transition_weights_scale", self.transition_weights_scale)?;
        if self.transition_stickiness.is_finite() {
            Ok(())
        } else {
            Err(Error::argument("transition_stickiness", self.transition_stickiness, "a finite number"))
        }
    }

    fn num_stats(&self) -> usize {
        self.num_states * self.bound().num_stats()
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        let bound = self.bound();
        let rows = stats.chunks_exact(bound.num_stats()).enumerate();
        rows.map(|(i, stats)| bound.value(&self.row_theta(params, i), stats)).sum()
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        let bound = self.bound();
        let u = self.input_dim;
        for (i, stats) in stats.chunks_exact(bound.num_stats()).enumerate() {
            let slope = bound.gradient(&self.row_theta(params, i), stats);
            for (j, slope) in slope.chunks_exact(u + 1).enumerate() {
                let weights = &mut gradient[0].row_mut(i)[j * u..(j + 1) * u];
                weights.iter_mut().zip(slope).for_each(|(g, s)| *g += s);
                gradient[1].row_mut(i)[j] += slope[u];
            }
        }
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        let scale = self.transition_weights_scale;
        let log_density = |x: f64| {
            let z = x / scale;
            -0.5 * z * z - scale.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln()
        };
        let weights: f64 = params[0].values().iter().map(|w| log_density(*w)).sum();
        let k = self.num_states;
        let biases = params[1].values().iter().enumerate();
        weights + biases.map(|(ij, b)| log_density(b - self.prior_mean(ij / k, ij % k))).sum::<f64>()
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        let precision = self.transition_weights_scale.powi(-2);
        let k = self.num_states;
        for (g, w) in gradient[0].values_mut().iter_mut().zip(params[0].values()) {
            *g -= precision * w;
        }
        for (ij, (g, b)) in gradient[1].values_mut().iter_mut().zip(params[1].values()).enumerate() {
            *g -= precision * (b - self.prior_mean(ij / k, ij % k));
        }
    }

    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        if step.properties.iter().all(|p| !p.trainable) {
            return Maximised::Done { repairs: 0 };
        }
        if !step.properties.iter().all(|p| p.is_plain()) {
            return Maximised::NoClosedForm;
        }
        let bound = self.bound();
        let u = self.input_dim;
        let precision = if step.prior { self.transition_weights_scale.powi(-2) } else { 0.0 };
        for (i, stats) in step.stats.chunks_exact(bound.num_stats()).enumerate() {
            let mut theta = self.row_theta(params, i);
            let mut stats = stats.to_vec();
            if step.prior {
                // −½ λ (b_ii − m)² = −½ λ b_ii² + λ m b_ii + const: the mean enters the linear term.
                stats[1 + i * (u + 1) + u] += precision * self.transition_stickiness;
            }
            bound.maximise(&stats, &vec![precision; u + 1], &mut theta);
            for (j, theta) in theta.chunks_exact(u + 1).enumerate() {
                params[0].row_mut(i)[j * u..(j + 1) * u].copy_from_slice(&theta[..u]);
                params[1].row_mut(i)[j] = theta[u];
            }
        }
        Maximised::Done { repairs: 0 }
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let k = self.num_states;
        // Draws of the prior's own scale would make chains that are all but deterministic.
        let mut draw =
            |mean: f64| mean + 0.1 * <StandardNormal as Distribution<f64>>::sample(&StandardNormal, rng);
        let weights = (0..k * k * self.input_dim).map(|_| draw(0.0)).collect();
        let biases = (0..k * k).map(|ij| draw(self.prior_mean(ij / k, ij % k))).collect();
        vec![Array::new(&[k, k, self.input_dim], weights), Array::new(&[k, k], biases)]
    }
}

impl Transition for SoftmaxTransitions {
    fn input_dim(&self) -> usize {
        self.input_dim
    }

    fn matrix(&self, params: &[Array], input: &[f64], out: &mut [f64]) {
        for (i, row) in out.chunks_exact_mut(self.num_states).enumerate() {
            self.row_logits(params, i, input, row);
            let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            row.iter_mut().for_each(|x| *x = (*x - max).exp());
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|x| *x /= sum);
        }
    }

    fn accumulate(&self, params: &[Array], input: &[f64], pairs: &[f64], stats: &mut [f64]) {
        let bound = self.bound();
        let mut logits = vec![0.0; self.num_states];
        let x = [input, &[1.0]].concat();
        let rows = pairs.chunks_exact(self.num_states).zip(stats.chunks_exact_mut(bound.num_stats()));
        for (i, (weights, stats)) in rows.enumerate() {
            self.row_logits(params, i, input, &mut logits);
            bound.accumulate(&logits, weights, &x, stats);
        }
    }
}
