//! Negative binomial emissions: independent counts that vary more than Poisson counts.
//!
//! p(y_t | z_t = k) = Π_d Γ(y + r) / (y! Γ(r)) (r / (r + μ))^r (μ / (r + μ))^y  with y = y_td,
//! μ = μ_kd and r = r_kd, so that E y = μ and Var y = μ + μ² / r

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma as GammaDraw};
use serde::{Deserialize, Serialize};

use super::count_table::{CountDensity, CountTable};
use super::entrywise::Grid;
use super::gamma_shape::{LARGEST_SHAPE, expected_tables, ln_rising_ratio};
use super::poisson::{check_counts, draw_poisson};
use super::priors::{GammaPrior, ratio, xlogy};
use super::{Emission, Prepared};
use crate::data::Sequence;
use crate::error::{Error, Result};
use crate::model::hmm::component::{Component, MStep, Maximised, check_positive, check_size};
use crate::params::{Array, Constraint, ParamSpec};

/// The negative binomial family, with a prior r ~ Gamma(shape a, rate b) that is flat by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NegativeBinomial {
    /// K.
    pub num_states: usize,
    /// D.
    pub emission_dim: usize,
    /// a, the shape of the Gamma prior of dispersions.
    #[serde(default = "flat_concentration")]
    pub emission_prior_concentration: f64,
    /// b, its rate; 0 leaves it improper.
    #[serde(default)]
    pub emission_prior_rate: f64,
}

fn flat_concentration() -> f64 {
    1.0
}

/// The smallest dispersion that a maximisation sets.
const SMALLEST_DISPERSION: f64 = 1e-10;

/// Statistics: Σ_t γ_t(k), Σ_t γ_t(k) y_td and Σ_t γ_t(k) E\[l_td | y_td\] over rows where y_td is
/// present, \[K, D\] each.
///
/// l is the number of Poisson many logarithmic variables that add up to y (tables of a Chinese
/// restaurant with y customers): Γ(r + y) / Γ(r) = Σ_l |s(y, l)| r^l. Given l the likelihood is
/// r^l (r / (r + μ))^r (μ / (r + μ))^y, so the mean is maximised exactly whatever the dispersion,
/// which the mixture of Poissons over Gamma rates would only approach step by step.
struct PreparedNegativeBinomial<'a> {
    table: CountTable<Density<'a>>,
}

struct Density<'a> {
    means: &'a [f64],
    dispersions: &'a [f64],
    /// ln μ − ln(1 + μ / r) and r ln(1 + μ / r).
    logs: Vec<[f64; 2]>,
}

impl NegativeBinomial {
    fn grid(&self) -> Grid {
        Grid { num_states: self.num_states, dim: self.emission_dim }
    }

    fn prior(&self) -> GammaPrior {
        GammaPrior { shape: self.emission_prior_concentration, rate: self.emission_prior_rate }
    }
}

impl Component for NegativeBinomial {
    fn schema(&self) -> Vec<ParamSpec> {
        let shape = self.grid().shape();
        let positive = |path, keyword| ParamSpec::new(path, keyword, &shape, Constraint::Positive);
        vec![
            positive("emissions.means", "emission_means"),
            positive("emissions.dispersions", "emission_dispersions"),
        ]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("emission_dim", self.emission_dim)?;
        check_positive("emission_prior_concentration", self.emission_prior_concentration)?;
        let rate = self.emission_prior_rate;
        if rate >= 0.0 && rate.is_finite() {
            Ok(())
        } else {
            Err(Error::argument("emission_prior_rate", rate, "a number of at least 0"))
        }
    }

    fn num_stats(&self) -> usize {
        3 * self.grid().len()
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        let term = |(i, (mean, r)): (usize, (&f64, &f64))| {
            let [weight, count, tables] = self.grid().at(stats, i);
            let log = (mean / r).ln_1p();
            xlogy(count, *mean) + (tables - count) * r.ln() - (count + weight * r) * log
        };
        params[0].values().iter().zip(params[1].values()).enumerate().map(term).sum()
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        for i in 0..self.grid().len() {
            let [weight, count, tables] = self.grid().at(stats, i);
            let (mean, r) = (params[0].values()[i], params[1].values()[i]);
            gradient[0].values_mut()[i] += ratio(count, mean) - (count + weight * r) / (r + mean);
            gradient[1].values_mut()[i] +=
                tables / r - weight * (mean / r).ln_1p() + (weight * mean - count) / (r + mean);
        }
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        params[1].values().iter().map(|r| self.prior().log_density(*r)).sum()
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        for (g, r) in gradient[1].values_mut().iter_mut().zip(params[1].values()) {
            *g += self.prior().slope(*r);
        }
    }

