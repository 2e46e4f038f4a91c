//! Smoothing: what is known of each state from all observations.

use statewise_kernels::gaussian::{
    Adjoints, LANES, LaneSlices, MeanState, Series, System, SystemGradient, advance_mean_lanes,
    smooth_mean_lanes,
};

use super::covariances::GroupCovariances;
use super::filter::{FilteredSlices, LOT, deal, gather};
use super::plan::{Covariances, Group, Moments, Plan};
use super::separate::in_lanes;
use super::source::Own;
use super::{Buffers, GaussianOptions, LotBuffers};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::infer::split_optional;
use crate::model::linear_gaussian::LgssmParams;
use crate::threads;
use crate::workspace::Loan;

/// Filtered and smoothed states.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianSmoothed {
    /// log p(y_{1:T}) of each sequence.
    pub marginal_loglik: Vec<f64>,
    /// z_t given y_{1:t}.
    pub filtered: Moments,
    /// z_t given y_{1:T}.
    pub smoothed: Moments,
    /// Cov(z_t, z_{t+1} | y_{1:T}), rows are z_t; zero for the last step of a sequence.
    pub lag_one_covs: Covariances,
}

/// Where a smoother writes; what is `None` is not kept.
#[derive(Debug, Default)]
pub struct GaussianSmoothedSlices<'a> {
    /// E(z_t | y_{1:t}), \[rows, D\].
    pub filtered_means: Option<&'a mut [f64]>,
    /// Cov(z_t | y_{1:t}), \[rows of the plan, D, D\].
    pub filtered_covs: Option<&'a mut [f64]>,
    /// E(z_t | y_{1:T}), \[rows, D\].
    pub smoothed_means: Option<&'a mut [f64]>,
    /// Cov(z_t | y_{1:T}), \[rows of the plan, D, D\].
    pub smoothed_covs: Option<&'a mut [f64]>,
    /// Cov(z_t, z_{t+1} | y_{1:T}), rows are z_t, \[rows of the plan, D, D\]; zero for last steps.
    pub lag_one_covs: Option<&'a mut [f64]>,
}

impl LgssmParams {
    /// p(z_t | y_{1:T}) for every step, with Cov(z_t, z_{t+1} | y_{1:T}).
    ///
    /// # Errors
    /// As [`LgssmParams::filter`].
    ///
    /// # Source
    /// Bryson and Frazier (1963); de Jong and MacKinnon (1988). Nothing is inverted, so that states and
    /// noise without variance are fine.
    pub fn smoother(&self, data: &Dataset<'_>, options: &GaussianOptions) -> Result<GaussianSmoothed> {
        let plan = Plan::new(data, options.share);
        let (rows, d) = (data.num_rows(), self.state_dim());
        let mut filtered = Moments::zeros(&plan, rows, d);
        let mut smoothed = Moments::zeros(&plan, rows, d);
        let mut lag_one_covs = Covariances::zeros(&plan, d * d);
        let slices = GaussianSmoothedSlices {
            filtered_means: Some(&mut filtered.means),
            filtered_covs: Some(&mut filtered.covs.values),
            smoothed_means: Some(&mut smoothed.means),
            smoothed_covs: Some(&mut smoothed.covs.values),
            lag_one_covs: Some(&mut lag_one_covs.values),
        };
        let marginal_loglik = self.smoother_into(&plan, data, options, slices)?;
        Ok(GaussianSmoothed { marginal_loglik, filtered, smoothed, lag_one_covs })
    }

