//! Filtering and smoothing of one long sequence, blocks of time in parallel.
//!
//! M_b = Π_{t in block b} A_t diag(b_t), row i of which is the forward pass from state i;
//! α at the end of block b = α before it · M_b, and β before it = M_b β after it.
//!
//! 1. The rows of all M_b in parallel, each with a scale of its own.
//! 2. α and β at all block ends, one block after another.
//! 3. All blocks filtered and smoothed in parallel from these.
//!
//! The blocks depend on T and K only, so the result is the same, bit for bit, for any number of
//! threads. The evidence is summed outside the scan, over the steps of 3.
//!
//! # Source
//! Särkkä and García-Fernández (2021), "Temporal parallelization of Bayesian smoothers"; the
//! blocked form is Blelloch's (1990). O(T K³ / threads) time.

use std::ops::Range;

use rayon::prelude::*;

use super::backward_kernel::{self, BackwardRun};
use super::belief::Belief;
use super::check::{length, optional_length, sizes};
use super::filter::{Stepper, block_len};
use super::lanes;
use super::matrix::pad_transposed;
use super::workspace::{BackwardBuffers, StepperBuffers, Workspace, grow};
use super::{Chain, ChainError, Smoothed, Transitions};

/// Steps of the shortest block, and the largest number of blocks.
const MIN_BLOCK: usize = 2048;
const MAX_BLOCKS: usize = 64;

/// Filters a chain in parallel and returns log p(y_{1:T}); `filtered` and `predicted` as in
/// [`filter`](super::filter()).
///
/// # Errors
/// As in [`filter`](super::filter()).
pub fn filter(
    chain: &Chain<'_>,
    filtered: &mut [f64],
    mut predicted: Option<&mut [f64]>,
) -> Result<f64, ChainError> {
    let (num_steps, k) = sizes(chain)?;
    length("filtered", filtered.len(), num_steps * k)?;
    optional_length("predicted", &predicted, num_steps * k)?;
    let predicted_rows = predicted.as_deref_mut();
    let mut out = Smoothed { predicted: predicted_rows, ..Smoothed::only(filtered) };
    match attempt(chain, &mut out, false) {
        Some(log_evidence) => Ok(log_evidence),
        None => super::filter(chain, &mut Workspace::default(), filtered, predicted),
    }
}

/// Smooths a chain in parallel and returns log p(y_{1:T}); `out` as in [`smooth`](super::smooth()).
///
/// Chains whose blocks leave the range of doubles, and chains that are not static, are smoothed
/// in one pass over time instead.
///
/// # Errors
/// As in [`smooth`](super::smooth()).
pub fn smooth(chain: &Chain<'_>, mut out: Smoothed<'_>) -> Result<f64, ChainError> {
    out.check(chain)?;
    match attempt(chain, &mut out, true) {
        Some(log_evidence) => Ok(log_evidence),
        None => super::smooth(chain, &mut Workspace::default(), out),
    }
}

/// Steps of one block.
fn block_steps(num_steps: usize) -> usize {
    num_steps.div_ceil(MAX_BLOCKS).max(MIN_BLOCK)
}

/// The scan; `None` where a block leaves the range of doubles or is impossible.
///
/// Without `smoothing`, `out.smoothed` takes the filtered rows.
fn attempt(chain: &Chain<'_>, out: &mut Smoothed<'_>, smoothing: bool) -> Option<f64> {
    let num_steps = chain.observations.num_steps();
    let k = chain.initial.len();
    let len = block_steps(num_steps);
    if num_steps <= len || (smoothing && !can_smooth(chain, out)) {
        return None;
    }
    let blocks: Vec<Range<usize>> =
        (0..num_steps).step_by(len).map(|first| first..num_steps.min(first + len)).collect();
    // The first block starts from π and needs no matrix.
    let transfers: Vec<Transfer> =
        blocks[1..].par_iter().map(|steps| transfer(chain, steps.clone())).collect::<Option<_>>()?;
    let mut head = vec![0.0; len * k];
    let first = run(chain, blocks[0].clone(), &Start::Initial, &mut head, None)?;
    let mut starts = vec![Start::Initial, Start::Alpha(first.alpha[..k].to_vec())];
    for transfer in &transfers[..transfers.len() - 1] {
        let alpha = transfer.forward(starts[starts.len() - 1].alpha());
        starts.push(Start::Alpha(alpha));
    }
    let mut ends = vec![vec![1.0; k]];
    for transfer in transfers.iter().rev() {
        ends.push(transfer.backward(&ends[ends.len() - 1]));
    }
    ends.reverse();
    let filtered = chunks(out.filtered.as_deref_mut(), len * k, blocks.len());
    let predicted = chunks(out.predicted.as_deref_mut(), len * k, blocks.len());
    let pairs = out.pair_sum.is_some();
    let parts: Vec<Part> = out
        .smoothed
        .par_chunks_mut(len * k)
        .zip(filtered.into_par_iter().zip(predicted))
        .zip(blocks.par_iter().zip(&starts).zip(&ends))
        .map(|((rows, (filtered, predicted)), ((steps, start), end))| {
            let belief = run(chain, steps.clone(), start, rows, predicted)?;
            let before: f64 = start.alpha().iter().sum();
            let log_evidence = belief.marginal_loglik() - before.ln();
            if let Some(filtered) = filtered {
                filtered.copy_from_slice(rows);
            }
            let last_filtered = rows[rows.len() - k..].to_vec();
            let mut ws = Workspace::default();
            if smoothing && !smooth_block(chain, &mut ws, steps.clone(), end, rows, pairs) {
                return None;
            }
            Some(Part { log_evidence, last_filtered, backward: ws.backward })
        })
        .collect::<Option<_>>()?;
    if let (Some(sum), Transitions::Static(a)) = (out.pair_sum.as_deref_mut(), chain.transitions) {
        sum_pairs(a, k, &parts, sum);
    }
    Some(parts.iter().map(|part| part.log_evidence).sum())
}

