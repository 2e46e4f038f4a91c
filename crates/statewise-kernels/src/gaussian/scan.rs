//! Filtering and smoothing of one long series, blocks of time in parallel.
//!
//! Given the state before a block, the rest is a filter that starts from certainty; with Φ, J and η as in
//! [`transfer`](super::transfer) over it, b and C its last filtered moments, a belief N(m, P) before the
//! block becomes at its end
//!
//! P' = Φ (I + P J)⁻¹ P Φᵀ + C;  m' = Φ (m + (I + P J)⁻¹ P (η − J m)) + b
//!
//! 1. (Φ, b, C, J, η) of all blocks in parallel. Where Φ vanishes over the block's tail, the tail will do:
//!    a filter that forgets costs a few dozen steps per block here, not all of them.
//! 2. Beliefs at all block ends, one block after another.
//! 3. All blocks filtered in parallel, by the ordinary engine, from these beliefs.
//!
//! Backwards, r = η + Ψᵀ r' and N = J + Ψᵀ N' Ψ carry the smoother's adjoints over a block in the same
//! three moves; over its head where Ψ vanishes.
//!
//! The evidence is summed over the innovations of 3, so states far from zero cost it nothing. Blocks
//! depend on T alone: the result is the same, bit for bit, for any number of threads.
//!
//! # Source
//! Särkkä and García-Fernández (2021), "Temporal parallelization of Bayesian smoothers".

use std::ops::Range;

use rayon::prelude::*;

use super::dense::{Into, Left, mirror, product};
use super::gains::Gains;
use super::means::{MeanRows, MeanScratch, MeanState, advance_means};
use super::riccati::{Riccati, identity};
use super::schedule::{CHUNK, FilterRows, Forward, Later, Scheduled, SmootherRows, Start, filter_block};
use super::system::{Series, System};
use super::transfer::Transfer;
use crate::discrete::Schedule;
use crate::linalg::{cholesky, semidefinite_cholesky, solve_chol, solve_lower};
use crate::math::dispatch::BASELINE;

/// Steps of the shortest block, and the largest number of blocks.
const MIN_BLOCK: usize = 1024;
const MAX_BLOCKS: usize = 64;
/// Steps of the first tail that is tried.
const TAIL: usize = 128;
/// Work (steps times D³) from which on [`Schedule::Auto`] thinks of blocks.
const MIN_WORK: usize = 500_000;

/// A block, and the predicted moments of its first state.
pub(super) struct Block {
    steps: Range<usize>,
    mean: Vec<f64>,
    cov: Vec<f64>,
}

impl Block {
    fn start(&self) -> Start<'_> {
        Start { steps: self.steps.clone(), mean: &self.mean, cov: &self.cov }
    }
}

/// Cuts the series into blocks and finds where each starts; `None` where it goes step by step.
pub(super) fn starts(
    system: &System<'_>,
    series: &Series<'_>,
    schedule: Schedule,
    steady_state: bool,
) -> Option<Vec<Block>> {
    let (num_steps, d) = (series.num_steps(system), system.state_dim);
    let len = num_steps.div_ceil(MAX_BLOCKS).max(MIN_BLOCK);
    let work = num_steps.saturating_mul(d * d * d);
    let too_short = schedule == Schedule::Auto && work < MIN_WORK;
    if schedule == Schedule::Sequential || num_steps <= len || too_short {
        return None;
    }
    let blocks: Vec<Range<usize>> =
        (0..num_steps).step_by(len).map(|first| first..num_steps.min(first + len)).collect();
    if schedule == Schedule::Auto {
        let probe = summarise(system, series, &blocks[0], steady_state)?;
        if probe.tail > len / 8 {
            return None;
        }
    }
    let all = &blocks[..blocks.len() - 1];
    let summaries: Vec<Summary> = all
        .par_iter()
        .map(|steps| summarise(system, series, steps, steady_state))
        .collect::<Option<_>>()?;
    let mut out = Vec::with_capacity(blocks.len());
    out.push(Block {
        steps: blocks[0].clone(),
        mean: system.initial_mean.to_vec(),
        cov: system.initial_cov.to_vec(),
    });
    let mut belief = (Vec::new(), Vec::new());
    for (summary, steps) in summaries.into_iter().zip(&blocks[1..]) {
        belief = summary.carry(d, belief)?;
        out.push(predict(system, series, steps.clone(), &belief));
    }
    Some(out)
}

