//! Drawing states and emissions, from the model and from the posterior.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use statewise_kernels::gaussian::{Noise, Series, Steps, System};
use statewise_kernels::linalg::semidefinite_cholesky;

use super::plan::Plan;
use super::{Buffers, GaussianOptions, LotBuffers};
use crate::Seed;
use crate::data::{Dataset, Sequence};
use crate::error::{Error, Result};
use crate::model::linear_gaussian::LgssmParams;
use crate::threads;
use crate::workspace::Loan;

/// Posterior draws of one sequence that one thread takes at a time.
const DRAWS: usize = 16;

impl LgssmParams {
    /// Draws z_{1:T}, \[T, D\], and y_{1:T}, \[T, M\]. `index` names one of many independent draws from the
    /// same seed.
    ///
    /// # Errors
    /// Parameters that do not fit, a diffuse initial state, no time steps, or inputs of another size.
    pub fn sample(
        &self,
        seed: Seed,
        index: u64,
        num_steps: usize,
        inputs: &[f64],
    ) -> Result<(Vec<f64>, Vec<f64>)> {
        self.check_params()?;
        if num_steps == 0 {
            return Err(Error::argument("num_timesteps", 0, "at least 1"));
        }
        if self.initial_diffuse.is_some() {
            return Err(Error::argument(
                "initial.diffuse",
                "a diffuse initial state",
                "a proper one to draw from",
            ));
        }
        self.check_num_steps(num_steps)?;
        let input_dim = self.input_dim();
        if inputs.len() != num_steps * input_dim {
            let expected = format!("{num_steps} rows of dimension {input_dim}");
            return Err(Error::argument("inputs", format!("{} values", inputs.len()), expected));
        }
        let emissions = vec![0.0; num_steps * self.emission_dim()];
        let offsets =
            self.offsets(Sequence { emissions: &emissions, width: self.emission_dim(), inputs, input_dim });
        let series = offsets.series();
        let offsets = [series.transition_offset, series.emission_offset];
        let factors = Factors::of(&self.system());
        let rng = &mut seed.stream("lgssm sample", index);
        Ok(factors.draw(&self.system(), num_steps, self.initial_mean.values(), offsets, rng))
    }

    /// Draws z_{1:T} from p(z_{1:T} | y_{1:T}), \[num_samples, rows, D\].
    ///
    /// A draw of the model is corrected by the smoothed difference between the data and its emissions;
    /// covariances are computed once for all draws and for all sequences that share them.
    ///
    /// # Errors
    /// As [`LgssmParams::smoother`].
    ///
    /// # Source
    /// Durbin and Koopman (2002).
    pub fn posterior_sample(
        &self,
        data: &Dataset<'_>,
        options: &GaussianOptions,
        seed: Seed,
        num_samples: usize,
    ) -> Result<Vec<f64>> {
        self.check(data)?;
        let plan = Plan::new(data, options.share);
        let system = self.system();
        let factors = Factors::of(&system);
        let d = system.state_dim;
        let parts = threads::map(plan.groups().iter().collect(), |group| {
            let mut buffers = Loan::<Buffers>::take();
            let first = group.sequences[0];
            let covs = self.covariances(data, first, options, false, &mut buffers)?;
            covs.identified().map_err(Error::in_series(first))?;
            let source = covs.source(&system);
            let jobs: Vec<(usize, std::ops::Range<usize>)> = group
                .sequences
                .iter()
                .flat_map(|n| {
                    let lots = (0..num_samples).step_by(DRAWS);
                    lots.map(|s| (*n, s..num_samples.min(s + DRAWS)))
                })
                .collect();
            let parts = threads::map(jobs, |(n, draws)| {
                let mut buffers = Loan::<LotBuffers>::take();
                let sequence = data.sequence(n);
                let mut filtered = vec![0.0; group.num_steps * d];
                let mut out = vec![0.0; draws.len() * group.num_steps * d];
                for (s, path) in draws.clone().zip(out.chunks_exact_mut(group.num_steps * d)) {
                    let index = (s * data.num_sequences() + n) as u64;
                    let rng = &mut seed.stream("lgssm posterior sample", index);
                    // Of the model without means: those come with the data.
                    let zeros = vec![0.0; d];
                    let (states, mut emissions) =
                        factors.draw(&system, group.num_steps, &zeros, [None, None], rng);
                    emissions.iter_mut().zip(sequence.emissions).for_each(|(x, y)| *x = y - *x);
                    let difference = Sequence { emissions: &emissions, ..sequence };
                    let offsets = self.offsets(difference);
                    let own = source.take_rows(&emissions, n, &offsets)?;
                    let outputs: [&mut [f64]; 3] = [path, &mut [], &mut []];
                    covs.smooth_series(&source.system, &own.series(), &mut filtered, outputs, &mut buffers)
                        .map_err(Error::in_series(n))?;
                    path.iter_mut().zip(&states).for_each(|(x, z)| *x += z);
                }
                Ok((n, draws, out))
            });
            parts.into_iter().collect::<Result<Vec<_>>>()
        });
        let mut samples = vec![0.0; num_samples * data.num_rows() * d];
        for part in parts {
            for (n, draws, paths) in part? {
                let (rows, all) = (data.range(n), data.num_rows());
                for (s, path) in draws.zip(paths.chunks_exact(rows.len() * d)) {
                    samples[(s * all + rows.start) * d..(s * all + rows.end) * d].copy_from_slice(path);
                }
            }
        }
        Ok(samples)
    }