    /// As [`LgssmParams::smoother`], into the caller's memory; answers log p(y_{1:T}) of each sequence.
    ///
    /// # Errors
    /// As [`LgssmParams::smoother`]; also slices of another size.
    pub fn smoother_into(
        &self,
        plan: &Plan,
        data: &Dataset<'_>,
        options: &GaussianOptions,
        mut out: GaussianSmoothedSlices<'_>,
    ) -> Result<Vec<f64>> {
        self.check(data)?;
        let wants_filtered = out.filtered_means.is_some() || out.filtered_covs.is_some();
        if self.initial_diffuse.is_some() && wants_filtered {
            // The smoother of a diffuse start does not pass by its filter.
            let filtered = FilteredSlices {
                filtered_means: out.filtered_means.take(),
                filtered_covs: out.filtered_covs.take(),
                ..Default::default()
            };
            self.filter_into(plan, data, options, filtered)?;
        }
        let d = self.state_dim();
        let size = d * d;
        let mut filtered = deal(plan, split_optional("filtered_means", out.filtered_means, data, d)?);
        let mut smoothed = deal(plan, split_optional("smoothed_means", out.smoothed_means, data, d)?);
        let mut filtered_covs = plan.split("filtered_covs", out.filtered_covs, size)?.into_iter();
        let mut smoothed_covs = plan.split("smoothed_covs", out.smoothed_covs, size)?.into_iter();
        let mut lag_one_covs = plan.split("lag_one_covs", out.lag_one_covs, size)?.into_iter();
        let task = |group| {
            let covs = [&mut filtered_covs, &mut smoothed_covs, &mut lag_one_covs]
                .map(|covs| covs.next().unwrap_or_default());
            SmootherTask {
                group,
                filtered: filtered.next().unwrap_or_default(),
                smoothed: smoothed.next().unwrap_or_default(),
                covs,
            }
        };
        let tasks: Vec<_> = plan.groups().iter().map(task).collect();
        let parts = in_lanes(
            self.jobs(plan, options, tasks),
            |task| self.smooth_group(data, options, task),
            |tasks| self.smooth_lanes(data, options, tasks),
        );
        gather(plan, data.num_sequences(), parts)
    }

    /// One group: covariances once, means of each sequence.
    pub(super) fn smooth_group(
        &self,
        data: &Dataset<'_>,
        options: &GaussianOptions,
        task: SmootherTask<'_, '_>,
    ) -> Result<Vec<f64>> {
        let SmootherTask { group, filtered, smoothed, covs } = task;
        let [filtered_covs, smoothed_covs, lag_one_covs] = covs;
        let size = self.state_dim() * self.state_dim();
        let mut buffers = Loan::<Buffers>::take();
        let first = group.sequences[0];
        let covs = self.covariances(data, first, options, !lag_one_covs.is_empty(), &mut buffers)?;
        if covs.wants_roots() {
            let rows = LotRows { filtered, smoothed, ..LotRows::default() };
            let blocks = [filtered_covs, smoothed_covs, lag_one_covs];
            return self.smooth_by_roots(data, &group.sequences, rows, blocks);
        }
        covs.identified().map_err(Error::in_series(first))?;
        for t in 0..group.num_steps {
            let block = t * size..(t + 1) * size;
            write(filtered_covs, &block, || covs.filtered_cov(t));
            write(smoothed_covs, &block, || covs.cov(t));
            write(lag_one_covs, &block, || covs.lag_one_cov(t));
        }
        let mut filtered = filtered.into_iter();
        let mut smoothed = smoothed.into_iter();
        let lots: Vec<_> = group
            .sequences
            .chunks(LOT)
            .map(|lot| {
                let filtered = filtered.by_ref().take(lot.len()).collect();
                let smoothed = smoothed.by_ref().take(lot.len()).collect();
                (lot, LotRows { filtered, smoothed, ..LotRows::default() })
            })
            .collect();
        let parts = threads::map(lots, |(lot, rows)| {
            self.smooth_lot(data, lot, &covs, rows, &mut Loan::<LotBuffers>::take())
        });
        parts.into_iter().collect::<Result<Vec<_>>>().map(|parts| parts.concat())
    }

