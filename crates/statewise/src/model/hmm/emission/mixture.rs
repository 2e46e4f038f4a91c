//! Mixtures of components within each state: densities, responsibilities, weights, clustering.
//!
//! p(y | z = k) = Σ_c w_kc p_kc(y);  component (k, c) has index k C + c
//!
//! Statistics: those of all K C components, then Σγ of each, shape \[K, C\].

use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use statewise_kernels::math::log_sum_exp;
use statewise_kernels::random::draw_index;

use super::Prepared;
use super::conjugate::{has_no_weight, sample_gaussian};
use super::gaussians::Gaussians;
use super::independents::Independents;
use super::priors::DirichletPrior;
use crate::data::{Dataset, Sequence};
use crate::error::Result;
use crate::params::Array;

/// What a mixture needs of its components.
pub(super) trait Components: Send + Sync {
    /// Writes log p_c(y_t) for all components; 0 for rows without any entry.
    fn log_likelihoods(&self, rows: &[f64], out: &mut [f64]);
    /// Adds the statistics of all components.
    fn accumulate(&self, rows: &[f64], gamma: &[f64], stats: &mut [f64]);
    /// Draws from component c.
    fn sample(&self, c: usize, rng: &mut ChaCha8Rng, out: &mut [f64]);
    /// Writes mean and covariance of component c.
    fn moments(&self, c: usize, mean: &mut [f64], cov: &mut [f64]);
}

impl Components for Gaussians<'_> {
    fn log_likelihoods(&self, rows: &[f64], out: &mut [f64]) {
        self.log_likelihoods(rows, out);
    }

    fn accumulate(&self, rows: &[f64], gamma: &[f64], stats: &mut [f64]) {
        self.accumulate(rows, gamma, stats);
    }

    fn sample(&self, c: usize, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        sample_gaussian(self.mean(c), self.chol(c), rng, out);
    }

    fn moments(&self, c: usize, mean: &mut [f64], cov: &mut [f64]) {
        mean.copy_from_slice(self.mean(c));
        cov.copy_from_slice(self.cov(c));
    }
}

impl Components for Independents<'_> {
    fn log_likelihoods(&self, rows: &[f64], out: &mut [f64]) {
        self.log_likelihoods(rows, out);
    }

    fn accumulate(&self, rows: &[f64], gamma: &[f64], stats: &mut [f64]) {
        self.accumulate(rows, gamma, stats);
    }

    fn sample(&self, c: usize, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        self.sample(c, rng, out);
    }

    fn moments(&self, c: usize, mean: &mut [f64], cov: &mut [f64]) {
        self.moments(c, mean, cov);
    }
}

/// A mixture made ready.
pub(super) struct PreparedMixture<'a, C> {
    num_states: usize,
    dim: usize,
    weights: &'a [f64],
    log_weights: Vec<f64>,
    components: C,
}

/// Rows that are worked on together.
const BLOCK: usize = 256;

impl<'a, C: Components> PreparedMixture<'a, C> {
    /// Weights have shape \[K, C\].
    pub(super) fn new(weights: &'a Array, dim: usize, components: C) -> Self {
        let log_weights = weights.values().iter().map(|w| w.ln()).collect();
        let num_states = weights.shape()[0];
        PreparedMixture { num_states, dim, weights: weights.values(), log_weights, components }
    }

    /// Writes log w_kc + log p_kc(y_t) of a block.
    fn joint(&self, rows: &[f64], out: &mut Vec<f64>) {
        let num = self.weights.len();
        out.resize(rows.len() / self.dim * num, 0.0);
        self.components.log_likelihoods(rows, out);
        for row in out.chunks_exact_mut(num) {
            row.iter_mut().zip(&self.log_weights).for_each(|(l, w)| *l += w);
        }
    }
}