    /// log p(z_{1:T}, y_{1:T}) of states \[rows, D\] and emissions together, one value per sequence.
    /// Missing entries are integrated out. Where a covariance is singular, the density is that on its
    /// range; states off the range have −∞.
    ///
    /// # Errors
    /// Parameters, data or states that do not fit, or a diffuse initial state.
    pub fn log_prob(&self, states: &[f64], data: &Dataset<'_>) -> Result<Vec<f64>> {
        self.check(data)?;
        let (system, d, m) = (self.system(), self.state_dim(), self.emission_dim());
        if states.len() != data.num_rows() * d {
            let expected = format!("{} rows of dimension {d}", data.num_rows());
            return Err(Error::argument("states", format!("{} values", states.len()), expected));
        }
        if self.initial_diffuse.is_some() {
            return Err(Error::argument("initial.diffuse", "a diffuse initial state", "a proper one"));
        }
        let log_prob = |n: usize| {
            let (rows, sequence) = (data.range(n), data.sequence(n));
            let offsets = self.offsets(sequence);
            let series = offsets.series();
            let z = &states[rows.start * d..rows.end * d];
            let mut total = 0.0;
            let mut residual = vec![0.0; d];
            let mut emission = vec![0.0; m];
            for (t, now) in z.chunks_exact(d).enumerate() {
                let cov = if t == 0 {
                    residual.copy_from_slice(system.initial_mean);
                    system.initial_cov
                } else {
                    series.transition_mean(&system, t, &z[(t - 1) * d..t * d], &mut residual);
                    system.transition_cov.at(t)
                };
                residual.iter_mut().zip(now).for_each(|(r, z)| *r = z - *r);
                total += log_density(&residual, cov);
                series.emission_mean(&system, t, now, &mut emission);
                let y = sequence.emission(t);
                let seen: Vec<usize> = (0..m).filter(|i| !y[*i].is_nan()).collect();
                let residual: Vec<f64> = seen.iter().map(|i| y[*i] - emission[*i]).collect();
                let noise = |i: usize, j: usize| match system.emission_cov {
                    Noise::Full(r) => r.at(t)[i * m + j],
                    Noise::Diagonal(r) if i == j => r.at(t)[i],
                    Noise::Diagonal(_) => 0.0,
                };
                let cov: Vec<f64> = seen
                    .iter()
                    .flat_map(|i| seen.iter().map(|j| noise(*i, *j)).collect::<Vec<_>>())
                    .collect();
                total += log_density(&residual, &cov);
            }
            total
        };
        Ok((0..data.num_sequences()).map(log_prob).collect())
    }
}

