//! The E-step: expected sufficient statistics from smoothed moments.
//!
//! Sums over means run over every series; sums over covariances once for all series with the same
//! missing entries, and once for all steps at which the smoother has settled.

use std::ops::Range;

use rand_chacha::ChaCha8Rng;

use super::matrix::{add_block, product, product_transposed, transpose};
use super::missing_entries::MissingEntries;
use super::ssm::LinearGaussianSsm;
use crate::data::{Dataset, Sequence};
use crate::error::Result;
use crate::infer::gaussian::{GaussianOptions, SmoothedLot, Wanted};
use crate::learn::Statistics;
use crate::params::Params;

/// Accumulates the statistics of a whole dataset.
pub(super) fn e_step(model: &LinearGaussianSsm, params: &Params, data: &Dataset<'_>) -> Result<Statistics> {
    let lowered = model.lower(params)?;
    lowered.check(data)?;
    let noise = EmissionNoise::new(model, params);
    let wanted = Wanted { lag_one: true, adjoints: false };
    let parts = lowered.map_smoothed(data, &GaussianOptions::default(), wanted, |lot| {
        let mut accumulator = Accumulator::new(model, &noise);
        let mut weights = 0.0;
        for (i, &n) in lot.sequences.iter().enumerate() {
            let (sequence, weight) = (data.sequence(n), data.weight(n));
            accumulator.add_means(&sequence, lot.means(i), weight);
            let total = &mut accumulator.total;
            total.marginal_loglik += weight * lot.marginal_loglik[i];
            total.num_sequences += weight;
            total.num_steps += weight * lot.num_steps as f64;
            weights += weight;
        }
        accumulator.add_covs(&data.sequence(lot.sequences[0]), lot, weights);
        accumulator.total
    })?;
    let mut total = Statistics::zeros(model.num_stats());
    parts.iter().for_each(|part| total.merge(part));
    Ok(total)
}

/// (H, D, d) and R, which tell what is expected of missing entries.
pub(super) struct EmissionNoise {
    pub(super) weights: Vec<f64>,
    pub(super) cov: Vec<f64>,
}

impl EmissionNoise {
    pub(super) fn new(model: &LinearGaussianSsm, params: &Params) -> Self {
        let emissions = &model.emissions;
        let cov = params.arrays()[emissions.cov].values();
        EmissionNoise {
            weights: emissions.weights(params.arrays()),
            cov: emissions.form.matrix_of(cov, emissions.outputs),
        }
    }
}

/// Adds up statistics under one set of parameters.
pub(super) struct Accumulator<'a> {
    model: &'a LinearGaussianSsm,
    missing: MissingEntries<'a>,
    pub(super) total: Statistics,
    row: Vec<f64>,
    filled: Vec<f64>,
}

impl<'a> Accumulator<'a> {
    pub(super) fn new(model: &'a LinearGaussianSsm, noise: &'a EmissionNoise) -> Self {
        let m = model.emissions.outputs;
        Accumulator {
            model,
            missing: MissingEntries::new(&noise.weights, &noise.cov, m),
            total: Statistics::zeros(model.num_stats()),
            row: Vec::new(),
            filled: vec![0.0; m],
        }
    }

    /// Adds the statistics that states known to be `means`, shape \[T, D\], would leave.
    pub(super) fn add_means(&mut self, sequence: &Sequence<'_>, means: &[f64], weight: f64) {
        let model = self.model;
        let d = model.spec().state_dim;
        let stats = &mut self.total.values;
        model.initial.add_row(&mut model.initial.sums_mut(stats), &means[..d], &[1.0], weight);
        let mut sums = model.dynamics.sums_mut(stats);
        for t in 1..sequence.num_steps() {
            let (before, now) = means[(t - 1) * d..(t + 1) * d].split_at(d);
            model.dynamics_row(before, sequence.input(t), &mut self.row);
            model.dynamics.add_row(&mut sums, now, &self.row, weight);
        }
        let mut sums = model.emissions.sums_mut(stats);
        for (t, mean) in means.chunks_exact(d).enumerate() {
            let y = sequence.emission(t);
            let observed = y.iter().filter(|y| !y.is_nan()).count();
            if observed == 0 {
                continue;
            }
            model.emissions_row(mean, sequence.input(t), &mut self.row);
            if observed == y.len() {
                model.emissions.add_row(&mut sums, y, &self.row, weight);
            } else {
                self.missing.of(y).fill(y, &self.row, &mut self.filled);
                model.emissions.add_row(&mut sums, &self.filled, &self.row, weight);
            }
        }
    }

