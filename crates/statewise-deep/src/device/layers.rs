//! Hidden layers on a device: `layers/mlp` with kernels.

use std::ops::Range;

use super::driver::Driver;
use super::memory::{Layout, Rows};
use super::stage::Stage;
use crate::layers::Mlp;

/// The values of every layer and the gradients with respect to them.
#[derive(Clone, Debug)]
pub(super) struct MlpTape {
    values: Vec<Rows>,
    deltas: Vec<Rows>,
}

impl MlpTape {
    pub(super) fn new(layout: &mut Layout, mlp: &Mlp, rows: usize) -> Self {
        let mut grids = || mlp.layers.iter().map(|layer| layout.rows(rows, layer.outputs)).collect();
        MlpTape { values: grids(), deltas: grids() }
    }

    /// The output, which is `input` where there are no layers.
    pub(super) fn output(&self, input: Rows) -> Rows {
        self.values.last().copied().unwrap_or(input)
    }

    /// Where gradients with respect to the output are added up.
    pub(super) fn output_deltas(&self, input_deltas: Rows) -> Rows {
        self.deltas.last().copied().unwrap_or(input_deltas)
    }

    pub(super) fn forward<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        mlp: &Mlp,
        rows: Range<usize>,
        input: Rows,
    ) {
        let mut x = input.rows(rows.clone());
        for (layer, values) in mlp.layers.iter().zip(&self.values) {
            let y = values.rows(rows.clone());
            stage.forward(layer, x, y, false);
            stage.apply(layer, mlp.nonlinearity, y);
            x = y;
        }
    }

    /// Clears the deltas of the output, to which others add; where there are layers.
    pub(super) fn clear_deltas<D: Driver>(&self, stage: &mut Stage<'_, D>, rows: Range<usize>) {
        if let Some(deltas) = self.deltas.last() {
            stage.fill(deltas.rows(rows), 0.0);
        }
    }

    /// Pulls the deltas of the output back to those of the input, and adds them there.
    pub(super) fn backward<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        mlp: &Mlp,
        rows: Range<usize>,
        input_deltas: Rows,
    ) {
        for (l, layer) in mlp.layers.iter().enumerate().rev() {
            let dy = self.pull_back(stage, mlp, l, rows.clone());
            match l {
                0 => stage.backward(layer, dy, input_deltas.rows(rows.clone()), true),
                _ => stage.backward(layer, dy, self.deltas[l - 1].rows(rows.clone()), false),
            }
        }
    }

    /// The same where nobody asks for the deltas of the input.
    pub(super) fn backward_to_first<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        mlp: &Mlp,
        rows: Range<usize>,
    ) {
        for (l, layer) in mlp.layers.iter().enumerate().rev() {
            let dy = self.pull_back(stage, mlp, l, rows.clone());
            if l > 0 {
                stage.backward(layer, dy, self.deltas[l - 1].rows(rows.clone()), false);
            }
        }
    }

    fn pull_back<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        mlp: &Mlp,
        layer: usize,
        rows: Range<usize>,
    ) -> Rows {
        let dy = self.deltas[layer].rows(rows.clone());
        stage.pull_back(mlp.nonlinearity, self.values[layer].rows(rows), dy);
        dy
    }

    /// Adds the gradients of the weights.
    pub(super) fn gradient<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        mlp: &Mlp,
        rows: Range<usize>,
        input: Rows,
    ) {
        let mut x = input.rows(rows.clone());
        for (l, layer) in mlp.layers.iter().enumerate() {
            stage.gradient(layer, x, self.deltas[l].rows(rows.clone()));
            x = self.values[l].rows(rows.clone());
        }
    }
}
