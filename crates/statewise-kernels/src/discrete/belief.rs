//! The forward pass's running state, and the step that is exact for any likelihoods.
//!
//! p(z_t = k, y_{1:t}) = α(k) · 2^exponent · exp(shift)
//!
//! α is left unnormalised between steps; its scale is only ever changed by powers of two, which is
//! exact, so normalised results do not depend on when that happened. A state whose weight is too
//! small beside the others for a double is *faint*: its α is 0 and its weight is kept as a
//! logarithm, so that nothing is lost when later observations favour it.

use super::ChainError;
use super::lanes::{self, padded};
use super::matrix::Matrix;
use super::workspace::grow;

/// States below this log-weight relative to the largest are faint.
const FAINT: f64 = -600.0;
/// Predicted weights below it may have lost digits and are summed again from logarithms: 2⁻⁸⁰⁰.
const UNSAFE: f64 = 1.499_696_813_895_631e-241;

/// α, its scale and the evidence so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Belief {
    /// α(k), padded with zeros.
    pub(super) alpha: Vec<f64>,
    /// Scratch of the same size.
    pub(super) next: Vec<f64>,
    /// Σ_k α(k).
    pub(super) sum: f64,
    /// Power of two that α lacks.
    pub(super) exponent: i64,
    /// Σ_t shift_t.
    pub(super) shift: Compensated,
    /// ln of the weights of faint states relative to α, −∞ for all others.
    pub(super) log_faint: Vec<f64>,
    /// Whether any state is faint.
    pub(super) any_faint: bool,
    /// Scratch of the careful step.
    log_weight: Vec<f64>,
}

impl Belief {
    /// Forgets everything; the next step is the first.
    pub(super) fn reset(&mut self, num_states: usize) {
        for buffer in [&mut self.alpha, &mut self.next] {
            buffer.clear();
            buffer.resize(padded(num_states), 0.0);
        }
        self.log_faint.clear();
        self.log_faint.resize(num_states, f64::NEG_INFINITY);
        grow(&mut self.log_weight, num_states);
        self.sum = 1.0;
        self.exponent = 0;
        self.shift = Compensated::default();
        self.any_faint = false;
    }

    /// log p(y_{1:t}).
    pub(super) fn marginal_loglik(&self) -> f64 {
        let scale = self.exponent as f64 * std::f64::consts::LN_2;
        self.shift.value() + (self.sum.ln() + scale)
    }

    /// Makes every faint state impossible; right after a matrix that [`mixes`](super::matrix::mixes).
    pub(super) fn drop_faint(&mut self) {
        if self.any_faint {
            self.log_faint.fill(f64::NEG_INFINITY);
            self.any_faint = false;
        }
    }

    /// One step by logarithms: exact however far apart the likelihoods are.
    ///
    /// * `matrix` – A of the step into z_t; `None` at the first step, where `initial` is used.
    /// * `log_b` – log b_t(k), \[K\].
    /// * `filtered`, `predicted` – out, \[K\].
    ///
    /// The shift is that of the best reachable state, so that π = (1, 0), A = I, log b_2 =
    /// (−800, 0) has evidence −800. O(K²) time.
    pub(super) fn careful_step(
        &mut self,
        t: usize,
        initial: &[f64],
        matrix: Option<Matrix<'_>>,
        log_b: &[f64],
        filtered: &mut [f64],
        predicted: Option<&mut [f64]>,
    ) -> Result<(), ChainError> {
        let num_states = log_b.len();
        if log_b.iter().any(|x| x.is_nan() || *x == f64::INFINITY) {
            return Err(ChainError::InvalidLikelihood { t });
        }
        self.log_predict(initial, matrix, num_states);
        if let Some(predicted) = predicted {
            for (out, weight) in predicted.iter_mut().zip(&self.log_weight) {
                *out = weight.exp() / self.sum;
            }
        }
        let mut best = f64::NEG_INFINITY;
        for (weight, log_b) in self.log_weight.iter_mut().zip(log_b) {
            *weight += log_b;
            best = best.max(*weight);
        }
        if best == f64::NEG_INFINITY || best.is_nan() {
            return Err(ChainError::UnexplainedObservation { t, num_states });
        }
        self.any_faint = false;
        for k in 0..num_states {
            let weight = self.log_weight[k] - best;
            let faint = weight < FAINT && weight > f64::NEG_INFINITY;
            self.any_faint |= faint;
            self.log_faint[k] = if faint { weight } else { f64::NEG_INFINITY };
            self.alpha[k] = if faint { 0.0 } else { weight.exp() };
            filtered[k] = weight.exp();
        }
        self.shift.add(best);
        self.sum = lanes::sum(&self.alpha);
        filtered.iter_mut().for_each(|x| *x /= self.sum);
        Ok(())
    }

