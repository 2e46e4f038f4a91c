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
use super::log_space::log_combine_rows;
use super::workspace::grow;
use crate::math::{exp_slice, ln_slice};

/// States below this log-weight relative to the largest are faint.
const FAINT: f64 = -600.0;
/// Entries of α that the scaled recursion gets right whatever is faint beside them.
const SAFE: f64 = 1e-170;

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
    log_alpha: Vec<f64>,
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
        grow(&mut self.log_alpha, num_states);
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

    /// ln of the factor that α lacks.
    pub(super) fn log_scale(&self) -> f64 {
        self.shift.value() + self.exponent as f64 * std::f64::consts::LN_2
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
    /// * `log_a` – ln A of the step into z_t, \[K, K\]; `None` at the first, where `initial` is used.
    /// * `log_b` – log b_t(k), \[K\].
    /// * `filtered`, `predicted` – out, \[K\].
    ///
    /// The shift is that of the best reachable state, so that π = (1, 0), A = I, log b_2 =
    /// (−800, 0) has evidence −800. O(K²) time.
    pub(super) fn careful_step(
        &mut self,
        t: usize,
        initial: &[f64],
        log_a: Option<&[f64]>,
        log_b: &[f64],
        filtered: &mut [f64],
        predicted: Option<&mut [f64]>,
    ) -> Result<(), ChainError> {
        let num_states = log_b.len();
        if log_b.iter().any(|x| x.is_nan() || *x == f64::INFINITY) {
            return Err(ChainError::InvalidLikelihood { t });
        }
        self.log_predict(initial, log_a);
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
        for (out, weight) in filtered.iter_mut().zip(&mut self.log_weight) {
            *weight -= best;
            *out = *weight;
        }
        exp_slice(filtered);
        self.any_faint = false;
        for k in 0..num_states {
            let weight = self.log_weight[k];
            let faint = weight < FAINT && weight > f64::NEG_INFINITY;
            self.any_faint |= faint;
            self.log_faint[k] = if faint { weight } else { f64::NEG_INFINITY };
            self.alpha[k] = if faint { 0.0 } else { filtered[k] };
        }
        self.shift.add(best);
        self.sum = lanes::sum(&self.alpha);
        let scale = 1.0 / self.sum;
        filtered.iter_mut().for_each(|x| *x *= scale);
        Ok(())
    }

    /// Works out, after an ordinary step, the states that it may have lost.
    ///
    /// An entry of at least [`SAFE`] is right: what faint states add to it is at most 1e-60 of it.
    /// All others are summed from the logarithms that [`log_weights`](Self::log_weights) took before
    /// the step, and become faint or are put right.
    ///
    /// * `before` – the exponent before the step; `log_a` – as in the careful step.
    pub(super) fn settle(
        &mut self,
        before: i64,
        log_a: Option<&[f64]>,
        log_b: &[f64],
        shift: f64,
        filtered: &mut [f64],
    ) {
        let num_states = log_b.len();
        let rescaled = (self.exponent - before) as f64 * std::f64::consts::LN_2;
        self.log_faint.fill(f64::NEG_INFINITY);
        self.any_faint = false;
        for k in (0..num_states).filter(|&k| log_b[k] > f64::NEG_INFINITY) {
            if self.alpha[k] >= SAFE {
                continue;
            }
            let log_alpha = &self.log_alpha[..num_states];
            let log_predicted = match log_a {
                None => log_alpha[k],
                Some(log_a) => log_sum(num_states, |i| log_alpha[i] + log_a[i * num_states + k]),
            };
            let weight = log_predicted + (log_b[k] - shift) - rescaled;
            if weight >= FAINT {
                let exact = weight.exp();
                // NUMERICS: an entry that is right keeps its bits; others differ by far more.
                if (self.alpha[k] - exact).abs() > 1e-6 * exact {
                    self.alpha[k] = exact;
                    filtered[k] = exact / self.sum;
                }
            } else if weight > f64::NEG_INFINITY {
                self.log_faint[k] = weight;
                self.any_faint = true;
            }
        }
    }

    /// Writes ln of all weights, relative to the scale of α, into `log_alpha`; ln π before the first
    /// step.
    pub(super) fn log_weights(&mut self, initial: &[f64], first: bool) {
        let log_alpha = &mut self.log_alpha[..initial.len()];
        log_alpha.copy_from_slice(if first { initial } else { &self.alpha[..initial.len()] });
        ln_slice(log_alpha);
        if self.any_faint {
            for (log_alpha, &log_faint) in log_alpha.iter_mut().zip(&self.log_faint) {
                if log_faint > f64::NEG_INFINITY {
                    *log_alpha = log_faint;
                }
            }
        }
    }

    /// ln Σ_i weight(i) A(i, j) into `log_weight`, relative to the scale of α; ln π at the first step.
    fn log_predict(&mut self, initial: &[f64], log_a: Option<&[f64]>) {
        let num_states = initial.len();
        self.log_weights(initial, log_a.is_none());
        let log_alpha = &self.log_alpha[..num_states];
        let log_weight = &mut self.log_weight[..num_states];
        match log_a {
            None => log_weight.copy_from_slice(log_alpha),
            Some(log_a) => {
                log_combine_rows(log_a, log_alpha, &mut self.next[..num_states], log_weight);
            }
        }
    }
}

/// log Σ_i exp(term(i)), leaving out what is below the last digit.
fn log_sum(len: usize, term: impl Fn(usize) -> f64) -> f64 {
    let (best, max) = (0..len)
        .map(|i| (i, term(i)))
        .fold((0, f64::NEG_INFINITY), |best, next| if next.1 > best.1 { next } else { best });
    let others = (0..len).filter(|&i| i != best).map(|i| term(i) - max).filter(|x| *x > -40.0);
    max + others.map(f64::exp).sum::<f64>().ln_1p()
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
