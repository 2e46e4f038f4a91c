//! Filtering and smoothing of one long series, blocks of time in parallel.
//!
//! 1. What each block makes of a belief before it ([`summary`](super::summary)), in parallel. As a rule its
//!    tail says that: a filter that forgets costs a few dozen steps per block here, not all of them.
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

use super::dense::{Into, Left, mirror};
use super::schedule::{FilterRows, Forward, Later, Scheduled, SmootherRows, Start, filter_block};
use super::summary::{Settled, Summary, multiply, summarise, transposed};
use super::system::{Series, System};
use super::transfer::Transfer;
use crate::discrete::Schedule;

/// Steps of the shortest block, and the largest number of blocks.
const MIN_BLOCK: usize = 1024;
const MAX_BLOCKS: usize = 32;
/// Work (steps times D³) from which on [`Schedule::Auto`] thinks of blocks.
const MIN_WORK: usize = 500_000;

/// A block, and the predicted moments of its first state.
pub(super) struct Block {
    pub(super) steps: Range<usize>,
    mean: Vec<f64>,
    cov: Vec<f64>,
}

impl Block {
    pub(super) fn start(&self) -> Start<'_> {
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
    let len = block_steps(num_steps);
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
    let settled = Settled::of(system, steady_state, len);
    let summaries: Vec<Summary> = all
        .par_iter()
        .map(|steps| match settled.as_ref().and_then(|settled| settled.summarise(system, series, steps)) {
            Some(summary) => Some(summary),
            None => summarise(system, series, steps, steady_state),
        })
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

/// Steps of one block.
pub(super) fn block_steps(num_steps: usize) -> usize {
    num_steps.div_ceil(MAX_BLOCKS).max(MIN_BLOCK)
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
            let mut head = Transfer::unit(system);
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
pub(super) fn may_be_cut(block: &Block, rank_lost: usize) -> bool {
    block.steps.start == 0 || rank_lost == 0
}

/// Rows of each block; empty ones of an array that is not kept.
fn chunks(rows: &mut [f64], size: usize, count: usize) -> impl Iterator<Item = &mut [f64]> {
    let none = if rows.is_empty() { count } else { 0 };
    rows.chunks_mut(size).chain(std::iter::repeat_with(|| &mut [][..]).take(none))
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
