//! The E-step: expected sufficient statistics from smoothed moments.
//!
//! Sums over means run over every series; sums over covariances once for all series with the same
//! missing entries, and once for all steps at which the smoother has settled.

use std::collections::HashMap;
use std::ops::Range;

use statewise_kernels::gaussian::{
    Gains, MeanRows, MeanScratch, MeanState, Riccati, Series, SmoothedRows, Smoothing, System,
    advance_means, smooth_means,
};

use super::lgssm_params::LgssmParams;
use super::matrix::{add_block, product, product_transposed, transpose};
use super::missing_entries::MissingEntries;
use super::ssm::LinearGaussianSsm;
use crate::data::{Dataset, Sequence};
use crate::error::{Error, Result};
use crate::learn::Statistics;
use crate::params::Params;
use crate::threads;

/// Rows after which series of one pattern go to another piece of work.
const PIECE_ROWS: usize = 8192;

/// Covariances of the smoother, for one pattern of missing entries.
struct Tables {
    gains: Gains,
    smoothing: Smoothing,
}

/// Series of one pattern, or some of them.
struct Piece {
    sequences: Vec<usize>,
    /// Their tables, where more than one piece needs them.
    tables: Option<usize>,
    /// Σ of the weights of all series of the pattern in the first piece of it, else 0.
    pattern_weight: f64,
}

/// Accumulates the statistics of a whole dataset.
pub(super) fn e_step(model: &LinearGaussianSsm, params: &Params, data: &Dataset<'_>) -> Result<Statistics> {
    let lowered = model.lower(params)?;
    lowered.check(data)?;
    let patterns = patterns(data);
    let mut shared = Vec::new();
    let mut pieces = Vec::new();
    for pattern in patterns {
        let rows: usize = pattern.iter().map(|n| data.range(*n).len()).sum();
        let steps = data.range(pattern[0]).len();
        let mut pattern_weight = pattern.iter().map(|n| data.weight(*n)).sum();
        let tables = (rows > PIECE_ROWS && pattern.len() > 1).then(|| {
            shared.push(pattern[0]);
            shared.len() - 1
        });
        let size = if tables.is_some() { (PIECE_ROWS / steps).max(1) } else { pattern.len() };
        for sequences in pattern.chunks(size) {
            pieces.push(Piece { sequences: sequences.to_vec(), tables, pattern_weight });
            pattern_weight = 0.0;
        }
    }
    let tables: Vec<Tables> =
        threads::map(shared, |n| compute(&lowered, data, n)).into_iter().collect::<Result<_>>()?;
    let mut total = Statistics::zeros(model.num_stats());
    for part in threads::map(pieces, |piece| accumulate(model, params, &lowered, &tables, data, &piece)) {
        total.merge(&part?);
    }
    Ok(total)
}

/// The series of each pattern of missing entries, in the order of the first of each.
fn patterns(data: &Dataset<'_>) -> Vec<Vec<usize>> {
    let mut place: HashMap<(usize, Vec<usize>), usize> = HashMap::new();
    let mut patterns: Vec<Vec<usize>> = Vec::new();
    for (n, sequence) in data.sequences().enumerate() {
        let missing: Vec<usize> =
            sequence.emissions.iter().enumerate().filter(|(_, y)| y.is_nan()).map(|(i, _)| i).collect();
        let next = patterns.len();
        let at = *place.entry((sequence.num_steps(), missing)).or_insert(next);
        if at == next {
            patterns.push(Vec::new());
        }
        patterns[at].push(n);
    }
    patterns
}

fn compute(lowered: &LgssmParams, data: &Dataset<'_>, n: usize) -> Result<Tables> {
    let system = lowered.system();
    let sequence = data.sequence(n);
    let (mut riccati, mut gains, mut smoothing) =
        (Riccati::default(), Gains::default(), Smoothing::default());
    riccati.start(&system, system.initial_cov, true);
    riccati
        .advance(&system, sequence.emissions, 0..sequence.num_steps(), &mut gains)
        .map_err(Error::in_series(n))?;
    smoothing.compute(&system, &gains, true);
    Ok(Tables { gains, smoothing })
}

