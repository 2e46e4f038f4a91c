//! Log-normal emissions: positive numbers whose logarithms are normal, independent given the state.
//!
//! p(y_t | z_t = k) = Π_d N(ln y_td | m_kd, s_kd²) / y_td,
//! s² ~ InverseGamma(α, β),  m | s² ~ N(m_0, s² / κ)

use std::f64::consts::PI;
use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use statewise_kernels::math::ln_gamma;

use super::entrywise::Grid;
use super::priors::GammaPrior;
use super::{Emission, Prepared, check_entries};
use crate::data::Sequence;
use crate::error::{Error, Result};
use crate::model::hmm::component::{Component, MStep, Maximised, check_positive, check_size};
use crate::params::{Array, Constraint, ParamSpec};

/// The log-normal family with the normal-inverse-Gamma prior of the diagonal Gaussian family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogNormal {
    /// K.
    pub num_states: usize,
    /// D.
    pub emission_dim: usize,
    /// m_0, the prior mean of means.
    #[serde(default)]
    pub emission_prior_mean: f64,
    /// κ, the number of observations that it is worth.
    #[serde(default = "default_mean_concentration")]
    pub emission_prior_mean_concentration: f64,
    /// α, the shape of the prior of variances.
    #[serde(default = "default_prior")]
    pub emission_prior_concentration: f64,
    /// β, its scale.
    #[serde(default = "default_prior")]
    pub emission_prior_scale: f64,
}

fn default_mean_concentration() -> f64 {
    1e-4
}

fn default_prior() -> f64 {
    0.1
}

/// Variances below this part of 1 + m² are rounding errors of the sums behind them.
const SMALLEST_VARIANCE: f64 = 1e-12;

/// Statistics: Σ_t γ_t(k), Σ_t γ_t(k) x_td and Σ_t γ_t(k) x_td² with x = ln y, over rows where y_td
/// is present, \[K, D\] each.
struct PreparedLogNormal<'a> {
    grid: Grid,
    means: &'a [f64],
    scales: &'a [f64],
    /// −ln s − ½ ln 2π.
    constants: Vec<f64>,
}

impl LogNormal {
    fn grid(&self) -> Grid {
        Grid { num_states: self.num_states, dim: self.emission_dim }
    }

    /// Moves mean and scale to the posterior mode, each if it may move.
    ///
    /// m = (κ m_0 + Σ γ x) / (κ + Σ γ);
    /// s² = (2 β + Σ γ (x − m)² + κ (m − m_0)²) / (2 α + 3 + Σ γ)
    fn mode(
        &self,
        [weight, sum, square]: [f64; 3],
        step: &MStep<'_>,
        mean: &mut f64,
        scale: &mut f64,
    ) -> usize {
        let (moves, m0) = ((step.moves(0), step.moves(1)), self.emission_prior_mean);
        let (kappa, beta, extra) = if step.prior {
            let alpha = self.emission_prior_concentration;
            (self.emission_prior_mean_concentration, self.emission_prior_scale, 2.0 * alpha + 3.0)
        } else {
            (0.0, 0.0, 0.0)
        };
        if weight + kappa <= 0.0 {
            return usize::from(moves.0 || moves.1);
        }
        if moves.0 {
            *mean = (kappa * m0 + sum) / (kappa + weight);
        }
        if !moves.1 {
            return 0;
        }
        let residual = square - 2.0 * *mean * sum + weight * *mean * *mean;
        let variance = (2.0 * beta + residual + kappa * (*mean - m0).powi(2)) / (extra + weight);
        let floor = SMALLEST_VARIANCE * (1.0 + *mean * *mean);
        *scale = variance.max(floor).sqrt();
        usize::from(variance < floor)
    }
}

impl Component for LogNormal {
    fn schema(&self) -> Vec<ParamSpec> {
        let shape = self.grid().shape();
        vec![
            ParamSpec::new("emissions.means", "emission_means", &shape, Constraint::Real),
            ParamSpec::new("emissions.scales", "emission_scales", &shape, Constraint::Positive),
        ]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("emission_dim", self.emission_dim)?;
        if !self.emission_prior_mean.is_finite() {
            return Err(Error::argument(
                "emission_prior_mean",
                self.emission_prior_mean,
                "a finite number",
            ));
        }
        check_positive("emission_prior_mean_concentration", self.emission_prior_mean_concentration)?;
        check_positive("emission_prior_concentration", self.emission_prior_concentration)?;
        check_positive("emission_prior_scale", self.emission_prior_scale)
    }

    fn num_stats(&self) -> usize {
        3 * self.grid().len()
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        let term = |(i, (m, s)): (usize, (&f64, &f64))| {
            let [weight, sum, square] = self.grid().at(stats, i);
            -weight * s.ln() - 0.5 * (square - 2.0 * m * sum + weight * m * m) / (s * s)
        };
        params[0].values().iter().zip(params[1].values()).enumerate().map(term).sum()
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        for i in 0..self.grid().len() {
            let [weight, sum, square] = self.grid().at(stats, i);
            let (m, s) = (params[0].values()[i], params[1].values()[i]);
            let residual = square - 2.0 * m * sum + weight * m * m;
            gradient[0].values_mut()[i] += (sum - weight * m) / (s * s);
            gradient[1].values_mut()[i] += (residual / (s * s) - weight) / s;
        }
    }

