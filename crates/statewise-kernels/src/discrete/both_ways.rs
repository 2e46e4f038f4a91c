//! Smoothing of one long sequence on two threads that meet in the middle.
//!
//! One thread filters the first half while the other takes the backward messages of the second;
//! then each goes on through the half where the other's messages already are, and multiplies.
//!
//! The backward pass is itself a forward pass, of the reversed chain with Aᵀ:
//! w_t = b_t ∘ β_t, β_{t-1} = A w_t, so that its "predictions" are β.

use std::ops::Range;

use super::belief::Belief;
use super::filter::{Stepper, block_len};
use super::forward_kernel::{self, ForwardRun};
use super::lanes;
use super::matrix::{Matrix, pad_transposed};
use super::workspace::MatrixBuffers;
use super::{Chain, ChainError, Smoothed, Transitions, Workspace};

/// Smooths a static chain on two threads and returns log p(y_{1:T}); `smoothed` as in
/// [`smooth`](super::smooth()).
///
/// The result does not depend on the number of threads. Chains that are not static, and messages
/// that leave the range of doubles, are taken in one pass over time.
///
/// # Errors
/// As in [`smooth`](super::smooth()).
pub fn smooth_both_ways(chain: &Chain<'_>, smoothed: &mut [f64]) -> Result<f64, ChainError> {
    Smoothed::only(smoothed).check(chain)?;
    match attempt(chain, smoothed) {
        Some(log_evidence) => Ok(log_evidence),
        None => super::smooth(chain, &mut Workspace::default(), Smoothed::only(smoothed)),
    }
}

fn attempt(chain: &Chain<'_>, smoothed: &mut [f64]) -> Option<f64> {
    let Transitions::Static(a) = chain.transitions else { return None };
    let num_steps = chain.observations.num_steps();
    let k = chain.initial.len();
    if num_steps < 2 {
        return None;
    }
    let half = num_steps / 2;
    let (early, late) = smoothed.split_at_mut(half * k);
    let mut matrices = MatrixBuffers::default();
    let mut forward = Forward {
        stepper: Stepper::new(chain, &mut matrices.stepper),
        belief: Belief::default(),
        buffers: Buffers::new(k),
    };
    let mut backward = Backward {
        transposed: pad_transposed(a, k, &mut matrices.transposed),
        belief: Belief::default(),
        buffers: Buffers::new(k),
    };
    forward.belief.reset(k);
    backward.belief.reset(k);
    let (first, second) = rayon::join(
        || forward.run(chain, 0..half, |rows, filtered| rows.copy_from_slice(filtered), early),
        || backward.run(chain, half..num_steps, |rows, beta| rows.copy_from_slice(beta), late),
    );
    first.and(second)?;
    let (mut agree_late, mut agree_early) = (true, true);
    let (first, second) = rayon::join(
        || forward.run(chain, half..num_steps, |r, m| agree_late &= multiply(r, m, k), late),
        || backward.run(chain, 0..half, |r, m| agree_early &= multiply(r, m, k), early),
    );
    first.and(second)?;
    (agree_late && agree_early).then(|| forward.belief.marginal_loglik())
}

/// Multiplies rows of both messages and normalises; false if they are disjoint.
fn multiply(rows: &mut [f64], messages: &[f64], num_states: usize) -> bool {
    let mut agree = true;
    for (row, message) in rows.chunks_exact_mut(num_states).zip(messages.chunks_exact(num_states)) {
        row.iter_mut().zip(message).for_each(|(x, m)| *x *= m);
        let total = lanes::sum(row);
        // NUMERICS: both rows sum to 1; the bound is that of the backward kernel.
        agree &= total > 1e-120;
        let scale = 1.0 / total;
        row.iter_mut().for_each(|x| *x *= scale);
    }
    agree
}

