//! Rolling-origin backtests: forecasts made with what was known at each of many times, scored by what came.
//!
//! From origin o, the number of steps known, y_{o+1}, …, y_{o+H} are forecast. Without refitting the filter runs
//! once and every filtered state is forecast from, in O(T H) (that of a diffuse start step by step, so that what
//! the first steps hardly tell keeps its digits); with it the model is fitted again on what is
//! known, at every so-many-th origin.

use super::backtest_scores::{Backtest, Target};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::infer::gaussian::{GaussianFiltered, GaussianForecast, GaussianOptions, add_emission_cov};
use crate::learn::{Learnable, Learner, Progress, prepare};
use crate::model::linear_gaussian::LgssmParams;
use crate::params::{Params, Properties};
use crate::threads;

/// Where forecasts start, how far they go, and how they are scored.
#[derive(Clone, Debug, PartialEq)]
pub struct BacktestOptions {
    /// Steps known at the first origin, at least 1.
    pub first_origin: usize,
    /// Steps from one origin to the next.
    pub stride: usize,
    /// H, steps forecast.
    pub horizon: usize,
    /// Probabilities of the central intervals whose coverage is counted.
    pub levels: Vec<f64>,
    /// The season s of the naive forecast y_{t-s} that MASE compares with; 1 for none.
    pub season: usize,
    /// How the filter works.
    pub gaussian: GaussianOptions,
}

impl Default for BacktestOptions {
    fn default() -> Self {
        BacktestOptions {
            first_origin: 1,
            stride: 1,
            horizon: 1,
            levels: vec![0.5, 0.8, 0.95],
            season: 1,
            gaussian: GaussianOptions::default(),
        }
    }
}

/// How a model is fitted again as time goes on.
#[derive(Clone, Copy)]
pub struct Refit<'a> {
    /// What fits.
    pub learner: &'a dyn Learner,
    /// The model.
    pub model: &'a dyn Learnable,
    /// Where the first fit starts.
    pub start: &'a Params,
    /// What fits may move.
    pub properties: &'a Properties,
    /// The linear Gaussian system of the model's parameters.
    pub lower: &'a (dyn Fn(&Params) -> Result<LgssmParams> + Sync),
    /// Origins from one fit to the next; those between use the last fit.
    pub every: usize,
    /// Whether later fits start where the first one ended rather than where it started.
    pub warm: bool,
    /// Sees every iteration of every fit, from several threads, with the steps known to it; a fit to which it
    /// says no ends there, and its forecasts are made with what it reached.
    pub observe: &'a (dyn Fn(usize, Progress<'_>) -> bool + Sync),
}

impl LgssmParams {
    /// Backtests fixed parameters.
    ///
    /// # Errors
    /// As [`LgssmParams::filter`]; options out of range, or an origin whose forecasts are still diffuse.
    ///
    /// # Source
    /// Tashman (2000) for rolling origins. One filter, then O(H D³) an origin, in parallel.
    pub fn backtest(&self, data: &Dataset<'_>, options: &BacktestOptions) -> Result<Backtest> {
        let origins = options.origins(data)?;
        let targets = self.forecast_from(data, &origins, options)?;
        Backtest::of(data, options, targets)
    }

    /// Forecasts from `origins` of all sequences that go on after them.
    fn forecast_from(
        &self,
        data: &Dataset<'_>,
        origins: &[usize],
        options: &BacktestOptions,
    ) -> Result<Vec<Target>> {
        self.check(data)?;
        if self.initial_diffuse.is_some() {
            let parts = threads::map((0..data.num_sequences()).collect(), |n| {
                // A filter knows of one sequence only.
                self.forecast_online(data, n, origins, options).map_err(|error| match error {
                    Error::Gaussian { source, .. } => Error::Gaussian { sequence: n, source },
                    other => other,
                })
            });
            return Ok(parts.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect());
        }
        let known = data.truncated(origins.last().copied().unwrap_or(1))?;
        let filtered = self.filter(&known, &options.gaussian)?;
        let mut jobs = Vec::new();
        for n in 0..data.num_sequences() {
            jobs.extend(origins.iter().filter(|o| **o < data.range(n).len()).map(|o| (n, *o)));
        }
        let run = |(n, origin)| self.forecast_one(data, &known, &filtered, n, origin, options.horizon);
        Ok(threads::map(jobs, run))
    }

    /// Forecasts of sequence n by a filter that goes on from origin to origin.
    fn forecast_online(
        &self,
        data: &Dataset<'_>,
        n: usize,
        origins: &[usize],
        options: &BacktestOptions,
    ) -> Result<Vec<Target>> {
        let (sequence, u) = (data.sequence(n), data.input_dim());
        let num_steps = sequence.num_steps();
        let inputs = |steps: std::ops::Range<usize>| &sequence.inputs[steps.start * u..steps.end * u];
        let mut filter = self.online_filter(&options.gaussian, 0)?;
        let mut targets = Vec::new();
        for &origin in origins.iter().filter(|origin| **origin < num_steps) {
            for t in filter.num_steps()..origin {
                filter.update(sequence.emission(t), inputs(t..t + 1))?;
            }
            let end = num_steps.min(origin + options.horizon);
            let forecast = filter.forecast(end - origin, inputs(origin..end))?;
            if forecast.emission_covs.iter().any(|x| x.is_infinite()) {
                let expected = "an origin by which the data have seen all that its forecasts need of the \
                                diffuse state";
                return Err(Error::argument("first_origin", origin, expected));
            }
            let GaussianForecast { emission_means: means, emission_covs: covs, .. } = forecast;
            targets.push(Target { sequence: n, origin, means, covs });
        }
        Ok(targets)
    }

