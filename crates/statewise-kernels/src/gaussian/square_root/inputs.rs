//! What a step reads of the system and the series, as the kernels want it.

use super::super::{GaussianError, Noise};
use super::kernels::transpose;
use super::steps::Stepper;
use crate::linalg::semidefinite_cholesky;

impl Stepper<'_> {
    pub(super) fn load_transition(&mut self, t: usize) {
        transpose(self.system.transition.at(t), self.system.state_dim, &mut self.buffers.transition);
    }

    pub(super) fn load_transition_cov(&mut self, t: usize) -> Result<(), GaussianError> {
        let d = self.system.state_dim;
        let b = &mut *self.buffers;
        let lower = &mut b.predicted[..d * d];
        lower.copy_from_slice(self.system.transition_cov.at(t));
        b.noise_free = factor("transition_cov", t, lower, d)? < d;
        transpose(lower, d, &mut b.noise);
        Ok(())
    }

    /// Lists the observed entries and gathers their rows of H.
    pub(super) fn load_observed(&mut self, t: usize) {
        let (d, m) = (self.system.state_dim, self.system.emission_dim);
        let b = &mut *self.buffers;
        b.observed.clear();
        let y = &self.series.emissions[t * m..(t + 1) * m];
        b.observed.extend((0..m).filter(|j| !y[*j].is_nan()));
        let emission = self.system.emission.at(t);
        for (j, row) in b.observed.iter().zip(b.emission.chunks_exact_mut(d)) {
            row.copy_from_slice(&emission[j * d..(j + 1) * d]);
        }
    }

    /// Writes L_R of the observed entries into the last columns of `innovation`; whether one is noise-free.
    pub(super) fn load_emission_noise(&mut self, t: usize) -> Result<bool, GaussianError> {
        let (d, all) = (self.system.state_dim, self.system.emission_dim);
        let b = &mut *self.buffers;
        let m = b.observed.len();
        let out = &mut b.innovation[d * m..(d + m) * m];
        match self.system.emission_cov {
            Noise::Diagonal(variances) => {
                out.fill(0.0);
                for (i, j) in b.observed.iter().enumerate() {
                    let variance = variances.at(t)[*j];
                    if !(variance >= 0.0 && variance.is_finite()) {
                        return Err(indefinite("emission_cov", t, variance));
                    }
                    out[i * m + i] = variance.sqrt();
                }
            }
            Noise::Full(cov) if cov.is_fixed() && m == all => transpose(&b.emission_noise, m, out),
            Noise::Full(cov) => {
                let lower = &mut b.gathered[..m * m];
                for (row, i) in lower.chunks_exact_mut(m).zip(&b.observed) {
                    row.iter_mut().zip(&b.observed).for_each(|(x, j)| *x = cov.at(t)[i * all + j]);
                }
                factor("emission_cov", t, lower, m)?;
                transpose(lower, m, out);
            }
        }
        Ok((0..m).any(|i| out[i * m + i] == 0.0))
    }

    /// L_Q of step t, by columns.
    pub(super) fn noise(&mut self, t: usize) -> Result<&[f64], GaussianError> {
        if !self.system.transition_cov.is_fixed() {
            self.load_transition_cov(t)?;
        }
        Ok(&self.buffers.noise)
    }

    /// Leaves L_R⁻¹ H in `emission` and L_R⁻¹ (y − d) in `whitened`; answers the number of rows.
    pub(super) fn whitened_emission(&mut self, t: usize) -> Result<usize, GaussianError> {
        let d = self.system.state_dim;
        self.load_observed(t);
        let m = self.buffers.observed.len();
        if m > 0 && self.load_emission_noise(t)? {
            return Err(indefinite("emission_cov (whose inverse the backward filter needs)", t, 0.0));
        }
        let b = &mut *self.buffers;
        let root = &b.innovation[d * m..(d + m) * m];
        let y = &self.series.emissions[t * self.system.emission_dim..];
        for (i, j) in b.observed.iter().enumerate() {
            let (done, row) = b.emission.split_at_mut(i * d);
            let row = &mut row[..d];
            let mut data = y[*j] - self.series.emission_offset.map_or(0.0, |o| o.at(t)[*j]);
            for (k, done) in done.chunks_exact(d).enumerate() {
                let x = root[k * m + i];
                data -= x * b.whitened[k];
                row.iter_mut().zip(done).for_each(|(r, d)| *r -= x * d);
            }
            row.iter_mut().for_each(|r| *r /= root[i * m + i]);
            b.whitened[i] = data / root[i * m + i];
        }
        Ok(m)
    }
}

/// Overwrites a covariance with its lower triangular root.
pub(super) fn factor(
    argument: &'static str,
    t: usize,
    cov: &mut [f64],
    n: usize,
) -> Result<usize, GaussianError> {
    semidefinite_cholesky(cov, n).map_err(|error| indefinite(argument, t, error.pivot))
}

fn indefinite(argument: &'static str, t: usize, pivot: f64) -> GaussianError {
    GaussianError::Indefinite { argument, t, pivot }
}