    /// log p(m, s²), a density of the mean and the variance.
    fn log_prior(&self, params: &[Array]) -> f64 {
        let (a, b) = (self.emission_prior_concentration, self.emission_prior_scale);
        let (m0, kappa) = (self.emission_prior_mean, self.emission_prior_mean_concentration);
        let constant = a * b.ln() - ln_gamma(a) + 0.5 * (kappa / (2.0 * PI)).ln();
        let term = |(m, s): (&f64, &f64)| {
            constant - (2.0 * a + 3.0) * s.ln() - (b + 0.5 * kappa * (m - m0).powi(2)) / (s * s)
        };
        params[0].values().iter().zip(params[1].values()).map(term).sum()
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        let (a, b) = (self.emission_prior_concentration, self.emission_prior_scale);
        let (m0, kappa) = (self.emission_prior_mean, self.emission_prior_mean_concentration);
        for i in 0..self.grid().len() {
            let (m, s) = (params[0].values()[i], params[1].values()[i]);
            gradient[0].values_mut()[i] -= kappa * (m - m0) / (s * s);
            gradient[1].values_mut()[i] +=
                ((2.0 * b + kappa * (m - m0).powi(2)) / (s * s) - (2.0 * a + 3.0)) / s;
        }
    }

    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        if !step.is_whole() {
            return Maximised::NoClosedForm;
        }
        let [means, scales] = params else { unreachable!("the schema has two arrays") };
        let mut repairs = 0;
        for (i, (m, s)) in means.values_mut().iter_mut().zip(scales.values_mut()).enumerate() {
            repairs += self.mode(self.grid().at(step.stats, i), step, m, s);
        }
        Maximised::Done { repairs }
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let precision =
            GammaPrior { shape: self.emission_prior_concentration, rate: self.emission_prior_scale };
        let (mut means, mut scales) = (vec![], vec![]);
        for _ in 0..self.grid().len() {
            let scale = precision.draw(rng).powf(-0.5);
            let unit: f64 = StandardNormal.sample(rng);
            let spread = scale / self.emission_prior_mean_concentration.sqrt();
            means.push(self.emission_prior_mean + spread * unit);
            scales.push(scale);
        }
        let shape = self.grid().shape();
        vec![Array::new(&shape, means), Array::new(&shape, scales)]
    }
}

impl Emission for LogNormal {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.emission_dim]
    }

    fn check_rows(&self, rows: &[f64]) -> Result<()> {
        check_entries(rows, self.emission_dim, "a positive number", |y| y > 0.0)
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let (means, scales) = (params[0].values(), params[1].values());
        let constants = scales.iter().map(|s| -s.ln() - 0.5 * (2.0 * PI).ln()).collect();
        Ok(Box::new(PreparedLogNormal { grid: self.grid(), means, scales, constants }))
    }

    /// Logarithms, so that large values do not decide the clusters.
    fn features(&self, row: &[f64], out: &mut Vec<f64>) {
        out.extend(row.iter().map(|y| y.ln()));
    }
}

impl Prepared for PreparedLogNormal<'_> {
    fn log_likelihoods(&self, sequence: &Sequence<'_>, steps: Range<usize>, out: &mut [f64]) {
        let log_prob = |i: usize, x: &f64| {
            let z = (x - self.means[i]) / self.scales[i];
            self.constants[i] - x - 0.5 * z * z
        };
        self.grid.log_likelihoods(sequence.emission_rows(steps), out, f64::ln, log_prob);
    }

    fn accumulate(&self, sequence: &Sequence<'_>, steps: Range<usize>, gamma: &[f64], stats: &mut [f64]) {
        self.grid.accumulate(sequence.emission_rows(steps), gamma, stats, f64::ln, |_, x| [1.0, *x, x * x]);
    }

    fn sample(&self, state: usize, _: &Sequence<'_>, _: usize, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        for (d, out) in out.iter_mut().enumerate() {
            let i = state * self.grid.dim + d;
            let unit: f64 = StandardNormal.sample(rng);
            // The prior is wide enough for draws beyond the range of doubles, and 0 is no draw at all.
            *out = (self.means[i] + self.scales[i] * unit).exp().clamp(f64::MIN_POSITIVE, f64::MAX);
        }
    }

    /// E y = exp(m + s²/2), Var y = (exp(s²) − 1) (E y)².
    fn moments(&self, state: usize, _: &Sequence<'_>, _: usize, mean: &mut [f64], cov: &mut [f64]) {
        self.grid.moments(state, mean, cov, |i| {
            let variance = self.scales[i] * self.scales[i];
            let mean = (self.means[i] + 0.5 * variance).exp();
            (mean, variance.exp_m1() * mean * mean)
        });
    }
}
