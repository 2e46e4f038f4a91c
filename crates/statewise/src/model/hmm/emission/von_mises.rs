//! Von Mises emissions: independent angles with a location and a concentration per state.
//!
//! p(y_t | z_t = k) = Π_d exp(κ_kd cos(y_td − m_kd)) / (2π I_0(κ_kd)), angles in radians

use std::f64::consts::{PI, TAU};
use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use statewise_kernels::math::bessel_i0_scaled;

use super::circular::{angle_variance, bessel_ratio, solve_concentration};
use super::entrywise::Grid;
use super::priors::GammaPrior;
use super::{Emission, Prepared, maximise_clusters};
use crate::data::{Dataset, Sequence};
use crate::error::Result;
use crate::model::hmm::component::{Component, MStep, Maximised, check_size};
use crate::params::{Array, Constraint, ParamSpec};

/// The von Mises family, without a prior. Angles that differ by 2π are the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VonMises {
    /// K.
    pub num_states: usize,
    /// D.
    pub emission_dim: usize,
}

/// Statistics: Σ_t γ_t(k), Σ_t γ_t(k) cos y_td and Σ_t γ_t(k) sin y_td over rows where y_td is
/// present, \[K, D\] each.
struct PreparedVonMises<'a> {
    grid: Grid,
    locations: &'a [f64],
    concentrations: &'a [f64],
    /// −ln(2π exp(−κ) I_0(κ)).
    constants: Vec<f64>,
}

impl VonMises {
    fn grid(&self) -> Grid {
        Grid { num_states: self.num_states, dim: self.emission_dim }
    }
}

/// ln(2π exp(−κ) I_0(κ)).
fn log_scaled_normaliser(kappa: f64) -> f64 {
    (TAU * bessel_i0_scaled(kappa)).ln()
}

impl Component for VonMises {
    fn schema(&self) -> Vec<ParamSpec> {
        let shape = self.grid().shape();
        let (real, positive) = (Constraint::Real, Constraint::Positive);
        vec![
            ParamSpec::new("emissions.locations", "emission_locations", &shape, real),
            ParamSpec::new("emissions.concentrations", "emission_concentrations", &shape, positive),
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
        let term = |(i, (location, kappa)): (usize, (&f64, &f64))| {
            let [weight, cos, sin] = self.grid().at(stats, i);
            let aligned = cos * location.cos() + sin * location.sin();
            kappa * (aligned - weight) - weight * log_scaled_normaliser(*kappa)
        };
        params[0].values().iter().zip(params[1].values()).enumerate().map(term).sum()
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        for i in 0..self.grid().len() {
            let [weight, cos, sin] = self.grid().at(stats, i);
            let (location, kappa) = (params[0].values()[i], params[1].values()[i]);
            let (s, c) = location.sin_cos();
            gradient[0].values_mut()[i] += kappa * (sin * c - cos * s);
            // d ln I_0 / dκ = A(κ); sums of weight size cancel first.
            gradient[1].values_mut()[i] += (cos * c + sin * s - weight) + weight * bessel_ratio(kappa).0;
        }
    }

    fn log_prior(&self, _: &[Array]) -> f64 {
        0.0
    }

    fn log_prior_gradient(&self, _: &[Array], _: &mut [Array]) {}

    /// m = atan2(S, C) and A(κ) = (C cos m + S sin m) / Σ γ, with C and S the sums of cosines and
    /// sines.
    ///
    /// A state whose angles are all alike, or balanced, would have an infinite concentration, or
    /// none: it is capped and counted.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        if !step.is_whole() {
            return Maximised::NoClosedForm;
        }
        let (location_moves, concentration_moves) = (step.moves(0), step.moves(1));
        let mut repairs = 0;
        for i in 0..self.grid().len() {
            let [weight, cos, sin] = self.grid().at(step.stats, i);
            if weight <= 0.0 {
                repairs += usize::from(location_moves || concentration_moves);
                continue;
            }
            let location = &mut params[0].values_mut()[i];
            if location_moves && (cos != 0.0 || sin != 0.0) {
                *location = sin.atan2(cos);
            }
            if concentration_moves {
                let aligned = cos * location.cos() + sin * location.sin();
                let (kappa, capped) = solve_concentration((weight - aligned) / weight);
                params[1].values_mut()[i] = kappa;
                repairs += usize::from(capped);
            }
        }
        Maximised::Done { repairs }
    }

    /// Vague draws: uniform locations, concentrations from Gamma(2, 1).
    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let (shape, n) = (self.grid().shape(), self.grid().len());
        let locations = (0..n).map(|_| PI * (2.0 * rng.random::<f64>() - 1.0)).collect();
        let vague = GammaPrior { shape: 2.0, rate: 1.0 };
        let concentrations = (0..n).map(|_| vague.draw(rng)).collect();
        vec![Array::new(&shape, locations), Array::new(&shape, concentrations)]
    }
}