/// Whether blocks of the chain can be smoothed, with the pairs if they are wanted.
fn can_smooth(chain: &Chain<'_>, out: &Smoothed<'_>) -> bool {
    match chain.transitions {
        Transitions::Static(a) => out.pair_sum.is_none() || backward_kernel::can_sum_pairs(a),
        _ => false,
    }
}

/// Rows of each block, if there are any.
fn chunks(rows: Option<&mut [f64]>, size: usize, count: usize) -> Vec<Option<&mut [f64]>> {
    match rows {
        Some(rows) => rows.chunks_mut(size).map(Some).collect(),
        None => (0..count).map(|_| None).collect(),
    }
}

/// What one block leaves behind.
struct Part {
    log_evidence: f64,
    /// p(z_t | y_{1:t}) of its last step.
    last_filtered: Vec<f64>,
    /// Its pairs, and w of its first step.
    backward: BackwardBuffers,
}

/// Σ_t ξ_t: within the blocks, and where one block hands over to the next, in the order of time.
///
/// ξ_t(i, j) ∝ α_{t-1}(i) A(i, j) w_t(j)
fn sum_pairs(a: &[f64], k: usize, parts: &[Part], sum: &mut [f64]) {
    sum.fill(0.0);
    let mut pair = vec![0.0; k * k];
    for (b, part) in parts.iter().enumerate() {
        backward_kernel::add_pairs(&part.backward, a, k, sum);
        let Some(next) = parts.get(b + 1) else { break };
        let rows = pair.chunks_exact_mut(k).zip(a.chunks_exact(k)).zip(&part.last_filtered);
        for ((pair, a), alpha) in rows {
            for ((pair, a), w) in pair.iter_mut().zip(a).zip(&next.backward.weighted) {
                *pair = alpha * a * w;
            }
        }
        let total: f64 = pair.iter().sum();
        sum.iter_mut().zip(&pair).for_each(|(sum, pair)| *sum += pair / total);
    }
}

/// Where a block starts from.
enum Start {
    Initial,
    Alpha(Vec<f64>),
}

impl Start {
    /// α before the block; its sum is 1 before the first.
    fn alpha(&self) -> &[f64] {
        match self {
            Self::Initial => &[1.0],
            Self::Alpha(alpha) => alpha,
        }
    }
}

/// Filters one block; `None` if it is impossible or states underflow.
fn run(
    chain: &Chain<'_>,
    steps: Range<usize>,
    start: &Start,
    rows: &mut [f64],
    mut predicted: Option<&mut [f64]>,
) -> Option<Belief> {
    let k = chain.initial.len();
    let mut belief = Belief::default();
    belief.reset(k);
    if let Start::Alpha(alpha) = start {
        belief.alpha[..k].copy_from_slice(alpha);
        belief.sum = lanes::sum(&belief.alpha);
    }
    let mut visit = Visit::new(k);
    let mut buffers = StepperBuffers::default();
    let mut stepper = Stepper::new(chain, &mut buffers);
    visit.blocks(chain, steps, |first, scaled, shift, log_b, offset| {
        let filtered = &mut rows[offset * k..][..scaled.len()];
        let predicted = predicted.as_deref_mut().map(|all| &mut all[offset * k..][..scaled.len()]);
        stepper.block(&mut belief, first, scaled, shift, log_b, filtered, predicted).ok()?;
        (!belief.any_faint).then_some(())
    })?;
    Some(belief)
}

