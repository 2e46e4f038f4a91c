//! The information filter.

use super::super::square_root::kernels::{dot, multiply, square};
use super::super::system::length;
use super::super::{GaussianError, Series};
use super::roots::log_pivots;
use super::steps::{HALF_LN_2PI, InformationWorkspace, Stepper};
use super::system::InformationSystem;

/// Where to write the natural parameters of p(z_t | ·) for all t; what is `None` is not computed.
#[derive(Debug, Default)]
pub struct InformationEstimates<'a> {
    /// η = Λ m, shape \[T, D\].
    pub etas: Option<&'a mut [f64]>,
    /// Λ, shape \[T, D, D\]; exactly symmetric.
    pub precisions: Option<&'a mut [f64]>,
    /// m, shape \[T, D\]; arbitrary in directions that Λ does not see.
    pub means: Option<&'a mut [f64]>,
}

/// What a pass over a series found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct InformationReport {
    /// log p(y_{1:T}) of the observed entries.
    ///
    /// With a flat prior, log ∫ p(y_{1:T} | z_1) p(z_1) dz_1 with p(z_1) as it stands in
    /// [`InformationSystem`]. Koopman and Durbin's diffuse log-likelihood, which counts each of d flat
    /// entries as N(0, κ) and adds (d/2) log κ, is lower by (d/2) log 2π.
    pub marginal_loglik: f64,
    /// Directions of z_T that are still flat; log p then leaves out an infinite constant.
    pub flat_directions: usize,
}

/// Filters a series forward on precisions and returns log p(y_{1:T}).
///
/// Λ_p = Q⁻¹ − Q⁻¹ A (Λ + Aᵀ Q⁻¹ A)⁻¹ Aᵀ Q⁻¹;  Λ = Λ_p + Hᵀ R⁻¹ H,  η = η_p + Hᵀ R⁻¹ (y − d)
///
/// by orthogonal transformations. NaN entries of y are left out, exactly; entries of zero precision say
/// nothing and count for nothing.
///
/// # Errors
/// [`GaussianError::Shape`]; [`GaussianError::Indefinite`] names the precision;
/// [`GaussianError::NotFinite`].
///
/// # Source
/// Bierman (1977), chapter VI (square-root information filter). O(T (D³ + M D (M + D))) time, no
/// allocation on a second call.
pub fn information_filter(
    system: &InformationSystem<'_>,
    series: &Series<'_>,
    workspace: &mut InformationWorkspace,
    mut filtered: InformationEstimates<'_>,
) -> Result<InformationReport, GaussianError> {
    forward(system, series, workspace, &mut filtered, false)
}

/// Runs the filter; with `keep`, the filtered beliefs of all steps stay in the workspace.
pub(super) fn forward(
    system: &InformationSystem<'_>,
    series: &Series<'_>,
    workspace: &mut InformationWorkspace,
    filtered: &mut InformationEstimates<'_>,
    keep: bool,
) -> Result<InformationReport, GaussianError> {
    let num_steps = system.check(series)?;
    let d = system.state_dim;
    filtered.check(["filtered etas", "filtered precisions", "filtered means"], num_steps, d)?;
    let InformationWorkspace { step, means, roots, mean: predicted, root } = workspace;
    let mut stepper = Stepper::new(system, series, step)?;
    let kept = if keep { num_steps } else { 1 };
    means.resize(means.len().max(kept * d), 0.0);
    roots.resize(roots.len().max(kept * d * d), 0.0);
    predicted.clear();
    predicted.extend_from_slice(system.initial_mean);
    root.resize(d * d, 0.0);
    let mut loglik = stepper.begin(root)?;
    for t in 0..num_steps {
        let slot = if keep { t } else { 0 };
        if t > 0 {
            let before = if keep { t - 1 } else { 0 };
            stepper.predict_mean(t, &means[before * d..(before + 1) * d], predicted);
            loglik += stepper.predict(t, root)?;
        }
        loglik += stepper.update(t, predicted, root)?;
        means[slot * d..(slot + 1) * d].copy_from_slice(predicted);
        roots[slot * d * d..(slot + 1) * d * d].copy_from_slice(root);
        filtered.write(t, predicted, root, &mut stepper.buffers.difference);
    }
    let (log_det, rank) = log_pivots(root, d);
    let marginal_loglik = loglik + rank as f64 * HALF_LN_2PI - log_det;
    Ok(InformationReport { marginal_loglik, flat_directions: d - rank })
}

impl InformationEstimates<'_> {
    /// Checks sizes.
    pub(super) fn check(
        &self,
        [etas, precisions, means]: [&'static str; 3],
        num_steps: usize,
        dim: usize,
    ) -> Result<(), GaussianError> {
        let slots = [(etas, &self.etas, 1), (precisions, &self.precisions, dim), (means, &self.means, 1)];
        slots.into_iter().try_for_each(|(argument, slot, width)| match slot {
            Some(values) => length(argument, values.len(), num_steps * dim * width),
            None => Ok(()),
        })
    }

    /// Writes step t; the root by columns, `weights` is memory of 2D numbers.
    pub(super) fn write(&mut self, t: usize, mean: &[f64], root: &[f64], weights: &mut [f64]) {
        let d = mean.len();
        if let Some(etas) = &mut self.etas {
            for (weight, column) in weights.iter_mut().zip(root.chunks_exact(d)) {
                *weight = dot(column, mean);
            }
            multiply(&weights[..d], d, root, d, &mut etas[t * d..(t + 1) * d]);
        }
        if let Some(precisions) = &mut self.precisions {
            square(root, d, &mut precisions[t * d * d..(t + 1) * d * d]);
        }
        if let Some(means) = &mut self.means {
            means[t * d..(t + 1) * d].copy_from_slice(mean);
        }
    }
}
