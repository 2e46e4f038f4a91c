//! One forward step, ordinary or not; what filtering and online filtering share.

use super::ChainError;
use super::belief::Belief;
use super::forward_kernel::{self, ForwardRun};
use super::matrix::{LogMatrix, Matrix, mixes};

/// Writes log b_t(k), \[K\].
pub(super) type FillLogB<'a> = &'a dyn Fn(&mut [f64]);

/// The inputs and outputs of the step into z_t.
pub(super) struct Step<'a> {
    /// 0-based.
    pub(super) t: usize,
    /// π, \[K\]; read at the first step.
    pub(super) initial: &'a [f64],
    /// A of this step; `None` at the first.
    pub(super) matrix: Option<Matrix<'a>>,
    /// Its logarithm, computed if it is needed.
    pub(super) log_matrix: &'a mut LogMatrix,
    /// b_t(k) / exp(shift), \[K\].
    pub(super) scaled: &'a [f64],
    pub(super) shift: f64,
    /// Whether the matrix is not known to be one that does not [`mix`](mixes).
    pub(super) may_mix: bool,
    /// Whether weights that underflow are kept as logarithms.
    pub(super) guard: bool,
    /// log b_t(k), \[K\]; written by `fill_log_b`, if there is one, when it is needed.
    pub(super) log_b: &'a mut [f64],
    pub(super) fill_log_b: Option<FillLogB<'a>>,
    /// Out: p(z_t | y_{1:t}), \[K\].
    pub(super) filtered: &'a mut [f64],
    /// Out: p(z_t | y_{1:t-1}), \[K\].
    pub(super) predicted: Option<&'a mut [f64]>,
}

impl Step<'_> {
    /// Takes the step.
    ///
    /// # Errors
    /// [`ChainError::UnexplainedObservation`] and [`ChainError::InvalidLikelihood`].
    pub(super) fn take(mut self, belief: &mut Belief) -> Result<(), ChainError> {
        if self.matrix.is_none()
            && let Some(predicted) = &mut self.predicted
        {
            predicted.copy_from_slice(self.initial);
        }
        if belief.any_faint
            && self.may_mix
            && let Some(matrix) = self.matrix
            && mixes(matrix, self.log_b.len())
        {
            belief.drop_faint();
        }
        if !belief.any_faint && self.ordinary(belief, self.guard) {
            return Ok(());
        }
        self.fill();
        if self.guard && self.log_b.iter().all(|x| *x < f64::INFINITY) {
            let before = belief.exponent;
            belief.log_weights(self.initial, self.matrix.is_none());
            if self.ordinary(belief, false) {
                let log_a = self.matrix.map(|a| self.log_matrix.of(a, self.log_b.len()));
                belief.settle(before, log_a, self.log_b, self.shift, self.filtered);
                return Ok(());
            }
        }
        let predicted = self.predicted.take().filter(|_| self.matrix.is_some());
        let log_a = self.matrix.map(|a| self.log_matrix.of(a, self.log_b.len()));
        belief.careful_step(self.t, self.initial, log_a, self.log_b, self.filtered, predicted)?;
        if !self.guard {
            belief.drop_faint();
        }
        Ok(())
    }

    fn fill(&mut self) {
        if let Some(fill) = self.fill_log_b {
            fill(self.log_b);
        }
    }

    /// Tries the scaled recursion.
    fn ordinary(&mut self, belief: &mut Belief, guard: bool) -> bool {
        let Some(matrix) = self.matrix else {
            let Self { initial, scaled, shift, .. } = *self;
            return forward_kernel::start(belief, initial, scaled, shift, self.filtered, guard);
        };
        let run = ForwardRun {
            num_states: self.log_b.len(),
            matrix,
            scaled: self.scaled,
            shift: std::slice::from_ref(&self.shift),
            filtered: self.filtered,
            predicted: self.predicted.as_deref_mut(),
            guard,
        };
        forward_kernel::advance(belief, run) == 1
    }
}
