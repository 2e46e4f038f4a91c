//! The gradient of log p(y) with respect to every array, the emissions and the inputs.

use super::GaussianOptions;
use super::smooth::{SmoothedLot, Wanted};
use crate::data::Dataset;
use crate::error::Result;
use crate::model::linear_gaussian::LgssmParams;
use crate::params::Array;

/// log p(y) and its gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct LgssmGradient {
    /// log p(y_{1:T}) of each sequence.
    pub marginal_loglik: Vec<f64>,
    /// d Σ_n weight_n log p(y_n) / d array, for every array that there is, in its shape; the entries of a
    /// covariance count as independent. `initial_diffuse` is not differentiated.
    pub params: LgssmParams,
    /// d log p(y_n) / d y_t, \[rows, M\]; zero where missing.
    pub emissions: Vec<f64>,
    /// d log p(y_n) / d u_t, \[rows, U\].
    pub inputs: Vec<f64>,
}

impl LgssmParams {
    /// log p(y) and its exact gradient, by one reverse sweep over the filter.
    ///
    /// # Errors
    /// As [`LgssmParams::filter`].
    pub fn gradient(&self, data: &Dataset<'_>, options: &GaussianOptions) -> Result<LgssmGradient> {
        self.check(data)?;
        let wanted = Wanted { lag_one: false, adjoints: true };
        let parts = self.map_smoothed(data, options, wanted, |lot| Part::of(self, data, lot))?;
        let mut total = LgssmGradient {
            marginal_loglik: vec![0.0; data.num_sequences()],
            params: zeros_like(self),
            emissions: vec![0.0; data.num_rows() * self.emission_dim()],
            inputs: vec![0.0; data.num_rows() * data.input_dim()],
        };
        for part in parts {
            part.add_to(data, &mut total);
        }
        Ok(total)
    }
}

/// The gradient of one lot.
struct Part {
    params: LgssmParams,
    sequences: Vec<(usize, f64, Vec<f64>, Vec<f64>)>,
}

impl Part {
    fn of(lgssm: &LgssmParams, data: &Dataset<'_>, lot: &SmoothedLot<'_>) -> Self {
        let (system, mut params) = (lgssm.system(), zeros_like(lgssm));
        let shared = lot.gradient(lgssm, data);
        let mut sequences = Vec::with_capacity(lot.sequences.len());
        for (i, &n) in lot.sequences.iter().enumerate() {
            let (adjoints, weight) = (lot.adjoints(i), data.weight(n));
            let sequence = data.sequence(n);
            let mut inputs = vec![0.0; sequence.inputs.len()];
            let (d, m) = (system.state_dim, system.emission_dim);
            let states = Offsets { adjoints: adjoints.states, width: d, first: 1, weight };
            let emissions = Offsets { adjoints: adjoints.emissions, width: m, first: 0, weight };
            states.add_bias(&mut params.dynamics_bias);
            emissions.add_bias(&mut params.emissions_bias);
            if sequence.input_dim > 0 {
                let u = (sequence.inputs, sequence.input_dim);
                states.add_weights(u, &mut params.dynamics_input_weights);
                emissions.add_weights(u, &mut params.emissions_input_weights);
                states.add_inputs(u.1, &lgssm.dynamics_input_weights, &mut inputs);
                emissions.add_inputs(u.1, &lgssm.emissions_input_weights, &mut inputs);
            }
            let emissions = adjoints.emissions.iter().map(|u| -u).collect();
            sequences.push((n, lot.marginal_loglik[i], emissions, inputs));
        }
        for (array, values) in [
            (&mut params.initial_mean, shared.initial_mean),
            (&mut params.initial_cov, shared.initial_cov),
            (&mut params.dynamics_weights, shared.transition),
            (&mut params.dynamics_cov, shared.transition_cov),
            (&mut params.emissions_weights, shared.emission),
            (&mut params.emissions_cov, shared.emission_cov),
        ] {
            array.values_mut().copy_from_slice(&values);
        }
        Part { params, sequences }
    }

