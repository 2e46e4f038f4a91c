//! Smoothing by two filters: a square-root filter forward, an information filter backward.

use super::super::{GaussianError, Series, System};
use super::filter::forward;
use super::kernels::{dot, multiply, transpose};
use super::outputs::{Estimates, SquareRootFiltered, SquareRootReport};
use super::steps::Stepper;
use super::workspace::{SquareRootWorkspace, TwoFilterBuffers};
use crate::linalg::{Stacked, triangularise};

/// Smooths a series by combining what the past and what the future say of each state.
///
/// Backward, p(y_{t+1:T} | z_t) ∝ exp(−|Mᵀ z − x|²/2): with \[M, (L_R⁻¹ H)ᵀ\] for y_t and, for the step before,
/// \[I, L_Qᵀ M; 0, Aᵀ M\] Θ = \[·, 0; ·, M'\]. With N(m, L Lᵀ) from the forward filter and C Cᵀ = I + Lᵀ M Mᵀ L:
///
/// P^s = L (C Cᵀ)⁻¹ Lᵀ,  m^s = m + P^s M (x − Mᵀ m).
///
/// A route that shares nothing with [`square_root_smoother`](super::square_root_smoother) after the filter.
/// Q and P_1 may be singular, R may not.
///
/// # Errors
/// Those of [`square_root_filter`](super::square_root_filter), and [`GaussianError::Indefinite`] with pivot
/// zero where R is singular.
///
/// # Source
/// Fraser and Potter (1969); the backward filter as in Kailath, Sayed and Hassibi (2000), §10.4. About three
/// times the filter's time, T (2D² + 2D) numbers.
pub fn two_filter_smoother(
    system: &System<'_>,
    series: &Series<'_>,
    workspace: &mut SquareRootWorkspace,
    mut smoothed: Estimates<'_>,
) -> Result<SquareRootReport, GaussianError> {
    let (d, num_steps) = (system.state_dim, series.num_steps(system));
    smoothed.check(["smoothed means", "smoothed covs", "smoothed chol_covs"], num_steps, d)?;
    let SquareRootWorkspace { step, pass, two_filter, .. } = workspace;
    let mut stepper = Stepper::new(system, series, step)?;
    let report = forward(&mut stepper, pass, &mut SquareRootFiltered::default(), true)?;
    let mut future = Future::new(two_filter, system);
    for t in (0..num_steps).rev() {
        let root = &pass.roots[t * d * d..(t + 1) * d * d];
        let rank =
            stepper.update(t, &pass.means[t * d..(t + 1) * d], root, false, &mut pass.filtered)?.rank;
        let b = &mut *stepper.buffers;
        future.combine(&b.state[rank * d..(rank + d) * d], &mut pass.filtered, &mut b.scratch);
        smoothed.write(t, &pass.filtered, future.smoothed_root, &mut pass.lower, &mut b.scratch);
        if t > 0 {
            future.observe(&mut stepper, t)?;
            future.unpredict(&mut stepper, t)?;
        }
    }
    Ok(report)
}

/// What the observations after a step say of its state. Roots are stored by columns.
struct Future<'a> {
    /// M.
    root: &'a mut Vec<f64>,
    /// x.
    data: &'a mut Vec<f64>,
    /// L_Q, row-major; then C and L C⁻ᵀ.
    square: &'a mut Vec<f64>,
    smoothed_root: &'a mut Vec<f64>,
    top: &'a mut Vec<f64>,
    /// Rows of the state, then of the data.
    bottom: &'a mut Vec<f64>,
}

impl<'a> Future<'a> {
    fn new(buffers: &'a mut TwoFilterBuffers, system: &System<'_>) -> Self {
        let (d, m) = (system.state_dim, system.emission_dim);
        let TwoFilterBuffers { root, data, square, smoothed_root, top, bottom } = buffers;
        for vec in [&mut *root, &mut *data] {
            vec.clear();
        }
        root.resize(d * d, 0.0);
        data.resize(d, 0.0);
        square.resize(d * d, 0.0);
        smoothed_root.resize(d * d, 0.0);
        top.resize((2 * d).max(d + m) * d, 0.0);
        bottom.resize((2 * d * (d + 1)).max(d + m), 0.0);
        Future { root, data, square, smoothed_root, top, bottom }
    }

