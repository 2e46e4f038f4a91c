//! Predict and update of a belief N(m, L Lᵀ), with what the backward sweeps need of a step.

use super::super::system::length;
use super::super::{GaussianError, Noise, Series, System};
use super::inputs::factor;
use super::kernels::{dot, predict_root, row_norms, transpose, update_root};
use crate::linalg::{Stacked, triangularise};

const HALF_LN_2PI: f64 = 0.918_938_533_204_672_8;

/// What an update leaves besides its buffers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Updated {
    /// log p(y_t | y_{1:t-1}).
    pub(super) loglik: f64,
    /// Rank of the innovation's covariance.
    pub(super) rank: usize,
    /// Observed entries beyond that rank.
    pub(super) rank_lost: usize,
}

/// Memory of one step. Roots are stored by columns.
#[derive(Clone, Debug, Default)]
pub(super) struct StepBuffers {
    /// Aᵀ.
    pub(super) transition: Vec<f64>,
    /// L_Q, and whether a state has no noise of its own.
    pub(super) noise: Vec<f64>,
    pub(super) noise_free: bool,
    /// L_R of all entries, row-major, where R is full and the same at all steps.
    pub(super) emission_noise: Vec<f64>,
    /// R of the observed entries.
    pub(super) gathered: Vec<f64>,
    /// The observed entries that are not determined by those before them.
    pub(super) observed: Vec<usize>,
    /// H of the observed entries, shape \[m, D\].
    pub(super) emission: Vec<f64>,
    /// L_S, shape \[r, r\], and what else the reflections need.
    pub(super) innovation: Vec<f64>,
    /// w = L_S⁻¹ (y − d − H m), shape \[r\].
    pub(super) whitened: Vec<f64>,
    /// K̄ (shape \[r, D\]), then L_f (\[D, D\]).
    pub(super) state: Vec<f64>,
    /// Θ_1 (shape \[r, D\]), then Θ_2 (\[D, D\]).
    pub(super) identity: Vec<f64>,
    /// L' (shape \[D, D\]) and zeros.
    pub(super) predicted: Vec<f64>,
    /// Φ_1 (shape \[rank, D\]), then Φ_2.
    pub(super) moved: Vec<f64>,
    floors: Vec<f64>,
    norms: Vec<f64>,
    pub(super) scratch: Vec<f64>,
}

/// The steps of one series.
pub(super) struct Stepper<'a> {
    pub(super) system: &'a System<'a>,
    pub(super) series: &'a Series<'a>,
    pub(super) buffers: &'a mut StepBuffers,
}

impl<'a> Stepper<'a> {
    /// Checks sizes and factors what does not change with time.
    pub(super) fn new(
        system: &'a System<'a>,
        series: &'a Series<'a>,
        buffers: &'a mut StepBuffers,
    ) -> Result<Self, GaussianError> {
        system.check(series.num_steps(system))?;
        series.check(system)?;
        if let Some(diffuse) = system.initial_diffuse {
            // There is no square root of an infinite covariance; the information form has one of its inverse.
            length("initial_diffuse", diffuse.len(), 0)?;
        }
        let (d, m) = (system.state_dim, system.emission_dim);
        let b = &mut *buffers;
        for vec in [&mut b.transition, &mut b.noise] {
            vec.resize(d * d, 0.0);
        }
        for vec in [&mut b.emission_noise, &mut b.gathered] {
            vec.resize(m * m, 0.0);
        }
        b.emission.resize(m * d, 0.0);
        b.innovation.resize((d + m) * m, 0.0);
        b.whitened.resize(m, 0.0);
        for vec in [&mut b.state, &mut b.identity] {
            vec.resize((d + m) * d, 0.0);
        }
        for vec in [&mut b.predicted, &mut b.moved] {
            vec.resize(2 * d * d, 0.0);
        }
        b.floors.resize(d.max(m), 0.0);
        b.norms.resize(d, 0.0);
        b.scratch.resize((2 * d + m) + 2 * (d + m) + d, 0.0);
        b.observed.clear();
        b.observed.reserve(m);
        let mut stepper = Stepper { system, series, buffers };
        if system.transition.is_fixed() {
            stepper.load_transition(0);
        }
        if system.transition_cov.is_fixed() {
            stepper.load_transition_cov(0)?;
        }
        if let Noise::Full(cov) = system.emission_cov
            && cov.is_fixed()
        {
            let root = &mut stepper.buffers.emission_noise;
            root.copy_from_slice(cov.at(0));
            factor("emission_cov", 0, root, m)?;
        }
        Ok(stepper)
    }

