//! Filtering: what is known of each state from the observations up to it.

use std::ops::Range;

use statewise_kernels::gaussian::{
    Collapse, DiffuseRows, DiffuseStart, DiffuseTable, Gains, LANES, LaneSlices, MeanRows, MeanState,
    Series, advance_mean_lanes, advance_means,
};

use super::flat_start::proper;
use super::plan::{Group, Moments, Plan};
use super::separate::in_lanes;
use super::source::{Own, Source, collapse};
use super::{Buffers, Form, GaussianOptions, LotBuffers};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::infer::split_optional;
use crate::model::linear_gaussian::LgssmParams;
use crate::threads;
use crate::workspace::Loan;

/// Steps for which gains are kept at a time where one sequence is filtered.
const CHUNK: usize = 512;
/// Sequences of a group that one thread takes at a time.
pub(super) const LOT: usize = 32;

/// Filtered and predicted states.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianFiltered {
    /// log p(y_{1:T}) of each sequence.
    pub marginal_loglik: Vec<f64>,
    /// z_t given y_{1:t}.
    pub filtered: Moments,
    /// z_t given y_{1:t-1}.
    pub predicted: Moments,
}

/// Where a filter writes; what is `None` is not kept.
#[derive(Debug, Default)]
pub struct FilteredSlices<'a> {
    /// E(z_t | y_{1:t}), \[rows, D\].
    pub filtered_means: Option<&'a mut [f64]>,
    /// Cov(z_t | y_{1:t}), \[rows of the plan, D, D\].
    pub filtered_covs: Option<&'a mut [f64]>,
    /// E(z_t | y_{1:t-1}), \[rows, D\].
    pub predicted_means: Option<&'a mut [f64]>,
    /// Cov(z_t | y_{1:t-1}), \[rows of the plan, D, D\].
    pub predicted_covs: Option<&'a mut [f64]>,
}

impl LgssmParams {
    /// p(z_t | y_{1:t}) and p(z_t | y_{1:t-1}) for every step.
    ///
    /// With a diffuse start, entries of covariances are infinite where a direction that no observation has
    /// seen yet moves them, and exact elsewhere; means are those with such directions at 0 (at their place
    /// in the initial mean).
    ///
    /// # Errors
    /// Parameters and data that do not fit, or an observation that contradicts a noise-free state.
    ///
    /// # Source
    /// Kalman (1960); the update takes Joseph's form where an observation is far more precise than the
    /// prediction. Diffuse starts: de Jong (1991), with triangular roots.
    pub fn filter(&self, data: &Dataset<'_>, options: &GaussianOptions) -> Result<GaussianFiltered> {
        let plan = Plan::new(data, options.share);
        let (rows, d) = (data.num_rows(), self.state_dim());
        let mut filtered = Moments::zeros(&plan, rows, d);
        let mut predicted = Moments::zeros(&plan, rows, d);
        let slices = FilteredSlices {
            filtered_means: Some(&mut filtered.means),
            filtered_covs: Some(&mut filtered.covs.values),
            predicted_means: Some(&mut predicted.means),
            predicted_covs: Some(&mut predicted.covs.values),
        };
        let marginal_loglik = self.filter_into(&plan, data, options, slices)?;
        Ok(GaussianFiltered { marginal_loglik, filtered, predicted })
    }

    /// As [`LgssmParams::filter`], into the caller's memory; answers log p(y_{1:T}) of each sequence.
    ///
    /// # Errors
    /// As [`LgssmParams::filter`]; also slices of another size.
    pub fn filter_into(
        &self,
        plan: &Plan,
        data: &Dataset<'_>,
        options: &GaussianOptions,
        out: FilteredSlices<'_>,
    ) -> Result<Vec<f64>> {
        self.check(data)?;
        let d = self.state_dim();
        let mut filtered = deal(plan, split_optional("filtered_means", out.filtered_means, data, d)?);
        let mut predicted = deal(plan, split_optional("predicted_means", out.predicted_means, data, d)?);
        let mut filtered_covs = plan.split("filtered_covs", out.filtered_covs, d * d)?.into_iter();
        let mut predicted_covs = plan.split("predicted_covs", out.predicted_covs, d * d)?.into_iter();
        let task = |group| FilterTask {
            group,
            filtered_means: filtered.next().unwrap_or_default(),
            predicted_means: predicted.next().unwrap_or_default(),
            filtered_covs: filtered_covs.next().unwrap_or_default(),
            predicted_covs: predicted_covs.next().unwrap_or_default(),
        };
        let tasks: Vec<_> = plan.groups().iter().map(task).collect();
        let parts = in_lanes(
            self.jobs(plan, options, tasks),
            |task| self.filter_group(data, options, task),
            |tasks| self.filter_lanes(data, options, tasks),
        );
        gather(plan, data.num_sequences(), parts)
    }

