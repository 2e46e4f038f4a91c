//! The information smoother.

use super::super::square_root::kernels::dot;
use super::super::{GaussianError, Series};
use super::filter::{InformationEstimates, InformationReport, forward};
use super::roots::{lower, row_floors, solve_echelon_transposed};
use super::steps::{InformationWorkspace, Stepper};
use super::system::InformationSystem;
use crate::linalg::{Stacked, triangularise};

/// Where [`information_smoother`] writes.
#[derive(Debug, Default)]
pub struct InformationSmoothed<'a> {
    /// p(z_t | y_{1:T}).
    pub smoothed: InformationEstimates<'a>,
    /// p(z_t | y_{1:t}).
    pub filtered: InformationEstimates<'a>,
}

/// Smooths a series on precisions and returns log p(y_{1:T}).
///
/// With L_J L_Jᵀ the precision of z_t given z_{t+1} and K̄ from the prediction, N' the smoothed root of t + 1:
/// \[K̄, N'; L_J, 0\] Θ = \[L, 0; ·, N\], N the smoothed root of t, and m^s = m − L_J⁻ᵀ K̄ᵀ (m'^s − A m − b).
/// Nothing is subtracted from a precision.
///
/// # Errors
/// Those of [`information_filter`](super::information_filter).
///
/// # Source
/// The square-root information smoother of Bierman (1977), chapter X, in its marginal form.
pub fn information_smoother(
    system: &InformationSystem<'_>,
    series: &Series<'_>,
    workspace: &mut InformationWorkspace,
    out: InformationSmoothed<'_>,
) -> Result<InformationReport, GaussianError> {
    let InformationSmoothed { mut smoothed, mut filtered } = out;
    let (d, num_steps) = (system.state_dim, system.check(series)?);
    smoothed.check(["smoothed etas", "smoothed precisions", "smoothed means"], num_steps, d)?;
    let report = forward(system, series, workspace, &mut filtered, true)?;
    let InformationWorkspace { step, means, roots, mean, root } = workspace;
    let mut stepper = Stepper::new(system, series, step)?;
    for t in (0..num_steps).rev() {
        if t + 1 < num_steps {
            let rank = stepper.join(t + 1, &roots[t * d * d..(t + 1) * d * d])?;
            step_back(&mut stepper, t + 1, rank, &means[t * d..(t + 1) * d], mean, root);
        }
        smoothed.write(t, mean, root, &mut stepper.buffers.difference);
    }
    Ok(report)
}

/// Moves the smoothed belief of step t back to the step before, whose filtered mean is given, after a
/// [`Stepper::join`] of the two steps.
fn step_back(
    stepper: &mut Stepper<'_>,
    t: usize,
    rank: usize,
    filtered_mean: &[f64],
    mean: &mut [f64],
    root: &mut [f64],
) {
    let d = mean.len();
    let mut difference = std::mem::take(&mut stepper.buffers.difference);
    let (moved, weights) = difference.split_at_mut(d);
    stepper.predict_mean(t, filtered_mean, moved);
    moved.iter_mut().zip(&*mean).for_each(|(p, s)| *p -= s);
    let b = &mut *stepper.buffers;
    for (weight, column) in weights.iter_mut().zip(b.bottom.chunks_exact(d)) {
        *weight = dot(column, moved);
    }
    solve_echelon_transposed(&b.top[..rank * d], d, &weights[..rank], mean);
    mean.iter_mut().zip(filtered_mean).for_each(|(m, f)| *m += f);
    b.difference = difference;

    let cols = rank + d;
    let (later, earlier) = (&mut b.bottom[..cols * d], &mut b.top[..cols * d]);
    later[rank * d..].copy_from_slice(root);
    earlier[rank * d..].fill(0.0);
    row_floors(later, d, &mut b.floors);
    let sizes = Stacked { top: d, bottom: d, cols, band: rank };
    let known = triangularise(sizes, later, earlier, &b.floors, &mut b.scratch);
    let left = &mut earlier[known * d..];
    lower(left, d, cols - known, &mut b.floors, &mut b.scratch);
    root.copy_from_slice(&left[..d * d]);
}
