//! Fixed-lag smoothing: p(z_t | y_{1:t+lag}), and every state in a window behind the newest step.

use super::check::{length, sizes};
use super::filter::{block_len, filter};
use super::log_space::{LogTransitions, forward, log_combine_columns, normalise_in_place};
use super::workspace::grow;
use super::{Chain, ChainError, Transitions, Workspace};
use crate::math::log_sum_exp;

/// Smooths every step with the `lag` observations that follow it; returns log p(y_{1:T}).
///
/// * `smoothed` – out, p(z_t = k | y_{1:min(T, t+lag)}), shape \[T, K\].
///
/// # Errors
/// As in [`smooth`](super::smooth()).
///
/// # Source
/// Cappé, Moulines and Rydén (2005), §3.2 (backward recursion), restarted at every step.
/// O(T · lag · K²) time. With a matrix per step, and where a window underflows, it is done on
/// logarithms, in O(T K) memory; else nothing is allocated.
pub fn fixed_lag(
    chain: &Chain<'_>,
    ws: &mut Workspace,
    lag: usize,
    smoothed: &mut [f64],
) -> Result<f64, ChainError> {
    let (num_steps, k) = sizes(chain)?;
    length("smoothed", smoothed.len(), num_steps * k)?;
    if let Transitions::Static(a) = chain.transitions {
        let evidence = filter(chain, ws, smoothed, None)?;
        if add_later(chain, a, ws, lag, smoothed) {
            return Ok(evidence);
        }
    }
    let mut messages = Messages::new(chain)?;
    for newest in 0..num_steps {
        // The newest observation completes the row `lag` steps back; the last one completes all.
        let oldest = newest.saturating_sub(lag);
        messages.walk_back(newest, oldest, |t, row| {
            if t + lag == newest || newest + 1 == num_steps {
                smoothed[t * k..(t + 1) * k].copy_from_slice(row);
            }
        });
    }
    Ok(messages.evidence)
}

/// Turns filtered rows into fixed-lag ones; false where a window leaves the range of doubles.
fn add_later(chain: &Chain<'_>, a: &[f64], ws: &mut Workspace, lag: usize, rows: &mut [f64]) -> bool {
    let (num_steps, k) = (chain.observations.num_steps(), chain.initial.len());
    let len = block_len(k).max(lag.min(num_steps));
    let Workspace { block, backward, .. } = ws;
    let beta = grow(&mut backward.beta, k);
    let weighted = grow(&mut backward.weighted, k);
    for first in (0..num_steps).step_by(len) {
        let last = num_steps.min(first + len);
        // Likelihoods of the steps after `first`, as far as the windows of this block reach.
        let later = first + 1..num_steps.min(last.saturating_add(lag)).max(first + 1);
        let scaled = grow(&mut block.scaled, later.len() * k);
        let shift = grow(&mut block.shift, later.len());
        chain.observations.scaled_likelihoods(later, scaled, shift);
        for t in first..last {
            let end = num_steps.min((t + 1).saturating_add(lag));
            let window = &scaled[(t - first) * k..(end - 1 - first) * k];
            if !reweigh(a, window, beta, weighted, &mut rows[t * k..(t + 1) * k]) {
                return false;
            }
        }
    }
    true
}

/// Multiplies a filtered row by the message of the `window` of scaled likelihoods after it.
///
/// NUMERICS: what was flushed to zero on the way weighs less than 1e-308 beside a sum above 1e-200.
fn reweigh(a: &[f64], window: &[f64], beta: &mut [f64], weighted: &mut [f64], row: &mut [f64]) -> bool {
    const SMALLEST: f64 = 1e-200;
    let k = row.len();
    beta.fill(1.0);
    for b in window.rchunks_exact(k) {
        weighted.iter_mut().zip(b).zip(&*beta).for_each(|((w, b), beta)| *w = b * beta);
        for (beta, a) in beta.iter_mut().zip(a.chunks_exact(k)) {
            *beta = a.iter().zip(&*weighted).map(|(a, w)| a * w).sum();
        }
        let largest = beta.iter().copied().fold(0.0, f64::max);
        if largest < SMALLEST {
            return false;
        }
        beta.iter_mut().for_each(|x| *x /= largest);
    }
    row.iter_mut().zip(&*beta).for_each(|(x, beta)| *x *= beta);
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= sum);
    sum > SMALLEST
}

