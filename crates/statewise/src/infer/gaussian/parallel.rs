//! Filtering and smoothing of long sequences, blocks of time on all threads.

use statewise_kernels::gaussian::{self, FilterRows, Scheduled, SmootherRows};

use super::plan::{Covariances, Moments, Plan};
use super::{GaussianFiltered, GaussianOptions, GaussianSmoothed};
use crate::Seed;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::infer::Schedule;
use crate::model::linear_gaussian::LgssmParams;
use crate::threads;

impl LgssmParams {
    /// As [`LgssmParams::filter`], each sequence on a schedule of its own, which shares out time itself
    /// among threads.
    ///
    /// Worth it for one long sequence. The bits are the same for any number of threads, but in blocks not
    /// those of [`LgssmParams::filter`]; the evidence comes from innovations on every schedule. Sequences
    /// do not share covariances here.
    ///
    /// # Errors
    /// As [`LgssmParams::filter`]; also a diffuse initial state.
    ///
    /// # Source
    /// Särkkä and García-Fernández (2021), in blocks.
    pub fn parallel_filter(
        &self,
        data: &Dataset<'_>,
        options: &GaussianOptions,
        schedule: Schedule,
    ) -> Result<GaussianFiltered> {
        let (plan, d) = self.plan_schedule(data)?;
        let mut filtered = Moments::zeros(&plan, data.num_rows(), d);
        let mut predicted = Moments::zeros(&plan, data.num_rows(), d);
        let system = self.system();
        let mut marginal_loglik = Vec::with_capacity(data.num_sequences());
        for n in 0..data.num_sequences() {
            let (rows, offsets) = (data.range(n), self.offsets(data.sequence(n)));
            let (means, covs) = (rows.start * d..rows.end * d, rows.start * d * d..rows.end * d * d);
            let out = FilterRows {
                predicted_means: &mut predicted.means[means.clone()],
                predicted_covs: &mut predicted.covs.values[covs.clone()],
                filtered_means: &mut filtered.means[means],
                filtered_covs: &mut filtered.covs.values[covs],
            };
            let series = offsets.series();
            let run = || gaussian::filter_scheduled(&system, &series, schedule, options.steady_state, out);
            let Scheduled { marginal_loglik: value, .. } =
                threads::install(run).map_err(Error::in_series(n))?;
            marginal_loglik.push(value);
        }
        Ok(GaussianFiltered { marginal_loglik, filtered, predicted })
    }

    /// As [`LgssmParams::smoother`], on a schedule as in [`LgssmParams::parallel_filter`].
    ///
    /// # Errors
    /// As [`LgssmParams::parallel_filter`].
    pub fn parallel_smoother(
        &self,
        data: &Dataset<'_>,
        options: &GaussianOptions,
        schedule: Schedule,
    ) -> Result<GaussianSmoothed> {
        let (plan, d) = self.plan_schedule(data)?;
        let mut filtered = Moments::zeros(&plan, data.num_rows(), d);
        let mut smoothed = Moments::zeros(&plan, data.num_rows(), d);
        let mut lag_one_covs = Covariances::zeros(&plan, d * d);
        let system = self.system();
        let mut marginal_loglik = Vec::with_capacity(data.num_sequences());
        for n in 0..data.num_sequences() {
            let (rows, offsets) = (data.range(n), self.offsets(data.sequence(n)));
            let (means, covs) = (rows.start * d..rows.end * d, rows.start * d * d..rows.end * d * d);
            let out = SmootherRows {
                filtered_means: &mut filtered.means[means.clone()],
                filtered_covs: &mut filtered.covs.values[covs.clone()],
                smoothed_means: &mut smoothed.means[means],
                smoothed_covs: &mut smoothed.covs.values[covs.clone()],
                lag_one_covs: &mut lag_one_covs.values[covs],
            };
            let series = offsets.series();
            let run = || gaussian::smooth_scheduled(&system, &series, schedule, options.steady_state, out);
            let Scheduled { marginal_loglik: value, .. } =
                threads::install(run).map_err(Error::in_series(n))?;
            marginal_loglik.push(value);
        }
        Ok(GaussianSmoothed { marginal_loglik, filtered, smoothed, lag_one_covs })
    }

    /// As [`LgssmParams::posterior_sample`], on a schedule as in [`LgssmParams::parallel_filter`]: one draw of
    /// a long sequence uses all threads. The draws are others, and the same to rounding on every schedule.
    ///
    /// # Errors
    /// As [`LgssmParams::parallel_filter`].
    pub fn parallel_posterior_sample(
        &self,
        data: &Dataset<'_>,
        options: &GaussianOptions,
        schedule: Schedule,
        seed: Seed,
        num_samples: usize,
    ) -> Result<Vec<f64>> {
        let (_, d) = self.plan_schedule(data)?;
        let (system, size) = (self.system(), data.num_rows() * d);
        let mut samples = vec![0.0; num_samples * size];
        for n in 0..data.num_sequences() {
            let (rows, offsets) = (data.range(n), self.offsets(data.sequence(n)));
            let (series, seed) = (offsets.series(), seed.child("sequence", n as u64));
            let mut paths = vec![0.0; num_samples * rows.len() * d];
            let out = &mut paths;
            let steady_state = options.steady_state;
            threads::install(|| {
                gaussian::sample_scheduled(&system, &series, schedule, steady_state, seed, num_samples, out)
            })
            .map_err(Error::in_series(n))?;
            let paths = paths.chunks_exact(rows.len() * d);
            for (path, sample) in paths.zip(samples.chunks_exact_mut(size)) {
                sample[rows.start * d..rows.end * d].copy_from_slice(path);
            }
        }
        Ok(samples)
    }

    /// A plan in which covariances lie as rows do, and D.
    fn plan_schedule(&self, data: &Dataset<'_>) -> Result<(Plan, usize)> {
        self.check(data)?;
        if self.initial_diffuse.is_some() {
            return Err(Error::argument("initial.diffuse", "a diffuse initial state", "a proper one"));
        }
        Ok((Plan::new(data, false), self.state_dim()))
    }
}
