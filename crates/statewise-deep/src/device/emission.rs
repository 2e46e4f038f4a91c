//! The emission on a device: `model/emission` with kernels. A likelihood's kernel gives −log p of every entry
//! and, times the weight of the objective, its derivative at once.

use std::ops::Range;

use super::driver::{Driver, Kernel, NOWHERE};
use super::layers::MlpTape;
use super::memory::{Layout, Rows};
use super::stage::Stage;
use crate::layers::Linear;
use crate::model::emission::{Emission, Head};
use crate::model::likelihood::Likelihood;

/// The emission's values on every row, and the gradients with respect to them.
#[derive(Clone, Debug)]
pub(super) struct EmissionTape {
    /// \[z_t, context\].
    pub(super) input: Rows,
    pub(super) d_input: Rows,
    trunk: MlpTape,
    out: Rows,
    d_out: Rows,
    /// Deltas of a constant variance's argument, row by row.
    d_constant: Rows,
    terms: Rows,
}

/// The layers behind the trunk.
struct Outputs<'a> {
    output: &'a Linear,
    residual: Option<&'a Linear>,
    constant: Option<&'a Range<usize>>,
}

impl<'a> Outputs<'a> {
    /// None for heads that no device knows, which [`super::scope`] keeps away.
    fn of(emission: &'a Emission) -> Option<Self> {
        match &emission.head {
            Head::Independent { output, residual, constant } => {
                Some(Outputs { output, residual: residual.as_ref(), constant: constant.as_ref() })
            }
            Head::Nade(_) => None,
        }
    }
}

impl EmissionTape {
    pub(super) fn new(layout: &mut Layout, emission: &Emission, rows: usize) -> Self {
        let outputs = Outputs::of(emission);
        let width = outputs.as_ref().map_or(0, |outputs| outputs.output.outputs);
        let constant = outputs.is_some_and(|outputs| outputs.constant.is_some());
        EmissionTape {
            input: layout.rows(rows, emission.inputs),
            d_input: layout.rows(rows, emission.inputs),
            trunk: MlpTape::new(layout, &emission.trunk, rows),
            out: layout.rows(rows, width),
            d_out: layout.rows(rows, width),
            d_constant: layout.rows(rows, if constant { emission.dim } else { 0 }),
            terms: layout.rows(rows, emission.dim),
        }
    }

    /// −log p(x_t | z_t) of all rows into `nll`.
    ///
    /// * `weight` – of −log p in the objective.
    pub(super) fn forward<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        emission: &Emission,
        targets: Rows,
        observed: Option<Rows>,
        weight: f64,
        nll: Rows,
    ) {
        let Some(outputs) = Outputs::of(emission) else { return };
        self.trunk.forward(stage, &emission.trunk, 0..self.input.count, self.input);
        stage.forward(outputs.output, self.trunk.output(self.input), self.out, false);
        if let Some(residual) = outputs.residual {
            stage.forward(residual, self.input.columns(0..emission.latent_dim), self.out, true);
        }
        self.score(stage, emission, &outputs, targets, observed.map_or(NOWHERE, |rows| rows.at), weight);
        stage.sum_columns(self.terms, nll);
    }

    /// The terms of all entries and the deltas of the outputs.
    fn score<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        emission: &Emission,
        outputs: &Outputs<'_>,
        targets: Rows,
        observed: usize,
        weight: f64,
    ) {
        let (dim, threads) = (emission.dim, self.terms.len());
        let bias = stage.bias(outputs.output);
        let mut independent = |kernel: Kernel, classes: usize| {
            let x = [self.out.at, bias, targets.at, observed];
            stage.launch(kernel, threads, &x, &[self.terms.at, self.d_out.at], &[dim, classes], &[weight]);
        };
        match emission.likelihood {
            Likelihood::Bernoulli => independent(Kernel::Bernoulli, 1),
            Likelihood::Poisson => independent(Kernel::Poisson, 1),
            Likelihood::Categorical { num_classes } => independent(Kernel::Categorical, num_classes),
            Likelihood::Gaussian => {
                let both = 2 * dim;
                let (raw, raw_bias, d_raw, n) = match outputs.constant {
                    Some(constant) => {
                        (stage.weight(constant), NOWHERE, self.d_constant.at, [dim, dim, 0, dim])
                    }
                    None => (self.out.at + dim, bias + dim, self.d_out.at + dim, [dim, both, both, both]),
                };
                let x = [self.out.at, raw, bias, raw_bias, targets.at, observed];
                let y = [self.terms.at, self.d_out.at, d_raw];
                stage.launch(Kernel::Gaussian, threads, &x, &y, &n, &[weight]);
            }
        }
    }

    /// Pulls the deltas of the outputs back to `d_input`, and adds the gradients of all weights.
    pub(super) fn backward<D: Driver>(&self, stage: &mut Stage<'_, D>, emission: &Emission) {
        let Some(outputs) = Outputs::of(emission) else { return };
        let rows = 0..self.input.count;
        let trunk = self.trunk.output(self.input);
        stage.fill(self.d_input, 0.0);
        if let Some(constant) = outputs.constant {
            stage.sum_rows(self.d_constant, constant);
        }
        // The first, and in a trunk with layers the only one, that gives deltas to the trunk.
        stage.backward(outputs.output, self.d_out, self.trunk.output_deltas(self.d_input), false);
        stage.gradient(outputs.output, trunk, self.d_out);
        self.trunk.backward(stage, &emission.trunk, rows.clone(), Some(self.d_input));
        self.trunk.gradient(stage, &emission.trunk, rows, self.input);
        if let Some(residual) = outputs.residual {
            let latent = 0..emission.latent_dim;
            stage.backward(residual, self.d_out, self.d_input.columns(latent.clone()), true);
            stage.gradient(residual, self.input.columns(latent), self.d_out);
        }
    }
}