/// One block's likelihoods and messages.
struct Buffers {
    scaled: Vec<f64>,
    shift: Vec<f64>,
    log_b: Vec<f64>,
    messages: Vec<f64>,
    scratch: Vec<f64>,
}

impl Buffers {
    fn new(k: usize) -> Self {
        let len = block_len(k);
        let [scaled, messages, scratch] = [0, 1, 2].map(|_| vec![0.0; len * k]);
        Self { scaled, shift: vec![0.0; len], log_b: vec![0.0; k], messages, scratch }
    }
}

struct Forward<'a> {
    stepper: Stepper<'a>,
    belief: Belief,
    buffers: Buffers,
}

impl Forward<'_> {
    /// Emits filtered rows block by block; `None` where they need care.
    fn run(
        &mut self,
        chain: &Chain<'_>,
        steps: Range<usize>,
        mut emit: impl FnMut(&mut [f64], &[f64]),
        out: &mut [f64],
    ) -> Option<()> {
        let k = chain.initial.len();
        let Buffers { scaled, shift, log_b, messages, .. } = &mut self.buffers;
        for (first, rows) in steps.clone().step_by(shift.len()).zip(out.chunks_mut(shift.len() * k)) {
            let inner = first..first + rows.len() / k;
            let (scaled, shift) = (&mut scaled[..rows.len()], &mut shift[..inner.len()]);
            chain.observations.scaled_likelihoods(inner, scaled, shift);
            let filtered = &mut messages[..rows.len()];
            let belief = &mut self.belief;
            self.stepper.block(belief, first, scaled, shift, log_b, filtered, None).ok()?;
            if belief.any_faint {
                return None;
            }
            emit(rows, filtered);
        }
        Some(())
    }
}

struct Backward<'a> {
    transposed: Matrix<'a>,
    belief: Belief,
    buffers: Buffers,
}

impl Backward<'_> {
    /// Emits rows of β block by block from the end; `None` where they need care.
    fn run(
        &mut self,
        chain: &Chain<'_>,
        steps: Range<usize>,
        mut emit: impl FnMut(&mut [f64], &[f64]),
        out: &mut [f64],
    ) -> Option<()> {
        let k = chain.initial.len();
        let num_steps = chain.observations.num_steps();
        let Buffers { scaled, shift, messages, scratch, .. } = &mut self.buffers;
        let mut end = steps.end;
        for rows in out.rchunks_mut(shift.len() * k) {
            let len = rows.len() / k;
            let (scaled, shift) = (&mut scaled[..rows.len()], &mut shift[..len]);
            chain.observations.scaled_likelihoods(end - len..end, scaled, shift);
            reverse_rows(scaled, k);
            shift.reverse();
            let messages = &mut messages[..rows.len()];
            let mut done = 0;
            if end == num_steps {
                let uniform = vec![1.0 / k as f64; k];
                let belief = &mut self.belief;
                let first = &scaled[..k];
                if !forward_kernel::start(belief, &uniform, first, shift[0], &mut scratch[..k], false) {
                    return None;
                }
                messages[..k].copy_from_slice(&uniform);
                done = 1;
            }
            let run = ForwardRun {
                num_states: k,
                matrix: self.transposed,
                scaled: &scaled[done * k..],
                shift: &shift[done..],
                filtered: &mut scratch[..(len - done) * k],
                predicted: Some(&mut messages[done * k..]),
                guard: false,
            };
            if forward_kernel::advance(&mut self.belief, run) != len - done {
                return None;
            }
            reverse_rows(messages, k);
            emit(rows, messages);
            end -= len;
        }
        Some(())
    }
}

/// Reverses the order of the rows.
fn reverse_rows(rows: &mut [f64], num_states: usize) {
    let len = rows.len() / num_states;
    for i in 0..len / 2 {
        let (head, tail) = rows.split_at_mut((len - 1 - i) * num_states);
        head[i * num_states..(i + 1) * num_states].swap_with_slice(&mut tail[..num_states]);
    }
}