impl<C: Components> Prepared for PreparedMixture<'_, C> {
    fn log_likelihoods(&self, sequence: &Sequence<'_>, steps: Range<usize>, out: &mut [f64]) {
        let per_state = self.weights.len() / self.num_states;
        let mut logs = Vec::new();
        let rows = sequence.emission_rows(steps).chunks(BLOCK * self.dim);
        for (rows, out) in rows.zip(out.chunks_mut(BLOCK * self.num_states)) {
            self.joint(rows, &mut logs);
            let all = out.iter_mut().zip(logs.chunks_exact(per_state));
            all.for_each(|(out, logs)| *out = log_sum_exp(logs));
            for (row, out) in rows.chunks_exact(self.dim).zip(out.chunks_exact_mut(self.num_states)) {
                if row.iter().all(|y| y.is_nan()) {
                    out.fill(0.0);
                }
            }
        }
    }

    fn accumulate(&self, sequence: &Sequence<'_>, steps: Range<usize>, gamma: &[f64], stats: &mut [f64]) {
        let num = self.weights.len();
        let per_state = num / self.num_states;
        let (stats, counts) = stats.split_at_mut(stats.len() - num);
        let mut shares = Vec::new();
        let rows = sequence.emission_rows(steps).chunks(BLOCK * self.dim);
        for (rows, gamma) in rows.zip(gamma.chunks(BLOCK * self.num_states)) {
            self.joint(rows, &mut shares);
            for (logs, gamma) in shares.chunks_exact_mut(per_state).zip(gamma) {
                let total = log_sum_exp(logs);
                // A row that no component explains has no weight in a state either.
                let share = |l: f64| if total.is_finite() { gamma * (l - total).exp() } else { 0.0 };
                logs.iter_mut().for_each(|l| *l = share(*l));
            }
            for (row, shares) in rows.chunks_exact(self.dim).zip(shares.chunks_exact_mut(num)) {
                if !row.iter().all(|y| y.is_nan()) {
                    counts.iter_mut().zip(shares).for_each(|(n, s)| *n += *s);
                }
            }
            self.components.accumulate(rows, &shares, stats);
        }
    }

    fn sample(&self, state: usize, _: &Sequence<'_>, _: usize, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        let per_state = self.weights.len() / self.num_states;
        let weights = &self.weights[state * per_state..(state + 1) * per_state];
        let chosen = draw_index(weights, rng.random());
        self.components.sample(state * per_state + chosen, rng, out);
    }

    fn moments(&self, state: usize, _: &Sequence<'_>, _: usize, mean: &mut [f64], cov: &mut [f64]) {
        let per_state = self.weights.len() / self.num_states;
        let (mut m, mut c) = (vec![0.0; self.dim], vec![0.0; self.dim * self.dim]);
        let components = state * per_state..(state + 1) * per_state;
        mean.fill(0.0);
        for i in components.clone() {
            self.components.moments(i, &mut m, &mut c);
            mean.iter_mut().zip(&m).for_each(|(mean, m)| *mean += self.weights[i] * m);
        }
        cov.fill(0.0);
        for i in components {
            self.components.moments(i, &mut m, &mut c);
            m.iter_mut().zip(&*mean).for_each(|(m, mean)| *m -= mean);
            super::moments::add_outer(&mut c, &m, 1.0);
            cov.iter_mut().zip(&c).for_each(|(cov, c)| *cov += self.weights[i] * c);
        }
    }
}

/// Moves the weights of each state to the mode of their posterior; a state with nothing keeps its weights.
pub(super) fn maximise_weights(counts: &[f64], prior: DirichletPrior, weights: &mut Array) {
    let per_state = weights.stride();
    let all: f64 = counts.iter().sum();
    let states = weights.values_mut().chunks_exact_mut(per_state).zip(counts.chunks_exact(per_state));
    for (weights, counts) in states {
        let total: f64 = counts.iter().map(|n| prior.pseudo_count(*n)).sum();
        if !has_no_weight(total, all) {
            prior.mode(counts.iter().copied(), weights);
        }
    }
}

/// Statistics of hard clusters: rows into states, then the rows of each state into components.
///
/// # Errors
/// Fewer distinct rows than states.
pub(super) fn cluster_components(
    components: &impl Components,
    (num_states, per_state): (usize, usize),
    num_stats: usize,
    data: &Dataset<'_>,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<f64>> {
    let (width, num) = (data.width(), num_states * per_state);
    let labels = crate::learn::kmeans(data.rows(), width, num_states, rng)?.labels;
    // A row with a gap is left out: it would be completed by a draw from the prior.
    let mut gamma = vec![0.0; labels.len() * num];
    for k in 0..num_states {
        let members: Vec<usize> = (0..labels.len()).filter(|t| labels[*t] == Some(k)).collect();
        let rows: Vec<f64> =
            members.iter().flat_map(|t| &data.rows()[t * width..(t + 1) * width]).copied().collect();
        // With fewer distinct rows than components nothing can separate them; deal the rows out.
        let parts = crate::learn::kmeans(&rows, width, per_state, rng);
        for (i, &t) in members.iter().enumerate() {
            let part = parts.as_ref().ok().and_then(|p| p.labels[i]).unwrap_or(i % per_state);
            gamma[t * num + k * per_state + part] = 1.0;
        }
    }
    let mut stats = vec![0.0; num_stats];
    let (component_stats, counts) = stats.split_at_mut(num_stats - num);
    components.accumulate(data.rows(), &gamma, component_stats);
    gamma.chunks_exact(num).for_each(|row| counts.iter_mut().zip(row).for_each(|(n, g)| *n += g));
    Ok(stats)
}
