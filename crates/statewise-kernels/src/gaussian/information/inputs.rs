//! What a step reads of the system and the series, as the kernels want it.

use super::super::square_root::kernels::{dot, transpose};
use super::super::{GaussianError, Noise};
use super::roots::log_pivots;
use super::steps::{HALF_LN_2PI, Stepper};
use crate::linalg::{Stacked, semidefinite_cholesky, triangularise};

impl Stepper<'_> {
    pub(super) fn load_noise(&mut self, t: usize) -> Result<(), GaussianError> {
        let d = self.system.state_dim;
        let b = &mut *self.buffers;
        let lower = &mut b.lower[..d * d];
        factor("transition_precision", t, self.system.transition_precision.at(t), lower, d)?;
        transpose(lower, d, &mut b.noise);
        let (log_det, rank) = log_pivots(&b.noise, d);
        b.log_noise = log_det - rank as f64 * HALF_LN_2PI;
        Ok(())
    }

    pub(super) fn load_emission_noise(&mut self, t: usize, precision: &[f64]) -> Result<(), GaussianError> {
        let m = self.system.emission_dim;
        let b = &mut *self.buffers;
        let lower = &mut b.lower[..m * m];
        factor("emission_precision", t, precision, lower, m)?;
        transpose(lower, m, &mut b.emission_noise);
        Ok(())
    }

    /// Gathers H, y − d − H m and Γ of the observed entries; answers log |Γ| − (rank/2) log 2π.
    pub(super) fn load_observed(&mut self, t: usize, mean: &[f64]) -> Result<f64, GaussianError> {
        let (d, all) = (self.system.state_dim, self.system.emission_dim);
        let y = &self.series.emissions[t * all..(t + 1) * all];
        let emission = self.system.emission.at(t);
        let b = &mut *self.buffers;
        b.observed.clear();
        b.missing.clear();
        for (j, y) in y.iter().enumerate() {
            if y.is_nan() {
                b.missing.push(j);
                continue;
            }
            let (i, h) = (b.observed.len(), &emission[j * d..(j + 1) * d]);
            b.emission[i * d..(i + 1) * d].copy_from_slice(h);
            let offset = self.series.emission_offset.map_or(0.0, |o| o.at(t)[j]);
            b.residual[i] = y - offset - dot(h, mean);
            b.observed.push(j);
        }
        match self.system.emission_precision {
            Noise::Diagonal(precisions) => {
                let m = b.observed.len();
                let root = &mut b.observed_noise[..m * m];
                root.fill(0.0);
                for (i, j) in b.observed.iter().enumerate() {
                    let precision = precisions.at(t)[*j];
                    if !(precision >= 0.0 && precision.is_finite()) {
                        let (argument, pivot) = ("emission_precision", precision);
                        return Err(GaussianError::Indefinite { argument, t, pivot });
                    }
                    root[i * m + i] = precision.sqrt();
                }
            }
            Noise::Full(precision) => {
                if !precision.is_fixed() {
                    self.load_emission_noise(t, precision.at(t))?;
                }
                self.marginalise_missing();
            }
        }
        let b = &mut *self.buffers;
        let m = b.observed.len();
        let (log_det, rank) = log_pivots(&b.observed_noise[..m * m], m);
        Ok(log_det - rank as f64 * HALF_LN_2PI)
    }

    /// The root of the observed entries' own precision, the Schur complement of the missing ones' block.
    fn marginalise_missing(&mut self) {
        let b = &mut *self.buffers;
        let (m, gone) = (b.observed.len(), b.missing.len());
        let all = m + gone;
        if gone == 0 {
            return b.observed_noise.copy_from_slice(&b.emission_noise);
        }
        let hidden = &mut b.lower[..all * gone];
        let seen = &mut b.observed_noise[..all * m];
        for (k, column) in b.emission_noise.chunks_exact(all).enumerate() {
            b.missing.iter().enumerate().for_each(|(i, j)| hidden[k * gone + i] = column[*j]);
            b.observed.iter().enumerate().for_each(|(i, j)| seen[k * m + i] = column[*j]);
        }
        let sizes = Stacked { top: gone, bottom: m, cols: all, band: all };
        let rank = triangularise(sizes, hidden, seen, &[], &mut b.scratch);
        seen.copy_within(rank * m.., 0);
        let cols = all - rank;
        let sizes = Stacked { top: m, bottom: 0, cols, band: cols };
        triangularise(sizes, &mut seen[..cols * m], &mut [], &[], &mut b.scratch);
    }
}

/// Writes the lower triangular root of a precision.
pub(super) fn factor(
    argument: &'static str,
    t: usize,
    precision: &[f64],
    lower: &mut [f64],
    n: usize,
) -> Result<(), GaussianError> {
    lower.copy_from_slice(precision);
    match semidefinite_cholesky(lower, n) {
        Ok(_) => Ok(()),
        Err(error) => Err(GaussianError::Indefinite { argument, t, pivot: error.pivot }),
    }
}
