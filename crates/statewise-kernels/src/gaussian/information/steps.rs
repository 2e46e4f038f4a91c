//! Predict and update of a belief exp(c − |Nᵀ (z − m)|²/2).

use super::super::square_root::kernels::multiply;
use super::super::square_root::steps::{dot, transpose};
use super::super::{GaussianError, Noise, Series};
use super::system::InformationSystem;
use crate::linalg::{Stacked, semidefinite_cholesky, triangularise};

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
    noise: Vec<f64>,
    log_noise: f64,
    /// Γ with R⁻¹ = Γ Γᵀ, of all entries and of the observed ones.
    emission_noise: Vec<f64>,
    observed_noise: Vec<f64>,
    /// A lower triangle before it is transposed; rows of the missing entries.
    lower: Vec<f64>,
    observed: Vec<usize>,
    missing: Vec<usize>,
    /// H of the observed entries, and y − d − H m.
    emission: Vec<f64>,
    residual: Vec<f64>,
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

    fn load_noise(&mut self, t: usize) -> Result<(), GaussianError> {
        let d = self.system.state_dim;
        let b = &mut *self.buffers;
        let lower = &mut b.lower[..d * d];
        factor("transition_precision", t, self.system.transition_precision.at(t), lower, d)?;
        transpose(lower, d, &mut b.noise);
        let (log_det, rank) = log_pivots(&b.noise, d);
        b.log_noise = log_det - rank as f64 * HALF_LN_2PI;
        Ok(())
    }

    fn load_emission_noise(&mut self, t: usize, precision: &[f64]) -> Result<(), GaussianError> {
        let m = self.system.emission_dim;
        let b = &mut *self.buffers;
        let lower = &mut b.lower[..m * m];
        factor("emission_precision", t, precision, lower, m)?;
        transpose(lower, m, &mut b.emission_noise);
        Ok(())
    }

    /// Gathers H, y − d − H m and Γ of the observed entries; answers log |Γ| − (rank/2) log 2π.
    fn load_observed(&mut self, t: usize, mean: &[f64]) -> Result<f64, GaussianError> {
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

/// Makes a root by columns lower triangular, in place.
pub(super) fn lower(root: &mut [f64], d: usize, cols: usize, floors: &mut [f64], scratch: &mut [f64]) {
    row_floors(&root[..cols * d], d, floors);
    let sizes = Stacked { top: d, bottom: 0, cols, band: cols };
    triangularise(sizes, &mut root[..cols * d], &mut [], floors, scratch);
}

/// What rounding leaves of each row where reflections should leave zero.
pub(super) fn row_floors(root: &[f64], d: usize, floors: &mut [f64]) {
    floors.fill(0.0);
    for column in root.chunks_exact(d) {
        floors.iter_mut().zip(column).for_each(|(f, x)| *f += x * x);
    }
    let rounding = 4.0 * (root.len() / d) as f64 * f64::EPSILON;
    floors.iter_mut().for_each(|f| *f = rounding * f.sqrt());
}

/// Σ log pivot and the number of pivots of a lower triangular root by columns, zero columns left out.
pub(super) fn log_pivots(root: &[f64], n: usize) -> (f64, usize) {
    let (mut sum, mut rank) = (0.0, 0);
    for column in root.chunks_exact(n.max(1)) {
        if let Some(pivot) = column.iter().find(|x| **x != 0.0) {
            sum += pivot.ln();
            rank += 1;
        }
    }
    (sum, rank)
}

/// Solves Nᵀ x = z for N in echelon form by columns; x is zero where N has no pivot.
pub(super) fn solve_echelon_transposed(root: &[f64], n: usize, z: &[f64], x: &mut [f64]) {
    x.fill(0.0);
    for (column, z) in root.chunks_exact(n).zip(z).rev() {
        if let Some(row) = column.iter().position(|x| *x != 0.0) {
            let known = dot(&column[row + 1..], &x[row + 1..]);
            x[row] = (z - known) / column[row];
        }
    }
}

fn factor(
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
