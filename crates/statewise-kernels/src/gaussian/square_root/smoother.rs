//! The square-root smoother.
//!
//! The filter's rotations, applied to the identity as well, express a step in whitened coordinates:
//! z_t = m_p + L_p x with x = Θ_1 w + Θ_2 x_f, and x_f = Φ_1 x' + Φ_2 ε for the filtered x_f of one step and
//! the predicted x' of the next. Smoothing is that map run backward on E x = a and Cov x = W Wᵀ: factors of
//! norm at most one, no inverse, no difference of covariances.

use super::super::system::length;
use super::super::{GaussianError, Series, System};
use super::filter::forward;
use super::kernels::{multiply, multiply_columns};
use super::outputs::{SquareRootFiltered, SquareRootReport, SquareRootSmoothed};
use super::steps::Stepper;
use super::workspace::{BackwardBuffers, SquareRootWorkspace};
use crate::linalg::{Stacked, triangularise};

/// Smooths a series on square roots of covariances and returns log p(y_{1:T}).
///
/// With E x_f = b, Cov x_f = V Vᵀ (b = 0 and V = I at T): m^s = m_f + L_f b and P^s = (L_f V)(L_f V)ᵀ;
/// a = Θ_1 w + Θ_2 b and W = Θ_2 V; then for the step before b = Φ_1 a and V Vᵀ = Φ_1 W Wᵀ Φ_1ᵀ + Φ_2 Φ_2ᵀ.
///
/// # Errors
/// Those of [`square_root_filter`](super::square_root_filter).
///
/// # Source
/// The Rauch-Tung-Striebel smoother of Park and Kailath (1995, "New square-root smoothing algorithms"), in
/// whitened coordinates. Twice the filter's time for the backward pass, T (D² + D) numbers.
pub fn square_root_smoother(
    system: &System<'_>,
    series: &Series<'_>,
    workspace: &mut SquareRootWorkspace,
    out: SquareRootSmoothed<'_>,
) -> Result<SquareRootReport, GaussianError> {
    let SquareRootSmoothed { mut smoothed, mut lag_one_covs, filtered, predicted } = out;
    let (d, num_steps) = (system.state_dim, series.num_steps(system));
    smoothed.check(["smoothed means", "smoothed covs", "smoothed chol_covs"], num_steps, d)?;
    if let Some(covs) = &lag_one_covs {
        length("lag_one_covs", covs.len(), num_steps.saturating_sub(1) * d * d)?;
    }
    let SquareRootWorkspace { step, pass, backward, .. } = workspace;
    let mut stepper = Stepper::new(system, series, step)?;
    let report = forward(&mut stepper, pass, &mut SquareRootFiltered { filtered, predicted }, true)?;
    let mut past = Backward::new(backward, d);
    for t in (0..num_steps).rev() {
        let root = &pass.roots[t * d * d..(t + 1) * d * d];
        let rank = stepper.update(t, &pass.means[t * d..(t + 1) * d], root, true, &mut pass.filtered)?.rank;
        if t + 1 < num_steps {
            past.filtered_root.copy_from_slice(&stepper.buffers.state[rank * d..(rank + d) * d]);
            let moved = stepper.predict_root(t + 1, past.filtered_root, true)?;
            let next_root = &pass.roots[(t + 1) * d * d..(t + 2) * d * d];
            let cov = lag_one_covs.as_deref_mut().map(|covs| &mut covs[t * d * d..(t + 1) * d * d]);
            past.cross(&mut stepper, moved, next_root, cov);
        }
        let b = &mut *stepper.buffers;
        let filtered_root = &b.state[rank * d..(rank + d) * d];
        past.moments(filtered_root, &mut pass.filtered);
        smoothed.write(t, &pass.filtered, past.smoothed_root, &mut pass.lower, &mut b.scratch);
        past.observe(&b.whitened[..rank], &b.identity[..(rank + d) * d]);
    }
    Ok(report)
}

/// The whitened posterior on its way back. Roots are stored by columns.
struct Backward<'a> {
    /// E x_f = b, given all observations.
    mean: &'a mut Vec<f64>,
    /// E x = a.
    predicted_mean: &'a mut Vec<f64>,
    /// V.
    root: &'a mut Vec<f64>,
    /// W.
    predicted_root: &'a mut Vec<f64>,
    /// L_f of the step.
    filtered_root: &'a mut Vec<f64>,
    /// L_f V.
    smoothed_root: &'a mut Vec<f64>,
    /// Products on the way to a covariance of neighbours.
    products: [&'a mut Vec<f64>; 2],
    /// \[Φ_1 W, Φ_2\].
    stacked: &'a mut Vec<f64>,
}

