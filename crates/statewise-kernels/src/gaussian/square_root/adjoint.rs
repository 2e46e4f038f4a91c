//! The reverse sweep of the square-root filter.
//!
//! log p depends on the belief N(m_p, P_p) of step t through r = ∂ log p / ∂m_p and N, where
//! ∂ log p / ∂P_p = (r rᵀ − N)/2. N is positive semi-definite and is carried as a root: nothing is subtracted.

use super::super::gradient::SystemGradient;
use super::super::system::length;
use super::super::{GaussianError, Noise, Series, System};
use super::filter::forward;
use super::kernels::{
    dot, multiply, multiply_columns, solve_rows, solve_rows_transposed, square, transpose,
};
use super::outputs::{SquareRootFiltered, SquareRootReport};
use super::steps::{StepBuffers, Stepper};
use super::workspace::{BackwardBuffers, SquareRootWorkspace};
use crate::linalg::{Stacked, triangularise};

/// Where [`square_root_gradient`] writes what belongs to the series; what is `None` is not kept.
#[derive(Debug, Default)]
pub struct SquareRootAdjoints<'a> {
    /// E(z_t | y_{1:T}), shape \[T, D\].
    pub smoothed: Option<&'a mut [f64]>,
    /// r_t, the derivative by b_t, shape \[T, D\]; r_1 is that by m.
    pub states: Option<&'a mut [f64]>,
    /// u_t, the derivative by d_t and the negative of that by y_t, shape \[T, M\]; 0 where missing.
    pub emissions: Option<&'a mut [f64]>,
}

/// Adds the derivatives of `weight` log p(y_{1:T}) to `gradient` and returns log p.
///
/// Backward from r = 0 and N = 0, with q = Aᵀ r and G = Aᵀ L_N of the step after, U = L_S⁻¹ H and
/// e = w − K̄ᵀ q:
///
/// r ← q + Uᵀ e,  N ← (I − Uᵀ K̄ᵀ) G Gᵀ (I − K̄ U) + Uᵀ U,
///
/// and with m^s = m_f + P_f q, u = L_S⁻ᵀ e, Kᵀ = L_S⁻ᵀ K̄ᵀ: ∂R = (u uᵀ − L_S⁻ᵀ L_S⁻¹ − Kᵀ G Gᵀ K)/2,
/// ∂H = u m^sᵀ − Kᵀ (I − G Gᵀ P_f), ∂A = r m^sᵀ − N A P_f, ∂Q = (r rᵀ − N)/2.
///
/// Where the innovation loses rank, log p has no derivative by what the redundant entries depend on; they
/// are left out, like missing ones.
///
/// # Errors
/// Those of [`square_root_filter`](super::square_root_filter); nothing has been added then.
///
/// # Source
/// r and N are de Jong's (1989, "Smoothing and interpolation with the state-space model"); the derivatives
/// follow Koopman and Shephard (1992). About twice the filter's time beside the filter, T (D² + D) numbers.
pub fn square_root_gradient(
    system: &System<'_>,
    series: &Series<'_>,
    weight: f64,
    workspace: &mut SquareRootWorkspace,
    gradient: &mut SystemGradient,
    mut out: SquareRootAdjoints<'_>,
) -> Result<SquareRootReport, GaussianError> {
    let (d, m, num_steps) = (system.state_dim, system.emission_dim, series.num_steps(system));
    let SquareRootWorkspace { step, pass, backward, .. } = workspace;
    let mut stepper = Stepper::new(system, series, step)?;
    check_sizes(gradient, system)?;
    let slots =
        [("smoothed", &out.smoothed, d), ("states", &out.states, d), ("emissions", &out.emissions, m)];
    for (argument, slot, width) in slots {
        slot.as_ref().map_or(Ok(()), |values| length(argument, values.len(), num_steps * width))?;
    }
    let report = forward(&mut stepper, pass, &mut SquareRootFiltered::default(), true)?;
    let mut adjoint = Adjoint::new(backward, system, weight);
    for t in (0..num_steps).rev() {
        let root = &pass.roots[t * d * d..(t + 1) * d * d];
        let rank =
            stepper.update(t, &pass.means[t * d..(t + 1) * d], root, false, &mut pass.filtered)?.rank;
        let b = &mut *stepper.buffers;
        adjoint.unpredict(system, t + 1, num_steps, &b.state[rank * d..(rank + d) * d], &mut pass.filtered);
        if t + 1 < num_steps {
            adjoint.add_dynamics(t + 1, system, &pass.filtered, gradient);
        }
        adjoint.solve(rank, b);
        adjoint.stack(rank, b);
        adjoint.add_emission(t, system, &pass.filtered, b, rank, gradient);
        adjoint.unobserve(rank, b);
        if let Some(rows) = &mut out.smoothed {
            rows[t * d..(t + 1) * d].copy_from_slice(&pass.filtered);
        }
        if let Some(rows) = &mut out.states {
            rows[t * d..(t + 1) * d].copy_from_slice(adjoint.r);
        }
        if let Some(rows) = &mut out.emissions {
            let row = &mut rows[t * m..(t + 1) * m];
            row.fill(0.0);
            b.observed[..rank].iter().zip(&*adjoint.e).for_each(|(i, u)| row[*i] = *u);
        }
    }
    gradient.initial_mean.iter_mut().zip(&*adjoint.r).for_each(|(g, r)| *g += weight * r);
    adjoint.add_cov(&mut gradient.initial_cov);
    Ok(report)
}

