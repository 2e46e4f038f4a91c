//! Bernoulli emissions: independent binary entries with one probability per state and dimension.
//!
//! p(y_t | z_t = k) = Π_d p_kd^y_td (1 − p_kd)^(1 − y_td),  p_kd ~ Beta(c1, c0)

use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::entrywise::Grid;
use super::priors::{BetaPrior, ratio, xlogy};
use super::{Emission, Prepared, check_entries, cluster_and_maximise};
use crate::data::{Dataset, Sequence};
use crate::error::Result;
use crate::model::hmm::component::{Component, MStep, Maximised, check_positive, check_size};
use crate::params::{Array, Constraint, ParamSpec};

/// The Bernoulli family with its Beta prior.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bernoulli {
    /// K.
    pub num_states: usize,
    /// D.
    pub emission_dim: usize,
    /// c0, the concentration of the Beta prior on zeros.
    #[serde(default = "default_concentration")]
    pub emission_prior_concentration0: f64,
    /// c1, its concentration on ones.
    #[serde(default = "default_concentration")]
    pub emission_prior_concentration1: f64,
}

fn default_concentration() -> f64 {
    1.1
}

/// Statistics: Σ_t γ_t(k) (1 − y_td), then Σ_t γ_t(k) y_td, over rows where y_td is present,
/// both \[K, D\].
struct PreparedBernoulli<'a> {
    grid: Grid,
    probs: &'a [f64],
    /// ln(1 − p) and ln p.
    log_probs: Vec<[f64; 2]>,
}

impl Bernoulli {
    fn grid(&self) -> Grid {
        Grid { num_states: self.num_states, dim: self.emission_dim }
    }

    fn prior(&self) -> BetaPrior {
        BetaPrior { ones: self.emission_prior_concentration1, zeros: self.emission_prior_concentration0 }
    }
}

impl Component for Bernoulli {
    fn schema(&self) -> Vec<ParamSpec> {
        let shape = self.grid().shape();
        vec![ParamSpec::new("emissions.probs", "emission_probs", &shape, Constraint::UnitInterval)]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("emission_dim", self.emission_dim)?;
        check_positive("emission_prior_concentration0", self.emission_prior_concentration0)?;
        check_positive("emission_prior_concentration1", self.emission_prior_concentration1)
    }

    fn num_stats(&self) -> usize {
        2 * self.grid().len()
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        let term = |(i, p): (usize, &f64)| {
            let [zeros, ones] = self.grid().at(stats, i);
            xlogy(zeros, 1.0 - p) + xlogy(ones, *p)
        };
        params[0].values().iter().enumerate().map(term).sum()
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        for (i, (g, p)) in gradient[0].values_mut().iter_mut().zip(params[0].values()).enumerate() {
            let [zeros, ones] = self.grid().at(stats, i);
            *g += ratio(ones, *p) - ratio(zeros, 1.0 - p);
        }
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        params[0].values().iter().map(|p| self.prior().log_density(*p)).sum()
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        for (g, p) in gradient[0].values_mut().iter_mut().zip(params[0].values()) {
            *g += self.prior().slope(*p);
        }
    }

    /// p = (c1 − 1 + Σ γ y) / (c0 + c1 − 2 + Σ γ), the mode of the Beta posterior.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        if !step.is_whole() {
            return Maximised::NoClosedForm;
        }
        if !step.moves(0) {
            return Maximised::Done { repairs: 0 };
        }
        let prior = if step.prior { self.prior() } else { BetaPrior::FLAT };
        let mut repairs = 0;
        for (i, p) in params[0].values_mut().iter_mut().enumerate() {
            let [zeros, ones] = self.grid().at(step.stats, i);
            repairs += prior.mode(ones, zeros, p);
        }
        Maximised::Done { repairs }
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let draws = (0..self.grid().len()).map(|_| self.prior().draw(rng)).collect();
        vec![Array::new(&self.grid().shape(), draws)]
    }
}

impl Emission for Bernoulli {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.emission_dim]
    }

    fn check_rows(&self, rows: &[f64]) -> Result<()> {
        check_entries(rows, self.emission_dim, "0 or 1", |y| y == 0.0 || y == 1.0)
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let probs = params[0].values();
        let log_probs = probs.iter().map(|p| [(-p).ln_1p(), p.ln()]).collect();
        Ok(Box::new(PreparedBernoulli { grid: self.grid(), probs, log_probs }))
    }

    /// Clusters rows by k-means; with fewer distinct rows than states, starts every state at the
    /// column means with random odds ratios.
    fn initialize_from_data(&self, data: &Dataset<'_>, rng: &mut ChaCha8Rng) -> Result<Vec<Array>> {
        let clustered = cluster_and_maximise(self, self.sample_prior(rng), data, rng);
        clustered.or_else(|_| {
            let dim = self.emission_dim;
            let count =
                |d: usize, label| data.rows().iter().skip(d).step_by(dim).filter(|y| **y == label).count();
            let mut odds = |n: usize| (n as f64 + 1.0) * BetaPrior::FLAT.draw(rng).max(1e-3);
            let start = |i| {
                let (ones, zeros) = (odds(count(i % dim, 1.0)), odds(count(i % dim, 0.0)));
                ones / (ones + zeros)
            };
            let probs = (0..self.grid().len()).map(start).collect();
            Ok(vec![Array::new(&self.grid().shape(), probs)])
        })
    }
}

impl Prepared for PreparedBernoulli<'_> {
    fn log_likelihoods(&self, sequence: &Sequence<'_>, steps: Range<usize>, out: &mut [f64]) {
        let rows = sequence.emission_rows(steps);
        self.grid.log_likelihoods(rows, out, |y| usize::from(y > 0.5), |i, y| self.log_probs[i][*y]);
    }

    fn accumulate(&self, sequence: &Sequence<'_>, steps: Range<usize>, gamma: &[f64], stats: &mut [f64]) {
        self.grid.accumulate(sequence.emission_rows(steps), gamma, stats, |y| y, |_, y| [1.0 - y, *y]);
    }

    fn sample(&self, state: usize, _: &Sequence<'_>, _: usize, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        for (d, out) in out.iter_mut().enumerate() {
            *out = f64::from(rng.random::<f64>() < self.probs[state * self.grid.dim + d]);
        }
    }

    fn moments(&self, state: usize, _: &Sequence<'_>, _: usize, mean: &mut [f64], cov: &mut [f64]) {
        self.grid.moments(state, mean, cov, |i| (self.probs[i], self.probs[i] * (1.0 - self.probs[i])));
    }
}
