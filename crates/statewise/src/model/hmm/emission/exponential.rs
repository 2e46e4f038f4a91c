//! Exponential emissions: independent waiting times with one rate per state and dimension.
//!
//! p(y_t | z_t = k) = Π_d λ_kd exp(−λ_kd y_td),  λ_kd ~ Gamma(shape a, rate b)

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};
use serde::{Deserialize, Serialize};

use super::entrywise::Grid;
use super::poisson::{default_concentration, default_rate};
use super::priors::GammaPrior;
use super::{Emission, Prepared, check_entries};
use crate::data::Sequence;
use crate::error::Result;
use crate::model::hmm::component::{Component, MStep, Maximised, check_positive, check_size};
use crate::params::{Array, Constraint, ParamSpec};

/// The exponential family of waiting times with its Gamma prior.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exponential {
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

/// The rate of a state that saw only zeros, whose likelihood rises without bound.
const LARGEST_RATE: f64 = 1e10;

/// Statistics: Σ_t γ_t(k) over rows where y_td is present, then Σ_t γ_t(k) y_td, both \[K, D\].
struct PreparedExponential<'a> {
    grid: Grid,
    rates: &'a [f64],
    log_rates: Vec<f64>,
}

impl Exponential {
    fn grid(&self) -> Grid {
        Grid { num_states: self.num_states, dim: self.emission_dim }
    }

    fn prior(&self) -> GammaPrior {
        GammaPrior { shape: self.emission_prior_concentration, rate: self.emission_prior_rate }
    }
}

impl Component for Exponential {
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
            let [weight, time] = self.grid().at(stats, i);
            weight * rate.ln() - time * rate
        };
        params[0].values().iter().enumerate().map(term).sum()
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        for (i, (g, rate)) in gradient[0].values_mut().iter_mut().zip(params[0].values()).enumerate() {
            let [weight, time] = self.grid().at(stats, i);
            *g += weight / rate - time;
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

    /// λ = (a − 1 + Σ γ) / (b + Σ γ y), the mode of the Gamma posterior.
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
            let [weight, time] = self.grid().at(step.stats, i);
            if weight > LARGEST_RATE * (time + prior.rate) {
                *rate = LARGEST_RATE;
                repairs += 1;
            } else {
                repairs += prior.mode(weight, time, rate);
            }
        }
        Maximised::Done { repairs }
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let draws = (0..self.grid().len()).map(|_| self.prior().draw(rng)).collect();
        vec![Array::new(&self.grid().shape(), draws)]
    }
}

impl Emission for Exponential {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.emission_dim]
    }

    fn check_rows(&self, rows: &[f64]) -> Result<()> {
        check_entries(rows, self.emission_dim, "a number of at least 0", |y| y >= 0.0)
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let rates = params[0].values();
        let log_rates = rates.iter().map(|rate| rate.ln()).collect();
        Ok(Box::new(PreparedExponential { grid: self.grid(), rates, log_rates }))
    }
}

impl Prepared for PreparedExponential<'_> {
    fn log_likelihoods(&self, sequence: &Sequence<'_>, steps: Range<usize>, out: &mut [f64]) {
        let rows = sequence.emission_rows(steps);
        self.grid.log_likelihoods(rows, out, |y| y, |i, y| self.log_rates[i] - y * self.rates[i]);
    }

    fn accumulate(&self, sequence: &Sequence<'_>, steps: Range<usize>, gamma: &[f64], stats: &mut [f64]) {
        self.grid.accumulate(sequence.emission_rows(steps), gamma, stats, |y| y, |_, y| [1.0, *y]);
    }

    fn sample(&self, state: usize, _: &Sequence<'_>, _: usize, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        for (d, out) in out.iter_mut().enumerate() {
            let unit: f64 = Exp1.sample(rng);
            *out = unit / self.rates[state * self.grid.dim + d];
        }
    }

    fn moments(&self, state: usize, _: &Sequence<'_>, _: usize, mean: &mut [f64], cov: &mut [f64]) {
        self.grid.moments(state, mean, cov, |i| (self.rates[i].recip(), self.rates[i].powi(-2)));
    }
}