    /// Covariances of the group of sequence n.
    pub(super) fn covariances<'b>(
        &'b self,
        data: &Dataset<'_>,
        n: usize,
        options: &GaussianOptions,
        lag_one: bool,
        buffers: &'b mut Buffers,
    ) -> Result<GroupCovariances<'b>> {
        let emissions = data.sequence(n).emissions;
        GroupCovariances::compute(&self.system(), emissions, options, lag_one, buffers)
            .map_err(Error::in_series(n))
    }

    /// Both passes over the data of sequences that share covariances; answers log p(y_{1:T}) of each.
    fn smooth_lot(
        &self,
        data: &Dataset<'_>,
        lot: &[usize],
        covs: &GroupCovariances<'_>,
        rows: LotRows<'_>,
        buffers: &mut LotBuffers,
    ) -> Result<Vec<f64>> {
        let source = covs.source(&self.system());
        let system = source.system;
        let adjoints = !rows.emissions.is_empty();
        let collapsed = source.collapse.is_some() && adjoints;
        let mut kinds = [rows.filtered, rows.smoothed, rows.states, rows.emissions].map(Vec::into_iter);
        let mut logliks: Vec<f64> = Vec::with_capacity(lot.len());
        for sequences in lot.chunks(LANES) {
            let rows = kinds.each_mut().map(|kind| lane_slices(kind.take(sequences.len())));
            let [filtered, smoothed, states, emissions] = rows;
            let offsets: Vec<_> = sequences.iter().map(|n| self.offsets(data.sequence(*n))).collect();
            let own = offsets
                .iter()
                .zip(sequences)
                .map(|(offsets, n)| source.take_all(data, *n, offsets, adjoints))
                .collect::<Result<Vec<_>>>()?;
            let series: Vec<Series<'_>> = own.iter().map(Own::series).collect();
            // Adjoints of collapsed emissions, to be brought back.
            let len = if collapsed { series[0].emissions.len() } else { 0 };
            let mut inner = vec![0.0; len * sequences.len()];
            let (seen, outer) = if collapsed {
                (lane_slices(inner.chunks_exact_mut(len)), Some(emissions))
            } else {
                (emissions, None)
            };
            let rows = [filtered, smoothed, states, seen];
            let found = self.smooth_chunk(sequences, &series, covs, &system, rows, buffers)?;
            logliks.extend(found.iter().zip(&own).map(|(loglik, own)| loglik + own.correction));
            for (i, outer) in outer.into_iter().flatten().take(sequences.len()).enumerate() {
                covs.expand_adjoints(&inner[i * len..(i + 1) * len], &own[i], outer);
            }
        }
        Ok(logliks)
    }

    /// Both passes over at most [`LANES`] sequences, as the engines see them.
    fn smooth_chunk(
        &self,
        sequences: &[usize],
        series: &[Series<'_>],
        covs: &GroupCovariances<'_>,
        system: &System<'_>,
        mut rows: [LaneSlices<'_>; 4],
        buffers: &mut LotBuffers,
    ) -> Result<Vec<f64>> {
        if let Some(gains) = covs.ordinary().filter(|_| series.len() > 1) {
            let [filtered, smoothed, states, emissions] = &mut rows;
            let mut beliefs = vec![MeanState::start(system.initial_mean); series.len()];
            let (steps, lanes) = (0..gains.num_steps(), &mut buffers.lanes);
            let forward: [&mut LaneSlices<'_>; 2] = [&mut Default::default(), filtered];
            if advance_mean_lanes(system, series, steps, gains, &mut beliefs, forward, true, lanes) {
                smooth_mean_lanes(system, gains, [smoothed, states, emissions], lanes);
                return Ok(beliefs.iter().map(MeanState::marginal_loglik).collect());
            }
        }
        let mut logliks = Vec::with_capacity(sequences.len());
        for (i, &n) in sequences.iter().enumerate() {
            let [filtered, smoothed, states, emissions] =
                rows.each_mut().map(|kind| std::mem::take(&mut kind[i]));
            let mut own = std::mem::take(&mut buffers.filtered);
            let filtered = if filtered.is_empty() {
                own.resize(series[i].num_steps(system) * system.state_dim, 0.0);
                &mut own[..]
            } else {
                filtered
            };
            let outputs = [smoothed, states, emissions];
            let loglik = covs.smooth_series(system, &series[i], filtered, outputs, buffers);
            buffers.filtered = own;
            logliks.push(loglik.map_err(Error::in_series(n))?);
        }
        Ok(logliks)
    }

    /// Smooths all sequences and hands them over, lot by lot, without keeping them: the ground of
    /// E-steps and gradients. Answers are in the order of the groups, then of their lots.
    ///
    /// # Errors
    /// As [`LgssmParams::smoother`]. The data have been checked.
    pub(crate) fn map_smoothed<R: Send>(
        &self,
        data: &Dataset<'_>,
        options: &GaussianOptions,
        wanted: Wanted,
        work: impl Fn(&SmoothedLot<'_>) -> R + Sync,
    ) -> Result<Vec<R>> {
        let plan = Plan::new(data, options.share);
        let (d, m) = (self.state_dim(), self.emission_dim());
        let parts = threads::map(plan.groups().iter().collect(), |group| {
            let mut buffers = Loan::<Buffers>::take();
            let covs = self.covariances(data, group.sequences[0], options, wanted.lag_one, &mut buffers)?;
            let roots = if covs.wants_roots() { Some(self.root_covs(data, group)?) } else { None };
            let parts = threads::map(group.sequences.chunks(LOT).collect(), |lot: &[usize]| {
                let mut buffers = Loan::<LotBuffers>::take();
                let (steps, rows) = (group.num_steps, lot.len() * group.num_steps);
                let mut own = std::mem::take(&mut buffers.lot);
                let adjoint_rows = if wanted.adjoints { rows } else { 0 };
                own.resize(rows * d + adjoint_rows * (d + m), 0.0);
                let (smoothed, rest) = own.split_at_mut(rows * d);
                let (states, emissions) = rest.split_at_mut(adjoint_rows * d);
                let slices = LotRows {
                    filtered: Vec::new(),
                    smoothed: smoothed.chunks_exact_mut(steps * d).collect(),
                    states: states.chunks_exact_mut(steps * d).collect(),
                    emissions: emissions.chunks_exact_mut(steps * m).collect(),
                };
                let mut gradient = None;
                let logliks = match &roots {
                    None => self.smooth_lot(data, lot, &covs, slices, &mut buffers)?,
                    Some(_) if wanted.adjoints => {
                        let gradient = gradient.insert(SystemGradient::zeros(&self.system()));
                        self.gradient_by_roots(data, lot, slices, gradient)?
                    }
                    Some(_) => self.smooth_by_roots(data, lot, slices, [&mut [], &mut [], &mut []])?,
                };
                let answer = work(&SmoothedLot {
                    sequences: lot,
                    num_steps: group.num_steps,
                    marginal_loglik: &logliks,
                    covs: &covs,
                    roots: roots.as_ref(),
                    gradient,
                    smoothed,
                    state_adjoints: states,
                    emission_adjoints: emissions,
                });
                buffers.lot = own;
                Ok(answer)
            });
            parts.into_iter().collect::<Result<Vec<R>>>()
        });
        Ok(parts.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Smoothed and lag-one covariances of a group by square roots, \[T, D, D\] each.
    fn root_covs(&self, data: &Dataset<'_>, group: &Group) -> Result<RootCovs> {
        let len = group.num_steps * self.state_dim() * self.state_dim();
        let (mut smoothed, mut lag_one) = (vec![0.0; len], vec![0.0; len]);
        let blocks = [&mut [][..], &mut smoothed, &mut lag_one];
        self.smooth_by_roots(data, &group.sequences[..1], LotRows::default(), blocks)?;
        Ok(RootCovs { smoothed, lag_one })
    }
}

/// Covariances by square roots, \[T, D, D\] each.
struct RootCovs {
    smoothed: Vec<f64>,
    lag_one: Vec<f64>,
}

/// One group and the slices of its sequences.
pub(super) struct SmootherTask<'p, 'a> {
    pub(super) group: &'p Group,
    pub(super) filtered: Vec<&'a mut [f64]>,
    pub(super) smoothed: Vec<&'a mut [f64]>,
    /// Filtered, smoothed and lag-one covariances.
    pub(super) covs: [&'a mut [f64]; 3],
}

/// The first slices as lanes; empty ones where there are fewer.
fn lane_slices<'a>(mut slices: impl Iterator<Item = &'a mut [f64]>) -> LaneSlices<'a> {
    std::array::from_fn(|_| slices.next().unwrap_or_default())
}

/// Rows of the sequences of a lot; kinds that nobody asked for are empty.
#[derive(Default)]
pub(super) struct LotRows<'a> {
    pub(super) filtered: Vec<&'a mut [f64]>,
    pub(super) smoothed: Vec<&'a mut [f64]>,
    pub(super) states: Vec<&'a mut [f64]>,
    pub(super) emissions: Vec<&'a mut [f64]>,
}

/// What a caller of [`LgssmParams::map_smoothed`] reads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    /// Lag-one covariances.
    pub(crate) lag_one: bool,
    /// Adjoints of states and emissions.
    pub(crate) adjoints: bool,
}

/// Smoothed sequences that share their covariances.
pub(crate) struct SmoothedLot<'a> {
    /// Their indices in the dataset.
    pub(crate) sequences: &'a [usize],
    /// T.
    pub(crate) num_steps: usize,
    /// log p(y_{1:T}) of each.
    pub(crate) marginal_loglik: &'a [f64],
    covs: &'a GroupCovariances<'a>,
    roots: Option<&'a RootCovs>,
    /// Of the lot, where it went by square roots.
    gradient: Option<SystemGradient>,
    smoothed: &'a [f64],
    state_adjoints: &'a [f64],
    emission_adjoints: &'a [f64],
}

impl SmoothedLot<'_> {
    /// E(z_t | y_{1:T}) of the i-th sequence of the lot, \[T, D\].
    pub(crate) fn means(&self, i: usize) -> &[f64] {
        self.block(self.smoothed, i)
    }

    /// Cov(z_t | y_{1:T}), \[D, D\], of every sequence of the lot.
    pub(crate) fn cov(&self, t: usize) -> &[f64] {
        match self.roots {
            None => self.covs.cov(t),
            Some(roots) => block_of(&roots.smoothed, self.num_steps, t),
        }
    }

    /// Cov(z_t, z_{t+1} | y_{1:T}), \[D, D\], rows are z_t; not for the last step.
    pub(crate) fn lag_one_cov(&self, t: usize) -> &[f64] {
        match self.roots {
            None => self.covs.lag_one_cov(t),
            Some(roots) => block_of(&roots.lag_one, self.num_steps, t),
        }
    }

    /// What the backward pass answered for the i-th sequence.
    pub(crate) fn adjoints(&self, i: usize) -> Adjoints<'_> {
        Adjoints {
            smoothed: self.means(i),
            states: self.block(self.state_adjoints, i),
            emissions: self.block(self.emission_adjoints, i),
        }
    }

    /// The gradient of Σ_n weight_n log p(y_n) over the lot with respect to what its sequences share.
    pub(crate) fn gradient(&self, lgssm: &LgssmParams, data: &Dataset<'_>) -> SystemGradient {
        if let Some(gradient) = &self.gradient {
            return gradient.clone();
        }
        let system = lgssm.system();
        let mut gradient = SystemGradient::zeros(&system);
        let weights = self.sequences.iter().map(|n| data.weight(*n));
        let series = Series::new(data.sequence(self.sequences[0]).emissions);
        self.covs.add_to_gradient(&system, &series, weights.clone().sum(), &mut gradient);
        for (i, weight) in weights.enumerate() {
            gradient.add_means(&system, self.adjoints(i), weight);
        }
        gradient
    }

    fn block<'b>(&self, rows: &'b [f64], i: usize) -> &'b [f64] {
        let len = rows.len() / self.sequences.len();
        &rows[i * len..(i + 1) * len]
    }
}

/// Step t of covariances of `num_steps`.
fn block_of(covs: &[f64], num_steps: usize, t: usize) -> &[f64] {
    let len = covs.len() / num_steps;
    &covs[t * len..(t + 1) * len]
}

fn write<'v>(out: &mut [f64], block: &std::ops::Range<usize>, values: impl FnOnce() -> &'v [f64]) {
    if !out.is_empty() {
        out[block.clone()].copy_from_slice(values());
    }
}
