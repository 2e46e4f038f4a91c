//! Zero-inflated Poisson emissions: counts with more zeros than a Poisson has.
//!
//! p(y_t | z_t = k) = Π_d π_kd \[y_td = 0\] + (1 − π_kd) Poisson(y_td | λ_kd),
//! π_kd ~ Beta(c1, c0),  λ_kd ~ Gamma(shape a, rate b)

use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::count_table::{CountDensity, CountTable};
use super::entrywise::Grid;
use super::poisson::{check_counts, default_concentration, default_rate, draw_poisson};
use super::priors::{BetaPrior, GammaPrior, ratio, xlogy};
use super::{Emission, Prepared};
use crate::data::Sequence;
use crate::error::Result;
use crate::model::hmm::component::{Component, MStep, Maximised, check_positive, check_size};
use crate::params::{Array, Constraint, ParamSpec};

/// The zero-inflated Poisson family with its Beta and Gamma priors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZeroInflatedPoisson {
    /// K.
    pub num_states: usize,
    /// D.
    pub emission_dim: usize,
    /// c0, the concentration of the Beta prior on counts that are Poisson.
    #[serde(default = "default_concentration")]
    pub emission_prior_concentration0: f64,
    /// c1, its concentration on structural zeros.
    #[serde(default = "default_concentration")]
    pub emission_prior_concentration1: f64,
    /// a, the shape of the Gamma prior of rates.
    #[serde(default = "default_concentration")]
    pub emission_prior_concentration: f64,
    /// b, its rate.
    #[serde(default = "default_rate")]
    pub emission_prior_rate: f64,
}

/// Statistics: with w the probability that an observed zero is structural, Σ_t γ_t(k) w_td,
/// Σ_t γ_t(k) (1 − w_td) and Σ_t γ_t(k) y_td over rows where y_td is present, \[K, D\] each.
struct PreparedZeroInflatedPoisson<'a> {
    table: CountTable<Density<'a>>,
}

struct Density<'a> {
    zero_probs: &'a [f64],
    rates: &'a [f64],
    /// log p(y = 0), ln(1 − π) − λ and ln λ.
    logs: Vec<[f64; 3]>,
}

impl ZeroInflatedPoisson {
    fn grid(&self) -> Grid {
        Grid { num_states: self.num_states, dim: self.emission_dim }
    }

    fn beta(&self) -> BetaPrior {
        BetaPrior { ones: self.emission_prior_concentration1, zeros: self.emission_prior_concentration0 }
    }

    fn gamma(&self) -> GammaPrior {
        GammaPrior { shape: self.emission_prior_concentration, rate: self.emission_prior_rate }
    }
}

impl Component for ZeroInflatedPoisson {
    fn schema(&self) -> Vec<ParamSpec> {
        let shape = self.grid().shape();
        let (unit, positive) = (Constraint::UnitInterval, Constraint::Positive);
        vec![
            ParamSpec::new("emissions.zero_probs", "emission_zero_probs", &shape, unit),
            ParamSpec::new("emissions.rates", "emission_rates", &shape, positive),
        ]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("emission_dim", self.emission_dim)?;
        check_positive("emission_prior_concentration0", self.emission_prior_concentration0)?;
        check_positive("emission_prior_concentration1", self.emission_prior_concentration1)?;
        check_positive("emission_prior_concentration", self.emission_prior_concentration)?;
        check_positive("emission_prior_rate", self.emission_prior_rate)
    }

    fn num_stats(&self) -> usize {
        3 * self.grid().len()
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        let term = |(i, (p, rate)): (usize, (&f64, &f64))| {
            let [inflated, poisson, count] = self.grid().at(stats, i);
            xlogy(inflated, *p) + xlogy(poisson, 1.0 - p) + xlogy(count, *rate) - poisson * rate
        };
        params[0].values().iter().zip(params[1].values()).enumerate().map(term).sum()
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        for i in 0..self.grid().len() {
            let [inflated, poisson, count] = self.grid().at(stats, i);
            let (p, rate) = (params[0].values()[i], params[1].values()[i]);
            gradient[0].values_mut()[i] += ratio(inflated, p) - ratio(poisson, 1.0 - p);
            gradient[1].values_mut()[i] += ratio(count, rate) - poisson;
        }
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        let zero_probs = params[0].values().iter().map(|p| self.beta().log_density(*p));
        zero_probs.chain(params[1].values().iter().map(|rate| self.gamma().log_density(*rate))).sum()
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        for i in 0..self.grid().len() {
            gradient[0].values_mut()[i] += self.beta().slope(params[0].values()[i]);
            gradient[1].values_mut()[i] += self.gamma().slope(params[1].values()[i]);
        }
    }