/// Filters all blocks; `None` where one of them has to decide about rank, or fails.
pub(super) fn filter(
    system: &System<'_>,
    series: &Series<'_>,
    blocks: &[Block],
    steady_state: bool,
    out: &mut FilterRows<'_>,
) -> Option<Scheduled> {
    let (len, d) = (blocks[0].steps.len(), system.state_dim);
    let mut predicted_means = chunks(out.predicted_means, len * d, blocks.len());
    let mut predicted_covs = chunks(out.predicted_covs, len * d * d, blocks.len());
    let mut filtered_means = chunks(out.filtered_means, len * d, blocks.len());
    let mut filtered_covs = chunks(out.filtered_covs, len * d * d, blocks.len());
    let mut rows = Vec::with_capacity(blocks.len());
    for _ in blocks {
        rows.push(FilterRows {
            predicted_means: predicted_means.next()?,
            predicted_covs: predicted_covs.next()?,
            filtered_means: filtered_means.next()?,
            filtered_covs: filtered_covs.next()?,
        });
    }
    let parts: Vec<f64> = blocks
        .par_iter()
        .zip(rows)
        .map(|(block, mut rows)| {
            let done = filter_block(system, series, &block.start(), steady_state, &mut rows).ok()?;
            may_be_cut(block, done.rank_lost).then(|| done.means.marginal_loglik())
        })
        .collect::<Option<_>>()?;
    Some(Scheduled { marginal_loglik: parts.iter().sum(), num_blocks: blocks.len() })
}

/// Smooths all blocks; `None` as in [`filter`].
pub(super) fn smooth(
    system: &System<'_>,
    series: &Series<'_>,
    blocks: &[Block],
    steady_state: bool,
    out: &mut SmootherRows<'_>,
) -> Option<Scheduled> {
    let (len, d) = (blocks[0].steps.len(), system.state_dim);
    let mut filtered_means = chunks(out.filtered_means, len * d, blocks.len());
    let mut filtered_covs = chunks(out.filtered_covs, len * d * d, blocks.len());
    let mut smoothed_means = chunks(out.smoothed_means, len * d, blocks.len());
    let mut smoothed_covs = chunks(out.smoothed_covs, len * d * d, blocks.len());
    let mut lag_one_covs = chunks(out.lag_one_covs, len * d * d, blocks.len());
    let mut rows = Vec::with_capacity(blocks.len());
    for _ in blocks {
        rows.push(SmootherRows {
            filtered_means: filtered_means.next()?,
            filtered_covs: filtered_covs.next()?,
            smoothed_means: smoothed_means.next()?,
            smoothed_covs: smoothed_covs.next()?,
            lag_one_covs: lag_one_covs.next()?,
        });
    }
    let parts: Vec<(Forward, Transfer)> = blocks
        .par_iter()
        .zip(&mut rows)
        .map(|(block, rows)| {
            let forward = Forward::run(system, series, &block.start(), steady_state, rows).ok()?;
            let mut unit = vec![0.0; d * d];
            identity(d, &mut unit);
            let mut head = Transfer::start(system, unit);
            if block.steps.start > 0 {
                let is_last = block.steps.end == series.num_steps(system);
                head.advance(system, &forward.gains, &forward.innovations, is_last);
            }
            may_be_cut(block, forward.rank_lost).then_some((forward, head))
        })
        .collect::<Option<_>>()?;
    let mut adjoints = vec![(vec![0.0; d], vec![0.0; d * d])];
    for (b, (_, head)) in parts.iter().enumerate().skip(1).rev() {
        let after = &adjoints[parts.len() - 1 - b];
        let carried = if b + 1 == parts.len() {
            (head.score.clone(), head.precision.clone())
        } else {
            carry_back(d, head, after)
        };
        adjoints.push(carried);
    }
    adjoints.reverse();
    parts.par_iter().zip(rows).enumerate().for_each(|(b, ((forward, _), mut rows))| {
        let later = parts.get(b + 1).map(|(next, _)| Later {
            adjoint: &adjoints[b].0,
            precision: &adjoints[b].1,
            predicted: next.gains.predicted_cov(next.gains.first),
        });
        forward.smooth(system, later.as_ref(), &mut rows);
    });
    let marginal_loglik = parts.iter().map(|(forward, _)| forward.means.marginal_loglik()).sum();
    Some(Scheduled { marginal_loglik, num_blocks: blocks.len() })
}