    /// μ = Σ γ y / Σ γ, then r from its equation; no closed form for r while μ is fixed.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        let (mean_moves, dispersion_moves) = (step.moves(0), step.moves(1));
        if !step.is_whole() || (dispersion_moves && !mean_moves) {
            return Maximised::NoClosedForm;
        }
        if !mean_moves {
            return Maximised::Done { repairs: 0 };
        }
        let prior = if step.prior { self.prior() } else { GammaPrior::FLAT };
        let mut repairs = 0;
        for i in 0..self.grid().len() {
            let [weight, count, tables] = self.grid().at(step.stats, i);
            let mean = &mut params[0].values_mut()[i];
            repairs += GammaPrior::FLAT.mode(count, weight, mean);
            if dispersion_moves && count > 0.0 && weight > 0.0 {
                let mean = *mean;
                repairs += solve_dispersion(weight, mean, tables, prior, &mut params[1].values_mut()[i]);
            }
        }
        Maximised::Done { repairs }
    }

    /// Vague draws: means from Gamma(1.1, 0.1), dispersions from their prior or Gamma(2, 0.5).
    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let vague = GammaPrior { shape: 2.0, rate: 0.5 };
        let dispersion = if self.emission_prior_rate > 0.0 { self.prior() } else { vague };
        let mean = GammaPrior { shape: 1.1, rate: 0.1 };
        let shape = self.grid().shape();
        let mut draws = |prior: GammaPrior| (0..self.grid().len()).map(|_| prior.draw(rng)).collect();
        vec![Array::new(&shape, draws(mean)), Array::new(&shape, draws(dispersion))]
    }
}

impl Emission for NegativeBinomial {
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
        let (means, dispersions) = (params[0].values(), params[1].values());
        let logs = |(mean, r): (&f64, &f64)| {
            let log = (mean / r).ln_1p();
            [mean.ln() - log, r * log]
        };
        let logs = means.iter().zip(dispersions).map(logs).collect();
        let density = Density { means, dispersions, logs };
        Ok(Box::new(PreparedNegativeBinomial { table: CountTable::new(self.grid(), density) }))
    }
}

/// Solves (L + a − 1) / r − b = W ln(1 + μ / r), L the expected tables, by Newton's method within a
/// bracket. Counts as repairs: counts no more varied than Poisson, whose dispersion would be
/// infinite and is capped, and a prior that pulls to zero.
fn solve_dispersion(weight: f64, mean: f64, tables: f64, prior: GammaPrior, r: &mut f64) -> usize {
    // r times the equation, which falls in r and is convex.
    let excess = |r: f64| tables + prior.shape - 1.0 - prior.rate * r - weight * r * (mean / r).ln_1p();
    let (mut low, mut high) = (SMALLEST_DISPERSION, LARGEST_SHAPE);
    for (end, beyond) in [(low, excess(low) <= 0.0), (high, excess(high) >= 0.0)] {
        if beyond {
            *r = end;
            return 1;
        }
    }
    let mut x = r.clamp(low, high);
    for _ in 0..200 {
        let value = excess(x);
        if value > 0.0 {
            low = x;
        } else {
            high = x;
        }
        let slope = -prior.rate - weight * ((mean / x).ln_1p() - mean / (x + mean));
        let newton = x - value / slope;
        let next = if newton > low && newton < high { newton } else { (low * high).sqrt() };
        let change = (next - x).abs();
        x = next;
        if change <= 4.0 * f64::EPSILON * x {
            break;
        }
    }
    *r = x;
    0
}

impl CountDensity for Density<'_> {
    fn log_prob(&self, i: usize, y: f64, log_factorial: f64) -> f64 {
        let [log_odds, constant] = self.logs[i];
        ln_rising_ratio(self.dispersions[i], y) + y * log_odds - constant - log_factorial
    }
}

impl Prepared for PreparedNegativeBinomial<'_> {
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
        let dispersions = self.table.density.dispersions;
        let statistics = |i: usize, y: &f64| [1.0, *y, expected_tables(dispersions[i], *y)];
        self.table.grid.accumulate(sequence.emission_rows(steps), gamma, stats, |y| y, statistics);
    }

    /// A Poisson draw whose rate is drawn from Gamma(shape r, scale μ / r).
    fn sample(&self, state: usize, _: &Sequence<'_>, _: usize, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        for (d, out) in out.iter_mut().enumerate() {
            let (i, density) = (state * self.table.grid.dim + d, &self.table.density);
            let (mean, r) = (density.means[i], density.dispersions[i]);
            let rate = GammaDraw::new(r, mean / r).map_or(mean, |g| g.sample(rng));
            *out = draw_poisson(rate, rng);
        }
    }

    fn moments(&self, state: usize, _: &Sequence<'_>, _: usize, mean: &mut [f64], cov: &mut [f64]) {
        let (means, dispersions) = (self.table.density.means, self.table.density.dispersions);
        let variance = |i: usize| means[i] * (1.0 + means[i] / dispersions[i]);
        self.table.grid.moments(state, mean, cov, |i| (means[i], variance(i)));
    }
}
