//! Multinomial emissions: counts of C classes among R trials, per dimension.
//!
//! p(y_t | z_t = k) = Π_d R! Π_c p_kdc^y_tdc / y_tdc!,  Σ_c y_tdc = R,  p_kd ~ Dirichlet(α)

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Binomial, Distribution};
use serde::{Deserialize, Serialize};
use statewise_kernels::math::ln_gamma;

use super::class_probs::ClassProbs;
use super::poisson::check_counts;
use super::priors::DirichletPrior;
use super::{Emission, Prepared, cluster_and_maximise};
use crate::data::{Dataset, Sequence};
use crate::error::{Error, Result};
use crate::model::hmm::component::{Component, MStep, Maximised, check_size};
use crate::params::{Array, ParamSpec};

/// The multinomial family with its Dirichlet prior.
///
/// A dimension with a missing count is missing in all its counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Multinomial {
    /// K.
    pub num_states: usize,
    /// Dm, the number of count vectors in one observation.
    pub emission_dim: usize,
    /// C.
    pub num_classes: usize,
    /// R.
    pub num_trials: usize,
    /// α, the concentration of the Dirichlet prior.
    #[serde(default = "default_concentration")]
    pub emission_prior_concentration: f64,
}

fn default_concentration() -> f64 {
    1.1
}

/// Statistics: Σ_t γ_t(k) y_tdc over rows where dimension d is present, shape \[Dm, C, K\].
struct PreparedMultinomial<'a> {
    family: &'a Multinomial,
    probs: &'a Array,
    /// ln p, shape \[Dm, C, K\].
    log_probs: Vec<f64>,
}

impl Multinomial {
    fn class_probs(&self) -> ClassProbs {
        ClassProbs {
            num_states: self.num_states,
            emission_dim: self.emission_dim,
            num_classes: self.num_classes,
            prior: DirichletPrior { concentration: self.emission_prior_concentration },
        }
    }

    /// Calls `visit` with the table row and count of every positive count of present dimensions.
    fn for_counts(&self, row: &[f64], mut visit: impl FnMut(usize, f64)) {
        for (d, counts) in row.chunks_exact(self.num_classes).enumerate() {
            if counts.iter().all(|y| !y.is_nan()) {
                let positive = counts.iter().enumerate().filter(|(_, y)| **y > 0.0);
                positive.for_each(|(c, y)| visit(d * self.num_classes + c, *y));
            }
        }
    }
}

impl Component for Multinomial {
    fn schema(&self) -> Vec<ParamSpec> {
        self.class_probs().schema()
    }

    fn check_hyperparameters(&self) -> Result<()> {
        self.class_probs().check_hyperparameters()?;
        check_size("num_trials", self.num_trials)
    }

    fn num_stats(&self) -> usize {
        self.class_probs().len()
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        self.class_probs().expected_log_prob(params, stats)
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        self.class_probs().expected_log_prob_gradient(params, stats, gradient);
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        self.class_probs().log_prior(params)
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        self.class_probs().log_prior_gradient(params, gradient);
    }

    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        self.class_probs().maximise(step, params)
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        self.class_probs().sample_prior(rng)
    }
}

