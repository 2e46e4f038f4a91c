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

    /// Pulls the deltas of the output back and, where asked for, adds them to those of the input.
    pub(super) fn backward<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        mlp: &Mlp,
        rows: Range<usize>,
        input_deltas: Option<Rows>,
    ) {
        for (l, layer) in mlp.layers.iter().enumerate().rev() {
            let at = |grid: Rows| grid.rows(rows.clone());
            let dy = at(self.deltas[l]);
            stage.pull_back(mlp.nonlinearity, at(self.values[l]), dy);
            match (l, input_deltas) {
                (0, Some(deltas)) => stage.backward(layer, dy, at(deltas), true),
                (0, None) => {}
                _ => stage.backward(layer, dy, at(self.deltas[l - 1]), false),
            }
        }
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
