//! The forward pass over the data: filtered means and the evidence, from gains that series share.
//!
//! v = y − d − H m;  w = L⁻¹ v;  m_{t|t} = m + Wᵀ w;  m_{t+1} = A m_{t|t} + b;
//! log p(y_{1:T}) = Σ_t (log_norm_t − ½ |w_t|²)

use std::ops::Range;

use super::dense::{Into, apply, transpose};
use super::gains::Gains;
use super::system::{GaussianError, Series, System};
use crate::math::dispatch::{fma, vectorised};

/// Residuals of noise-free predictions above this (relative to the terms of the sum) are impossible.
pub(super) const CONTRADICTION: f64 = 1e-7;

/// The belief about the mean between two steps, and the evidence so far.
#[derive(Debug, Default, PartialEq)]
pub struct MeanState {
    /// E(z_t | y_{1:t}), \[D\]; before the first step the predicted mean of it.
    pub mean: Vec<f64>,
    /// Whether `mean` is that of the step to come.
    pub is_predicted: bool,
    /// Σ log p(y_t | y_{1:t-1}), with the rounding error of the sum.
    pub evidence: f64,
    /// What rounding took from `evidence`.
    pub lost: f64,
}

impl Clone for MeanState {
    fn clone(&self) -> Self {
        let mut copy = MeanState::default();
        copy.clone_from(self);
        copy
    }

    // The derived one would allocate the mean again at every step of the online filter.
    fn clone_from(&mut self, other: &Self) {
        let MeanState { mean, is_predicted, evidence, lost } = other;
        self.mean.clone_from(mean);
        (self.is_predicted, self.evidence, self.lost) = (*is_predicted, *evidence, *lost);
    }
}

impl MeanState {
    /// Before the first step, at the predicted mean of that step.
    pub fn start(predicted_mean: &[f64]) -> Self {
        MeanState { mean: predicted_mean.to_vec(), is_predicted: true, evidence: 0.0, lost: 0.0 }
    }

    /// log p of all observations taken.
    pub fn marginal_loglik(&self) -> f64 {
        self.evidence + self.lost
    }

    /// Adds to the evidence, keeping what rounding takes (Neumaier's sum).
    #[inline(always)]
    pub(super) fn add(&mut self, term: f64) {
        let sum = self.evidence + term;
        self.lost += if self.evidence.abs() >= term.abs() {
            (self.evidence - sum) + term
        } else {
            (term - sum) + self.evidence
        };
        self.evidence = sum;
    }
}

/// Where a pass writes; each as many rows as there are steps, or empty.
#[derive(Debug, Default)]
pub struct MeanRows<'a> {
    /// E(z_t | y_{1:t-1}), \[T, D\].
    pub predicted: &'a mut [f64],
    /// E(z_t | y_{1:t}), \[T, D\].
    pub filtered: &'a mut [f64],
    /// w_t, the standardised innovations, \[T, M\]; 0 where missing.
    pub innovations: &'a mut [f64],
}

/// Buffers of the pass.
#[derive(Clone, Debug, Default)]
pub struct MeanScratch {
    /// Aᵀ, Hᵀ, and (L⁻¹)ᵀ of one entry.
    transition: Vec<f64>,
    emission: Vec<f64>,
    predicted: Vec<f64>,
    residual: Vec<f64>,
    white: Vec<f64>,
}

/// Takes the steps of `series` (its rows and offsets counted by the absolute step; `emissions` are the
/// rows of `steps`) and moves `state` on.
///
/// # Errors
/// An observation that contradicts a noise-free prediction, or a mean that is not finite.
pub fn advance_means(
    system: &System<'_>,
    series: &Series<'_>,
    steps: Range<usize>,
    gains: &Gains,
    state: &mut MeanState,
    rows: MeanRows<'_>,
    scratch: &mut MeanScratch,
) -> Result<(), GaussianError> {
    let (d, m) = (system.state_dim, system.emission_dim);
    for (buffer, len) in [
        (&mut scratch.transition, d * d),
        (&mut scratch.emission, d * m),
        (&mut scratch.predicted, d),
        (&mut scratch.residual, m),
        (&mut scratch.white, m),
    ] {
        buffer.clear();
        buffer.resize(len, 0.0);
    }
    super::by_dim!(d, advance(system, series, steps, gains, state, rows, scratch))
}

