//! Predict and update of a belief exp(c − |Nᵀ (z − m)|²/2).

use super::super::square_root::kernels::{dot, multiply, transpose};
use super::super::{GaussianError, Noise, Series};
use super::inputs::factor;
use super::roots::{log_pivots, lower, row_floors, solve_echelon_transposed};
use super::system::InformationSystem;
use crate::linalg::{Stacked, triangularise};

pub(super) const HALF_LN_2PI: f64 = 0.918_938_533_204_672_8;

/// Buffers of the information engines. They grow to the largest problem seen and are never shrunk, so a
/// second call on a series of the same size allocates nothing. Their contents mean nothing between calls.
#[derive(Clone, Debug, Default)]
pub struct InformationWorkspace {
    pub(super) step: StepBuffers,
    /// Filtered beliefs, of one step or of all.
    pub(super) means: Vec<f64>,
    pub(super) roots: Vec<f64>,
    /// The smoothed belief.
    pub(super) mean: Vec<f64>,
    pub(super) root: Vec<f64>,
}

/// Memory of one step. Roots are stored by columns.
#[derive(Clone, Debug, Default)]
pub(super) struct StepBuffers {
    /// G with Q⁻¹ = G Gᵀ, and log |G| − (rank/2) log 2π.
    pub(super) noise: Vec<f64>,
    pub(super) log_noise: f64,
    /// Γ with R⁻¹ = Γ Γᵀ, of all entries and of the observed ones.
    pub(super) emission_noise: Vec<f64>,
    pub(super) observed_noise: Vec<f64>,
    /// A lower triangle before it is transposed; rows of the missing entries.
    pub(super) lower: Vec<f64>,
    pub(super) observed: Vec<usize>,
    pub(super) missing: Vec<usize>,
    /// H of the observed entries, and y − d − H m.
    pub(super) emission: Vec<f64>,
    pub(super) residual: Vec<f64>,
    /// After a prediction L_J, shape \[2D, D\]; after an update the new root.
    pub(super) top: Vec<f64>,
    /// After a prediction K̄ and the root of the predicted precision, shape \[2D, D\].
    pub(super) bottom: Vec<f64>,
    pub(super) floors: Vec<f64>,
    pub(super) difference: Vec<f64>,
    pub(super) scratch: Vec<f64>,
}

/// The steps of one series.
pub(super) struct Stepper<'a> {
    pub(super) system: &'a InformationSystem<'a>,
    pub(super) series: &'a Series<'a>,
    pub(super) buffers: &'a mut StepBuffers,
}

impl<'a> Stepper<'a> {
    /// Sizes the buffers and factors what does not change with time.
    pub(super) fn new(
        system: &'a InformationSystem<'a>,
        series: &'a Series<'a>,
        buffers: &'a mut StepBuffers,
    ) -> Result<Self, GaussianError> {
        let (d, m) = (system.state_dim, system.emission_dim);
        let b = &mut *buffers;
        b.noise.resize(d * d, 0.0);
        b.emission_noise.resize(m * m, 0.0);
        b.observed_noise.resize(m * m, 0.0);
        b.lower.resize((d * d).max(m * m), 0.0);
        for list in [&mut b.observed, &mut b.missing] {
            list.clear();
            list.reserve(m);
        }
        b.emission.resize(m * d, 0.0);
        b.residual.resize(m, 0.0);
        b.top.resize((2 * d).max(m + d) * d, 0.0);
        b.bottom.resize((2 * d * d).max(m + d), 0.0);
        b.floors.resize(d, 0.0);
        b.difference.resize(2 * d, 0.0);
        b.scratch.resize(4 * d.max(m) + 2 * (d + m), 0.0);
        let mut stepper = Stepper { system, series, buffers };
        if system.transition_precision.is_fixed() {
            stepper.load_noise(0)?;
        }
        if let Noise::Full(precision) = system.emission_precision
            && precision.is_fixed()
        {
            stepper.load_emission_noise(0, precision.at(0))?;
        }
        Ok(stepper)
    }

    /// Writes the root of the initial precision and answers the log of the initial density's constant.
    pub(super) fn begin(&mut self, root: &mut [f64]) -> Result<f64, GaussianError> {
        let d = self.system.state_dim;
        let b = &mut *self.buffers;
        let lower = &mut b.lower[..d * d];
        factor("initial_precision", 0, self.system.initial_precision, lower, d)?;
        transpose(lower, d, root);
        let (log_det, rank) = log_pivots(root, d);
        Ok(log_det - rank as f64 * HALF_LN_2PI)
    }