    /// log p(y_{1:T}) of each sequence.
    ///
    /// # Errors
    /// As [`LgssmParams::filter`].
    pub fn marginal_log_prob(&self, data: &Dataset<'_>, options: &GaussianOptions) -> Result<Vec<f64>> {
        self.filter_into(&Plan::new(data, options.share), data, options, FilteredSlices::default())
    }

    /// One group: gains once, means of each sequence. A lone sequence goes in chunks, so that a long one
    /// does not keep the gains of all its steps.
    pub(super) fn filter_group(
        &self,
        data: &Dataset<'_>,
        options: &GaussianOptions,
        task: FilterTask<'_, '_>,
    ) -> Result<Vec<f64>> {
        let FilterTask { group, filtered_means, predicted_means, filtered_covs, predicted_covs } = task;
        let mut buffers = Loan::<Buffers>::take();
        let Buffers { riccati, gains, .. } = &mut *buffers;
        let system = self.system();
        let (size, num_steps) = (system.state_dim * system.state_dim, group.num_steps);
        let first = group.sequences[0];
        let emissions = data.sequence(first).emissions;
        let collapse = collapse(&system, emissions, options);
        let system = collapse.as_ref().map_or(system, |collapse| collapse.system(&system));
        let emissions = collapse.as_ref().map_or(emissions, Collapse::pattern);
        let start = DiffuseStart::of(&system).map_err(Error::in_series(first))?;
        let system = start.as_ref().map_or(system, |start| proper(&system, start));
        let source = Source { system, collapse: collapse.as_ref(), emission_dim: self.emission_dim() };
        let mut lots = lots(group, filtered_means, predicted_means, system.initial_mean);
        let mut directions = start.as_ref().map(DiffuseStart::directions);
        let mut table = DiffuseTable::default();
        let moments = lots.iter().any(Lot::wants_means) || filtered_covs.len() + predicted_covs.len() > 0;
        riccati.start(&system, system.initial_cov, options.steady_state);
        let chunk = if group.sequences.len() == 1 { CHUNK } else { num_steps };
        // A diffuse start goes by covariances to the end, whatever the form.
        let proper = directions.is_none();
        let mut by_roots = proper && options.form == Form::SquareRoot;
        for start in (0..num_steps).step_by(chunk) {
            if by_roots {
                break;
            }
            let mut steps = start..num_steps.min(start + chunk);
            let m = system.emission_dim;
            let rows = &emissions[steps.start * m..steps.end * m];
            riccati.advance(&system, rows, steps.clone(), gains).map_err(Error::in_series(first))?;
            let gains = &*gains;
            if let Some(directions) = directions.as_mut().filter(|directions| !directions.is_forgotten()) {
                directions
                    .advance(&system, steps.clone(), gains, moments, &mut table)
                    .map_err(Error::in_series(first))?;
                write_diffuse_covs(&table, gains, size, filtered_covs, predicted_covs);
                let shared = Shared { gains, table: &table, is_last: directions.is_forgotten() };
                lots = threads::map(lots, |lot| self.start_lot(data, &shared, &source, lot))
                    .into_iter()
                    .collect::<Result<_>>()?;
                steps.start = table.range().end;
            }
            write_covs(gains, &steps, size, filtered_covs, predicted_covs);
            lots = threads::map(lots, |lot| self.filter_lot(data, gains, &source, &steps, lot))
                .into_iter()
                .collect::<Result<_>>()?;
            by_roots = proper && options.form == Form::Auto && riccati.report().ill_conditioned.is_some();
        }
        if by_roots {
            let (mut filtered, mut predicted) = (Vec::new(), Vec::new());
            for lot in lots {
                filtered.extend(lot.filtered);
                predicted.extend(lot.predicted);
            }
            let means = [filtered.into_iter(), predicted.into_iter()];
            return self.filter_by_roots(data, group, means, [filtered_covs, predicted_covs]);
        }
        Ok(lots.iter().flat_map(Lot::marginal_logliks).collect())
    }