vectorised! {
    fn advance[const K](
        system: &System<'_>,
        series: &Series<'_>,
        steps: Range<usize>,
        gains: &Gains,
        state: &mut MeanState,
        rows: MeanRows<'_>,
        scratch: &mut MeanScratch,
    ) -> Result<(), GaussianError> = advance_body
}

#[inline(always)]
fn advance_body<const ISA: u8, const K: usize>(
    system: &System<'_>,
    series: &Series<'_>,
    steps: Range<usize>,
    gains: &Gains,
    state: &mut MeanState,
    rows: MeanRows<'_>,
    scratch: &mut MeanScratch,
) -> Result<(), GaussianError> {
    let d = if K > 0 { K } else { system.state_dim };
    let m = system.emission_dim;
    let MeanScratch { transition, emission, predicted, residual, white } = scratch;
    let (predicted, residual, white) = (&mut predicted[..d], &mut residual[..m], &mut white[..m]);
    let fixed = system.transition.is_fixed() && system.emission.is_fixed();
    let first = steps.start;
    for (s, t) in steps.enumerate() {
        if !fixed || t == first {
            transpose(d, d, system.transition.at(t), transition);
            transpose(m, d, system.emission.at(t), emission);
        }
        if state.is_predicted {
            predicted.copy_from_slice(&state.mean);
            state.is_predicted = false;
        } else {
            match &series.transition_offset {
                Some(offset) => predicted.copy_from_slice(offset.at(t)),
                None => predicted.fill(0.0),
            }
            apply::<ISA, K>(d, transition, &state.mean, predicted, Into::Add);
        }

        let y = &series.emissions[s * m..(s + 1) * m];
        match &series.emission_offset {
            Some(offset) => residual.iter_mut().zip(y).zip(offset.at(t)).for_each(|((v, y), d)| *v = y - d),
            None => residual.copy_from_slice(y),
        }
        let mean = &mut state.mean[..d];
        for (v, h) in residual.iter_mut().zip(system.emission.at(t).chunks_exact(d)) {
            let mut sum = 0.0;
            for (h, x) in h.iter().zip(&*predicted) {
                sum = fma::<ISA>(*h, *x, sum);
            }
            *v -= sum;
            // NaN marks a missing entry, whose row of every gain is empty.
            *v = if v.is_nan() { 0.0 } else { *v };
        }
        let entry = gains.entry_of(t);
        let parts = gains.parts(entry);
        let mut square = 0.0;
        for (i, (w, row)) in white.iter_mut().zip(parts.inverse.chunks_exact(m)).enumerate() {
            let mut sum = 0.0;
            for (l, v) in row[..=i].iter().zip(&*residual) {
                sum = fma::<ISA>(*l, *v, sum);
            }
            *w = sum;
            square = fma::<ISA>(sum, sum, square);
        }
        let lost = gains.lost_rows(entry);
        if !lost.is_empty() {
            square = check_noise_free(t, y, lost, white)?;
        }
        mean.copy_from_slice(predicted);
        apply::<ISA, K>(d, parts.w, white, mean, Into::Add);
        if !square.is_finite() || mean.iter().any(|x| !x.is_finite()) {
            return Err(GaussianError::NotFinite { t });
        }
        state.add(parts.log_norm - 0.5 * square);
        if !rows.predicted.is_empty() {
            rows.predicted[s * d..(s + 1) * d].copy_from_slice(predicted);
        }
        if !rows.filtered.is_empty() {
            rows.filtered[s * d..(s + 1) * d].copy_from_slice(&state.mean[..d]);
        }
        if !rows.innovations.is_empty() {
            rows.innovations[s * m..(s + 1) * m].copy_from_slice(white);
        }
    }
    Ok(())
}

/// Directions without variance must hold exactly; their innovations become 0. Answers |w|².
#[cold]
fn check_noise_free(
    t: usize,
    y: &[f64],
    lost: &[(u32, u32)],
    white: &mut [f64],
) -> Result<f64, GaussianError> {
    let scale = y.iter().filter(|y| !y.is_nan()).fold(0.0f64, |a, y| a.max(y.abs()));
    for (_, row) in lost {
        let white = &mut white[*row as usize];
        if white.abs() > CONTRADICTION * (1.0 + scale) {
            return Err(GaussianError::ImpossibleObservation { t, residual: *white });
        }
        *white = 0.0;
    }
    Ok(white.iter().map(|x| x * x).sum())
}
