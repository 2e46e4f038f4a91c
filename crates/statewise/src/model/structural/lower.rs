//! From components to a linear Gaussian model: matrices side by side.

use super::StructuralTimeSeries;
use super::block::{Block, Matrices, Weights};
use super::component::{Component, Spread, Values};
use super::spec::Initial;
use super::timeline::Timeline;
use crate::data::{Dataset, Sequence};
use crate::error::{Error, Result};
use crate::model::linear_gaussian::LgssmParams;
use crate::params::{Array, Params};

impl StructuralTimeSeries {
    /// The linear Gaussian model that all sequences of a dataset follow.
    ///
    /// Arrays have one entry per step only where they change: H with regressors and interventions, F
    /// and Q with steps of different lengths; else engines can use the steady state. Regressors,
    /// time steps and their coefficients are within the matrices, so that the result reads no inputs.
    ///
    /// # Errors
    /// Parameters or data that do not fit, or sequences whose inputs ask for different matrices: then
    /// lower each with [`StructuralTimeSeries::lower_sequence`].
    pub fn lower(&self, params: &Params, data: &Dataset<'_>) -> Result<LgssmParams> {
        self.check_data(data)?;
        match &self.groups(data)[..] {
            [group] => self.lower_sequence(params, longest(data, group)),
            groups => Err(Error::argument(
                "inputs",
                format!("{} different ones", groups.len()),
                "the same inputs in all sequences, or one sequence at a time",
            )),
        }
    }

    /// The linear Gaussian model that one sequence follows, with matrices for its steps.
    ///
    /// # Errors
    /// Parameters that do not fit, or steps that go back in time.
    pub fn lower_sequence(&self, params: &Params, sequence: Sequence<'_>) -> Result<LgssmParams> {
        params.check(&self.schema)?;
        let timeline = self.timeline(&sequence)?;
        let values = self.values(params);
        let (d, m) = (self.state_dim, self.emission_dim());
        let (mut weights, mut cov) = (Vec::new(), Vec::new());
        for step in &timeline.distinct {
            let (f, q) = self.dynamics(&values, *step);
            weights.extend(f);
            cov.extend(q);
        }
        let mut initial = Start { mean: vec![0.0; d], cov: vec![0.0; d * d], diffuse: vec![0.0; d * d] };
        for (component, values) in self.components.iter().zip(&values) {
            let matrices = component.block.matrices(&values.theta, timeline.distinct[0]);
            place_start(&mut initial, d, component, values, &matrices);
        }
        let spread = self.irregular_spread();
        let noise = params.arrays().last().filter(|_| spread.is_some());
        let emissions_cov = match (spread, noise) {
            (Some(Spread::Full), Some(noise)) => noise.clone(),
            (Some(Spread::Diagonal), Some(noise)) => noise.clone(),
            (Some(Spread::Scalar), Some(noise)) => Array::full(&[m], noise.values()[0]),
            _ => Array::zeros(&[m]),
        };
        let has_diffuse = initial.diffuse.iter().any(|x| *x != 0.0);
        let lowered = LgssmParams {
            initial_diffuse: has_diffuse.then(|| Array::new(&[d, d], initial.diffuse)),
            ..LgssmParams::new(
                Array::new(&[d], initial.mean),
                Array::new(&[d, d], initial.cov),
                spread_over_steps(weights, &timeline, d),
                spread_over_steps(cov, &timeline, d),
                self.emission_weights(&values, timeline.distinct[0], &sequence),
                emissions_cov,
            )
        };
        lowered.check_params()?;
        Ok(lowered)
    }

    /// The parameters of each component.
    pub(super) fn values(&self, params: &Params) -> Vec<Values> {
        self.components.iter().map(|component| component.read(params.arrays())).collect()
    }

    /// F and Q of a step of this length, \[D, D\] each.
    pub(super) fn dynamics(&self, values: &[Values], step: f64) -> (Vec<f64>, Vec<f64>) {
        let d = self.state_dim;
        let (mut weights, mut cov) = (vec![0.0; d * d], vec![0.0; d * d]);
        for (component, values) in self.components.iter().zip(values) {
            let matrices = component.block.matrices(&values.theta, step);
            for copy in 0..component.copies {
                let at = component.offset + copy * component.dim;
                place_block(&mut weights, d, at, at, &matrices.transition.values, 1.0);
            }
            place_noise(&mut cov, d, component, &values.covs, &matrices.noise);
        }
        (weights, cov)
    }

    /// H, shape \[M, D\], or \[T, M, D\] with regressors; `step` is the length of any step.
    fn emission_weights(&self, values: &[Values], step: f64, sequence: &Sequence<'_>) -> Array {
        let (d, m) = (self.state_dim, self.emission_dim());
        let fixed = self.fixed_weights(values, step);
        if !self.has_regressors() {
            return Array::new(&[m, d], self.weights_at(values, &fixed, 0, &[]));
        }
        let steps = 0..sequence.num_steps();
        let h = steps.flat_map(|t| self.weights_at(values, &fixed, t, sequence.input(t))).collect();
        Array::new(&[sequence.num_steps(), m, d], h)
    }