fn accumulate(
    model: &LinearGaussianSsm,
    params: &Params,
    lowered: &LgssmParams,
    shared: &[Tables],
    data: &Dataset<'_>,
    piece: &Piece,
) -> Result<Statistics> {
    let own;
    let tables = match piece.tables {
        Some(index) => &shared[index],
        None => {
            own = compute(lowered, data, piece.sequences[0])?;
            &own
        }
    };
    let system = lowered.system();
    let weights = model.emissions.weights(params.arrays());
    let cov = model
        .emissions
        .form
        .to_full(params.arrays()[model.emissions.cov].values(), model.emissions.outputs);
    let mut accumulator = Accumulator {
        model,
        missing: MissingEntries::new(&weights, &cov, model.emissions.outputs),
        total: Statistics::zeros(model.num_stats()),
        row: Vec::new(),
        filled: vec![0.0; model.emissions.outputs],
    };
    let mut pass = MeanPass::default();
    for &n in &piece.sequences {
        let sequence = data.sequence(n);
        let offsets = lowered.offsets(sequence);
        let loglik = pass.run(&system, &offsets.series(), &tables.gains).map_err(Error::in_series(n))?;
        accumulator.add_means(&sequence, &pass.smoothed, data.weight(n));
        accumulator.total.marginal_loglik += data.weight(n) * loglik;
        accumulator.total.num_sequences += data.weight(n);
        accumulator.total.num_steps += data.weight(n) * sequence.num_steps() as f64;
    }
    if piece.pattern_weight > 0.0 {
        let sequence = data.sequence(piece.sequences[0]);
        accumulator.add_covs(&sequence, &tables.smoothing, piece.pattern_weight);
    }
    Ok(accumulator.total)
}

/// Filter and smoother of means, with what they keep between series.
#[derive(Default)]
struct MeanPass {
    filtered: Vec<f64>,
    innovations: Vec<f64>,
    smoothed: Vec<f64>,
    scratch: MeanScratch,
    backward: Vec<f64>,
}

impl MeanPass {
    /// Leaves E(z_t | y_{1:T}) in `smoothed`; answers log p(y).
    fn run(
        &mut self,
        system: &System<'_>,
        series: &Series<'_>,
        gains: &Gains,
    ) -> std::result::Result<f64, statewise_kernels::gaussian::GaussianError> {
        let steps = gains.num_steps();
        self.filtered.resize(steps * system.state_dim, 0.0);
        self.smoothed.resize(steps * system.state_dim, 0.0);
        self.innovations.resize(steps * system.emission_dim, 0.0);
        let mut state = MeanState::start(system.initial_mean);
        let rows = MeanRows {
            predicted: &mut [],
            filtered: &mut self.filtered,
            innovations: &mut self.innovations,
        };
        advance_means(system, series, 0..steps, gains, &mut state, rows, &mut self.scratch)?;
        let rows = SmoothedRows {
            filtered: &self.filtered,
            innovations: &self.innovations,
            smoothed: &mut self.smoothed,
            state_adjoints: &mut [],
            emission_adjoints: &mut [],
        };
        smooth_means(system, gains, rows, &mut self.backward);
        Ok(state.marginal_loglik())
    }
}

/// Adds up statistics under one set of parameters.
pub(super) struct Accumulator<'a> {
    model: &'a LinearGaussianSsm,
    missing: MissingEntries<'a>,
    pub(super) total: Statistics,
    row: Vec<f64>,
    filled: Vec<f64>,
}

