//! What a backtest found: forecasts, their errors, and scores by horizon.
//!
//! Over the origins whose target is observed: log score log p(y), CRPS, MAE mean |e|, RMSE √(mean e²), MASE
//! mean |e| / scale with the scale of the naive forecast before the origin, and coverage of intervals.

use statewise_kernels::linalg::semidefinite_cholesky;

use super::autocorrelation::two_sided_quantile;
use super::backtest::BacktestOptions;
use super::scores::{gaussian_crps, gaussian_log_score, gaussian_pit};
use crate::data::Dataset;
use crate::error::Result;
use crate::infer::gaussian::whiten;
use crate::params::Params;

/// Forecasts from all origins and their scores. What was not observed, or lies past the end, is NaN.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Backtest {
    /// Sequence and number of known steps of each forecast, \[O\].
    pub origins: Vec<(usize, usize)>,
    /// Forecast means, \[O, H, M\].
    pub means: Vec<f64>,
    /// Forecast variances, \[O, H, M\].
    pub variances: Vec<f64>,
    /// y minus its forecast mean, \[O, H, M\].
    pub errors: Vec<f64>,
    /// Φ(error / standard deviation), uniform if the model is right, \[O, H, M\].
    pub pit: Vec<f64>,
    /// Scores of each horizon and entry, \[H, M\].
    pub scores: Vec<ForecastScores>,
    /// The mean log density of all observed entries of a step together, \[H\].
    pub joint_log_scores: Vec<f64>,
    /// The number of known steps and the parameters of every fit, in order; none without refits.
    pub refits: Vec<(usize, Params)>,
}

/// Mean scores of one horizon and one entry; NaN where nothing counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForecastScores {
    /// Steps ahead, from 1.
    pub horizon: usize,
    /// Index of the entry of y.
    pub entry: usize,
    /// Forecasts whose target was observed.
    pub count: usize,
    /// Mean log density; greater is better.
    pub log_score: f64,
    /// Mean continuous ranked probability score.
    pub crps: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Root mean squared error.
    pub rmse: f64,
    /// Mean error; far from zero for a biased forecast.
    pub mean_error: f64,
    /// Mean absolute error over that of the naive forecast before the origin (Hyndman and Koehler, 2006).
    pub mase: f64,
    /// Share of targets within the central interval of each level asked for.
    pub coverage: Vec<f64>,
}

/// The forecasts from one origin, as far as the sequence goes.
pub(super) struct Target {
    pub(super) sequence: usize,
    pub(super) origin: usize,
    /// \[≤ H, M\].
    pub(super) means: Vec<f64>,
    /// \[≤ H, M, M\].
    pub(super) covs: Vec<f64>,
}

impl Backtest {
    pub(super) fn of(data: &Dataset<'_>, options: &BacktestOptions, targets: Vec<Target>) -> Result<Self> {
        let (h, m) = (options.horizon, data.width());
        let size = targets.len() * h * m;
        let mut out = Backtest {
            origins: targets.iter().map(|target| (target.sequence, target.origin)).collect(),
            means: vec![f64::NAN; size],
            variances: vec![f64::NAN; size],
            errors: vec![f64::NAN; size],
            pit: vec![f64::NAN; size],
            ..Backtest::default()
        };
        let mut joint = vec![(0.0, 0); h];
        for (o, target) in targets.iter().enumerate() {
            let sequence = data.sequence(target.sequence);
            let rows = target.means.chunks_exact(m).zip(target.covs.chunks_exact(m * m));
            for (ahead, (mean, cov)) in rows.enumerate() {
                let y = sequence.emission(target.origin + ahead);
                for i in 0..m {
                    let place = (o * h + ahead) * m + i;
                    let variance = cov[i * m + i];
                    (out.means[place], out.variances[place]) = (mean[i], variance);
                    if !y[i].is_nan() {
                        out.errors[place] = y[i] - mean[i];
                        out.pit[place] = gaussian_pit(y[i], mean[i], variance);
                    }
                }
                if let Some(log_density) = joint_log_density(y, mean, cov) {
                    joint[ahead] = (joint[ahead].0 + log_density, joint[ahead].1 + 1);
                }
            }
        }
        out.joint_log_scores = joint.iter().map(|(sum, count)| sum / f64::from(*count)).collect();
        let scales = naive_scales(data, options.season);
        let scale = |(n, origin): (usize, usize), i: usize| scales[n][(origin - 1) * m + i];
        let z: Vec<f64> = options.levels.iter().map(|l| two_sided_quantile(*l)).collect::<Result<_>>()?;
        for place in 0..h * m {
            out.scores.push(out.score(place / m, place % m, [h, m], &z, &scale));
        }
        Ok(out)
    }