    /// Writes a root of the initial covariance, by columns.
    pub(super) fn initial_root(&mut self, root: &mut [f64]) -> Result<(), GaussianError> {
        let d = self.system.state_dim;
        let lower = &mut self.buffers.predicted[..d * d];
        lower.copy_from_slice(self.system.initial_cov);
        factor("initial_cov", 0, lower, d)?;
        transpose(lower, d, root);
        Ok(())
    }

    /// Moves a belief into step t. The root is left in `predicted`, with `identity` Φ in `moved`; answers
    /// the rank.
    pub(super) fn predict_root(
        &mut self,
        t: usize,
        root: &[f64],
        identity: bool,
    ) -> Result<usize, GaussianError> {
        let d = self.system.state_dim;
        if !self.system.transition.is_fixed() {
            self.load_transition(t);
        }
        if !self.system.transition_cov.is_fixed() {
            self.load_transition_cov(t)?;
        }
        let b = &mut *self.buffers;
        let floors = if b.noise_free {
            row_norms(root, d, &mut b.norms);
            let tolerance = rounding(2 * d);
            for (i, floor) in b.floors[..d].iter_mut().enumerate() {
                let reach = (0..d).map(|j| b.transition[j * d + i].abs() * b.norms[j]).sum::<f64>();
                *floor = if b.noise[i * d + i] == 0.0 { tolerance * reach } else { 0.0 };
            }
            &b.floors[..d]
        } else {
            &[]
        };
        let moved = if identity { &mut b.moved[..] } else { &mut [] };
        Ok(super::super::by_dim!(
            d,
            predict_root(d, &b.transition, root, &b.noise, floors, &mut b.predicted, moved, &mut b.scratch)
        ))
    }

    /// A_t m + b_t.
    pub(super) fn predict_mean(&self, t: usize, mean: &[f64], out: &mut [f64]) {
        let transition = self.system.transition.at(t).chunks_exact(mean.len());
        for (i, (row, out)) in transition.zip(&mut *out).enumerate() {
            let offset = self.series.transition_offset.map_or(0.0, |b| b.at(t)[i]);
            *out = offset + dot(row, mean);
        }
    }

    /// Conditions the belief N(`mean`, `root` `root`ᵀ) of step t on y_t; `filtered` is the new mean.
    ///
    /// The buffers keep the entries used (`observed`), their H (`emission`), L_S (`innovation`), w
    /// (`whitened`), K̄ and L_f (`state`) and, with `identity`, Θ.
    pub(super) fn update(
        &mut self,
        t: usize,
        mean: &[f64],
        root: &[f64],
        identity: bool,
        filtered: &mut [f64],
    ) -> Result<Updated, GaussianError> {
        let d = self.system.state_dim;
        filtered.copy_from_slice(mean);
        self.load_observed(t);
        let m = self.buffers.observed.len();
        if m == 0 {
            let b = &mut *self.buffers;
            b.state[..d * d].copy_from_slice(root);
            if identity {
                b.identity[..d * d].fill(0.0);
                b.identity.iter_mut().step_by(d + 1).take(d).for_each(|x| *x = 1.0);
            }
            return finite(t, filtered, &b.state[..d * d]).map(|()| Updated::default());
        }
        let noise_free = self.load_emission_noise(t)?;
        let b = &mut *self.buffers;
        if noise_free {
            row_norms(root, d, &mut b.norms);
        }
        let tolerance = rounding(d + m);
        for i in 0..m {
            b.floors[i] = 0.0;
            if noise_free && b.innovation[(d + i) * m + i] == 0.0 {
                let h = &b.emission[i * d..(i + 1) * d];
                let reach = h.iter().zip(&b.norms).map(|(h, n)| h.abs() * n).sum::<f64>();
                let added = (0..m).map(|k| b.innovation[(d + k) * m + i].abs()).sum::<f64>();
                b.floors[i] = tolerance * (reach + added);
            }
        }
        let innovation = &mut b.innovation[..(d + m) * m];
        let state = &mut b.state[..(d + m) * d];
        let theta = if identity { &mut b.identity[..(d + m) * d] } else { &mut [] };
        let rank = super::super::by_dim!(
            d,
            update_root(d, m, &b.emission, root, &b.floors[..m], innovation, state, theta, &mut b.scratch)
        );
        let mut updated = Updated { loglik: 0.0, rank, rank_lost: m - rank };
        updated.loglik = self.whiten(t, mean, rank)?;
        if rank < m {
            self.compress(rank, identity);
        }
        let b = &mut *self.buffers;
        if noise_free {
            // NUMERICS: what an exact observation leaves of a variance is rounding; as a variance it would
            // make the next exact observation of that state look informative.
            let left = &mut b.state[rank * d..(rank + d) * d];
            for i in 0..d {
                let norm = (0..d).map(|k| left[k * d + i].powi(2)).sum::<f64>().sqrt();
                if norm <= tolerance * b.norms[i] {
                    (0..d).for_each(|k| left[k * d + i] = 0.0);
                }
            }
        }
        for (w, gain) in b.whitened[..rank].iter().zip(b.state.chunks_exact(d)) {
            filtered.iter_mut().zip(gain).for_each(|(m, k)| *m += w * k);
        }
        finite(t, filtered, &b.state[rank * d..(rank + d) * d])?;
        Ok(updated)
    }