impl Emission for VonMises {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.emission_dim]
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let (locations, concentrations) = (params[0].values(), params[1].values());
        let constants = concentrations.iter().map(|kappa| -log_scaled_normaliser(*kappa)).collect();
        Ok(Box::new(PreparedVonMises { grid: self.grid(), locations, concentrations, constants }))
    }

    /// Points on the circle.
    fn features(&self, row: &[f64], out: &mut Vec<f64>) {
        out.extend(row.iter().flat_map(|y| [y.cos(), y.sin()]));
    }

    /// Maximises given k-means clusters on the circle that are not quite certain: without a prior a
    /// cluster of equal angles would start, and stay, a spike.
    fn initialize_from_data(&self, data: &Dataset<'_>, rng: &mut ChaCha8Rng) -> Result<Vec<Array>> {
        maximise_clusters(self, self.sample_prior(rng), data, 0.95, rng)
    }
}

impl Prepared for PreparedVonMises<'_> {
    fn log_likelihoods(&self, sequence: &Sequence<'_>, steps: Range<usize>, out: &mut [f64]) {
        // cos x − 1 = −2 sin²(x/2), which keeps its digits at large concentrations.
        let log_prob = |i: usize, y: &f64| {
            let half = (0.5 * (y - self.locations[i])).sin();
            self.constants[i] - 2.0 * self.concentrations[i] * half * half
        };
        self.grid.log_likelihoods(sequence.emission_rows(steps), out, |y| y, log_prob);
    }

    fn accumulate(&self, sequence: &Sequence<'_>, steps: Range<usize>, gamma: &[f64], stats: &mut [f64]) {
        let rows = sequence.emission_rows(steps);
        self.grid.accumulate(rows, gamma, stats, |y| [1.0, y.cos(), y.sin()], |_, entry| *entry);
    }

    fn sample(&self, state: usize, _: &Sequence<'_>, _: usize, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        for (d, out) in out.iter_mut().enumerate() {
            let i = state * self.grid.dim + d;
            let angle = self.locations[i] + draw_angle(self.concentrations[i], rng);
            *out = angle - TAU * (angle / TAU).round();
        }
    }

    /// The moments of the angle as measured within π of its location.
    fn moments(&self, state: usize, _: &Sequence<'_>, _: usize, mean: &mut [f64], cov: &mut [f64]) {
        self.grid
            .moments(state, mean, cov, |i| (self.locations[i], angle_variance(self.concentrations[i])));
    }
}

/// Draws an angle around 0 by rejection from a wrapped Cauchy density.
///
/// # Source
/// Best and Fisher (1979), with the envelope's parameter written so that nothing cancels.
fn draw_angle(kappa: f64, rng: &mut ChaCha8Rng) -> f64 {
    if kappa < 1e-6 {
        return PI * (2.0 * rng.random::<f64>() - 1.0);
    }
    let s = 0.5 / kappa;
    let r = s + (1.0 + s * s).sqrt();
    loop {
        let z = (PI * rng.random::<f64>()).cos();
        let d = z / (r + z);
        let u: f64 = rng.random();
        if u < 1.0 - d * d || u <= (1.0 - d) * d.exp() {
            let f = (1.0 / r + z) / (1.0 + z / r);
            let angle = f.clamp(-1.0, 1.0).acos();
            return if rng.random::<f64>() < 0.5 { angle } else { -angle };
        }
    }
}