    /// The modes of the Beta and Gamma posteriors given which zeros are structural.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        if !step.is_whole() {
            return Maximised::NoClosedForm;
        }
        let (beta, gamma) =
            if step.prior { (self.beta(), self.gamma()) } else { (BetaPrior::FLAT, GammaPrior::FLAT) };
        let mut repairs = 0;
        for i in 0..self.grid().len() {
            let [inflated, poisson, count] = self.grid().at(step.stats, i);
            if step.moves(0) {
                repairs += beta.mode(inflated, poisson, &mut params[0].values_mut()[i]);
            }
            if step.moves(1) {
                repairs += gamma.mode(count, poisson, &mut params[1].values_mut()[i]);
            }
        }
        Maximised::Done { repairs }
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let shape = self.grid().shape();
        let zero_probs = (0..self.grid().len()).map(|_| self.beta().draw(rng)).collect();
        let rates = (0..self.grid().len()).map(|_| self.gamma().draw(rng)).collect();
        vec![Array::new(&shape, zero_probs), Array::new(&shape, rates)]
    }
}

impl Emission for ZeroInflatedPoisson {
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
        let (zero_probs, rates) = (params[0].values(), params[1].values());
        // p(y = 0) = 1 − (1 − π)(1 − e^−λ), right to rounding at both ends.
        let log_zero = |p: &f64, rate: &f64| ((1.0 - p) * (-rate).exp_m1()).ln_1p();
        let table = |(p, rate): (&f64, &f64)| [log_zero(p, rate), (-p).ln_1p() - rate, rate.ln()];
        let logs = zero_probs.iter().zip(rates).map(table).collect();
        let density = Density { zero_probs, rates, logs };
        Ok(Box::new(PreparedZeroInflatedPoisson { table: CountTable::new(self.grid(), density) }))
    }
}

impl CountDensity for Density<'_> {
    fn log_prob(&self, i: usize, y: f64, log_factorial: f64) -> f64 {
        let [log_zero, constant, log_rate] = self.logs[i];
        if y == 0.0 { log_zero } else { constant + y * log_rate - log_factorial }
    }
}

impl Prepared for PreparedZeroInflatedPoisson<'_> {
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
        let density = &self.table.density;
        let statistics = |i: usize, y: &f64| {
            // 1 − w = (1 − π) e^−λ / p(y = 0), which is 1 also where nothing is structural.
            let poisson = if *y > 0.0 || density.zero_probs[i] == 0.0 {
                1.0
            } else {
                (density.logs[i][1] - density.logs[i][0]).exp()
            };
            [1.0 - poisson, poisson, *y]
        };
        self.table.grid.accumulate(sequence.emission_rows(steps), gamma, stats, |y| y, statistics);
    }

    fn sample(&self, state: usize, _: &Sequence<'_>, _: usize, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        for (d, out) in out.iter_mut().enumerate() {
            let (i, density) = (state * self.table.grid.dim + d, &self.table.density);
            let structural = rng.random::<f64>() < density.zero_probs[i];
            *out = if structural { 0.0 } else { draw_poisson(density.rates[i], rng) };
        }
    }

    /// E y = (1 − π) λ, Var y = (1 − π) λ (1 + π λ).
    fn moments(&self, state: usize, _: &Sequence<'_>, _: usize, mean: &mut [f64], cov: &mut [f64]) {
        self.table.grid.moments(state, mean, cov, |i| {
            let (p, rate) = (self.table.density.zero_probs[i], self.table.density.rates[i]);
            ((1.0 - p) * rate, (1.0 - p) * rate * (1.0 + p * rate))
        });
    }
}