/// Smooths a window behind every step; returns log p(y_{1:T}).
///
/// * `_ws` – not needed yet; this engine allocates.
/// * `window` – W ≥ 1.
/// * `out` – p(z_{t-W+1+j} = k | y_{1:t}) at \[t, j, k\] (0-based), shape \[T, W, K\]; rows before the
///   first step are zero.
/// * `cumulative` – out, log p(y_{1:t}), shape \[T\].
///
/// # Errors
/// As in [`smooth`](super::smooth()).
///
/// # Source
/// As in [`fixed_lag`]. O(T W K²) time.
pub fn fixed_lag_windows(
    chain: &Chain<'_>,
    _ws: &mut Workspace,
    window: usize,
    out: &mut [f64],
    cumulative: &mut [f64],
) -> Result<f64, ChainError> {
    let (num_steps, k) = sizes(chain)?;
    length("out", out.len(), num_steps * window * k)?;
    length("cumulative", cumulative.len(), num_steps)?;
    let mut messages = Messages::new(chain)?;
    cumulative.copy_from_slice(&messages.cumulative);
    for (newest, rows) in out.chunks_exact_mut((window * k).max(1)).enumerate().take(num_steps) {
        rows.fill(0.0);
        messages.walk_back(newest, (newest + 1).saturating_sub(window), |t, row| {
            let j = t + window - 1 - newest;
            rows[j * k..(j + 1) * k].copy_from_slice(row);
        });
    }
    Ok(messages.evidence)
}

/// log α_t and log b_t of all steps, and room for one backward walk.
struct Messages<'a> {
    transitions: LogTransitions<'a>,
    log_alpha: Vec<f64>,
    log_b: Vec<f64>,
    cumulative: Vec<f64>,
    evidence: f64,
    log_beta: Vec<f64>,
    weighted: Vec<f64>,
    row: Vec<f64>,
}

impl<'a> Messages<'a> {
    fn new(chain: &Chain<'a>) -> Result<Self, ChainError> {
        let (num_steps, k) = sizes(chain)?;
        let mut log_alpha = vec![0.0; num_steps * k];
        let mut cumulative = vec![0.0; num_steps];
        let evidence = forward(chain, |t, _, row, shift| {
            log_alpha[t * k..(t + 1) * k].copy_from_slice(row);
            cumulative[t] = shift + log_sum_exp(row);
        })?;
        let mut log_b = vec![0.0; num_steps * k];
        chain.observations.log_likelihoods(0..num_steps, &mut log_b);
        let [log_beta, weighted, row] = [0, 1, 2].map(|_| vec![0.0; k]);
        let transitions = LogTransitions::new(chain);
        Ok(Self { transitions, log_alpha, log_b, cumulative, evidence, log_beta, weighted, row })
    }

    /// Emits (t, p(z_t | y_{1:newest})) for t = newest … oldest.
    fn walk_back(&mut self, newest: usize, oldest: usize, mut emit: impl FnMut(usize, &[f64])) {
        let k = self.row.len();
        self.log_beta.fill(0.0);
        for t in (oldest..=newest).rev() {
            let rows = t * k..(t + 1) * k;
            for i in 0..k {
                self.row[i] = self.log_alpha[rows.start + i] + self.log_beta[i];
            }
            normalise_in_place(&mut self.row);
            emit(t, &self.row);
            if t > oldest {
                for j in 0..k {
                    self.weighted[j] = self.log_b[rows.start + j] + self.log_beta[j];
                }
                let log_a = self.transitions.matrix(t);
                log_combine_columns(log_a, &self.weighted, &mut self.row, &mut self.log_beta);
            }
        }
    }
}
