//! Filtering one observation at a time.

use super::belief::{Belief, Compensated};
use super::check::length;
use super::matrix::{LogMatrix, Matrix};
use super::potentials::{ChainError, LogObs, Observations};
use super::step::Step;

/// A filter that takes observations as they come, with the arithmetic of
/// [`filter`](super::filter()): after the same steps it holds the same bits.
#[derive(Clone, Debug)]
pub struct OnlineFilter {
    initial: Vec<f64>,
    belief: Belief,
    num_steps: usize,
    filtered: Vec<f64>,
    log_b: Vec<f64>,
    scaled: Vec<f64>,
    log_matrix: LogMatrix,
}

/// All that an [`OnlineFilter`] knows, to be stored and taken up again.
#[derive(Clone, Debug, PartialEq)]
pub struct OnlineState {
    /// π(k), shape \[K\].
    pub initial: Vec<f64>,
    /// t, the number of observations taken.
    pub num_steps: usize,
    /// p(z_t = k | y_{1:t}), shape \[K\]; π before the first observation.
    pub filtered: Vec<f64>,
    /// α(k) with p(z_t = k, y_{1:t}) = α(k) 2^exponent exp(shift + shift_error), shape \[K\].
    pub alpha: Vec<f64>,
    /// Power of two of the scale.
    pub exponent: i64,
    /// Logarithmic part of the scale.
    pub shift: f64,
    /// Rounding error of `shift`.
    pub shift_error: f64,
    /// Logarithms, relative to α, of weights too small for `alpha`; −∞ for all others; shape \[K\].
    pub log_faint: Vec<f64>,
}

impl OnlineFilter {
    /// Starts a filter before its first observation.
    ///
    /// * `initial` – π(k), shape \[K\]; `num_states` – K.
    ///
    /// # Errors
    /// [`ChainError::Shape`] if `initial` has not K ≥ 1 entries.
    pub fn new(initial: &[f64], num_states: usize) -> Result<Self, ChainError> {
        length("initial", initial.len(), num_states.max(1))?;
        let mut belief = Belief::default();
        belief.reset(num_states);
        Ok(Self {
            initial: initial.to_vec(),
            belief,
            num_steps: 0,
            filtered: initial.to_vec(),
            log_b: vec![0.0; num_states],
            scaled: vec![0.0; num_states],
            log_matrix: LogMatrix::default(),
        })
    }

    /// Takes one observation and returns log p(y_t | y_{1:t-1}).
    ///
    /// * `transition` – A of the step into z_t, shape \[K, K\]; not read at the first step.
    /// * `log_b` – log p(y_t | z_t = k), shape \[K\].
    ///
    /// # Errors
    /// As in [`filter`](super::filter()); [`ChainError::Shape`] for wrong sizes or a missing
    /// transition. The filter is then as it was before.
    pub fn update(&mut self, transition: Option<&[f64]>, log_b: &[f64]) -> Result<f64, ChainError> {
        length("log_b", log_b.len(), self.initial.len())?;
        self.observe(transition, &LogObs { values: log_b, num_states: log_b.len() }, 0)
    }

    /// As [`update`](Self::update), with the likelihoods of step `t` of `observations`, computed as
    /// [`filter`](super::filter()) computes them, so that the bits are the same.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn observe(
        &mut self,
        transition: Option<&[f64]>,
        observations: &dyn Observations,
        t: usize,
    ) -> Result<f64, ChainError> {
        let k = self.initial.len();
        length("observations", observations.num_states(), k)?;
        let matrix = match transition {
            _ if self.num_steps == 0 => None,
            found => {
                length("transition", found.map_or(0, <[f64]>::len), k * k)?;
                found.map(|values| Matrix { values, stride: k })
            }
        };
        let mut shift = [0.0];
        observations.scaled_likelihoods(t..t + 1, &mut self.scaled, &mut shift);
        let fill = |log_b: &mut [f64]| observations.log_likelihoods(t..t + 1, log_b);
        let before = (self.belief.sum, self.belief.exponent, self.belief.shift);
        self.log_matrix.expire();
        let step = Step {
            t: self.num_steps,
            initial: &self.initial,
            matrix,
            log_matrix: &mut self.log_matrix,
            scaled: &self.scaled,
            shift: shift[0],
            may_mix: true,
            guard: true,
            log_b: &mut self.log_b,
            fill_log_b: Some(&fill),
            filtered: &mut self.filtered,
            predicted: None,
        };
        step.take(&mut self.belief)?;
        self.num_steps += 1;
        let (sum, exponent, shift) = before;
        let scale = (self.belief.exponent - exponent) as f64 * std::f64::consts::LN_2;
        Ok(self.belief.shift.since(&shift) + ((self.belief.sum / sum).ln() + scale))
    }

    /// p(z_t = k | y_{1:t}), shape \[K\]; π before the first observation.
    pub fn filtered(&self) -> &[f64] {
        &self.filtered
    }

    /// Writes p(z_{t+1} = k | y_{1:t}) into `out`, shape \[K\]; π before the first observation.
    ///
    /// * `transition` – A of the step into z_{t+1}, shape \[K, K\].
    ///
    /// # Errors
    /// [`ChainError::Shape`] for wrong sizes.
    pub fn predicted(&self, transition: &[f64], out: &mut [f64]) -> Result<(), ChainError> {
        let k = self.initial.len();
        length("out", out.len(), k)?;
        if self.num_steps == 0 {
            out.copy_from_slice(&self.initial);
            return Ok(());
        }
        length("transition", transition.len(), k * k)?;
        super::forecast::predict(&self.filtered, transition, out);
        Ok(())
    }

    /// log p(y_{1:t}).
    pub fn marginal_loglik(&self) -> f64 {
        if self.num_steps == 0 { 0.0 } else { self.belief.marginal_loglik() }
    }

    /// t, the number of observations taken.
    pub fn num_steps(&self) -> usize {
        self.num_steps
    }

    /// A copy of all that the filter knows.
    pub fn state(&self) -> OnlineState {
        OnlineState {
            initial: self.initial.clone(),
            num_steps: self.num_steps,
            filtered: self.filtered.clone(),
            alpha: self.belief.alpha[..self.initial.len()].to_vec(),
            exponent: self.belief.exponent,
            shift: self.belief.shift.sum,
            shift_error: self.belief.shift.error,
            log_faint: self.belief.log_faint.clone(),
        }
    }

    /// Takes up a filter where [`state`](Self::state) left it, with the same bits.
    ///
    /// # Errors
    /// [`ChainError::Shape`] if the arrays do not fit each other.
    pub fn from_state(state: OnlineState) -> Result<Self, ChainError> {
        let k = state.initial.len();
        let mut filter = Self::new(&state.initial, k)?;
        length("filtered", state.filtered.len(), k)?;
        length("alpha", state.alpha.len(), k)?;
        length("log_faint", state.log_faint.len(), k)?;
        filter.num_steps = state.num_steps;
        filter.filtered = state.filtered;
        let belief = &mut filter.belief;
        if state.num_steps > 0 {
            belief.alpha[..k].copy_from_slice(&state.alpha);
            belief.sum = super::lanes::sum(&belief.alpha);
        }
        belief.exponent = state.exponent;
        belief.shift = Compensated { sum: state.shift, error: state.shift_error };
        belief.any_faint = state.log_faint.iter().any(|x| *x > f64::NEG_INFINITY);
        belief.log_faint = state.log_faint;
        Ok(filter)
    }
}