impl<'a> Accumulator<'a> {
    /// Adds the statistics that states known to be `means`, shape \[T, D\], would leave.
    pub(super) fn add_means(&mut self, sequence: &Sequence<'_>, means: &[f64], weight: f64) {
        let model = self.model;
        let d = model.spec().state_dim;
        let stats = &mut self.total.values;
        model.initial.add_row(&mut model.initial.sums_mut(stats), &means[..d], &[1.0], weight);
        let mut sums = model.dynamics.sums_mut(stats);
        for t in 1..sequence.num_steps() {
            let (before, now) = means[(t - 1) * d..(t + 1) * d].split_at(d);
            model.dynamics_row(before, sequence.input(t), &mut self.row);
            model.dynamics.add_row(&mut sums, now, &self.row, weight);
        }
        let mut sums = model.emissions.sums_mut(stats);
        for (t, mean) in means.chunks_exact(d).enumerate() {
            let y = sequence.emission(t);
            let observed = y.iter().filter(|y| !y.is_nan()).count();
            if observed == 0 {
                continue;
            }
            model.emissions_row(mean, sequence.input(t), &mut self.row);
            if observed == y.len() {
                model.emissions.add_row(&mut sums, y, &self.row, weight);
            } else {
                self.missing.of(y).fill(y, &self.row, &mut self.filled);
                model.emissions.add_row(&mut sums, &self.filled, &self.row, weight);
            }
        }
    }

    /// Adds what the uncertainty of the states adds, of series whose weights sum to `weight`.
    fn add_covs(&mut self, sequence: &Sequence<'_>, smoothing: &Smoothing, weight: f64) {
        let model = self.model;
        let d = model.spec().state_dim;
        let steps = sequence.num_steps();
        let stats = &mut self.total.values;
        let p = model.dynamics.regressors();
        model.initial.add_cov_of_outputs(&mut model.initial.sums_mut(stats), smoothing.cov(0), weight);
        let mut sums = model.dynamics.sums_mut(stats);
        for run in runs(0..steps.saturating_sub(1), |t| smoothing.cov(t)) {
            add_block(sums.xx, p, (0, 0), smoothing.cov(run.start), d, weight * run.len() as f64);
        }
        for run in runs(1..steps, |t| smoothing.cov(t)) {
            let weight = weight * run.len() as f64;
            model.dynamics.add_cov_of_outputs(&mut sums, smoothing.cov(run.start), weight);
        }
        for run in runs(0..steps.saturating_sub(1), |t| smoothing.lag_one_cov(t)) {
            let lag = transpose(smoothing.lag_one_cov(run.start), d, d);
            add_block(sums.yx, p, (0, 0), &lag, d, weight * run.len() as f64);
        }
        let q = model.emissions.regressors();
        let m = model.emissions.outputs;
        let mut sums = model.emissions.sums_mut(stats);
        let seen = |t: usize| sequence.emission(t).iter().filter(|y| !y.is_nan()).count();
        for run in runs(0..steps, |t| smoothing.cov(t)) {
            let count = run.clone().filter(|t| seen(*t) > 0).count() as f64;
            add_block(sums.xx, q, (0, 0), smoothing.cov(run.start), d, weight * count);
        }
        for t in (0..steps).filter(|t| (1..m).contains(&seen(*t))) {
            let partial = self.missing.of(sequence.emission(t));
            let n = partial.missing.len();
            let on_state: Vec<f64> =
                partial.regression.chunks_exact(q).flat_map(|row| row[..d].iter().copied()).collect();
            // Cov(y_m, z) = B P and Cov(y_m) = B P Bᵀ + C.
            let with_state = product(&on_state, smoothing.cov(t), n, d, d);
            let mut spread = product_transposed(&with_state, &on_state, n, d, n);
            spread.iter_mut().zip(&partial.cov).for_each(|(s, c)| *s += c);
            let mut cov = vec![0.0; m * m];
            for (a, i) in partial.missing.iter().enumerate() {
                add_block(sums.yx, q, (*i, 0), &with_state[a * d..(a + 1) * d], d, weight);
                partial.missing.iter().enumerate().for_each(|(b, j)| cov[i * m + j] = spread[a * n + b]);
            }
            model.emissions.add_cov_of_outputs(&mut sums, &cov, weight);
        }
    }
}

/// Steps that share the slice `of` them, in runs.
fn runs<'a>(steps: Range<usize>, of: impl Fn(usize) -> &'a [f64]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for t in steps {
        match runs.last_mut() {
            Some(run) if std::ptr::eq(of(run.start), of(t)) => run.end = t + 1,
            _ => runs.push(t..t + 1),
        }
    }
    runs
}
