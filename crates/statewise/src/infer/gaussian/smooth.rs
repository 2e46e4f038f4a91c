//! Smoothing: what is known of each state from all observations.

use statewise_kernels::gaussian::{
    Adjoints, Gains, GaussianError, LANES, LaneSlices, MeanRows, MeanState, Series, SmoothedRows,
    Smoothing, advance_mean_lanes, advance_means, smooth_mean_lanes, smooth_means,
};

use super::filter::{LOT, deal, gather};
use super::plan::{Covariances, Moments, Plan};
use super::{Buffers, GaussianOptions, LotBuffers};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::infer::split_optional;
use crate::model::linear_gaussian::{LgssmParams, Offsets};
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
        out: GaussianSmoothedSlices<'_>,
    ) -> Result<Vec<f64>> {
        self.check(data)?;
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
            (group, filtered.next().unwrap_or_default(), smoothed.next().unwrap_or_default(), covs)
        };
        let tasks: Vec<_> = plan.groups().iter().map(task).collect();
        let parts = threads::map(tasks, |(group, filtered, smoothed, covs)| {
            let [filtered_covs, smoothed_covs, lag_one_covs] = covs;
            let mut buffers = Loan::<Buffers>::take();
            let wanted = Wanted { lag_one: !lag_one_covs.is_empty(), adjoints: false };
            let (gains, smoothing) =
                self.covariances(data, group.sequences[0], options, wanted, &mut buffers)?;
            for t in 0..group.num_steps {
                let block = t * size..(t + 1) * size;
                write(filtered_covs, &block, || gains.filtered_cov(t));
                write(smoothed_covs, &block, || smoothing.cov(t));
                write(lag_one_covs, &block, || smoothing.lag_one_cov(t));
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
                self.smooth_lot(data, lot, gains, rows, &mut Loan::<LotBuffers>::take())
            });
            parts.into_iter().collect::<Result<Vec<_>>>().map(|parts| parts.concat())
        });
        gather(plan, data.num_sequences(), parts)
    }

    /// Gains and smoothed covariances of the group of sequence n.
    pub(super) fn covariances<'b>(
        &self,
        data: &Dataset<'_>,
        n: usize,
        options: &GaussianOptions,
        wanted: Wanted,
        buffers: &'b mut Buffers,
    ) -> Result<(&'b Gains, &'b Smoothing)> {
        let Buffers { riccati, gains, smoothing, .. } = buffers;
        let (system, sequence) = (self.system(), data.sequence(n));
        riccati.start(&system, system.initial_cov, options.steady_state);
        riccati
            .advance(&system, sequence.emissions, 0..sequence.num_steps(), gains)
            .map_err(Error::in_series(n))?;
        smoothing.compute(&system, gains, wanted.lag_one);
        Ok((gains, smoothing))
    }

    /// Both passes over the data of sequences that share gains; answers log p(y_{1:T}) of each.
    fn smooth_lot(
        &self,
        data: &Dataset<'_>,
        lot: &[usize],
        gains: &Gains,
        rows: LotRows<'_>,
        buffers: &mut LotBuffers,
    ) -> Result<Vec<f64>> {
        let system = self.system();
        let mut kinds = [rows.filtered, rows.smoothed, rows.states, rows.emissions].map(Vec::into_iter);
        let mut logliks = Vec::with_capacity(lot.len());
        for sequences in lot.chunks(LANES) {
            let mut rows = kinds.each_mut().map(|kind| -> LaneSlices<'_> {
                let mut own = kind.take(sequences.len());
                std::array::from_fn(|_| own.next().unwrap_or_default())
            });
            let offsets: Vec<_> = sequences.iter().map(|n| self.offsets(data.sequence(*n))).collect();
            let series: Vec<Series<'_>> = offsets.iter().map(Offsets::series).collect();
            if let Ok(series) = <&[Series<'_>; LANES]>::try_from(&series[..]) {
                let [filtered, smoothed, states, emissions] = &mut rows;
                let mut beliefs = vec![MeanState::start(system.initial_mean); LANES];
                let (steps, lanes) = (0..gains.num_steps(), &mut buffers.lanes);
                let forward: [&mut LaneSlices<'_>; 2] = [&mut Default::default(), filtered];
                if advance_mean_lanes(&system, series, steps, gains, &mut beliefs, forward, true, lanes) {
                    smooth_mean_lanes(&system, gains, [smoothed, states, emissions], lanes);
                    logliks.extend(beliefs.iter().map(MeanState::marginal_loglik));
                    continue;
                }
            }
            for (i, &n) in sequences.iter().enumerate() {
                let [filtered, smoothed, states, emissions] =
                    rows.each_mut().map(|kind| std::mem::take(&mut kind[i]));
                let mut own = std::mem::take(&mut buffers.filtered);
                let filtered = if filtered.is_empty() {
                    own.resize(gains.num_steps() * system.state_dim, 0.0);
                    &mut own[..]
                } else {
                    filtered
                };
                let loglik =
                    self.smooth_series(&series[i], gains, filtered, smoothed, [states, emissions], buffers);
                buffers.filtered = own;
                logliks.push(loglik.map_err(Error::in_series(n))?);
            }
        }
        Ok(logliks)
    }

    /// Both passes over the data of one series; answers log p(y_{1:T}).
    pub(super) fn smooth_series(
        &self,
        series: &Series<'_>,
        gains: &Gains,
        filtered: &mut [f64],
        smoothed: &mut [f64],
        [state_adjoints, emission_adjoints]: [&mut [f64]; 2],
        buffers: &mut LotBuffers,
    ) -> std::result::Result<f64, GaussianError> {
        let LotBuffers { means, scratch, innovations, .. } = buffers;
        let system = self.system();
        let mut state = MeanState::start(system.initial_mean);
        innovations.resize(series.emissions.len(), 0.0);
        let steps = 0..gains.num_steps();
        let rows = MeanRows { predicted: &mut [], filtered: &mut *filtered, innovations };
        advance_means(&system, series, steps, gains, &mut state, rows, means)?;
        let rows = SmoothedRows { filtered, innovations, smoothed, state_adjoints, emission_adjoints };
        smooth_means(&system, gains, rows, scratch);
        Ok(state.marginal_loglik())
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
            let (gains, smoothing) =
                self.covariances(data, group.sequences[0], options, wanted, &mut buffers)?;
            let parts = threads::map(group.sequences.chunks(LOT).collect(), |lot: &[usize]| {
                let mut buffers = Loan::<LotBuffers>::take();
                let rows = lot.len() * group.num_steps;
                let mut own = std::mem::take(&mut buffers.lot);
                let adjoint_rows = if wanted.adjoints { rows } else { 0 };
                own.resize(rows * d + adjoint_rows * (d + m), 0.0);
                let (smoothed, rest) = own.split_at_mut(rows * d);
                let (states, emissions) = rest.split_at_mut(adjoint_rows * d);
                let steps = group.num_steps;
                let slices = LotRows {
                    filtered: Vec::new(),
                    smoothed: smoothed.chunks_exact_mut(steps * d).collect(),
                    states: states.chunks_exact_mut(steps * d).collect(),
                    emissions: emissions.chunks_exact_mut(steps * m).collect(),
                };
                let logliks = self.smooth_lot(data, lot, gains, slices, &mut buffers)?;
                let answer = work(&SmoothedLot {
                    sequences: lot,
                    num_steps: group.num_steps,
                    marginal_loglik: &logliks,
                    gains,
                    smoothing,
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
}

/// Rows of the sequences of a lot; kinds that nobody asked for are empty.
#[derive(Default)]
struct LotRows<'a> {
    filtered: Vec<&'a mut [f64]>,
    smoothed: Vec<&'a mut [f64]>,
    states: Vec<&'a mut [f64]>,
    emissions: Vec<&'a mut [f64]>,
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
    /// Filtered and predicted covariances.
    pub(crate) gains: &'a Gains,
    /// Smoothed covariances.
    pub(crate) smoothing: &'a Smoothing,
    smoothed: &'a [f64],
    state_adjoints: &'a [f64],
    emission_adjoints: &'a [f64],
}

impl SmoothedLot<'_> {
    /// E(z_t | y_{1:T}) of the i-th sequence of the lot, \[T, D\].
    pub(crate) fn means(&self, i: usize) -> &[f64] {
        self.block(self.smoothed, i)
    }

    /// What the backward pass answered for the i-th sequence.
    pub(crate) fn adjoints(&self, i: usize) -> Adjoints<'_> {
        Adjoints {
            smoothed: self.means(i),
            states: self.block(self.state_adjoints, i),
            emissions: self.block(self.emission_adjoints, i),
        }
    }

    fn block<'b>(&self, rows: &'b [f64], i: usize) -> &'b [f64] {
        let len = rows.len() / self.sequences.len();
        &rows[i * len..(i + 1) * len]
    }
}

fn write<'v>(out: &mut [f64], block: &std::ops::Range<usize>, values: impl FnOnce() -> &'v [f64]) {
    if !out.is_empty() {
        out[block.clone()].copy_from_slice(values());
    }
}