impl Emission for Multinomial {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.emission_dim, self.num_classes]
    }

    fn check_rows(&self, rows: &[f64]) -> Result<()> {
        check_counts(rows, self.emission_dim * self.num_classes)?;
        for (i, counts) in rows.chunks_exact(self.num_classes).enumerate() {
            let total: f64 = counts.iter().sum();
            if !total.is_nan() && total != self.num_trials as f64 {
                let (t, d) = (i / self.emission_dim, i % self.emission_dim);
                let place = format!("emissions row {t}, dimension {d}");
                let expected = format!("counts that sum to num_trials = {}", self.num_trials);
                return Err(Error::argument(place, format!("counts of sum {total}"), expected));
            }
        }
        Ok(())
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let stride = self.emission_dim * self.num_classes;
        let entry = |i: usize| params[0].values()[i % self.num_states * stride + i / self.num_states];
        let log_probs = (0..self.num_states * stride).map(|i| entry(i).ln()).collect();
        Ok(Box::new(PreparedMultinomial { family: self, probs: &params[0], log_probs }))
    }

    /// Clusters rows by k-means; with fewer distinct rows than states, starts every state at the
    /// overall frequencies times random factors.
    fn initialize_from_data(&self, data: &Dataset<'_>, rng: &mut ChaCha8Rng) -> Result<Vec<Array>> {
        let clustered = cluster_and_maximise(self, self.sample_prior(rng), data, rng);
        clustered.or_else(|_| {
            let mut totals = vec![0.0; data.width()];
            for row in data.rows().chunks_exact(data.width()) {
                self.for_counts(row, |i, y| totals[i] += y);
            }
            Ok(self.class_probs().perturbed_frequencies(&totals, rng))
        })
    }
}

impl Prepared for PreparedMultinomial<'_> {
    fn log_likelihoods(&self, sequence: &Sequence<'_>, steps: Range<usize>, out: &mut [f64]) {
        let (family, k) = (self.family, self.family.num_states);
        let log_trials = ln_gamma(family.num_trials as f64 + 1.0);
        let rows = sequence.emission_rows(steps).chunks_exact(sequence.width);
        for (row, out) in rows.zip(out.chunks_exact_mut(k)) {
            let present = row.chunks_exact(family.num_classes).filter(|y| y.iter().all(|y| !y.is_nan()));
            out.fill(present.count() as f64 * log_trials);
            family.for_counts(row, |i, y| {
                let log_factorial = ln_gamma(y + 1.0);
                let logs = &self.log_probs[i * k..(i + 1) * k];
                out.iter_mut().zip(logs).for_each(|(o, log_p)| *o += y * log_p - log_factorial);
            });
        }
    }

    fn accumulate(&self, sequence: &Sequence<'_>, steps: Range<usize>, gamma: &[f64], stats: &mut [f64]) {
        let k = self.family.num_states;
        let rows = sequence.emission_rows(steps).chunks_exact(sequence.width);
        for (row, gamma) in rows.zip(gamma.chunks_exact(k)) {
            self.family.for_counts(row, |i, y| {
                stats[i * k..(i + 1) * k].iter_mut().zip(gamma).for_each(|(s, g)| *s += g * y);
            });
        }
    }

    /// Binomial draws, class by class among the trials that are left.
    fn sample(&self, state: usize, _: &Sequence<'_>, _: usize, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        let classes = self.family.num_classes;
        let probs = self.probs.row(state).chunks_exact(classes);
        for (out, p) in out.chunks_exact_mut(classes).zip(probs) {
            let mut trials = self.family.num_trials as u64;
            // The last possible class takes what is left, whatever rounding did to the sum.
            let last = p.iter().rposition(|p| *p > 0.0).unwrap_or(classes - 1);
            let mut rest: f64 = p.iter().sum();
            for (c, (out, p)) in out.iter_mut().zip(p).enumerate() {
                let share = (p / rest).clamp(0.0, 1.0);
                let count = match c {
                    c if c == last => trials,
                    c if c > last => 0,
                    _ => Binomial::new(trials, share).map_or(0, |b| b.sample(rng)),
                };
                *out = count as f64;
                trials -= count;
                rest -= p;
            }
        }
    }

    /// E y = R p, Cov y = R (diag p − p pᵀ) within a dimension.
    fn moments(&self, state: usize, _: &Sequence<'_>, _: usize, mean: &mut [f64], cov: &mut [f64]) {
        let (width, classes) = (mean.len(), self.family.num_classes);
        let trials = self.family.num_trials as f64;
        let p = self.probs.row(state);
        cov.fill(0.0);
        for i in 0..width {
            mean[i] = trials * p[i];
            for j in (i / classes) * classes..(i / classes + 1) * classes {
                cov[i * width + j] = trials * (p[i] * f64::from(i == j) - p[i] * p[j]);
            }
        }
    }
}
