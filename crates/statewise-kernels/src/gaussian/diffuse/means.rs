//! The passes over the data of one series while the state is diffuse.
//!
//! Forwards, for each scalar of a step: v = y' − hᵀ m;  m += K v;  log p −= ½ log 2π F∞ where F∞ > 0, else
//! ½ (log 2π F* + v²/F*).
//!
//! Backwards, from r⁰ = r_s and r¹ = 0 before step s: E(z_t | y_{1:T}) = m_{t|t} + P* q⁰ + P∞ q¹ with q = Aᵀ r,
//! and for each scalar u⁰ = [1/F]⁰ v − Kᵀ r⁰, u¹ = [1/F]¹ v − Kᵀ r¹ − K¹ᵀ r⁰; r⁰ += h u⁰; r¹ += h u¹.
//! As in the proper case r⁰ and C⁻ᵀ u⁰ are the gradients of the evidence by the offsets of z_t and y_t.

use super::gains::{DiffuseGains, Step};
use crate::gaussian::means::CONTRADICTION;
use crate::gaussian::small::{add, apply, apply_transposed, inner};
use crate::gaussian::{GaussianError, MeanRows, MeanState, Series, SmoothedRows, System};

impl DiffuseGains {
    /// Takes steps 0..s of `series` (from its first row) and answers the state that the ordinary pass takes
    /// over at step s. `rows` have s rows each, or are empty; its innovations are those of the scalars, for
    /// [`DiffuseGains::smooth_means`] alone.
    ///
    /// # Errors
    /// An observation that contradicts a noise-free prediction, or a mean that is not finite.
    pub fn advance_means(
        &self,
        system: &System<'_>,
        series: &Series<'_>,
        rows: MeanRows<'_>,
    ) -> Result<MeanState, GaussianError> {
        let (d, m) = (self.d, self.m);
        let mut state = MeanState::start(system.initial_mean);
        for (t, step) in self.steps.iter().enumerate() {
            if !state.is_predicted {
                let mut mean = apply(d, system.transition.at(t), &state.mean);
                if let Some(offset) = &series.transition_offset {
                    add(&mut mean, 1.0, offset.at(t));
                }
                state.mean = mean;
            }
            state.is_predicted = false;
            if !rows.predicted.is_empty() {
                rows.predicted[t * d..(t + 1) * d].copy_from_slice(&state.mean);
            }
            let y = &series.emissions[t * m..(t + 1) * m];
            let innovations = step.observe(t, y, series, &mut state)?;
            if !rows.filtered.is_empty() {
                rows.filtered[t * d..(t + 1) * d].copy_from_slice(&state.mean);
            }
            if !rows.innovations.is_empty() {
                rows.innovations[t * m..(t + 1) * m].copy_from_slice(&innovations);
            }
        }
        Ok(state)
    }

    /// Runs backwards over steps s..0. `after` is r_s, \[D\], the first row of the ordinary pass's state
    /// adjoints; `None` if the phase lasts as long as the series. All of `rows` have s rows, as in the
    /// ordinary pass; outputs may be empty.
    ///
    /// Where directions stay diffuse to the end, smoothed means are the finite parts.
    pub fn smooth_means(&self, system: &System<'_>, after: Option<&[f64]>, rows: SmoothedRows<'_>) {
        let (d, m) = (self.d, self.m);
        let mut r = [after.map_or(vec![0.0; d], <[f64]>::to_vec), vec![0.0; d]];
        for (t, step) in self.steps.iter().enumerate().rev() {
            if t + 1 < self.steps.len() || after.is_some() {
                r = r.map(|r| apply_transposed(d, system.transition.at(t + 1), &r));
            }
            if !rows.smoothed.is_empty() {
                let mut mean = rows.filtered[t * d..(t + 1) * d].to_vec();
                add(&mut mean, 1.0, &apply(d, &step.filtered.finite, &r[0]));
                add(&mut mean, 1.0, &apply(d, &step.filtered.diffuse, &r[1]));
                rows.smoothed[t * d..(t + 1) * d].copy_from_slice(&mean);
            }
            let u = step.adjoints(&rows.innovations[t * m..(t + 1) * m], &mut r);
            if !rows.state_adjoints.is_empty() {
                rows.state_adjoints[t * d..(t + 1) * d].copy_from_slice(&r[0]);
            }
            if !rows.emission_adjoints.is_empty() {
                rows.emission_adjoints[t * m..(t + 1) * m].copy_from_slice(&u);
            }
        }
    }
}

impl Step {
    /// Moves the predicted mean to the filtered one; answers the innovations of the scalars.
    fn observe(
        &self,
        t: usize,
        y: &[f64],
        series: &Series<'_>,
        state: &mut MeanState,
    ) -> Result<Vec<f64>, GaussianError> {
        let m = y.len();
        let mut residual: Vec<f64> = y.iter().map(|y| if y.is_nan() { 0.0 } else { *y }).collect();
        if let Some(offset) = &series.emission_offset {
            add(&mut residual, -1.0, offset.at(t));
        }
        residual.iter_mut().zip(y).filter(|(_, y)| y.is_nan()).for_each(|(x, _)| *x = 0.0);
        let scale = residual.iter().fold(0.0f64, |a, x| a.max(x.abs()));
        if !self.inverse.is_empty() {
            residual = apply(m, &self.inverse, &residual);
        }
        let mut innovations = vec![0.0; m];
        for update in &self.updates {
            let v = residual[update.entry] - inner(&update.h, &state.mean);
            if update.is_certain() {
                if v.abs() > CONTRADICTION * (1.0 + scale) {
                    return Err(GaussianError::ImpossibleObservation { t, residual: v });
                }
                continue;
            }
            innovations[update.entry] = v;
            add(&mut state.mean, v, &update.gain[0]);
            state.add(update.log_norm - 0.5 * update.precision[0] * v * v);
        }
        if !state.marginal_loglik().is_finite() || state.mean.iter().any(|x| !x.is_finite()) {
            return Err(GaussianError::NotFinite { t });
        }
        Ok(innovations)
    }

    /// Takes r from after the scalars of a step to before them; answers the adjoint of d.
    fn adjoints(&self, innovations: &[f64], [r, first]: &mut [Vec<f64>; 2]) -> Vec<f64> {
        let m = innovations.len();
        let mut u = vec![0.0; m];
        for update in self.updates.iter().rev() {
            let v = innovations[update.entry];
            let (gain, precision) = (&update.gain, &update.precision);
            let zeroth = precision[0] * v - inner(&gain[0], r);
            let next = precision[1] * v - inner(&gain[0], first) - inner(&gain[1], r);
            if update.is_certain() {
                continue;
            }
            add(r, zeroth, &update.h);
            add(first, next, &update.h);
            u[update.entry] = zeroth;
        }
        if self.inverse.is_empty() { u } else { apply_transposed(m, &self.inverse, &u) }
    }
}