fn check_sizes(gradient: &SystemGradient, system: &System<'_>) -> Result<(), GaussianError> {
    let d = system.state_dim;
    length("gradient initial_mean", gradient.initial_mean.len(), d)?;
    length("gradient initial_cov", gradient.initial_cov.len(), d * d)?;
    length("gradient transition", gradient.transition.len(), system.transition.values().len())?;
    length("gradient transition_cov", gradient.transition_cov.len(), system.transition_cov.values().len())?;
    length("gradient emission", gradient.emission.len(), system.emission.values().len())?;
    let noise = system.emission_cov.steps();
    length("gradient emission_cov", gradient.emission_cov.len(), noise.values().len())
}

/// r and N on their way back. Roots are stored by columns.
struct Adjoint<'a> {
    d: usize,
    weight: f64,
    r: &'a mut Vec<f64>,
    q: &'a mut Vec<f64>,
    /// e, then u.
    e: &'a mut Vec<f64>,
    /// L_N.
    root: &'a mut Vec<f64>,
    /// Gᵀ and G.
    moved: [&'a mut Vec<f64>; 2],
    /// P_f, Gᵀ P_f, and a product.
    covs: [&'a mut Vec<f64>; 3],
    /// U, shape \[r, D\].
    through: &'a mut Vec<f64>,
    /// K̄ᵀ G, then Kᵀ G, shape \[r, D\].
    gained: &'a mut Vec<f64>,
    /// Kᵀ, shape \[r, D\].
    gain: &'a mut Vec<f64>,
    /// L_S⁻ᵀ, shape \[r, r\].
    inverse: &'a mut Vec<f64>,
    /// \[(I − Uᵀ K̄ᵀ) G, Uᵀ\].
    stacked: &'a mut Vec<f64>,
}

impl<'a> Adjoint<'a> {
    fn new(buffers: &'a mut BackwardBuffers, system: &System<'_>, weight: f64) -> Self {
        let (d, m) = (system.state_dim, system.emission_dim);
        let BackwardBuffers { vectors: [r, q, e, _], matrices, wide, stacked } = buffers;
        let [root, first, second, third, fourth, fifth] = matrices;
        let [through, gained, gain, inverse] = wide;
        for vec in [&mut *r, &mut *root] {
            vec.clear();
        }
        r.resize(d, 0.0);
        q.resize(d, 0.0);
        e.resize(m, 0.0);
        for matrix in [&mut *root, first, second, third, fourth, fifth] {
            matrix.resize(d * d, 0.0);
        }
        for matrix in [&mut *through, gained, gain] {
            matrix.resize(m * d, 0.0);
        }
        inverse.resize(m * m, 0.0);
        stacked.resize((d + m) * d, 0.0);
        let (moved, covs) = ([first, second], [third, fourth, fifth]);
        Adjoint { d, weight, r, q, e, root, moved, covs, through, gained, gain, inverse, stacked }
    }

    /// q, G and Gᵀ P_f of the step before `next`; the filtered mean becomes the smoothed one.
    fn unpredict(
        &mut self,
        system: &System<'_>,
        next: usize,
        num_steps: usize,
        filtered_root: &[f64],
        mean: &mut [f64],
    ) {
        let d = self.d;
        let [columns, rows] = &mut self.moved;
        if next == num_steps {
            self.q.fill(0.0);
            columns.fill(0.0);
        } else {
            let transition = system.transition.at(next);
            multiply(self.r, d, transition, d, self.q);
            multiply(self.root, d, transition, d, columns);
        }
        transpose(columns, d, rows);
        for column in filtered_root.chunks_exact(d) {
            let weight = dot(column, self.q);
            mean.iter_mut().zip(column).for_each(|(m, l)| *m += weight * l);
        }
        let [cov, product, _] = &mut self.covs;
        square(filtered_root, d, cov);
        multiply(columns, d, cov, d, product);
    }

    fn add_dynamics(
        &mut self,
        t: usize,
        system: &System<'_>,
        smoothed_mean: &[f64],
        gradient: &mut SystemGradient,
    ) {
        let [_, product, out] = &mut self.covs;
        multiply_columns(self.root, self.d, product, self.d, out);
        let rows = gradient.transition[system.transition.range(t)].chunks_exact_mut(self.d);
        for ((row, r), minus) in rows.zip(&*self.r).zip(out.chunks_exact(self.d)) {
            let terms = row.iter_mut().zip(smoothed_mean).zip(minus);
            terms.for_each(|((x, m), n)| *x += self.weight * (r * m - n));
        }
        self.add_cov(&mut gradient.transition_cov[system.transition_cov.range(t)]);
    }

    /// Adds (r rᵀ − N)/2.
    fn add_cov(&mut self, out: &mut [f64]) {
        let half = 0.5 * self.weight;
        let product = &mut self.covs[2];
        square(self.root, self.d, product);
        for ((row, minus), r) in out.chunks_exact_mut(self.d).zip(product.chunks(self.d)).zip(&*self.r) {
            row.iter_mut().zip(minus).zip(&*self.r).for_each(|((x, n), s)| *x += half * (r * s - n));
        }
    }

    /// e, U and K̄ᵀ G.
    fn solve(&mut self, rank: usize, b: &StepBuffers) {
        let d = self.d;
        let gain = &b.state[..rank * d];
        for ((e, w), column) in self.e.iter_mut().zip(&b.whitened[..rank]).zip(gain.chunks_exact(d)) {
            *e = w - dot(column, self.q);
        }
        multiply(gain, d, self.moved[1], d, &mut self.gained[..rank * d]);
        let through = &mut self.through[..rank * d];
        through.copy_from_slice(&b.emission[..rank * d]);
        solve_rows(&b.innovation[..rank * rank], rank, through, d);
    }

    /// Turns e into u and adds what step t contributes to the derivatives by H and R.
    fn add_emission(
        &mut self,
        t: usize,
        system: &System<'_>,
        smoothed_mean: &[f64],
        b: &StepBuffers,
        rank: usize,
        gradient: &mut SystemGradient,
    ) {
        let (d, m, weight) = (self.d, system.emission_dim, self.weight);
        let root = &b.innovation[..rank * rank];
        let (e, gained) = (&mut self.e[..rank], &mut self.gained[..rank * d]);
        solve_rows_transposed(root, rank, e, 1);
        solve_rows_transposed(root, rank, gained, d);
        let gain = &mut self.gain[..rank * d];
        gain.copy_from_slice(&b.state[..rank * d]);
        solve_rows_transposed(root, rank, gain, d);
        let known = &mut self.through[..rank * d];
        multiply(gained, d, self.covs[1], d, known);
        let out = &mut gradient.emission[system.emission.range(t)];
        for (c, i) in b.observed[..rank].iter().enumerate() {
            for j in 0..d {
                let minus = gain[c * d + j] - known[c * d + j];
                out[i * d + j] += weight * (e[c] * smoothed_mean[j] - minus);
            }
        }
        let inverse = &mut self.inverse[..rank * rank];
        inverse.fill(0.0);
        inverse.iter_mut().step_by(rank + 1).for_each(|x| *x = 1.0);
        solve_rows_transposed(root, rank, inverse, rank);
        let entry = |i: usize, j: usize| {
            let [a, b] = [i, j].map(|i| &inverse[i * rank..(i + 1) * rank]);
            let [c, f] = [i, j].map(|i| &gained[i * d..(i + 1) * d]);
            0.5 * weight * (e[i] * e[j] - dot(a, b) - dot(c, f))
        };
        let out = &mut gradient.emission_cov[system.emission_cov.steps().range(t)];
        for (c, i) in b.observed[..rank].iter().enumerate() {
            match system.emission_cov {
                Noise::Diagonal(_) => out[*i] += entry(c, c),
                Noise::Full(_) => {
                    let others = b.observed[..rank].iter().enumerate();
                    others.for_each(|(f, j)| out[i * m + j] += entry(c, f));
                }
            }
        }
    }

    /// r ← q + Uᵀ e and \[(I − Uᵀ K̄ᵀ) G, Uᵀ\].
    fn stack(&mut self, rank: usize, b: &StepBuffers) {
        debug_assert_eq!(b.observed.len(), rank);
        let d = self.d;
        let through = &self.through[..rank * d];
        self.r.copy_from_slice(self.q);
        let (moved, added) = self.stacked[..(d + rank) * d].split_at_mut(d * d);
        moved.copy_from_slice(self.moved[0]);
        added.copy_from_slice(through);
        for (c, row) in through.chunks_exact(d).enumerate() {
            let e = self.e[c];
            self.r.iter_mut().zip(row).for_each(|(r, u)| *r += e * u);
            for (column, x) in moved.chunks_exact_mut(d).zip(&self.gained[c * d..(c + 1) * d]) {
                column.iter_mut().zip(row).for_each(|(g, u)| *g -= x * u);
            }
        }
    }

    /// N of the step.
    fn unobserve(&mut self, rank: usize, b: &mut StepBuffers) {
        let d = self.d;
        let sizes = Stacked { top: d, bottom: 0, cols: d + rank, band: d + rank };
        triangularise(sizes, &mut self.stacked[..(d + rank) * d], &mut [], &[], &mut b.scratch);
        self.root.copy_from_slice(&self.stacked[..d * d]);
    }
}
