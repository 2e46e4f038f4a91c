//! From gradients with respect to the matrices of the linear Gaussian model to those of parameters.
//!
//! dL/dθ = Σ_t ⟨dL/dF_t, dF(Δ_t)/dθ⟩ + ⟨dL/dQ_t, dQ(Δ_t)/dθ⟩ + ⟨dL/dS, dS/dθ⟩ + ⟨dL/dH_t, dH_t/dθ⟩

use super::StructuralTimeSeries;
use super::block::{Block, Matrices, Square, Weights};
use super::component::{Component, Values};
use super::timeline::Timeline;
use crate::data::Sequence;
use crate::dual::Dual;
use crate::error::{Error, Result};
use crate::model::linear_gaussian::LgssmParams;
use crate::params::Params;

/// Gradients with respect to the arrays of an [`LgssmParams`], each of the shape of its array.
///
/// Entries of symmetric matrices count as independent: dL = Σ_ij G_ij dQ_ij.
#[derive(Clone, Copy, Debug)]
pub struct ArrayGradients<'a> {
    /// dL/dS.
    pub initial_cov: &'a [f64],
    /// dL/dF.
    pub dynamics_weights: &'a [f64],
    /// dL/dQ.
    pub dynamics_cov: &'a [f64],
    /// dL/dH.
    pub emissions_weights: &'a [f64],
    /// dL/dR.
    pub emissions_cov: &'a [f64],
}

impl<'a> ArrayGradients<'a> {
    /// The gradients held in the form of parameters.
    pub fn of(params: &'a LgssmParams) -> Self {
        ArrayGradients {
            initial_cov: params.initial_cov.values(),
            dynamics_weights: params.dynamics_weights.values(),
            dynamics_cov: params.dynamics_cov.values(),
            emissions_weights: params.emissions_weights.values(),
            emissions_cov: params.emissions_cov.values(),
        }
    }
}

impl StructuralTimeSeries {
    /// The gradient with respect to the parameters, given the one with respect to the arrays that
    /// [`lower_sequence`](StructuralTimeSeries::lower_sequence) made of them.
    ///
    /// # Errors
    /// Parameters or sizes that do not fit.
    pub fn pull_back(
        &self,
        params: &Params,
        sequence: Sequence<'_>,
        gradients: ArrayGradients<'_>,
    ) -> Result<Params> {
        params.check(&self.schema)?;
        let timeline = self.timeline(&sequence)?;
        self.check_sizes(&timeline, &sequence, &gradients)?;
        let len = self.state_dim * self.state_dim;
        let weights = sum_by_length(gradients.dynamics_weights, &timeline, len);
        let cov = sum_by_length(gradients.dynamics_cov, &timeline, len);
        let mut out = Params::zeros(&self.schema);
        for component in &self.components {
            let values = component.read(params.arrays());
            let mut adjoint = Adjoint::new(self.state_dim, component, &values);
            for ((step, weights), cov) in
                timeline.distinct.iter().zip(weights.chunks_exact(len)).zip(cov.chunks_exact(len))
            {
                adjoint.add_dynamics(*step, weights, cov);
            }
            if component.initial.is_none() {
                adjoint.add_start(gradients.initial_cov);
            }
            adjoint.add_emission(self.emission_dim(), &sequence, gradients.emissions_weights);
            component.add_gradient(&adjoint.gradient, out.arrays_mut());
        }
        if let (Some(spread), Some(out)) = (self.irregular_spread(), out.arrays_mut().last_mut()) {
            let m = self.emission_dim();
            if gradients.emissions_cov.len() == m * m && spread == super::Spread::Full {
                spread.add_contracted(gradients.emissions_cov, m, out.values_mut());
            } else {
                let num = out.values().len();
                let each = gradients.emissions_cov.iter().enumerate();
                each.for_each(|(i, g)| out.values_mut()[i % num] += g);
            }
        }
        Ok(out)
    }

    fn check_sizes(
        &self,
        timeline: &Timeline,
        sequence: &Sequence<'_>,
        gradients: &ArrayGradients<'_>,
    ) -> Result<()> {
        let (d, m) = (self.state_dim, self.emission_dim());
        let num_steps = timeline.of_step.len().max(1);
        let num_rows = if self.has_regressors() { sequence.num_steps() } else { 1 };
        let noise = if self.irregular_spread() == Some(super::Spread::Full) { m * m } else { m };
        let sizes = [
            ("initial.cov", gradients.initial_cov, d * d),
            ("dynamics.weights", gradients.dynamics_weights, num_steps * d * d),
            ("dynamics.cov", gradients.dynamics_cov, num_steps * d * d),
            ("emissions.weights", gradients.emissions_weights, num_rows * m * d),
            ("emissions.cov", gradients.emissions_cov, noise),
        ];
        match sizes.into_iter().find(|(_, values, expected)| values.len() != *expected) {
            Some((name, values, expected)) => {
                let found = format!("{} values", values.len());
                Err(Error::argument(format!("gradients.{name}"), found, format!("{expected} values")))
            }
            None => Ok(()),
        }
    }
}

/// Gathers the gradient of one component.
struct Adjoint<'a> {
    /// D.
    state_dim: usize,
    component: &'a Component,
    values: &'a Values,
    gradient: Values,
}