    /// Adds the statistics of known states, shape \[T, D\], with missing entries of rows observed in part
    /// drawn given the states and what is there.
    pub(super) fn add_states(&mut self, sequence: &Sequence<'_>, states: &[f64], rng: &mut ChaCha8Rng) {
        let d = self.model.spec().state_dim;
        let mut rows = sequence.emissions.to_vec();
        for (t, y) in rows.chunks_exact_mut(sequence.width).enumerate() {
            let missing = y.iter().filter(|y| y.is_nan()).count();
            if (1..y.len()).contains(&missing) {
                self.model.emissions_row(&states[t * d..(t + 1) * d], sequence.input(t), &mut self.row);
                let partial = self.missing.of(y);
                partial.fill(y, &self.row, &mut self.filled);
                partial.add_noise(&mut self.filled, rng);
                y.copy_from_slice(&self.filled);
            }
        }
        self.add_means(&Sequence { emissions: &rows, ..*sequence }, states, 1.0);
    }

    /// Adds what the uncertainty of the states adds, of series whose weights sum to `weight`.
    fn add_covs(&mut self, sequence: &Sequence<'_>, covs: &SmoothedLot<'_>, weight: f64) {
        let model = self.model;
        let d = model.spec().state_dim;
        let steps = sequence.num_steps();
        let stats = &mut self.total.values;
        let p = model.dynamics.regressors();
        model.initial.add_cov_of_outputs(&mut model.initial.sums_mut(stats), covs.cov(0), weight);
        let mut sums = model.dynamics.sums_mut(stats);
        for run in runs(0..steps.saturating_sub(1), |t| covs.cov(t)) {
            add_block(sums.xx, p, (0, 0), covs.cov(run.start), d, weight * run.len() as f64);
        }
        for run in runs(1..steps, |t| covs.cov(t)) {
            let weight = weight * run.len() as f64;
            model.dynamics.add_cov_of_outputs(&mut sums, covs.cov(run.start), weight);
        }
        for run in runs(0..steps.saturating_sub(1), |t| covs.lag_one_cov(t)) {
            let lag = transpose(covs.lag_one_cov(run.start), d, d);
            add_block(sums.yx, p, (0, 0), &lag, d, weight * run.len() as f64);
        }
        let q = model.emissions.regressors();
        let m = model.emissions.outputs;
        let mut sums = model.emissions.sums_mut(stats);
        let seen = |t: usize| sequence.emission(t).iter().filter(|y| !y.is_nan()).count();
        for run in runs(0..steps, |t| covs.cov(t)) {
            let count = run.clone().filter(|t| seen(*t) > 0).count() as f64;
            add_block(sums.xx, q, (0, 0), covs.cov(run.start), d, weight * count);
        }
        for t in (0..steps).filter(|t| (1..m).contains(&seen(*t))) {
            let partial = self.missing.of(sequence.emission(t));
            let n = partial.missing.len();
            let on_state: Vec<f64> =
                partial.regression.chunks_exact(q).flat_map(|row| row[..d].iter().copied()).collect();
            // Cov(y_m, z) = B P and Cov(y_m) = B P Bᵀ + C.
            let with_state = product(&on_state, covs.cov(t), n, d, d);
            let mut spread = product_transposed(&with_state, &on_state, n, d, n);
            spread.iter_mut().zip(&partial.cov).for_each(|(s, c)| *s += c);
            let mut cov = vec![0.0; m * m];
            for (a, i) in partial.missing.iter().enumerate() {
                add_block(sums.yx, q, (*i, 0), &with_state[a * d..(a + 1) * d], d, weight);
                partial.missing.iter().enumerate().for_each(|(b, j)| cov[i * m + j] = spread[a * n + b]);
            }
            model.emissions.add_cov_of_outputs(&mut sums, &cov, weight);
        }
    }
}

/// Steps that share the slice `of` them, in runs.
fn runs<'a>(steps: Range<usize>, of: impl Fn(usize) -> &'a [f64]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for t in steps {
        match runs.last_mut() {
            Some(run) if std::ptr::eq(of(run.start), of(t)) => run.end = t + 1,
            _ => runs.push(t..t + 1),
        }
    }
    runs
}