    /// Records the states whose weight underflowed in an ordinary step that has just been taken.
    ///
    /// * `before` – the exponent before that step; [`log_predict`](Self::log_predict) was called
    ///   then.
    pub(super) fn note_faint(&mut self, before: i64, log_b: &[f64], shift: f64) {
        let rescaled = (self.exponent - before) as f64 * std::f64::consts::LN_2;
        for (k, log_b) in log_b.iter().enumerate() {
            let weight = self.log_weight[k] + (log_b - shift) - rescaled;
            let faint = weight < FAINT && weight > f64::NEG_INFINITY;
            self.any_faint |= faint;
            self.log_faint[k] = if faint { weight } else { f64::NEG_INFINITY };
        }
    }

    /// ln Σ_i weight(i) A(i, j) into `log_weight`, relative to the scale of α.
    pub(super) fn log_predict(&mut self, initial: &[f64], matrix: Option<Matrix<'_>>, num_states: usize) {
        let Some(matrix) = matrix else {
            for (out, p) in self.log_weight.iter_mut().zip(initial) {
                *out = p.ln();
            }
            return;
        };
        for j in 0..num_states {
            let entry = |i: usize| matrix.values[i * matrix.stride + j];
            let mass: f64 = (0..num_states).map(|i| self.alpha[i] * entry(i)).sum();
            self.log_weight[j] = if mass >= UNSAFE {
                mass.ln()
            } else {
                log_sum(num_states, |i| {
                    let a = entry(i);
                    if a > 0.0 { self.log_alpha(i) + a.ln() } else { f64::NEG_INFINITY }
                })
            };
        }
    }

    /// ln of the weight of state k relative to the scale of α.
    pub(super) fn log_alpha(&self, k: usize) -> f64 {
        let faint = self.log_faint[k];
        if faint > f64::NEG_INFINITY { faint } else { self.alpha[k].ln() }
    }
}

/// log Σ_i exp(term(i)) with the terms computed twice instead of stored.
fn log_sum(len: usize, term: impl Fn(usize) -> f64) -> f64 {
    let max = (0..len).map(&term).fold(f64::NEG_INFINITY, f64::max);
    if max == f64::NEG_INFINITY {
        return max;
    }
    max + (0..len).map(|i| (term(i) - max).exp()).sum::<f64>().ln()
}

/// A sum that carries its rounding error along.
///
/// # Source
/// Knuth, TAOCP 2, §4.2.2, theorem B (the error of one addition, exactly).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Compensated {
    pub(super) sum: f64,
    pub(super) error: f64,
}

impl Compensated {
    #[inline(always)]
    pub(super) fn add(&mut self, x: f64) {
        let sum = self.sum + x;
        let rounded = sum - self.sum;
        self.error += (self.sum - (sum - rounded)) + (x - rounded);
        self.sum = sum;
    }

    pub(super) fn value(&self) -> f64 {
        self.sum + self.error
    }

    /// What was added since `earlier`.
    pub(super) fn since(&self, earlier: &Self) -> f64 {
        (self.sum - earlier.sum) + (self.error - earlier.error)
    }
}
