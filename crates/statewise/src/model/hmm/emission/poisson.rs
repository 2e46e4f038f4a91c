//! Poisson emissions: independent counts with one rate per state and dimension.
//!
//! p(y_t | z_t = k) = Π_d Poisson(y_td | λ_kd),  λ_kd ~ Gamma(shape a, rate b)

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson as PoissonDraw};
use serde::{Deserialize, Serialize};

use super::count_table::{CountDensity, CountTable};
use super::entrywise::Grid;
use super::priors::{GammaPrior, ratio, xlogy};
use super::{Emission, Prepared, check_entries};
use crate::data::Sequence;
use crate::error::Result;
use crate::model::hmm::component::{Component, MStep, Maximised, check_positive, check_size};
use crate::params::{Array, Constraint, ParamSpec};

/// The Poisson family with its Gamma prior.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poisson {
    /// K.
    pub num_states: usize,
    /// D.
    pub emission_dim: usize,
    /// a, the shape of the Gamma prior.
    #[serde(default = "default_concentration")]
    pub emission_prior_concentration: f64,
    /// b, its rate.
    #[serde(default = "default_rate")]
    pub emission_prior_rate: f64,
}

pub(super) fn default_concentration() -> f64 {
    1.1
}

pub(super) fn default_rate() -> f64 {
    0.1
}

/// Statistics: Σ_t γ_t(k) over rows where y_td is present, then Σ_t γ_t(k) y_td, both \[K, D\].
struct PreparedPoisson<'a> {
    table: CountTable<PoissonDensity<'a>>,
}

struct PoissonDensity<'a> {
    rates: &'a [f64],
    log_rates: Vec<f64>,
}

impl Poisson {
    fn grid(&self) -> Grid {
        Grid { num_states: self.num_states, dim: self.emission_dim }
    }

    fn prior(&self) -> GammaPrior {
        GammaPrior { shape: self.emission_prior_concentration, rate: self.emission_prior_rate }
    }
}

impl Component for Poisson {
    fn schema(&self) -> Vec<ParamSpec> {
        let shape = self.grid().shape();
        vec![ParamSpec::new("emissions.rates", "emission_rates", &shape, Constraint::Positive)]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("emission_dim", self.emission_dim)?;
        check_positive("emission_prior_concentration", self.emission_prior_concentration)?;
        check_positive("emission_prior_rate", self.emission_prior_rate)
    }

    fn num_stats(&self) -> usize {
        2 * self.grid().len()
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        let term = |(i, rate): (usize, &f64)| {
            let [weight, count] = self.grid().at(stats, i);
            xlogy(count, *rate) - weight * rate
        };
        params[0].values().iter().enumerate().map(term).sum()
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        for (i, (g, rate)) in gradient[0].values_mut().iter_mut().zip(params[0].values()).enumerate() {
            let [weight, count] = self.grid().at(stats, i);
            *g += ratio(count, *rate) - weight;
        }
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        params[0].values().iter().map(|rate| self.prior().log_density(*rate)).sum()
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        for (g, rate) in gradient[0].values_mut().iter_mut().zip(params[0].values()) {
            *g += self.prior().slope(*rate);
        }
    }

    /// λ = (a − 1 + Σ γ y) / (b + Σ γ), the mode of the Gamma posterior.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        if !step.is_whole() {
            return Maximised::NoClosedForm;
        }
        if !step.moves(0) {
            return Maximised::Done { repairs: 0 };
        }
        let prior = if step.prior { self.prior() } else { GammaPrior::FLAT };
        let mut repairs = 0;
        for (i, rate) in params[0].values_mut().iter_mut().enumerate() {
            let [weight, count] = self.grid().at(step.stats, i);
            repairs += prior.mode(count, weight, rate);
        }
        Maximised::Done { repairs }
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let draws = (0..self.grid().len()).map(|_| self.prior().draw(rng)).collect();
        vec![Array::new(&self.grid().shape(), draws)]
    }
}

impl Emission for Poisson {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.emission_dim]
    }

    fn check_rows(&self, rows: &[f64]) -> Result<()> {
        check_counts(rows, self.emission_dim)
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let rates = params[0].values();
        let log_rates = rates.iter().map(|rate| rate.ln()).collect();
        let density = PoissonDensity { rates, log_rates };
        Ok(Box::new(PreparedPoisson { table: CountTable::new(self.grid(), density) }))
    }
}

impl CountDensity for PoissonDensity<'_> {
    fn log_prob(&self, i: usize, y: f64, log_factorial: f64) -> f64 {
        y * self.log_rates[i] - self.rates[i] - log_factorial
    }
}

impl Prepared for PreparedPoisson<'_> {
    fn log_likelihoods(&self, sequence: &Sequence<'_>, steps: Range<usize>, out: &mut [f64]) {
        self.table.log_likelihoods(sequence.emission_rows(steps), out);
    }

    fn scaled_likelihoods(
        &self,
        sequence: &Sequence<'_>,
        steps: Range<usize>,
        out: &mut [f64],
        shift: &mut [f64],
    ) {
        self.table.scaled_likelihoods(sequence.emission_rows(steps), out, shift);
    }

    fn accumulate(&self, sequence: &Sequence<'_>, steps: Range<usize>, gamma: &[f64], stats: &mut [f64]) {
        self.table.grid.accumulate(sequence.emission_rows(steps), gamma, stats, |y| y, |_, y| [1.0, *y]);
    }

    fn sample(&self, state: usize, _: &Sequence<'_>, _: usize, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        let rates = &self.table.density.rates[state * self.table.grid.dim..];
        out.iter_mut().zip(rates).for_each(|(out, rate)| *out = draw_poisson(*rate, rng));
    }

    fn moments(&self, state: usize, _: &Sequence<'_>, _: usize, mean: &mut [f64], cov: &mut [f64]) {
        let rates = self.table.density.rates;
        self.table.grid.moments(state, mean, cov, |i| (rates[i], rates[i]));
    }
}

/// Checks that entries are counts.
pub(super) fn check_counts(rows: &[f64], width: usize) -> Result<()> {
    check_entries(rows, width, "a whole number of at least 0", |y| y >= 0.0 && y.fract() == 0.0)
}

/// Draws a count; 0 for a rate that is 0.
pub(super) fn draw_poisson(rate: f64, rng: &mut ChaCha8Rng) -> f64 {
    PoissonDraw::new(rate).map_or(0.0, |p| p.sample(rng))
}
