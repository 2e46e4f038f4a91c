//! The square-root filter.

use super::super::{GaussianError, Series, System};
use super::outputs::{SquareRootFiltered, SquareRootReport};
use super::steps::Stepper;
use super::workspace::{PassBuffers, SquareRootWorkspace};

/// Filters a series forward on square roots of covariances and returns log p(y_{1:T}).
///
/// p(z_t | y_{1:t}) = N(m_t, L_t L_tᵀ) with \[A L, L_Q\] Θ = \[L_p, 0\] and
/// \[H L_p, L_R; L_p, 0\] Θ = \[L_S, 0; K̄, L\];  w = L_S⁻¹ (y − d − H m_p),  m = m_p + K̄ w,
/// log p = Σ_t log N(w_t; 0, I) − log |L_S|.
///
/// NaN entries of y are left out, exactly. Singular Q, R and P_1 are fine; see the report for entries
/// that are determined by others.
///
/// # Errors
/// [`GaussianError::Shape`]; [`GaussianError::Indefinite`] names the covariance;
/// [`GaussianError::ImpossibleObservation`] where an entry without noise contradicts the rest;
/// [`GaussianError::NotFinite`]. A diffuse initial state is refused: it has no square root.
///
/// # Source
/// Kailath, Sayed and Hassibi (2000), §12.1 to 12.3 ("array algorithms"). O(T (D³ + M D (M + D))) time, no
/// allocation on a second call.
pub fn square_root_filter(
    system: &System<'_>,
    series: &Series<'_>,
    workspace: &mut SquareRootWorkspace,
    mut out: SquareRootFiltered<'_>,
) -> Result<SquareRootReport, GaussianError> {
    let SquareRootWorkspace { step, pass, .. } = workspace;
    let mut stepper = Stepper::new(system, series, step)?;
    forward(&mut stepper, pass, &mut out, false)
}

/// Runs the filter; with `keep`, the predicted beliefs of all steps stay in `pass`.
pub(super) fn forward(
    stepper: &mut Stepper<'_>,
    pass: &mut PassBuffers,
    out: &mut SquareRootFiltered<'_>,
    keep: bool,
) -> Result<SquareRootReport, GaussianError> {
    let d = stepper.system.state_dim;
    let num_steps = stepper.series.num_steps(stepper.system);
    let names = ["filtered means", "filtered covs", "filtered chol_covs"];
    out.filtered.check(names, num_steps, d)?;
    let names = ["predicted means", "predicted covs", "predicted chol_covs"];
    out.predicted.check(names, num_steps, d)?;
    let kept = if keep { num_steps } else { 1 };
    pass.means.resize(pass.means.len().max(kept * d), 0.0);
    pass.roots.resize(pass.roots.len().max(kept * d * d), 0.0);
    pass.filtered.resize(d, 0.0);
    pass.means[..d].copy_from_slice(stepper.system.initial_mean);
    stepper.initial_root(&mut pass.roots[..d * d])?;

    let mut report = SquareRootReport::default();
    let mut rank = 0;
    for t in 0..num_steps {
        let slot = if keep { t } else { 0 };
        let (mean, root) = (slot * d..(slot + 1) * d, slot * d * d..(slot + 1) * d * d);
        if t > 0 {
            let filtered = &stepper.buffers.state[rank * d..(rank + d) * d];
            pass.lower.clear();
            pass.lower.extend_from_slice(filtered);
            stepper.predict_root(t, &pass.lower, false)?;
            stepper.predict_mean(t, &pass.filtered, &mut pass.means[mean.clone()]);
            pass.roots[root.clone()].copy_from_slice(&stepper.buffers.predicted[..d * d]);
        }
        let (mean, root) = (&pass.means[mean], &pass.roots[root]);
        let updated = stepper.update(t, mean, root, false, &mut pass.filtered)?;
        report.marginal_loglik += updated.loglik;
        report.rank_lost += updated.rank_lost;
        rank = updated.rank;
        let b = &mut *stepper.buffers;
        out.predicted.write(t, mean, root, &mut pass.lower, &mut b.scratch);
        let root = &b.state[rank * d..(rank + d) * d];
        out.filtered.write(t, &pass.filtered, root, &mut pass.lower, &mut b.scratch);
    }
    Ok(report)
}