/// Directions of innovations without variance are told from rounding by what came before; only the
/// first block knows that.
fn may_be_cut(block: &Block, rank_lost: usize) -> bool {
    block.steps.start == 0 || rank_lost == 0
}

/// Rows of each block; empty ones of an array that is not kept.
fn chunks(rows: &mut [f64], size: usize, count: usize) -> impl Iterator<Item = &mut [f64]> {
    let none = if rows.is_empty() { count } else { 0 };
    rows.chunks_mut(size).chain(std::iter::repeat_with(|| &mut [][..]).take(none))
}

/// What a block makes of a belief before it.
struct Summary {
    /// Φ, J and η; `None` where nothing of the belief is left.
    transfer: Option<Transfer>,
    mean: Vec<f64>,
    cov: Vec<f64>,
    /// Steps that were looked at.
    tail: usize,
}

/// The summary of a block, of its tail where that will do. The first block starts from the initial
/// moments.
fn summarise(
    system: &System<'_>,
    series: &Series<'_>,
    block: &Range<usize>,
    steady_state: bool,
) -> Option<Summary> {
    let mut tail = TAIL;
    loop {
        tail = tail.min(block.len());
        let summary = filter_tail(system, series, block.end - tail..block.end, steady_state)?;
        let Some(transfer) = &summary.transfer else { return Some(summary) };
        if tail == block.len() {
            return Some(summary);
        }
        // As many steps as it takes at the pace so far, and some.
        let pace = -transfer.size().ln() / tail as f64;
        let wanted = if pace > 0.0 { 1.25 * 92.5 / pace } else { f64::INFINITY };
        let almost_all = 0.7 * block.len() as f64;
        tail = if wanted < almost_all { (wanted as usize).max(2 * tail) } else { block.len() };
    }
}

/// Filters a stretch from certainty about the state before it.
fn filter_tail(
    system: &System<'_>,
    series: &Series<'_>,
    steps: Range<usize>,
    steady_state: bool,
) -> Option<Summary> {
    let (d, m, first) = (system.state_dim, system.emission_dim, steps.start);
    let (mut riccati, mut gains, mut scratch) =
        (Riccati::default(), Gains::default(), MeanScratch::default());
    let (mut means, mut transfer);
    if first == 0 {
        riccati.start(system, system.initial_cov, steady_state);
        means = MeanState::start(system.initial_mean);
        transfer = None;
    } else {
        riccati.start(system, system.transition_cov.at(first), steady_state);
        means = match &series.transition_offset {
            Some(offset) => MeanState::start(offset.at(first)),
            None => MeanState::start(&vec![0.0; d]),
        };
        transfer = Some(Transfer::start(system, system.transition.at(first).to_vec()));
    }
    let mut innovations = vec![0.0; CHUNK.min(steps.len()) * m];
    for begin in steps.clone().step_by(CHUNK) {
        let chunk = begin..steps.end.min(begin + CHUNK);
        let emissions = &series.emissions[chunk.start * m..chunk.end * m];
        let innovations = &mut innovations[..chunk.len() * m];
        riccati.advance(system, emissions, chunk.clone(), &mut gains).ok()?;
        let rows = MeanRows { innovations: &mut *innovations, ..MeanRows::default() };
        let part = Series { emissions, ..*series };
        advance_means(system, &part, chunk.clone(), &gains, &mut means, rows, &mut scratch).ok()?;
        if let Some(transfer) = &mut transfer {
            transfer.advance(system, &gains, innovations, chunk.end == steps.end);
        }
    }
    if first > 0 && riccati.report().rank_lost > 0 {
        return None;
    }
    let transfer = transfer.filter(|transfer| !transfer.forgotten);
    let cov = riccati.filtered_cov().to_vec();
    Some(Summary { transfer, mean: means.mean, cov, tail: steps.len() })
}