    /// w = L_S⁻¹ (y − d − H m) and log p(y_t | y_{1:t-1}); drops determined entries from `observed`,
    /// `emission` and `innovation`.
    fn whiten(&mut self, t: usize, mean: &[f64], rank: usize) -> Result<f64, GaussianError> {
        let d = self.system.state_dim;
        let b = &mut *self.buffers;
        let m = b.observed.len();
        let y = &self.series.emissions[t * self.system.emission_dim..];
        let (mut loglik, mut pivot) = (0.0, 0);
        for i in 0..m {
            let entry = b.observed[i];
            let h = &b.emission[i * d..(i + 1) * d];
            let offset = self.series.emission_offset.map_or(0.0, |o| o.at(t)[entry]);
            let explained: f64 = (0..pivot).map(|k| b.innovation[k * m + i] * b.whitened[k]).sum();
            let residual = y[entry] - offset - dot(h, mean) - explained;
            let root = if pivot < m { b.innovation[pivot * m + i] } else { 0.0 };
            if root > 0.0 || root.is_nan() {
                let w = residual / root;
                loglik -= 0.5 * w * w + root.ln() + HALF_LN_2PI;
                b.whitened[pivot] = w;
                b.observed[pivot] = entry;
                b.emission.copy_within(i * d..(i + 1) * d, pivot * d);
                pivot += 1;
                continue;
            }
            let size: f64 = (0..pivot).map(|k| (b.innovation[k * m + i] * b.whitened[k]).abs()).sum();
            let reach = h.iter().zip(mean).map(|(h, m)| (h * m).abs()).sum::<f64>();
            // Half the digits of what was added up: the mean carries the rounding of all steps before.
            if residual.abs() > 1.5e-8 * (y[entry].abs() + offset.abs() + reach + size) {
                return Err(GaussianError::ImpossibleObservation { t, residual });
            }
        }
        debug_assert_eq!(pivot, rank);
        if !loglik.is_finite() {
            return Err(GaussianError::NotFinite { t });
        }
        Ok(loglik)
    }

    /// Where the innovation lost rank: keeps the rows of L_S that have pivots, and gives L_f, which has a
    /// column too many per row lost, its shape again.
    fn compress(&mut self, rank: usize, identity: bool) {
        let d = self.system.state_dim;
        let b = &mut *self.buffers;
        let m = b.observed.len();
        let mut row = 0;
        for i in 0..m {
            if row < rank && b.innovation[row * m + i] > 0.0 {
                for k in 0..rank {
                    b.innovation[k * m + row] = b.innovation[k * m + i];
                }
                row += 1;
            }
        }
        for k in 0..rank {
            b.innovation.copy_within(k * m..k * m + rank, k * rank);
        }
        b.observed.truncate(rank);
        let cols = d + m - rank;
        let sizes = Stacked { top: d, bottom: d, cols, band: cols };
        let state = &mut b.state[rank * d..(d + m) * d];
        let theta = if identity { &mut b.identity[rank * d..(d + m) * d] } else { &mut [][..] };
        let sizes = Stacked { bottom: if identity { d } else { 0 }, ..sizes };
        triangularise(sizes, state, theta, &[], &mut b.scratch);
    }
}

/// What rounding leaves of a row that a product of reflections should make zero, relative to its norm.
fn rounding(cols: usize) -> f64 {
    4.0 * cols as f64 * f64::EPSILON
}

fn finite(t: usize, mean: &[f64], root: &[f64]) -> Result<(), GaussianError> {
    let sum = mean.iter().chain(root).map(|x| x * 0.0).sum::<f64>();
    if sum == 0.0 { Ok(()) } else { Err(GaussianError::NotFinite { t }) }
}
