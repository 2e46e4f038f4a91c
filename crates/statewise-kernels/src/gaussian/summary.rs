//! What a block of steps makes of a belief before it.
//!
//! Given the state before a block, the rest is a filter that starts from certainty; with Φ, J and η as in
//! [`transfer`](super::transfer) over it, b and C its last filtered moments, a belief N(m, P) before the
//! block becomes at its end
//!
//! P' = Φ (I + P J)⁻¹ P Φᵀ + C;  m' = Φ (m + (I + P J)⁻¹ P (η − J m)) + b
//!
//! Where Φ vanishes over the block's tail, the tail will do.
//!
//! # Source
//! Särkkä and García-Fernández (2021), "Temporal parallelization of Bayesian smoothers".

use std::ops::Range;

use super::dense::{Into, Left, mirror, product};
use super::gains::Gains;
use super::means::{MeanRows, MeanScratch, MeanState, advance_means};
use super::riccati::{Riccati, identity};
use super::schedule::CHUNK;
use super::system::{Series, System};
use super::transfer::Transfer;
use crate::linalg::{cholesky, semidefinite_cholesky, solve_chol, solve_lower};
use crate::math::dispatch::BASELINE;

/// Steps of the first tail that is tried.
const TAIL: usize = 128;

/// What a block makes of a belief before it.
pub(super) struct Summary {
    /// Φ, J and η; `None` where nothing of the belief is left.
    transfer: Option<Transfer>,
    mean: Vec<f64>,
    cov: Vec<f64>,
    /// Steps that were looked at.
    pub(super) tail: usize,
}

/// The summary of a block, of its tail where that will do. The first block starts from the initial
/// moments.
pub(super) fn summarise(
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
    let (m, first) = (system.emission_dim, steps.start);
    let (mut riccati, mut gains, mut scratch) =
        (Riccati::default(), Gains::default(), MeanScratch::default());
    let (mut means, mut transfer);
    if first == 0 {
        riccati.start(system, system.initial_cov, steady_state);
        means = MeanState::start(system.initial_mean);
        transfer = None;
    } else {
        riccati.start(system, system.transition_cov.at(first), steady_state);
        means = certain(system, series, first);
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

/// The tail of every block of a fixed system where nothing is missing: its gains are the same in all of them,
/// so only means are left to be done.
pub(super) struct Settled {
    /// From certainty about the state before, as if for steps 0.. of a series.
    gains: Gains,
    /// Cov(z_t | y) after them.
    cov: Vec<f64>,
}

impl Settled {
    /// Filters from certainty until it is forgotten; `None` where that takes more than `most` steps.
    pub(super) fn of(system: &System<'_>, steady_state: bool, most: usize) -> Option<Self> {
        if !system.is_fixed() || !steady_state {
            return None;
        }
        let m = system.emission_dim;
        let (mut riccati, mut gains) = (Riccati::default(), Gains::default());
        let mut len = TAIL;
        while len < most {
            let (seen, innovations) = (vec![0.0; len * m], vec![0.0; len * m]);
            riccati.start(system, system.transition_cov.at(0), true);
            riccati.advance(system, &seen, 0..len, &mut gains).ok()?;
            let mut transfer = Transfer::start(system, system.transition.at(0).to_vec());
            transfer.advance(system, &gains, &innovations, true);
            if riccati.report().rank_lost > 0 {
                return None;
            }
            if transfer.forgotten {
                return Some(Settled { gains, cov: riccati.filtered_cov().to_vec() });
            }
            len *= 2;
        }
        None
    }

    /// The summary of a block; `None` where its tail has gaps.
    pub(super) fn summarise(
        &self,
        system: &System<'_>,
        series: &Series<'_>,
        block: &Range<usize>,
    ) -> Option<Summary> {
        let (m, tail) = (system.emission_dim, self.gains.num_steps());
        let steps = block.end.checked_sub(tail).filter(|first| *first > 0)?..block.end;
        let emissions = &series.emissions[steps.start * m..steps.end * m];
        if emissions.iter().any(|y| y.is_nan()) {
            return None;
        }
        let mut gains = self.gains.clone();
        gains.first = steps.start;
        let mut means = certain(system, series, steps.start);
        let part = Series { emissions, ..*series };
        let scratch = &mut MeanScratch::default();
        advance_means(system, &part, steps, &gains, &mut means, MeanRows::default(), scratch).ok()?;
        Some(Summary { transfer: None, mean: means.mean, cov: self.cov.clone(), tail })
    }
}

/// The predicted mean of step t from z_{t-1} = 0.
fn certain(system: &System<'_>, series: &Series<'_>, t: usize) -> MeanState {
    match &series.transition_offset {
        Some(offset) => MeanState::start(offset.at(t)),
        None => MeanState::start(&vec![0.0; system.state_dim]),
    }
}

impl Summary {
    /// The filtered belief at the block's end from that before it; `None` where rounding has made a
    /// covariance indefinite.
    pub(super) fn carry(
        self,
        d: usize,
        (before, cov): (Vec<f64>, Vec<f64>),
    ) -> Option<(Vec<f64>, Vec<f64>)> {
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

/// The transpose of a square matrix.
pub(super) fn transposed(d: usize, a: &[f64]) -> Vec<f64> {
    (0..d * d).map(|i| a[(i % d) * d + i / d]).collect()
}

/// C (op)= A B of square matrices.
pub(super) fn multiply(d: usize, a: Left<'_>, b: &[f64], c: &mut [f64], into: Into) {
    product::<BASELINE, 0>([d, d, d], a, b, c, into);
}