impl<'a> Backward<'a> {
    fn new(buffers: &'a mut BackwardBuffers, d: usize) -> Self {
        let [mean, predicted_mean, ..] = &mut buffers.vectors;
        let [root, predicted_root, filtered_root, smoothed_root, first, second] = &mut buffers.matrices;
        for vector in [&mut *mean, &mut *predicted_mean] {
            vector.clear();
            vector.resize(d, 0.0);
        }
        for matrix in [&mut *predicted_root, filtered_root, smoothed_root, first, second] {
            matrix.resize(d * d, 0.0);
        }
        root.clear();
        root.resize(d * d, 0.0);
        root.iter_mut().step_by(d + 1).for_each(|x| *x = 1.0);
        let products = [first, second];
        let stacked = &mut buffers.stacked;
        stacked.resize(3 * d * d, 0.0);
        Backward {
            mean,
            predicted_mean,
            root,
            predicted_root,
            filtered_root,
            smoothed_root,
            products,
            stacked,
        }
    }

    /// b = Φ_1 a, V from \[Φ_1 W, Φ_2\], and Cov(z_t, z_{t+1}) = L_f Φ_1 W Wᵀ L_pᵀ where asked for.
    fn cross(&mut self, stepper: &mut Stepper<'_>, rank: usize, next: &[f64], cov: Option<&mut [f64]>) {
        let d = self.mean.len();
        let phi = &stepper.buffers.moved;
        combine(&self.predicted_mean[..rank], phi, self.mean);
        // W has a row per column of L_p; those without a pivot are zero columns of L_p.
        let [weights, through] = &mut self.products;
        for (out, w) in weights.chunks_exact_mut(rank.max(1)).zip(self.predicted_root.chunks_exact(d)) {
            out[..rank].copy_from_slice(&w[..rank]);
        }
        let (kept, added) = self.stacked[..(3 * d - rank) * d].split_at_mut(d * d);
        multiply(&weights[..d * rank], rank, &phi[..rank * d], d, kept);
        added.copy_from_slice(&phi[rank * d..2 * d * d]);
        if let Some(cov) = cov {
            multiply(kept, d, self.filtered_root, d, through);
            multiply(self.predicted_root, d, next, d, weights);
            multiply_columns(through, d, weights, d, cov);
        }
        let cols = 3 * d - rank;
        let sizes = Stacked { top: d, bottom: 0, cols, band: cols };
        triangularise(sizes, &mut self.stacked[..cols * d], &mut [], &[], &mut stepper.buffers.scratch);
        self.root.copy_from_slice(&self.stacked[..d * d]);
    }

    /// m_f + L_f b, in place, and L_f V.
    fn moments(&mut self, filtered_root: &[f64], mean: &mut [f64]) {
        let d = mean.len();
        for (b, column) in self.mean.iter().zip(filtered_root.chunks_exact(d)) {
            mean.iter_mut().zip(column).for_each(|(m, l)| *m += b * l);
        }
        multiply(self.root, d, filtered_root, d, self.smoothed_root);
    }

    /// a = Θ_1 w + Θ_2 b and W = Θ_2 V.
    fn observe(&mut self, whitened: &[f64], theta: &[f64]) {
        let d = self.mean.len();
        let (first, second) = theta.split_at(whitened.len() * d);
        combine(self.mean, second, self.predicted_mean);
        for (w, column) in whitened.iter().zip(first.chunks_exact(d)) {
            self.predicted_mean.iter_mut().zip(column).for_each(|(a, x)| *a += w * x);
        }
        multiply(self.root, d, second, d, self.predicted_root);
    }
}

/// Overwrites out with Σ_k x_k column_k.
fn combine(x: &[f64], columns: &[f64], out: &mut [f64]) {
    out.fill(0.0);
    for (x, column) in x.iter().zip(columns.chunks_exact(out.len())) {
        out.iter_mut().zip(column).for_each(|(o, c)| *o += x * c);
    }
}