    /// m ← F m + b;  P ← F P Fᵀ + Q;  E y = H m + d;  Cov y = H P Hᵀ + R
    fn forecast_one(
        &self,
        data: &Dataset<'_>,
        known: &Dataset<'_>,
        filtered: &GaussianFiltered,
        n: usize,
        origin: usize,
        horizon: usize,
    ) -> Target {
        let (d, m, system) = (self.state_dim(), self.emission_dim(), self.system());
        let offsets = self.offsets(data.sequence(n));
        let series = offsets.series();
        let row = known.range(n).start + origin - 1;
        let mut mean = filtered.filtered.means[row * d..(row + 1) * d].to_vec();
        let mut cov = filtered.filtered.covs.of(n, origin - 1).to_vec();
        let end = data.range(n).len().min(origin + horizon);
        let mut target = Target { sequence: n, origin, means: Vec::new(), covs: Vec::new() };
        for t in origin..end {
            let mut next = series.transition_offset.map_or(vec![0.0; d], |b| b.at(t).to_vec());
            let f = system.transition.at(t);
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            next.iter_mut().zip(f.chunks_exact(d)).for_each(|(x, row)| *x += dot(row, &mean));
            mean = next;
            // P is symmetric, so that its rows are its columns.
            let half: Vec<f64> =
                (0..d * d).map(|ij| dot(&f[ij / d * d..][..d], &cov[ij % d * d..][..d])).collect();
            let q = system.transition_cov.at(t);
            cov =
                (0..d * d).map(|ij| q[ij] + dot(&half[ij / d * d..][..d], &f[ij % d * d..][..d])).collect();
            let mut emission = vec![0.0; m];
            series.emission_mean(&system, t, &mean, &mut emission);
            target.means.extend(emission);
            let start = target.covs.len();
            target.covs.resize(start + m * m, 0.0);
            add_emission_cov(&system, t, &cov, &mut target.covs[start..]);
        }
        target
    }
}

impl Refit<'_> {
    /// Backtests a model that is fitted again as time goes on: at origin o to the first o steps of every
    /// sequence.
    ///
    /// The first fit is made alone; the others run in parallel, from where it ended if `warm`, so that
    /// results depend on the data alone.
    ///
    /// # Errors
    /// As [`LgssmParams::backtest`], and what the learner answers.
    pub fn backtest(&self, data: &Dataset<'_>, options: &BacktestOptions) -> Result<Backtest> {
        if self.every == 0 {
            return Err(Error::argument("refit_every", 0, "at least 1"));
        }
        let origins = options.origins(data)?;
        let start = prepare(self.model, self.start, self.properties, data)?;
        let fit = |origins: &[usize], start: &Params| -> Result<Params> {
            let known = data.truncated(origins[0])?;
            let mut see = |progress: Progress<'_>| (self.observe)(origins[0], progress);
            let report = self.learner.fit(self.model, start, self.properties, &known, &mut see)?;
            Ok(report.params)
        };
        let blocks: Vec<&[usize]> = origins.chunks(self.every).collect();
        let first = fit(blocks[0], &start)?;
        let again = if self.warm { &first } else { &start };
        let parts = threads::map(blocks.iter().enumerate().collect(), |(i, block)| {
            let params = if i == 0 { first.clone() } else { fit(block, again)? };
            let targets = (self.lower)(&params)?.forecast_from(data, block, options)?;
            Ok((targets, (block[0], params)))
        });
        let parts = parts.into_iter().collect::<Result<Vec<_>>>()?;
        let (targets, refits): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let found = Backtest::of(data, options, targets.into_iter().flatten().collect())?;
        Ok(Backtest { refits, ..found })
    }
}

impl BacktestOptions {
    /// All origins, rising.
    fn origins(&self, data: &Dataset<'_>) -> Result<Vec<usize>> {
        for (name, value) in [("stride", self.stride), ("horizon", self.horizon), ("season", self.season)] {
            if value == 0 {
                return Err(Error::argument(name, 0, "at least 1"));
            }
        }
        for level in &self.levels {
            super::autocorrelation::two_sided_quantile(*level)?;
        }
        let longest = data.lengths().max().unwrap_or(0);
        if self.first_origin == 0 || self.first_origin >= longest {
            let last = longest.saturating_sub(1);
            let expected = format!("1 to {last}, so that something is known and something is to come");
            return Err(Error::argument("first_origin", self.first_origin, expected));
        }
        Ok((self.first_origin..longest).step_by(self.stride).collect())
    }
}
