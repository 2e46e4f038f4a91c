//! Gamma emissions: positive numbers with a shape and a rate per state.
//!
//! p(y_t | z_t = k) = Π_d β_kd^α_kd y_td^(α_kd − 1) exp(−β_kd y_td) / Γ(α_kd)

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma as GammaDraw};
use serde::{Deserialize, Serialize};
use statewise_kernels::math::{digamma, ln_gamma};

use super::entrywise::Grid;
use super::gamma_shape::{LARGEST_SHAPE, inverse_digamma, solve_shape};
use super::priors::GammaPrior;
use super::{Emission, Prepared, check_entries, maximise_clusters};
use crate::data::{Dataset, Sequence};
use crate::error::Result;
use crate::model::hmm::component::{Component, MStep, Maximised, check_size};
use crate::params::{Array, Constraint, ParamSpec};

/// The Gamma family, without a prior. With one dimension emissions are scalars and parameters have
/// shape \[K\].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gamma {
    /// K.
    pub num_states: usize,
    /// D.
    #[serde(default = "one")]
    pub emission_dim: usize,
}

fn one() -> usize {
    1
}

/// Statistics: Σ_t γ_t(k), Σ_t γ_t(k) y_td and Σ_t γ_t(k) ln y_td over rows where y_td is present,
/// \[K, D\] each.
struct PreparedGamma<'a> {
    grid: Grid,
    shapes: &'a [f64],
    rates: &'a [f64],
    /// α ln β − ln Γ(α).
    constants: Vec<f64>,
}

impl Gamma {
    fn grid(&self) -> Grid {
        Grid { num_states: self.num_states, dim: self.emission_dim }
    }

    fn shape(&self) -> Vec<usize> {
        if self.emission_dim == 1 { vec![self.num_states] } else { self.grid().shape().to_vec() }
    }
}

impl Component for Gamma {
    fn schema(&self) -> Vec<ParamSpec> {
        let positive = |path, keyword| ParamSpec::new(path, keyword, &self.shape(), Constraint::Positive);
        vec![
            positive("emissions.concentration", "emission_concentrations"),
            positive("emissions.rate", "emission_rates"),
        ]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("emission_dim", self.emission_dim)
    }

    fn num_stats(&self) -> usize {
        3 * self.grid().len()
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        let term = |(i, (a, b)): (usize, (&f64, &f64))| {
            let [weight, sum, log_sum] = self.grid().at(stats, i);
            weight * (a * b.ln() - ln_gamma(*a)) + (a - 1.0) * log_sum - b * sum
        };
        params[0].values().iter().zip(params[1].values()).enumerate().map(term).sum()
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        for i in 0..self.grid().len() {
            let [weight, sum, log_sum] = self.grid().at(stats, i);
            let (a, b) = (params[0].values()[i], params[1].values()[i]);
            gradient[0].values_mut()[i] += weight * (b.ln() - digamma(a)) + log_sum;
            gradient[1].values_mut()[i] += weight * a / b - sum;
        }
    }

    fn log_prior(&self, _: &[Array]) -> f64 {
        0.0
    }

    fn log_prior_gradient(&self, _: &[Array], _: &mut [Array]) {}

    /// β = α / ȳ with ln α − ψ(α) = ln ȳ − mean ln y; with β fixed, ψ(α) = ln β + mean ln y.
    ///
    /// A state whose values are all alike would have an infinite shape: it is capped and counted.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        if !step.is_whole() {
            return Maximised::NoClosedForm;
        }
        let (shape_moves, rate_moves) = (step.moves(0), step.moves(1));
        let mut repairs = 0;
        for i in 0..self.grid().len() {
            let [weight, sum, log_sum] = self.grid().at(step.stats, i);
            if weight <= 0.0 || sum <= 0.0 {
                repairs += usize::from(shape_moves || rate_moves);
                continue;
            }
            let (mean, mean_log) = (sum / weight, log_sum / weight);
            if shape_moves {
                let shape = if rate_moves {
                    solve_shape(mean.ln() - mean_log)
                } else {
                    inverse_digamma(params[1].values()[i].ln() + mean_log)
                };
                repairs += usize::from(shape.is_none());
                params[0].values_mut()[i] = shape.unwrap_or(LARGEST_SHAPE);
            }
            if rate_moves {
                params[1].values_mut()[i] = params[0].values()[i] / mean;
            }
        }
        Maximised::Done { repairs }
    }

    /// Shape 1 and a rate from Exp(1), as Dynamax.
    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let unit = GammaPrior { shape: 1.0, rate: 1.0 };
        let rates = (0..self.grid().len()).map(|_| unit.draw(rng)).collect();
        vec![Array::full(&self.shape(), 1.0), Array::new(&self.shape(), rates)]
    }
}

impl Emission for Gamma {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        if self.emission_dim == 1 { vec![] } else { vec![self.emission_dim] }
    }

    fn check_rows(&self, rows: &[f64]) -> Result<()> {
        check_entries(rows, self.emission_dim, "a positive number", |y| y > 0.0)
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let (shapes, rates) = (params[0].values(), params[1].values());
        let constants = shapes.iter().zip(rates).map(|(a, b)| a * b.ln() - ln_gamma(*a)).collect();
        Ok(Box::new(PreparedGamma { grid: self.grid(), shapes, rates, constants }))
    }

    /// Maximises given k-means clusters that are not quite certain: without a prior a cluster of
    /// equal values would start, and stay, a spike.
    fn initialize_from_data(&self, data: &Dataset<'_>, rng: &mut ChaCha8Rng) -> Result<Vec<Array>> {
        maximise_clusters(self, self.sample_prior(rng), data, 0.95, rng)
    }
}

impl Prepared for PreparedGamma<'_> {
    fn log_likelihoods(&self, sequence: &Sequence<'_>, steps: Range<usize>, out: &mut [f64]) {
        self.grid.log_likelihoods(
            sequence.emission_rows(steps),
            out,
            |y| (y, y.ln()),
            |i, (y, log_y)| self.constants[i] + (self.shapes[i] - 1.0) * log_y - self.rates[i] * y,
        );
    }

    fn accumulate(&self, sequence: &Sequence<'_>, steps: Range<usize>, gamma: &[f64], stats: &mut [f64]) {
        let rows = sequence.emission_rows(steps);
        self.grid.accumulate(rows, gamma, stats, |y| [1.0, y, y.ln()], |_, entry| *entry);
    }

    fn sample(&self, state: usize, _: &Sequence<'_>, _: usize, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        for (d, out) in out.iter_mut().enumerate() {
            let i = state * self.grid.dim + d;
            let draw = GammaDraw::new(self.shapes[i], 1.0 / self.rates[i]).map_or(1.0, |g| g.sample(rng));
            // A draw of a tiny shape can underflow; zero is outside the domain.
            *out = draw.max(f64::MIN_POSITIVE);
        }
    }

    fn moments(&self, state: usize, _: &Sequence<'_>, _: usize, mean: &mut [f64], cov: &mut [f64]) {
        let ratio = |i: usize| self.shapes[i] / self.rates[i];
        self.grid.moments(state, mean, cov, |i| (ratio(i), ratio(i) / self.rates[i]));
    }
}