    /// The means of one lot over the steps of a table.
    fn start_lot<'a>(
        &self,
        data: &Dataset<'_>,
        shared: &Shared<'_>,
        source: &Source<'_>,
        mut lot: Lot<'a>,
    ) -> Result<Lot<'a>> {
        let mut buffers = Loan::<LotBuffers>::take();
        let (system, d, steps) = (source.system, self.state_dim(), shared.table.range());
        let mut filtered = lot.filtered.iter_mut();
        let mut predicted = lot.predicted.iter_mut();
        let beliefs = lot.states.iter_mut().zip(&mut lot.estimates);
        for ((&n, belief), correction) in lot.sequences.iter().zip(beliefs).zip(&mut lot.corrections) {
            let offsets = self.offsets(data.sequence(n));
            let own = source.take(data, n, &offsets, &steps)?;
            *correction += own.correction;
            let rows = DiffuseRows {
                predicted: rows_of(predicted.next(), &steps, d),
                filtered: rows_of(filtered.next(), &steps, d),
                ..Default::default()
            };
            let Shared { gains, table, is_last } = shared;
            table
                .advance_means(&system, &own.series(), gains, belief, *is_last, rows, &mut buffers.means)
                .map_err(Error::in_series(n))?;
        }
        Ok(lot)
    }

    /// The means of one lot over `steps`.
    fn filter_lot<'a>(
        &self,
        data: &Dataset<'_>,
        gains: &Gains,
        source: &Source<'_>,
        steps: &Range<usize>,
        mut lot: Lot<'a>,
    ) -> Result<Lot<'a>> {
        let mut buffers = Loan::<LotBuffers>::take();
        let LotBuffers { means, lanes, .. } = &mut *buffers;
        let (system, d) = (source.system, self.state_dim());
        let Lot { sequences, states, corrections, predicted, filtered, .. } = &mut lot;
        let mut corrections = corrections.iter_mut();
        let mut predicted = predicted.iter_mut();
        let mut filtered = filtered.iter_mut();
        for (sequences, states) in sequences.chunks(LANES).zip(states.chunks_mut(LANES)) {
            let rows = |slices: &mut dyn Iterator<Item = _>| -> LaneSlices<'_> {
                let mut own = slices.take(sequences.len());
                std::array::from_fn(|_| rows_of(own.next(), steps, d))
            };
            let [mut predicted, mut filtered] = [rows(&mut predicted), rows(&mut filtered)];
            let offsets: Vec<_> = sequences.iter().map(|n| self.offsets(data.sequence(*n))).collect();
            let own = offsets
                .iter()
                .zip(sequences)
                .map(|(offsets, n)| source.take(data, *n, offsets, steps))
                .collect::<Result<Vec<_>>>()?;
            for (own, correction) in own.iter().zip(&mut corrections) {
                *correction += own.correction;
            }
            let series: Vec<Series<'_>> = own.iter().map(Own::series).collect();
            if series.len() > 1
                && advance_mean_lanes(
                    &system,
                    &series,
                    steps.clone(),
                    gains,
                    states,
                    [&mut predicted, &mut filtered],
                    false,
                    lanes,
                )
            {
                continue;
            }
            for (i, ((&n, series), state)) in sequences.iter().zip(&series).zip(states).enumerate() {
                let rows = MeanRows {
                    predicted: std::mem::take(&mut predicted[i]),
                    filtered: std::mem::take(&mut filtered[i]),
                    innovations: &mut [],
                };
                advance_means(&system, series, steps.clone(), gains, state, rows, means)
                    .map_err(Error::in_series(n))?;
            }
        }
        Ok(lot)
    }
}

/// One group and the slices of its sequences.
pub(super) struct FilterTask<'p, 'a> {
    pub(super) group: &'p Group,
    pub(super) filtered_means: Vec<&'a mut [f64]>,
    pub(super) predicted_means: Vec<&'a mut [f64]>,
    pub(super) filtered_covs: &'a mut [f64],
    pub(super) predicted_covs: &'a mut [f64],
}