/// log N(x | 0, Σ) on the range of Σ; −∞ off it.
fn log_density(x: &[f64], cov: &[f64]) -> f64 {
    let n = x.len();
    let mut l = cov.to_vec();
    if semidefinite_cholesky(&mut l, n).is_err() {
        return f64::NAN;
    }
    let mut white = vec![0.0; n];
    let mut total = 0.0;
    for i in 0..n {
        let left = x[i] - (0..i).map(|j| l[i * n + j] * white[j]).sum::<f64>();
        let pivot = l[i * n + i];
        if pivot == 0.0 {
            let scale = 1.0 + x[i].abs();
            if left.abs() > 1e-7 * scale {
                return f64::NEG_INFINITY;
            }
            continue;
        }
        white[i] = left / pivot;
        total -= 0.5 * (white[i] * white[i] + (2.0 * std::f64::consts::PI).ln()) + pivot.ln();
    }
    total
}

/// Factors of all noise covariances, L Lᵀ each.
struct Factors {
    initial: Vec<f64>,
    transition: (Vec<f64>, bool),
    emission: (Vec<f64>, bool),
}

impl Factors {
    /// Factors covariances that have been checked.
    fn of(system: &System<'_>) -> Self {
        let (d, m) = (system.state_dim, system.emission_dim);
        let factor = |cov: &[f64], n: usize| {
            let mut l = cov.to_vec();
            // Checked to be semi-definite when the parameters came in.
            let _ = semidefinite_cholesky(&mut l, n);
            l
        };
        let all = |steps: &Steps<'_>, n: usize| -> (Vec<f64>, bool) {
            (steps.values().chunks_exact(n * n).flat_map(|cov| factor(cov, n)).collect(), !steps.is_fixed())
        };
        let emission = match &system.emission_cov {
            Noise::Full(r) => all(r, m),
            Noise::Diagonal(r) => {
                let diagonal = |r: &[f64]| {
                    let mut l = vec![0.0; m * m];
                    r.iter().enumerate().for_each(|(i, r)| l[i * m + i] = r.sqrt());
                    l
                };
                (r.values().chunks_exact(m).flat_map(diagonal).collect(), !r.is_fixed())
            }
        };
        Factors {
            initial: factor(system.initial_cov, d),
            transition: all(&system.transition_cov, d),
            emission,
        }
    }

    /// Draws a path and its emissions.
    fn draw(
        &self,
        system: &System<'_>,
        num_steps: usize,
        initial_mean: &[f64],
        [transition_offset, emission_offset]: [Option<Steps<'_>>; 2],
        rng: &mut impl Rng,
    ) -> (Vec<f64>, Vec<f64>) {
        let (d, m) = (system.state_dim, system.emission_dim);
        let series = Series { emissions: &[], transition_offset, emission_offset };
        let mut states = vec![0.0; num_steps * d];
        let mut emissions = vec![0.0; num_steps * m];
        for t in 0..num_steps {
            let (past, rest) = states.split_at_mut(t * d);
            let now = &mut rest[..d];
            if t == 0 {
                now.copy_from_slice(initial_mean);
                add_noise(&self.initial, d, now, rng);
            } else {
                series.transition_mean(system, t, &past[(t - 1) * d..], now);
                add_noise(at(&self.transition, t, d), d, now, rng);
            }
            let row = &mut emissions[t * m..(t + 1) * m];
            series.emission_mean(system, t, now, row);
            add_noise(at(&self.emission, t, m), m, row, rng);
        }
        (states, emissions)
    }
}

fn at((values, per_step): &(Vec<f64>, bool), t: usize, n: usize) -> &[f64] {
    let start = if *per_step { t * n * n } else { 0 };
    &values[start..start + n * n]
}

/// x += L ε with ε standard normal.
fn add_noise(l: &[f64], n: usize, x: &mut [f64], rng: &mut impl Rng) {
    for j in 0..n {
        let e: f64 = StandardNormal.sample(rng);
        for i in j..n {
            x[i] += l[i * n + j] * e;
        }
    }
}