    /// h of each component, where it does not change.
    pub(super) fn fixed_weights(&self, values: &[Values], step: f64) -> Vec<Vec<f64>> {
        let of = |(component, values): (&Component, &Values)| {
            component.block.matrices(&values.theta, step).emission
        };
        self.components.iter().zip(values).map(of).collect()
    }

    /// H of step t, \[M, D\].
    pub(super) fn weights_at(
        &self,
        values: &[Values],
        fixed: &[Vec<f64>],
        t: usize,
        input: &[f64],
    ) -> Vec<f64> {
        let d = self.state_dim;
        let mut h = vec![0.0; self.emission_dim() * d];
        for ((component, values), fixed) in self.components.iter().zip(values).zip(fixed) {
            component.with_weights(t, input, fixed, |weights| {
                for (i, series) in component.series.iter().enumerate() {
                    let start = series * d + component.copy_offset(i);
                    let row = &mut h[start..start + component.dim];
                    row.iter_mut().zip(weights).for_each(|(h, w)| *h = values.loadings[i] * w);
                }
            });
        }
        h
    }

    /// Sequences that follow the same matrices.
    pub(crate) fn groups(&self, data: &Dataset<'_>) -> Vec<Vec<usize>> {
        if !self.reads_inputs() {
            return vec![(0..data.num_sequences()).collect()];
        }
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for n in 0..data.num_sequences() {
            let inputs = data.sequence(n).inputs;
            match groups.iter_mut().find(|group| data.sequence(group[0]).inputs == inputs) {
                Some(group) => group.push(n),
                None => groups.push(vec![n]),
            }
        }
        groups
    }
}

impl Component {
    /// Shows h_t, fixed or computed.
    pub(crate) fn with_weights<T>(
        &self,
        t: usize,
        input: &[f64],
        fixed: &[f64],
        show: impl FnOnce(&[f64]) -> T,
    ) -> T {
        if self.block.weights() == Weights::Fixed {
            return show(fixed);
        }
        let mut weights = vec![0.0; self.dim];
        self.block.emission(t, input, &mut weights);
        show(&weights)
    }
}

/// The longest sequence of a group, whose steps the others share.
pub(crate) fn longest<'a>(data: &'a Dataset<'_>, group: &[usize]) -> Sequence<'a> {
    let n = group.iter().copied().max_by_key(|n| (data.range(*n).len(), usize::MAX - n)).unwrap_or(0);
    data.sequence(n)
}

/// The moments of z_1.
struct Start {
    mean: Vec<f64>,
    cov: Vec<f64>,
    diffuse: Vec<f64>,
}

/// Adds `factor` times a block at rows from `i` and columns from `j` of a matrix \[d, d\].
fn place_block(matrix: &mut [f64], d: usize, i: usize, j: usize, block: &[f64], factor: f64) {
    let n = block.len().isqrt();
    for (row, values) in block.chunks_exact(n).enumerate() {
        let start = (i + row) * d + j;
        matrix[start..start + n].iter_mut().zip(values).for_each(|(x, v)| *x += factor * v);
    }
}

/// Adds Σ_k Σ_k ⊗ G_k.
fn place_noise(
    matrix: &mut [f64],
    d: usize,
    component: &Component,
    covs: &[Vec<f64>],
    shapes: &[super::block::Square<f64>],
) {
    let (copies, n) = (component.copies, component.dim);
    for (cov, shape) in covs.iter().zip(shapes) {
        for (index, factor) in cov.iter().enumerate().filter(|(_, factor)| **factor != 0.0) {
            let (i, j) = (component.offset + index / copies * n, component.offset + index % copies * n);
            place_block(matrix, d, i, j, &shape.values, *factor);
        }
    }
}

fn place_start(
    start: &mut Start,
    d: usize,
    component: &Component,
    values: &Values,
    matrices: &Matrices<f64>,
) {
    let n = component.dim;
    let diffuse = match &component.initial {
        Some(Initial::Given { mean, cov }) => {
            for copy in 0..component.copies {
                let at = component.offset + copy * n;
                start.mean[at..at + n].copy_from_slice(mean.values());
                place_block(&mut start.cov, d, at, at, cov.values(), 1.0);
            }
            return;
        }
        Some(Initial::Diffuse) => vec![true; n],
        None => {
            place_noise(&mut start.cov, d, component, &values.covs, &matrices.start);
            component.block.diffuse()
        }
    };
    for (i, diffuse) in component.states().zip(diffuse.iter().cycle()) {
        start.diffuse[i * (d + 1)] = f64::from(*diffuse);
    }
}

/// One matrix, or the matrix of its length for each step.
fn spread_over_steps(distinct: Vec<f64>, timeline: &Timeline, d: usize) -> Array {
    if timeline.of_step.is_empty() {
        return Array::new(&[d, d], distinct);
    }
    let len = d * d;
    let values = timeline.of_step.iter().flat_map(|i| &distinct[i * len..(i + 1) * len]).copied().collect();
    Array::new(&[timeline.of_step.len(), d, d], values)
}
