//! Poisson emissions: independent counts with one rate per state and dimension.
//!
//! p(y_t | z_t = k) = Π_d Poisson(y_td | λ_kd),  λ_kd ~ Gamma(shape a, rate b)

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma as GammaDraw, Poisson as PoissonDraw};
use serde::{Deserialize, Serialize};
use statewise_kernels::math::ln_gamma;

use super::{Emission, MStep, Maximised, Prepared, check_entries, check_positive, check_size};
use crate::data::Sequence;
use crate::error::Result;
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

fn default_concentration() -> f64 {
    1.1
}

fn default_rate() -> f64 {
    0.1
}

/// Statistics: Σ_t γ_t(k) over rows where y_td is present, then Σ_t γ_t(k) y_td, both \[K, D\].
struct PreparedPoisson<'a> {
    family: &'a Poisson,
    rates: &'a [f64],
    log_rates: Vec<f64>,
}

impl Emission for Poisson {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.emission_dim]
    }

    fn schema(&self) -> Vec<ParamSpec> {
        let shape = [self.num_states, self.emission_dim];
        vec![ParamSpec::new("emissions.rates", "emission_rates", &shape, Constraint::Positive)]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("emission_dim", self.emission_dim)?;
        check_positive("emission_prior_concentration", self.emission_prior_concentration)?;
        check_positive("emission_prior_rate", self.emission_prior_rate)
    }

    fn check_rows(&self, rows: &[f64]) -> Result<()> {
        check_entries(rows, self.emission_dim, "a whole number of at least 0", |y| {
            y >= 0.0 && y.fract() == 0.0
        })
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let rates = params[0].values();
        let log_rates = rates.iter().map(|rate| rate.ln()).collect();
        Ok(Box::new(PreparedPoisson { family: self, rates, log_rates }))
    }

    fn num_stats(&self) -> usize {
        2 * self.num_states * self.emission_dim
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        let (weights, counts) = stats.split_at(stats.len() / 2);
        let term =
            |((rate, n), s): ((&f64, &f64), &f64)| if *s > 0.0 { s * rate.ln() } else { 0.0 } - n * rate;
        params[0].values().iter().zip(weights).zip(counts).map(term).sum()
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        let (weights, counts) = stats.split_at(stats.len() / 2);
        for (i, (g, rate)) in gradient[0].values_mut().iter_mut().zip(params[0].values()).enumerate() {
            *g += counts[i] / rate - weights[i];
        }
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        let (a, b) = (self.emission_prior_concentration, self.emission_prior_rate);
        let constant = a * b.ln() - ln_gamma(a);
        params[0].values().iter().map(|rate| constant + (a - 1.0) * rate.ln() - b * rate).sum()
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        for (g, rate) in gradient[0].values_mut().iter_mut().zip(params[0].values()) {
            *g += (self.emission_prior_concentration - 1.0) / rate - self.emission_prior_rate;
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
        let (extra_count, extra_weight) = if step.prior {
            (self.emission_prior_concentration - 1.0, self.emission_prior_rate)
        } else {
            (0.0, 0.0)
        };
        let (weights, counts) = step.stats.split_at(step.stats.len() / 2);
        let mut repairs = 0;
        for (i, rate) in params[0].values_mut().iter_mut().enumerate() {
            let (count, weight) = (extra_count + counts[i], extra_weight + weights[i]);
            if count > 0.0 && weight > 0.0 {
                *rate = count / weight;
            } else if weight > 0.0 {
                // A state that saw only zeros: its likelihood rises as the rate falls to zero.
                *rate = rate.min(1e-10);
                repairs += 1;
            } else {
                repairs += 1;
            }
        }
        Maximised::Done { repairs }
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let shape = [self.num_states, self.emission_dim];
        let prior = GammaDraw::new(self.emission_prior_concentration, 1.0 / self.emission_prior_rate);
        let draw = |_| prior.map_or(1.0, |p| p.sample(rng)).max(1e-10);
        vec![Array::new(&shape, (0..shape[0] * shape[1]).map(draw).collect())]
    }
}

impl Prepared for PreparedPoisson<'_> {
    fn log_likelihoods(&self, sequence: &Sequence<'_>, steps: Range<usize>, out: &mut [f64]) {
        let dim = self.family.emission_dim;
        let rows = sequence.emission_rows(steps).chunks_exact(dim);
        for (row, out) in rows.zip(out.chunks_exact_mut(self.family.num_states)) {
            out.fill(0.0);
            for (d, y) in row.iter().enumerate().filter(|(_, y)| !y.is_nan()) {
                let log_factorial = ln_gamma(y + 1.0);
                for (k, out) in out.iter_mut().enumerate() {
                    let i = k * dim + d;
                    *out += y * self.log_rates[i] - self.rates[i] - log_factorial;
                }
            }
        }
    }

    fn accumulate(&self, sequence: &Sequence<'_>, steps: Range<usize>, gamma: &[f64], stats: &mut [f64]) {
        let dim = self.family.emission_dim;
        let (weights, counts) = stats.split_at_mut(stats.len() / 2);
        let rows = sequence.emission_rows(steps).chunks_exact(dim);
        for (row, gamma) in rows.zip(gamma.chunks_exact(self.family.num_states)) {
            for (d, y) in row.iter().enumerate().filter(|(_, y)| !y.is_nan()) {
                for (k, gamma) in gamma.iter().enumerate() {
                    weights[k * dim + d] += gamma;
                    counts[k * dim + d] += gamma * y;
                }
            }
        }
    }

    fn sample(&self, state: usize, _: &Sequence<'_>, _: usize, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        let dim = self.family.emission_dim;
        for (out, rate) in out.iter_mut().zip(&self.rates[state * dim..]) {
            *out = PoissonDraw::new(*rate).map_or(0.0, |p| p.sample(rng));
        }
    }

    fn moments(&self, state: usize, _: &Sequence<'_>, _: usize, mean: &mut [f64], cov: &mut [f64]) {
        let dim = self.family.emission_dim;
        cov.fill(0.0);
        for d in 0..dim {
            let rate = self.rates[state * dim + d];
            mean[d] = rate;
            cov[d * dim + d] = rate;
        }
    }
}