impl Summary {
    /// The filtered belief at the block's end from that before it; `None` where rounding has made a
    /// covariance indefinite.
    fn carry(self, d: usize, (before, cov): (Vec<f64>, Vec<f64>)) -> Option<(Vec<f64>, Vec<f64>)> {
        let Summary { transfer, mut mean, cov: mut carried, .. } = self;
        let Some(Transfer { phi, precision, mut score, .. }) = transfer else {
            return Some((mean, carried));
        };
        // P = L Lᵀ, G = I + Lᵀ J L = M Mᵀ and Y = M⁻¹ Lᵀ: (I + P J)⁻¹ P = L G⁻¹ Lᵀ = Yᵀ Y.
        let mut l = cov;
        semidefinite_cholesky(&mut l, d).ok()?;
        let (mut x, mut g) = (vec![0.0; d * d], vec![0.0; d * d]);
        identity(d, &mut g);
        multiply(d, Left::plain(&precision, d), &l, &mut x, Into::Set);
        multiply(d, Left::transposed(&l, d), &x, &mut g, Into::Add);
        cholesky(&mut g, d).ok()?;
        for (i, score) in score.iter_mut().enumerate() {
            *score -= (0..d).map(|j| precision[i * d + j] * before[j]).sum::<f64>();
        }
        let mut move_by: Vec<f64> = (0..d).map(|j| (0..d).map(|i| l[i * d + j] * score[i]).sum()).collect();
        solve_chol(&g, d, &mut move_by);
        let now: Vec<f64> =
            (0..d).map(|i| before[i] + (0..d).map(|j| l[i * d + j] * move_by[j]).sum::<f64>()).collect();
        for (i, mean) in mean.iter_mut().enumerate() {
            *mean += (0..d).map(|j| phi[i * d + j] * now[j]).sum::<f64>();
        }
        // Row i of L becomes column i of Y.
        l.chunks_exact_mut(d).for_each(|row| solve_lower(&g, d, row));
        multiply(d, Left::plain(&phi, d), &l, &mut x, Into::Set);
        multiply(d, Left::plain(&x, d), &transposed(d, &x), &mut carried, Into::Add);
        mirror::<0>(d, &mut carried);
        Some((mean, carried))
    }
}

/// The predicted moments of the first state of a block.
fn predict(
    system: &System<'_>,
    series: &Series<'_>,
    steps: Range<usize>,
    (before, filtered): &(Vec<f64>, Vec<f64>),
) -> Block {
    let (d, t) = (system.state_dim, steps.start);
    let a = system.transition.at(t);
    let mut mean = vec![0.0; d];
    series.transition_mean(system, t, before, &mut mean);
    let mut x = vec![0.0; d * d];
    multiply(d, Left::plain(filtered, d), &transposed(d, a), &mut x, Into::Set);
    let mut cov = system.transition_cov.at(t).to_vec();
    multiply(d, Left::plain(a, d), &x, &mut cov, Into::Add);
    mirror::<0>(d, &mut cov);
    Block { steps, mean, cov }
}

/// r = η + Ψᵀ r' and N = J + Ψᵀ N' Ψ.
fn carry_back(d: usize, head: &Transfer, (r, n): &(Vec<f64>, Vec<f64>)) -> (Vec<f64>, Vec<f64>) {
    let Transfer { psi, precision, score, .. } = head;
    let adjoint = (0..d).map(|j| score[j] + (0..d).map(|i| psi[i * d + j] * r[i]).sum::<f64>()).collect();
    let (mut x, mut carried) = (vec![0.0; d * d], precision.clone());
    multiply(d, Left::plain(n, d), psi, &mut x, Into::Set);
    multiply(d, Left::transposed(psi, d), &x, &mut carried, Into::Add);
    mirror::<0>(d, &mut carried);
    (adjoint, carried)
}

fn transposed(d: usize, a: &[f64]) -> Vec<f64> {
    (0..d * d).map(|i| a[(i % d) * d + i / d]).collect()
}

/// C (op)= A B of square matrices.
fn multiply(d: usize, a: Left<'_>, b: &[f64], c: &mut [f64], into: Into) {
    product::<BASELINE, 0>([d, d, d], a, b, c, into);
}