    /// Adds y_t.
    fn observe(&mut self, stepper: &mut Stepper<'_>, t: usize) -> Result<(), GaussianError> {
        let d = self.data.len();
        let m = stepper.whitened_emission(t)?;
        let b = &mut *stepper.buffers;
        let cols = d + m;
        let (seen, kept) = self.top[..cols * d].split_at_mut(m * d);
        seen.copy_from_slice(&b.emission[..m * d]);
        kept.copy_from_slice(self.root);
        let data = &mut self.bottom[..cols];
        data[..m].copy_from_slice(&b.whitened[..m]);
        data[m..].copy_from_slice(self.data);
        let sizes = Stacked { top: d, bottom: 1, cols, band: cols };
        let rank = triangularise(sizes, &mut self.top[..cols * d], data, &[], &mut b.scratch);
        self.root.copy_from_slice(&self.top[..d * d]);
        self.data.copy_from_slice(&data[..d]);
        self.data[rank..].fill(0.0);
        Ok(())
    }

    /// Moves from the state of step t to the one before it.
    fn unpredict(&mut self, stepper: &mut Stepper<'_>, t: usize) -> Result<(), GaussianError> {
        let d = self.data.len();
        let b = stepper.noise(t)?;
        transpose(b, d, self.square);
        let (unit, noise) = self.top[..2 * d * d].split_at_mut(d * d);
        unit.fill(0.0);
        unit.iter_mut().step_by(d + 1).for_each(|x| *x = 1.0);
        multiply(self.root, d, self.square, d, noise);
        let offset = stepper.series.transition_offset.map(|b| b.at(t));
        let transition = stepper.system.transition.at(t);
        let bottom = &mut self.bottom[..2 * d * (d + 1)];
        bottom.fill(0.0);
        let rows = bottom[d * (d + 1)..].chunks_exact_mut(d + 1);
        for ((row, column), x) in rows.zip(self.root.chunks_exact(d)).zip(&*self.data) {
            multiply(column, d, transition, d, &mut row[..d]);
            row[d] = x - offset.map_or(0.0, |b| dot(column, b));
        }
        let sizes = Stacked { top: d, bottom: d + 1, cols: 2 * d, band: 2 * d };
        let scratch = &mut stepper.buffers.scratch;
        triangularise(sizes, &mut self.top[..2 * d * d], bottom, &[], scratch);
        for (k, row) in bottom[d * (d + 1)..].chunks_exact(d + 1).enumerate() {
            self.root[k * d..(k + 1) * d].copy_from_slice(&row[..d]);
            self.data[k] = row[d];
        }
        Ok(())
    }

    /// Combines with the filtered belief: the mean becomes the smoothed one.
    fn combine(&mut self, filtered_root: &[f64], mean: &mut [f64], scratch: &mut [f64]) {
        let d = mean.len();
        // [I, Lᵀ M] by columns: row k of Mᵀ L.
        let stacked = &mut self.top[..2 * d * d];
        stacked[..d * d].fill(0.0);
        stacked[..d * d].iter_mut().step_by(d + 1).for_each(|x| *x = 1.0);
        transpose(filtered_root, d, self.square);
        multiply(self.root, d, self.square, d, &mut stacked[d * d..]);
        // With the data x − Mᵀ m as a row below, what is left of it is C⁻¹ Lᵀ M (x − Mᵀ m).
        let data = &mut self.bottom[..2 * d];
        data[..d].fill(0.0);
        for ((out, column), x) in data[d..].iter_mut().zip(self.root.chunks_exact(d)).zip(&*self.data) {
            *out = x - dot(column, mean);
        }
        let sizes = Stacked { top: d, bottom: 1, cols: 2 * d, band: 2 * d };
        triangularise(sizes, stacked, data, &[], scratch);
        // L C⁻ᵀ by columns solves C Xᵀ = Lᵀ: forward substitution on rows.
        self.smoothed_root.copy_from_slice(filtered_root);
        for i in 0..d {
            let (done, row) = self.smoothed_root.split_at_mut(i * d);
            let row = &mut row[..d];
            for (j, done) in done.chunks_exact(d).enumerate() {
                let x = stacked[j * d + i];
                row.iter_mut().zip(done).for_each(|(r, d)| *r -= x * d);
            }
            row.iter_mut().for_each(|r| *r /= stacked[i * d + i]);
        }
        for (weight, column) in data.iter().zip(self.smoothed_root.chunks_exact(d)) {
            mean.iter_mut().zip(column).for_each(|(m, x)| *m += weight * x);
        }
    }
}