/// What sequences share while a diffuse start counts.
struct Shared<'a> {
    gains: &'a Gains,
    table: &'a DiffuseTable,
    /// Whether the ordinary recursions go on after the table.
    is_last: bool,
}

/// Sequences that one thread takes at a time; slices that nobody asked for are left out.
struct Lot<'a> {
    sequences: &'a [usize],
    states: Vec<MeanState>,
    /// What each tells of a diffuse start.
    estimates: Vec<Vec<f64>>,
    /// What collapses add to the evidence.
    corrections: Vec<f64>,
    filtered: Vec<&'a mut [f64]>,
    predicted: Vec<&'a mut [f64]>,
}

impl Lot<'_> {
    fn wants_means(&self) -> bool {
        !(self.filtered.is_empty() && self.predicted.is_empty())
    }

    fn marginal_logliks(&self) -> impl Iterator<Item = f64> {
        self.states.iter().zip(&self.corrections).map(|(state, c)| state.marginal_loglik() + c)
    }
}

fn lots<'a>(
    group: &'a Group,
    filtered: Vec<&'a mut [f64]>,
    predicted: Vec<&'a mut [f64]>,
    initial_mean: &[f64],
) -> Vec<Lot<'a>> {
    let (mut filtered, mut predicted) = (filtered.into_iter(), predicted.into_iter());
    let lot = |sequences: &'a [usize]| Lot {
        sequences,
        states: vec![MeanState::start(initial_mean); sequences.len()],
        estimates: vec![Vec::new(); sequences.len()],
        corrections: vec![0.0; sequences.len()],
        filtered: filtered.by_ref().take(sequences.len()).collect(),
        predicted: predicted.by_ref().take(sequences.len()).collect(),
    };
    group.sequences.chunks(LOT).map(lot).collect()
}

/// The rows of `steps`; nothing where there is no slice.
fn rows_of<'b>(slice: Option<&'b mut &mut [f64]>, steps: &Range<usize>, width: usize) -> &'b mut [f64] {
    slice.map_or(&mut [], |slice| &mut slice[steps.start * width..steps.end * width])
}

/// Writes the covariances of `steps` where there is room for them.
fn write_covs(
    gains: &Gains,
    steps: &Range<usize>,
    size: usize,
    filtered: &mut [f64],
    predicted: &mut [f64],
) {
    for t in steps.clone() {
        if !filtered.is_empty() {
            filtered[t * size..(t + 1) * size].copy_from_slice(gains.filtered_cov(t));
        }
        if !predicted.is_empty() {
            predicted[t * size..(t + 1) * size].copy_from_slice(gains.predicted_cov(t));
        }
    }
}

/// As [`write_covs`], of the steps of a table.
fn write_diffuse_covs(
    table: &DiffuseTable,
    gains: &Gains,
    size: usize,
    filtered: &mut [f64],
    predicted: &mut [f64],
) {
    for t in table.range() {
        if !filtered.is_empty() {
            table.filtered_cov(gains, t, &mut filtered[t * size..(t + 1) * size]);
        }
        if !predicted.is_empty() {
            table.predicted_cov(gains, t, &mut predicted[t * size..(t + 1) * size]);
        }
    }
}

/// Deals slices, one per sequence, out to the groups.
pub(super) fn deal<'a>(
    plan: &Plan,
    slices: Vec<&'a mut [f64]>,
) -> impl Iterator<Item = Vec<&'a mut [f64]>> {
    let mut slices: Vec<Option<&mut [f64]>> = slices.into_iter().map(Some).collect();
    let dealt: Vec<Vec<_>> = plan
        .groups()
        .iter()
        .map(|group| {
            let of = |n: &usize| slices.get_mut(*n).and_then(Option::take);
            group.sequences.iter().filter_map(of).collect()
        })
        .collect();
    dealt.into_iter()
}

/// Puts values that groups answered, one per sequence, in the order of the sequences.
pub(super) fn gather(plan: &Plan, num_sequences: usize, parts: Vec<Result<Vec<f64>>>) -> Result<Vec<f64>> {
    let mut all = vec![0.0; num_sequences];
    for (group, part) in plan.groups().iter().zip(parts) {
        for (n, value) in group.sequences.iter().zip(part?) {
            all[*n] = value;
        }
    }
    Ok(all)
}
