//! Categorical emissions: independent labels 0..C with one distribution per state and dimension.
//!
//! p(y_t | z_t = k) = Π_d p_kd(y_td),  p_kd ~ Dirichlet(α)

use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use statewise_kernels::math::exp_shifted_rows;
use statewise_kernels::random::draw_index;

use super::class_probs::ClassProbs;
use super::priors::DirichletPrior;
use super::{Emission, Prepared, check_entries};
use crate::data::{Dataset, Sequence};
use crate::error::Result;
use crate::model::hmm::component::{Component, MStep, Maximised};
use crate::params::{Array, ParamSpec};

/// The categorical family with its Dirichlet prior.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Categorical {
    /// K.
    pub num_states: usize,
    /// Dm, the number of labels in one observation.
    pub emission_dim: usize,
    /// C.
    pub num_classes: usize,
    /// α, the concentration of the Dirichlet prior.
    #[serde(default = "default_concentration")]
    pub emission_prior_concentration: f64,
}

fn default_concentration() -> f64 {
    1.1
}

/// Tables with a row of K for every dimension and label, and one for a missing label,
/// shape \[Dm, C + 1, K\].
///
/// Statistics: Σ_t γ_t(k) \[y_td = c\], shape \[Dm, C, K\].
struct PreparedCategorical<'a> {
    family: &'a Categorical,
    probs: &'a Array,
    log_probs: Vec<f64>,
    /// Probabilities over their maximum over the states.
    scaled: Vec<f64>,
    /// Logs of the maxima, shape \[Dm, C + 1\].
    shifts: Vec<f64>,
}

impl Categorical {
    fn class_probs(&self) -> ClassProbs {
        ClassProbs {
            num_states: self.num_states,
            emission_dim: self.emission_dim,
            num_classes: self.num_classes,
            prior: DirichletPrior { concentration: self.emission_prior_concentration },
        }
    }
}

impl Component for Categorical {
    fn schema(&self) -> Vec<ParamSpec> {
        self.class_probs().schema()
    }

    fn check_hyperparameters(&self) -> Result<()> {
        self.class_probs().check_hyperparameters()
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

impl Emission for Categorical {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.emission_dim]
    }

    fn check_rows(&self, rows: &[f64]) -> Result<()> {
        let expected = format!("a whole number from 0 to {}", self.num_classes - 1);
        check_entries(rows, self.emission_dim, &expected, |y| {
            y >= 0.0 && y < self.num_classes as f64 && y.fract() == 0.0
        })
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let (k, classes, dim) = (self.num_states, self.num_classes, self.emission_dim);
        let probs = params[0].values();
        let mut log_probs = vec![0.0; dim * (classes + 1) * k];
        for (i, row) in log_probs.chunks_exact_mut(k).enumerate() {
            let (d, c) = (i / (classes + 1), i % (classes + 1));
            if c < classes {
                let prob = |state: usize| probs[(state * dim + d) * classes + c];
                row.iter_mut().enumerate().for_each(|(state, log)| *log = prob(state).ln());
            }
        }
        let mut scaled = log_probs.clone();
        let mut shifts = vec![0.0; dim * (classes + 1)];
        exp_shifted_rows(&mut scaled, &mut shifts);
        Ok(Box::new(PreparedCategorical { family: self, probs: &params[0], log_probs, scaled, shifts }))
    }

    /// One-hot columns: labels have no distances.
    fn features(&self, row: &[f64], out: &mut Vec<f64>) {
        for y in row {
            let hot = |c: usize| if y.is_nan() { f64::NAN } else { f64::from(*y == c as f64) };
            out.extend((0..self.num_classes).map(hot));
        }
    }

    /// Starts every state at the overall frequencies times random factors: clusters of labels would
    /// give each label to a single state.
    fn initialize_from_data(&self, data: &Dataset<'_>, rng: &mut ChaCha8Rng) -> Result<Vec<Array>> {
        let mut totals = vec![0.0; self.emission_dim * self.num_classes];
        for row in data.rows().chunks_exact(self.emission_dim) {
            for (d, y) in row.iter().enumerate().filter(|(_, y)| !y.is_nan()) {
                totals[d * self.num_classes + *y as usize] += 1.0;
            }
        }
        Ok(self.class_probs().perturbed_frequencies(&totals, rng))
    }
}