    fn add_to(self, data: &Dataset<'_>, total: &mut LgssmGradient) {
        for (sum, part) in arrays(&mut total.params).into_iter().zip(arrays(&mut { self.params })) {
            sum.values_mut().iter_mut().zip(part.values()).for_each(|(a, b)| *a += b);
        }
        for (n, loglik, emissions, inputs) in self.sequences {
            let rows = data.range(n);
            let (m, u) = (data.width(), data.input_dim());
            total.marginal_loglik[n] = loglik;
            total.emissions[rows.start * m..rows.end * m].copy_from_slice(&emissions);
            total.inputs[rows.start * u..rows.end * u].copy_from_slice(&inputs);
        }
    }
}

/// Adjoints of the offsets of one kind, from step `first` on.
#[derive(Clone, Copy)]
struct Offsets<'a> {
    adjoints: &'a [f64],
    width: usize,
    first: usize,
    weight: f64,
}

impl Offsets<'_> {
    fn steps(&self) -> impl Iterator<Item = (usize, &[f64])> {
        self.adjoints.chunks_exact(self.width).enumerate().skip(self.first)
    }

    fn add_bias(&self, bias: &mut Option<Array>) {
        let Some(bias) = bias else { return };
        let per_step = bias.shape().len() > 1;
        for (t, adjoint) in self.steps() {
            let start = if per_step { t * self.width } else { 0 };
            let row = &mut bias.values_mut()[start..start + self.width];
            row.iter_mut().zip(adjoint).for_each(|(g, a)| *g += self.weight * a);
        }
    }

    fn add_weights(&self, (inputs, dim): (&[f64], usize), weights: &mut Option<Array>) {
        let Some(weights) = weights else { return };
        let per_step = weights.shape().len() > 2;
        let size = self.width * dim;
        for (t, adjoint) in self.steps() {
            let start = if per_step { t * size } else { 0 };
            let block = &mut weights.values_mut()[start..start + size];
            for (row, a) in block.chunks_exact_mut(dim).zip(adjoint) {
                let u = &inputs[t * dim..(t + 1) * dim];
                row.iter_mut().zip(u).for_each(|(g, u)| *g += self.weight * a * u);
            }
        }
    }

    fn add_inputs(&self, dim: usize, weights: &Option<Array>, inputs: &mut [f64]) {
        let Some(weights) = weights else { return };
        let per_step = weights.shape().len() > 2;
        let size = self.width * dim;
        for (t, adjoint) in self.steps() {
            let start = if per_step { t * size } else { 0 };
            let out = &mut inputs[t * dim..(t + 1) * dim];
            for (row, a) in weights.values()[start..start + size].chunks_exact(dim).zip(adjoint) {
                out.iter_mut().zip(row).for_each(|(g, w)| *g += a * w);
            }
        }
    }
}

fn zeros_like(lgssm: &LgssmParams) -> LgssmParams {
    let mut zeros = LgssmParams { initial_diffuse: None, ..lgssm.clone() };
    arrays(&mut zeros).into_iter().for_each(|array| array.values_mut().fill(0.0));
    zeros
}

/// All arrays that are differentiated.
fn arrays(lgssm: &mut LgssmParams) -> Vec<&mut Array> {
    let LgssmParams {
        initial_mean,
        initial_cov,
        dynamics_weights,
        dynamics_bias,
        dynamics_input_weights,
        dynamics_cov,
        emissions_weights,
        emissions_bias,
        emissions_input_weights,
        emissions_cov,
        ..
    } = lgssm;
    let always =
        [initial_mean, initial_cov, dynamics_weights, dynamics_cov, emissions_weights, emissions_cov];
    let optional = [dynamics_bias, dynamics_input_weights, emissions_bias, emissions_input_weights];
    always.into_iter().chain(optional.into_iter().filter_map(Option::as_mut)).collect()
}
