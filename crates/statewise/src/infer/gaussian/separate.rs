//! Sequences that are alone in their groups, eight at a time: each keeps covariances of its own, and the
//! recursions over them run once for all eight, one sequence a lane.

use statewise_kernels::gaussian::{
    SEPARATE_LANES, SeparateRows, SeparateScratch, Series, has_separate_lanes, separate_lanes,
};

use super::filter::FilterTask;
use super::plan::Plan;
use super::smooth::SmootherTask;
use super::{Form, GaussianOptions};
use crate::data::Dataset;
use crate::error::Result;
use crate::model::linear_gaussian::{LgssmParams, Offsets};
use crate::threads;
use crate::workspace::Loan;

/// What a thread takes at a time: tasks, with the places of their groups in the plan.
pub(super) enum Job<T> {
    Group(usize, T),
    Lanes(Vec<(usize, T)>),
}

/// Runs all jobs; answers are in the order of the groups.
pub(super) fn in_lanes<T: Send, R: Send>(
    jobs: Vec<Job<T>>,
    group: impl Fn(T) -> R + Sync,
    lanes: impl Fn(Vec<T>) -> Vec<R> + Sync,
) -> Vec<R> {
    let parts = threads::map(jobs, |job| match job {
        Job::Group(place, task) => vec![(place, group(task))],
        Job::Lanes(tasks) => {
            let (places, tasks): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
            places.into_iter().zip(lanes(tasks)).collect()
        }
    });
    let mut all: Vec<_> = parts.into_iter().flatten().collect();
    all.sort_unstable_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, answer)| answer).collect()
}

impl LgssmParams {
    /// Puts tasks, one a group, together where their groups are single sequences that lanes can take.
    pub(super) fn jobs<T>(&self, plan: &Plan, options: &GaussianOptions, tasks: Vec<T>) -> Vec<Job<T>> {
        let groups = plan.groups();
        let usable = options.form != Form::SquareRoot
            && groups.iter().filter(|group| group.sequences.len() == 1).count() > 1
            && has_separate_lanes(&self.system());
        let (mut jobs, mut alone) = (Vec::new(), Vec::new());
        for (place, task) in tasks.into_iter().enumerate() {
            if usable && groups[place].sequences.len() == 1 {
                alone.push((place, task));
            } else {
                jobs.push(Job::Group(place, task));
            }
        }
        // Sequences of like lengths leave no lane idle.
        alone.sort_by_key(|(place, _)| groups[*place].num_steps);
        let mut alone = alone.into_iter().peekable();
        while alone.peek().is_some() {
            let mut lanes: Vec<_> = alone.by_ref().take(SEPARATE_LANES).collect();
            match lanes.pop() {
                Some((place, task)) if lanes.is_empty() => jobs.push(Job::Group(place, task)),
                Some(last) => {
                    lanes.push(last);
                    jobs.push(Job::Lanes(lanes));
                }
                None => {}
            }
        }
        jobs
    }

    /// Filters sequences that share no covariances; those that lanes leave go one by one.
    pub(super) fn filter_lanes(
        &self,
        data: &Dataset<'_>,
        options: &GaussianOptions,
        mut tasks: Vec<FilterTask<'_, '_>>,
    ) -> Vec<Result<Vec<f64>>> {
        let sequences: Vec<_> = tasks.iter().map(|task| task.group.sequences[0]).collect();
        let mut rows = SeparateRows::default();
        for (l, task) in tasks.iter_mut().enumerate() {
            rows.filtered_means[l] = first(&mut task.filtered_means);
            rows.predicted_means[l] = first(&mut task.predicted_means);
            rows.filtered_covs[l] = &mut *task.filtered_covs;
            rows.predicted_covs[l] = &mut *task.predicted_covs;
        }
        let found = self.run_lanes(data, options, &sequences, false, rows);
        let answer = |(task, found): (_, Option<f64>)| match found {
            Some(loglik) => Ok(vec![loglik]),
            None => self.filter_group(data, options, task),
        };
        tasks.into_iter().zip(found).map(answer).collect()
    }

    /// Smooths sequences that share no covariances; those that lanes leave go one by one.
    pub(super) fn smooth_lanes(
        &self,
        data: &Dataset<'_>,
        options: &GaussianOptions,
        mut tasks: Vec<SmootherTask<'_, '_>>,
    ) -> Vec<Result<Vec<f64>>> {
        let sequences: Vec<_> = tasks.iter().map(|task| task.group.sequences[0]).collect();
        let mut rows = SeparateRows::default();
        for (l, task) in tasks.iter_mut().enumerate() {
            rows.filtered_means[l] = first(&mut task.filtered);
            rows.smoothed_means[l] = first(&mut task.smoothed);
            let [filtered_covs, smoothed_covs, lag_one_covs] = &mut task.covs;
            rows.filtered_covs[l] = &mut *filtered_covs;
            rows.smoothed_covs[l] = &mut *smoothed_covs;
            rows.lag_one_covs[l] = &mut *lag_one_covs;
        }
        let found = self.run_lanes(data, options, &sequences, true, rows);
        let answer = |(task, found): (_, Option<f64>)| match found {
            Some(loglik) => Ok(vec![loglik]),
            None => self.smooth_group(data, options, task),
        };
        tasks.into_iter().zip(found).map(answer).collect()
    }

    fn run_lanes(
        &self,
        data: &Dataset<'_>,
        options: &GaussianOptions,
        sequences: &[usize],
        smooth: bool,
        mut rows: SeparateRows<'_>,
    ) -> [Option<f64>; SEPARATE_LANES] {
        let offsets: Vec<_> = sequences.iter().map(|n| self.offsets(data.sequence(*n))).collect();
        let series: Vec<Series<'_>> = offsets.iter().map(Offsets::series).collect();
        let mut scratch = Loan::<SeparateScratch>::take();
        separate_lanes(&self.system(), &series, options.steady_state, smooth, &mut rows, &mut scratch)
    }
}

/// The first slice; an empty one where there is none.
fn first<'b>(slices: &'b mut [&mut [f64]]) -> &'b mut [f64] {
    slices.first_mut().map_or(&mut [], |slice| &mut **slice)
}