impl PreparedCategorical<'_> {
    /// The row of the tables for label `y` in dimension `d`.
    fn table_row(&self, d: usize, y: f64) -> usize {
        let classes = self.family.num_classes;
        d * (classes + 1) + if y.is_nan() { classes } else { y as usize }
    }

    /// log p(y_t | z_t = k) of one row, \[K\].
    fn log_row(&self, row: &[f64], out: &mut [f64]) {
        let k = self.family.num_states;
        out.fill(0.0);
        for (d, y) in row.iter().enumerate() {
            let i = self.table_row(d, *y);
            out.iter_mut().zip(&self.log_probs[i * k..]).for_each(|(o, l)| *o += l);
        }
    }
}

impl Prepared for PreparedCategorical<'_> {
    fn log_likelihoods(&self, sequence: &Sequence<'_>, steps: Range<usize>, out: &mut [f64]) {
        let rows = sequence.emission_rows(steps).chunks_exact(self.family.emission_dim);
        rows.zip(out.chunks_exact_mut(self.family.num_states))
            .for_each(|(row, out)| self.log_row(row, out));
    }

    /// PERF: copies and products of table rows; no exponential or logarithm per step.
    fn scaled_likelihoods(
        &self,
        sequence: &Sequence<'_>,
        steps: Range<usize>,
        out: &mut [f64],
        shift: &mut [f64],
    ) {
        let k = self.family.num_states;
        let rows = sequence.emission_rows(steps).chunks_exact(self.family.emission_dim);
        for ((row, out), shift) in rows.zip(out.chunks_exact_mut(k)).zip(shift) {
            let first = self.table_row(0, row[0]);
            out.copy_from_slice(&self.scaled[first * k..(first + 1) * k]);
            *shift = self.shifts[first];
            for (d, y) in row.iter().enumerate().skip(1) {
                let i = self.table_row(d, *y);
                out.iter_mut().zip(&self.scaled[i * k..]).for_each(|(o, s)| *o *= s);
                *shift += self.shifts[i];
            }
            // NUMERICS: where the dimensions disagree, their product can underflow in all states.
            if row.len() > 1 && !out.iter().any(|o| *o > 1e-30) {
                self.log_row(row, out);
                exp_shifted_rows(out, std::slice::from_mut(shift));
            }
        }
    }

    fn accumulate(&self, sequence: &Sequence<'_>, steps: Range<usize>, gamma: &[f64], stats: &mut [f64]) {
        let (k, classes) = (self.family.num_states, self.family.num_classes);
        let rows = sequence.emission_rows(steps).chunks_exact(self.family.emission_dim);
        for (row, gamma) in rows.zip(gamma.chunks_exact(k)) {
            for (d, y) in row.iter().enumerate().filter(|(_, y)| !y.is_nan()) {
                let i = (d * classes + *y as usize) * k;
                stats[i..i + k].iter_mut().zip(gamma).for_each(|(s, g)| *s += g);
            }
        }
    }

    fn sample(&self, state: usize, _: &Sequence<'_>, _: usize, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        let probs = self.probs.row(state).chunks_exact(self.family.num_classes);
        out.iter_mut().zip(probs).for_each(|(out, p)| *out = draw_index(p, rng.random()) as f64);
    }

    fn moments(&self, state: usize, _: &Sequence<'_>, _: usize, mean: &mut [f64], cov: &mut [f64]) {
        let dim = self.family.emission_dim;
        cov.fill(0.0);
        for (d, p) in self.probs.row(state).chunks_exact(self.family.num_classes).enumerate() {
            mean[d] = p.iter().enumerate().map(|(c, p)| c as f64 * p).sum();
            let square = |(c, p): (usize, &f64)| (c as f64 - mean[d]).powi(2) * p;
            cov[d * dim + d] = p.iter().enumerate().map(square).sum();
        }
    }
}