    /// Moves the root N into step t and answers what log p gains.
    ///
    /// Least squares in (z, z'), \[Aᵀ G, N; −G, 0\] Θ = \[L_J, 0; K̄, N'\]: z given z' has precision L_J L_Jᵀ.
    pub(super) fn predict(&mut self, t: usize, root: &mut [f64]) -> Result<f64, GaussianError> {
        let rank = self.join(t, root)?;
        let d = self.system.state_dim;
        let b = &mut *self.buffers;
        let (log_det, _) = log_pivots(&b.top[..rank * d], d);
        let gain = b.log_noise - log_det + rank as f64 * HALF_LN_2PI;
        let cols = 2 * d - rank;
        let left = &mut b.bottom[rank * d..2 * d * d];
        lower(left, d, cols, &mut b.floors, &mut b.scratch);
        root.copy_from_slice(&left[..d * d]);
        Ok(gain)
    }

    /// Leaves L_J in `top` and \[K̄, N'\] in `bottom`; answers the rank of L_J.
    pub(super) fn join(&mut self, t: usize, root: &[f64]) -> Result<usize, GaussianError> {
        let d = self.system.state_dim;
        if !self.system.transition_precision.is_fixed() {
            self.load_noise(t)?;
        }
        let b = &mut *self.buffers;
        let (moved, kept) = b.top[..2 * d * d].split_at_mut(d * d);
        multiply(&b.noise, d, self.system.transition.at(t), d, moved);
        kept.copy_from_slice(root);
        let bottom = &mut b.bottom[..2 * d * d];
        bottom[d * d..].fill(0.0);
        bottom.iter_mut().zip(&b.noise).for_each(|(x, g)| *x = -g);
        let sizes = Stacked { top: d, bottom: d, cols: 2 * d, band: d };
        let top = &mut b.top[..2 * d * d];
        row_floors(top, d, &mut b.floors);
        Ok(triangularise(sizes, top, bottom, &b.floors, &mut b.scratch))
    }

    /// A_t m + b_t.
    pub(super) fn predict_mean(&self, t: usize, mean: &[f64], out: &mut [f64]) {
        let transition = self.system.transition.at(t).chunks_exact(mean.len());
        for (i, (row, out)) in transition.zip(&mut *out).enumerate() {
            *out = self.series.transition_offset.map_or(0.0, |b| b.at(t)[i]) + dot(row, mean);
        }
    }

    /// Conditions the belief on y_t and answers what log p gains.
    ///
    /// \[Hᵀ Γ, N\] Θ = \[N', 0\] and \[(y − d − H m)ᵀ Γ, 0\] Θ = \[zᵀ, ρᵀ\]: the mean moves by N'⁻ᵀ z, and |ρ|²
    /// is what no state explains.
    pub(super) fn update(
        &mut self,
        t: usize,
        mean: &mut [f64],
        root: &mut [f64],
    ) -> Result<f64, GaussianError> {
        let d = self.system.state_dim;
        let log_noise = self.load_observed(t, mean)?;
        let b = &mut *self.buffers;
        let m = b.observed.len();
        if m == 0 {
            return Ok(0.0);
        }
        let cols = m + d;
        let (seen, kept) = b.top[..cols * d].split_at_mut(m * d);
        multiply(&b.observed_noise[..m * m], m, &b.emission[..m * d], d, seen);
        kept.copy_from_slice(root);
        let data = &mut b.bottom[..cols];
        data[m..].fill(0.0);
        for (x, column) in data.iter_mut().zip(b.observed_noise.chunks_exact(m).take(m)) {
            *x = dot(column, &b.residual[..m]);
        }
        let top = &mut b.top[..cols * d];
        row_floors(top, d, &mut b.floors);
        let sizes = Stacked { top: d, bottom: 1, cols, band: m };
        let rank = triangularise(sizes, top, data, &b.floors, &mut b.scratch);
        root.copy_from_slice(&top[..d * d]);
        let step = &mut b.difference[..d];
        solve_echelon_transposed(root, d, &data[..rank], step);
        mean.iter_mut().zip(step).for_each(|(m, x)| *m += *x);
        let unexplained: f64 = data[rank..].iter().map(|x| x * x).sum();
        let gain = log_noise - 0.5 * unexplained;
        let sum = mean.iter().chain(&*root).map(|x| x * 0.0).sum::<f64>();
        if sum == 0.0 && gain.is_finite() { Ok(gain) } else { Err(GaussianError::NotFinite { t }) }
    }
}