    /// The scores of one horizon (from 0) and entry.
    fn score(
        &self,
        ahead: usize,
        entry: usize,
        [h, m]: [usize; 2],
        z: &[f64],
        scale: &dyn Fn((usize, usize), usize) -> f64,
    ) -> ForecastScores {
        let mut sums = ForecastScores {
            horizon: ahead + 1,
            entry,
            coverage: vec![0.0; z.len()],
            ..ForecastScores::default()
        };
        let (mut squares, mut scaled, mut num_scaled) = (0.0, 0.0, 0.0);
        for (o, &origin) in self.origins.iter().enumerate() {
            let place = (o * h + ahead) * m + entry;
            let (error, variance) = (self.errors[place], self.variances[place]);
            if error.is_nan() {
                continue;
            }
            sums.count += 1;
            sums.log_score += gaussian_log_score(error, 0.0, variance);
            sums.crps += gaussian_crps(error, 0.0, variance);
            sums.mae += error.abs();
            sums.mean_error += error;
            squares += error * error;
            let naive = scale(origin, entry);
            if naive > 0.0 {
                scaled += error.abs() / naive;
                num_scaled += 1.0;
            }
            for (covered, z) in sums.coverage.iter_mut().zip(z) {
                *covered += f64::from(u8::from(error.abs() <= z * variance.max(0.0).sqrt()));
            }
        }
        let n = sums.count as f64;
        for sum in [&mut sums.log_score, &mut sums.crps, &mut sums.mae, &mut sums.mean_error]
            .into_iter()
            .chain(&mut sums.coverage)
        {
            *sum /= n;
        }
        ForecastScores { rmse: (squares / n).sqrt(), mase: scaled / num_scaled, ..sums }
    }
}

/// Mean |y_t − y_{t−s}| over the pairs within the first t + 1 steps, \[T, M\] of each sequence; NaN before any.
fn naive_scales(data: &Dataset<'_>, season: usize) -> Vec<Vec<f64>> {
    let m = data.width();
    let of = |n: usize| {
        let rows = data.sequence(n).emissions;
        let (mut sums, mut counts) = (vec![0.0; m], vec![0.0; m]);
        let mut scales = Vec::with_capacity(rows.len());
        for (place, y) in rows.iter().enumerate() {
            let i = place % m;
            if let Some(before) = place.checked_sub(season * m)
                && !(y - rows[before]).is_nan()
            {
                sums[i] += (y - rows[before]).abs();
                counts[i] += 1.0;
            }
            scales.push(sums[i] / counts[i]);
        }
        scales
    };
    (0..data.num_sequences()).map(of).collect()
}

/// log N(y | mean, cov) of the observed entries; `None` if there are none, or one has no variance.
fn joint_log_density(y: &[f64], mean: &[f64], cov: &[f64]) -> Option<f64> {
    let m = y.len();
    let seen: Vec<usize> = (0..m).filter(|i| !y[*i].is_nan()).collect();
    let k = seen.len();
    let block: Vec<f64> = (0..k * k).map(|ij| cov[seen[ij / k] * m + seen[ij % k]]).collect();
    let errors: Vec<f64> = seen.iter().map(|i| y[*i] - mean[*i]).collect();
    let mut l = block.clone();
    if k == 0 || semidefinite_cholesky(&mut l, k) != Ok(k) {
        return None;
    }
    let log_det: f64 = (0..k).map(|i| l[i * k + i].ln()).sum();
    let square: f64 = whiten(&errors, block).iter().map(|e| e * e).sum();
    Some(-0.5 * (k as f64 * (2.0 * std::f64::consts::PI).ln() + square) - log_det)
}