impl<'a> Adjoint<'a> {
    fn new(state_dim: usize, component: &'a Component, values: &'a Values) -> Self {
        let gradient = Values {
            loadings: vec![0.0; values.loadings.len()],
            theta: vec![0.0; values.theta.len()],
            covs: vec![vec![0.0; component.copies * component.copies]; component.num_disturbances],
        };
        Adjoint { state_dim, component, values, gradient }
    }

    /// From dL/dF and dL/dQ, summed over the steps of one length.
    fn add_dynamics(&mut self, step: f64, weights: &[f64], cov: &[f64]) {
        let (n, copies) = (self.component.dim, self.component.copies);
        let mut transition = vec![0.0; n * n];
        for copy in 0..copies {
            add_scaled(&mut transition, 1.0, &self.block(weights, copy, copy));
        }
        let matrices = self.component.block.matrices(&self.values.theta, step);
        let noise = self.contract(cov, &matrices.noise);
        self.add_theta(step, |m| inner(&transition, &slopes(&m.transition)) + sum_inner(&noise, &m.noise));
    }

    /// From dL/dS.
    fn add_start(&mut self, cov: &[f64]) {
        let matrices = self.component.block.matrices(&self.values.theta, 1.0);
        if matrices.start.is_empty() {
            return;
        }
        let start = self.contract(cov, &matrices.start);
        self.add_theta(1.0, |m| sum_inner(&start, &m.start));
    }

    /// From dL/dH.
    fn add_emission(&mut self, num_series: usize, sequence: &Sequence<'_>, weights: &[f64]) {
        let component = self.component;
        let fixed = component.block.matrices(&self.values.theta, 1.0).emission;
        let mut by_entry = vec![0.0; component.dim];
        for (t, rows) in weights.chunks_exact(num_series * self.state_dim).enumerate() {
            component.with_weights(t, sequence.input(t), &fixed, |h| {
                for (i, series) in component.series.iter().enumerate() {
                    let start = series * self.state_dim + component.copy_offset(i);
                    let g = &rows[start..start + component.dim];
                    self.gradient.loadings[i] += inner(g, h);
                    add_scaled(&mut by_entry, self.values.loadings[i], g);
                }
            });
        }
        if component.block.weights() == Weights::Fixed {
            self.add_theta(1.0, |m| m.emission.iter().zip(&by_entry).map(|(h, g)| h.slope * g).sum());
        }
    }

    /// Adds to dL/dΣ_k, and answers what is contracted with the derivatives of the unit matrices:
    /// Σ_ab Σ_k(a, b) G_ab with G_ab the block of dL/dQ of the copies a and b.
    fn contract(&mut self, cov: &[f64], units: &[Square<f64>]) -> Vec<Vec<f64>> {
        let (n, copies) = (self.component.dim, self.component.copies);
        let mut contracted = vec![vec![0.0; n * n]; units.len()];
        for a in 0..copies {
            for b in 0..copies {
                let block = self.block(cov, a, b);
                for (k, unit) in units.iter().enumerate() {
                    self.gradient.covs[k][a * copies + b] += inner(&block, &unit.values);
                    add_scaled(&mut contracted[k], self.values.covs[k][a * copies + b], &block);
                }
            }
        }
        contracted
    }

    /// Adds a functional of the derivatives of the matrices to dL/dθ.
    fn add_theta(&mut self, step: f64, functional: impl Fn(&Matrices<Dual>) -> f64) {
        for (i, gradient) in self.gradient.theta.iter_mut().enumerate() {
            let theta = Dual::seeded(&self.values.theta, i);
            *gradient += functional(&self.component.block.matrices(&theta, step));
        }
    }

    /// The block of the copies a and b of a matrix \[D, D\].
    fn block(&self, matrix: &[f64], a: usize, b: usize) -> Vec<f64> {
        let n = self.component.dim;
        let (i, j) = (self.component.offset + a * n, self.component.offset + b * n);
        let rows = matrix.chunks_exact(self.state_dim).skip(i).take(n);
        rows.flat_map(|row| &row[j..j + n]).copied().collect()
    }
}

/// Sums per-step gradients over the steps of each length; the first step has no dynamics.
fn sum_by_length(gradient: &[f64], timeline: &Timeline, len: usize) -> Vec<f64> {
    if timeline.of_step.is_empty() {
        return gradient.to_vec();
    }
    let mut sums = vec![0.0; timeline.distinct.len() * len];
    for (i, g) in timeline.of_step.iter().zip(gradient.chunks_exact(len)).skip(1) {
        add_scaled(&mut sums[i * len..(i + 1) * len], 1.0, g);
    }
    sums
}

fn slopes(matrix: &Square<Dual>) -> Vec<f64> {
    matrix.values.iter().map(|x| x.slope).collect()
}

fn sum_inner(gradients: &[Vec<f64>], matrices: &[Square<Dual>]) -> f64 {
    gradients.iter().zip(matrices).map(|(g, m)| inner(g, &slopes(m))).sum()
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn add_scaled(out: &mut [f64], factor: f64, values: &[f64]) {
    out.iter_mut().zip(values).for_each(|(o, v)| *o += factor * v);
}
