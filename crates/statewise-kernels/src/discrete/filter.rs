//! Filtering: p(z_t | y_{1:t}) and the evidence, in one forward pass.

use super::belief::Belief;
use super::check::{length, optional_length, sizes};
use super::forward_kernel::{self, ForwardRun};
use super::matrix::{LogMatrix, Matrix, into_step, mixes, pad};
use super::step::Step;
use super::workspace::{BlockBuffers, StepperBuffers, Workspace, grow};
use super::{Chain, ChainError, Transitions};

/// Entries of one block of scaled likelihoods: half of a first-level cache.
const BLOCK_ENTRIES: usize = 2048;

/// Steps of one block.
pub(super) fn block_len(num_states: usize) -> usize {
    (BLOCK_ENTRIES / num_states.max(1)).max(16)
}

/// log p(y_{1:T}) in memory that does not grow with T; −∞ if no path explains the observations.
///
/// # Errors
/// [`ChainError::InvalidLikelihood`] for a NaN or +∞, [`ChainError::Shape`] for wrong sizes.
///
/// # Source
/// Rabiner (1989), §III.A. O(T K²) time.
pub fn marginal_loglik(chain: &Chain<'_>, ws: &mut Workspace) -> Result<f64, ChainError> {
    let (num_steps, num_states) = sizes(chain)?;
    let mut rows = std::mem::take(&mut ws.block.filtered);
    let block = grow(&mut rows, block_len(num_states).min(num_steps) * num_states);
    let result = forward(chain, ws, Rows::Scratch(block), None);
    ws.block.filtered = rows;
    match result {
        Err(ChainError::UnexplainedObservation { .. }) => Ok(f64::NEG_INFINITY),
        other => other,
    }
}

/// Filters a chain and returns log p(y_{1:T}).
///
/// α_1(j) ∝ π(j) b_1(j);  α_{t+1}(j) ∝ b_{t+1}(j) Σ_i α_t(i) A_{t+1}(i, j)
///
/// * `filtered` – out, p(z_t = k | y_{1:t}), shape \[T, K\].
/// * `predicted` – out, p(z_t = k | y_{1:t-1}), shape \[T, K\]; its first row is π.
///
/// # Errors
/// [`ChainError::UnexplainedObservation`] at the first t that no reachable state explains,
/// [`ChainError::InvalidLikelihood`] for a NaN or +∞, [`ChainError::Shape`] for wrong sizes.
///
/// # Source
/// Rabiner (1989), §III.A and §V.A. O(T K²) time.
pub fn filter(
    chain: &Chain<'_>,
    ws: &mut Workspace,
    filtered: &mut [f64],
    predicted: Option<&mut [f64]>,
) -> Result<f64, ChainError> {
    let (num_steps, num_states) = sizes(chain)?;
    length("filtered", filtered.len(), num_steps * num_states)?;
    optional_length("predicted", &predicted, num_steps * num_states)?;
    forward(chain, ws, Rows::All(filtered), predicted)
}

/// Where filtered rows go.
pub(super) enum Rows<'a> {
    /// \[T, K\].
    All(&'a mut [f64]),
    /// One block, overwritten again and again.
    Scratch(&'a mut [f64]),
}

/// The forward pass of [`filter`] and [`marginal_loglik`]; leaves the last belief in `ws`.
pub(super) fn forward(
    chain: &Chain<'_>,
    ws: &mut Workspace,
    mut rows: Rows<'_>,
    mut predicted: Option<&mut [f64]>,
) -> Result<f64, ChainError> {
    let (num_steps, num_states) = sizes(chain)?;
    ws.belief.reset(num_states);
    if num_steps == 0 {
        return Ok(0.0);
    }
    let Workspace { belief, matrix, block, .. } = ws;
    let mut stepper = Stepper::new(chain, &mut matrix.stepper);
    let len = block_len(num_states);
    for first in (0..num_steps).step_by(len) {
        let last = num_steps.min(first + len);
        let out = match &mut rows {
            Rows::All(all) => &mut all[first * num_states..last * num_states],
            Rows::Scratch(rows) => &mut rows[..(last - first) * num_states],
        };
        let predicted = predicted.as_deref_mut();
        let predicted = predicted.map(|all| &mut all[first * num_states..last * num_states]);
        let BlockBuffers { scaled, shift, log_b, .. } = block;
        let scaled = grow(scaled, out.len());
        let shift = grow(shift, last - first);
        chain.observations.scaled_likelihoods(first..last, scaled, shift);
        stepper.block(belief, first, scaled, shift, grow(log_b, num_states), out, predicted)?;
    }
    Ok(belief.marginal_loglik())
}

/// Takes a belief over blocks of steps: ordinary ones in runs, the others one at a time.
pub(super) struct Stepper<'a> {
    chain: &'a Chain<'a>,
    /// The padded matrix of a chain with one matrix.
    fixed: Option<Matrix<'a>>,
    computed: &'a mut Vec<f64>,
    log_matrix: &'a mut LogMatrix,
    guard: bool,
}

impl<'a> Stepper<'a> {
    pub(super) fn new(chain: &'a Chain<'a>, buffers: &'a mut StepperBuffers) -> Self {
        let num_states = chain.initial.len();
        let StepperBuffers { padded, computed, log_matrix } = buffers;
        log_matrix.expire();
        match chain.transitions {
            Transitions::Static(a) => {
                let matrix = pad(a, num_states, padded);
                let guard = !mixes(matrix, num_states);
                Self { chain, fixed: Some(matrix), computed, log_matrix, guard }
            }
            _ => Self { chain, fixed: None, computed, log_matrix, guard: true },
        }
    }

    /// Advances `belief` over the steps from `first` on, as many as `shift` has entries.
    pub(super) fn block(
        &mut self,
        belief: &mut Belief,
        first: usize,
        scaled: &[f64],
        shift: &[f64],
        log_b: &mut [f64],
        filtered: &mut [f64],
        mut predicted: Option<&mut [f64]>,
    ) -> Result<(), ChainError> {
        let k = log_b.len();
        let mut done = 0;
        while done < shift.len() {
            let t = first + done;
            if let Some(matrix) = self.fixed
                && t > 0
                && !belief.any_faint
            {
                let run = ForwardRun {
                    num_states: k,
                    matrix,
                    scaled: &scaled[done * k..],
                    shift: &shift[done..],
                    filtered: &mut filtered[done * k..],
                    predicted: predicted.as_deref_mut().map(|p| &mut p[done * k..]),
                    guard: self.guard,
                };
                done += forward_kernel::advance(belief, run);
                if done == shift.len() {
                    break;
                }
            }
            let t = first + done;
            let rows = done * k..(done + 1) * k;
            let matrix = match (t, self.fixed) {
                (0, _) => None,
                (_, Some(matrix)) => Some(matrix),
                _ => {
                    let values = into_step(&self.chain.transitions, t, k, self.computed);
                    self.log_matrix.expire();
                    Some(Matrix { values, stride: k })
                }
            };
            let observations = self.chain.observations;
            let step = Step {
                t,
                initial: self.chain.initial,
                matrix,
                log_matrix: self.log_matrix,
                scaled: &scaled[rows.clone()],
                shift: shift[done],
                may_mix: self.fixed.is_none(),
                guard: self.guard,
                log_b,
                fill_log_b: Some(&|out| observations.log_likelihoods(t..t + 1, out)),
                filtered: &mut filtered[rows.clone()],
                predicted: predicted.as_deref_mut().map(|p| &mut p[rows]),
            };
            step.take(belief)?;
            done += 1;
        }
        Ok(())
    }
}