/// Turns a block of filtered rows into smoothed ones; leaves the pairs within it in `ws.backward`.
fn smooth_block(
    chain: &Chain<'_>,
    ws: &mut Workspace,
    steps: Range<usize>,
    end: &[f64],
    rows: &mut [f64],
    pairs: bool,
) -> bool {
    let Transitions::Static(a) = chain.transitions else { return false };
    let k = chain.initial.len();
    backward_kernel::reset(&mut ws.backward, k);
    ws.backward.beta[..k].copy_from_slice(end);
    let transposed = pad_transposed(a, k, &mut ws.matrix.transposed);
    let len = block_len(k);
    for first in steps.clone().step_by(len).rev() {
        let inner = first..steps.end.min(first + len);
        let scaled = grow(&mut ws.block.scaled, inner.len() * k);
        let shift = grow(&mut ws.block.shift, inner.len());
        chain.observations.scaled_likelihoods(inner.clone(), scaled, shift);
        let rows = &mut rows[(first - steps.start) * k..(inner.end - steps.start) * k];
        let run = BackwardRun { num_states: k, transposed, scaled, rows, pairs };
        if !backward_kernel::retreat(&mut ws.backward, run) {
            return false;
        }
    }
    true
}

/// The rows of one M_b.
struct Transfer {
    /// Row i, without its scale; all zero if nothing can start in i.
    rows: Vec<Vec<f64>>,
    /// ln of the scales relative to the largest.
    log_scale: Vec<f64>,
}

impl Transfer {
    /// α M, its largest entry brought near 1.
    fn forward(&self, alpha: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; alpha.len()];
        for ((alpha, row), log_scale) in alpha.iter().zip(&self.rows).zip(&self.log_scale) {
            let weight = alpha * log_scale.exp();
            out.iter_mut().zip(row).for_each(|(out, x)| *out += weight * x);
        }
        normalise(out)
    }

    /// M β, its largest entry brought near 1.
    fn backward(&self, beta: &[f64]) -> Vec<f64> {
        let dot = |row: &Vec<f64>| row.iter().zip(beta).map(|(x, b)| x * b).sum::<f64>();
        let scaled = self.rows.iter().zip(&self.log_scale);
        normalise(scaled.map(|(row, log_scale)| log_scale.exp() * dot(row)).collect())
    }
}

fn normalise(mut x: Vec<f64>) -> Vec<f64> {
    let max = x.iter().copied().fold(0.0, f64::max);
    x.iter_mut().for_each(|x| *x /= max);
    x
}

/// M of one block: a forward pass from every state, side by side over the same likelihoods.
fn transfer(chain: &Chain<'_>, steps: Range<usize>) -> Option<Transfer> {
    let k = chain.initial.len();
    let mut beliefs = vec![Belief::default(); k];
    for (i, belief) in beliefs.iter_mut().enumerate() {
        belief.reset(k);
        belief.alpha[i] = 1.0;
    }
    let mut visit = Visit::new(k);
    let mut buffers = StepperBuffers::default();
    let mut stepper = Stepper::new(chain, &mut buffers);
    let mut scratch = vec![0.0; block_len(k) * k];
    visit.blocks(chain, steps, |first, scaled, shift, log_b, _| {
        for belief in beliefs.iter_mut() {
            let filtered = &mut scratch[..scaled.len()];
            stepper.block(belief, first, scaled, shift, log_b, filtered, None).ok()?;
        }
        beliefs.iter().all(|belief| !belief.any_faint).then_some(())
    })?;
    let log_scale: Vec<f64> = beliefs.iter().map(Belief::log_scale).collect();
    let max = log_scale.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // NUMERICS: start states that differ by more than this would lose digits in α M.
    if log_scale.iter().any(|x| x - max < -600.0) {
        return None;
    }
    Some(Transfer {
        rows: beliefs.iter().map(|belief| belief.alpha[..k].to_vec()).collect(),
        log_scale: log_scale.iter().map(|x| x - max).collect(),
    })
}

/// Buffers for a walk over a block's scaled likelihoods.
struct Visit {
    scaled: Vec<f64>,
    shift: Vec<f64>,
    log_b: Vec<f64>,
}

impl Visit {
    fn new(num_states: usize) -> Self {
        let len = block_len(num_states);
        Self { scaled: vec![0.0; len * num_states], shift: vec![0.0; len], log_b: vec![0.0; num_states] }
    }

    /// Calls `each(first, scaled, shift, log_b, first − steps.start)` until it returns `None`.
    fn blocks(
        &mut self,
        chain: &Chain<'_>,
        steps: Range<usize>,
        mut each: impl FnMut(usize, &[f64], &[f64], &mut [f64], usize) -> Option<()>,
    ) -> Option<()> {
        let k = self.log_b.len();
        for first in steps.clone().step_by(self.shift.len()) {
            let inner = first..steps.end.min(first + self.shift.len());
            let scaled = &mut self.scaled[..inner.len() * k];
            let shift = &mut self.shift[..inner.len()];
            chain.observations.scaled_likelihoods(inner, scaled, shift);
            each(first, scaled, shift, &mut self.log_b, first - steps.start)?;
        }
        Some(())
    }
}
