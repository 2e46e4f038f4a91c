//! Hidden layers, each a linear layer and a nonlinearity.

use std::ops::Range;

use super::Linear;
use crate::array::{Grid, Nonlinearity, Real};
use crate::parameters::Builder;

/// A stack of hidden layers; without layers its output is its input.
#[derive(Clone, Debug)]
pub(crate) struct Mlp {
    pub(crate) layers: Vec<Linear>,
    pub(crate) nonlinearity: Nonlinearity,
    inputs: usize,
}

/// The values of every layer of an [`Mlp`], and the gradients with respect to them.
#[derive(Clone, Debug)]
pub(crate) struct MlpTape<R> {
    values: Vec<Grid<R>>,
    deltas: Vec<Grid<R>>,
}

impl Mlp {
    pub(crate) fn new(
        builder: &mut Builder,
        name: &str,
        inputs: usize,
        width: usize,
        depth: usize,
        nonlinearity: Nonlinearity,
    ) -> Self {
        let from = |l: usize| if l == 0 { inputs } else { width };
        let layers =
            (0..depth).map(|l| Linear::new(builder, &format!("{name}.{l}"), from(l), width)).collect();
        Mlp { layers, nonlinearity, inputs }
    }

    /// Width of the output.
    pub(crate) fn outputs(&self) -> usize {
        self.layers.last().map_or(self.inputs, Linear::outputs)
    }

    pub(crate) fn tape<R: Real>(&self) -> MlpTape<R> {
        let grids = || self.layers.iter().map(|layer| Grid::new(layer.outputs())).collect();
        MlpTape { values: grids(), deltas: grids() }
    }

    pub(crate) fn forward<R: Real>(
        &self,
        theta: &[R],
        rows: Range<usize>,
        input: &Grid<R>,
        tape: &mut MlpTape<R>,
    ) {
        for (l, layer) in self.layers.iter().enumerate() {
            let (below, above) = tape.values.split_at_mut(l);
            let x = below.last().unwrap_or(input).rows(rows.clone());
            let y = above[0].rows_mut(rows.clone());
            layer.forward(theta, x, y);
            self.nonlinearity.apply(y);
        }
    }

    /// Pulls the deltas of the output ([`MlpTape::output_deltas`]) back to those of the input.
    pub(crate) fn backward<R: Real>(
        &self,
        theta: &[R],
        rows: Range<usize>,
        tape: &mut MlpTape<R>,
        input_deltas: &mut Grid<R>,
    ) {
        for (l, layer) in self.layers.iter().enumerate().rev() {
            let (below, above) = tape.deltas.split_at_mut(l);
            let dy = above[0].rows_mut(rows.clone());
            self.nonlinearity.pull_back(tape.values[l].rows(rows.clone()), dy);
            layer.backward(theta, dy, below.last_mut().unwrap_or(input_deltas).rows_mut(rows.clone()));
        }
    }

    pub(crate) fn gradient<R: Real>(
        &self,
        rows: Range<usize>,
        input: &Grid<R>,
        tape: &MlpTape<R>,
        gradient: &mut [R],
    ) {
        for (l, layer) in self.layers.iter().enumerate() {
            let x = if l == 0 { input } else { &tape.values[l - 1] };
            layer.gradient(x.rows(rows.clone()), tape.deltas[l].rows(rows.clone()), gradient);
        }
    }
}

impl<R: Real> MlpTape<R> {
    pub(crate) fn resize(&mut self, rows: usize) {
        self.values.iter_mut().chain(&mut self.deltas).for_each(|grid| grid.resize(rows));
    }

    pub(crate) fn clear_deltas(&mut self, rows: Range<usize>) {
        self.deltas.iter_mut().for_each(|grid| grid.rows_mut(rows.clone()).fill(R::ZERO));
    }

    /// The output, which is `input` where there are no layers.
    pub(crate) fn output<'a>(&'a self, input: &'a Grid<R>) -> &'a Grid<R> {
        self.values.last().unwrap_or(input)
    }

    /// Where gradients with respect to the output are added up.
    pub(crate) fn output_deltas<'a>(&'a mut self, input_deltas: &'a mut Grid<R>) -> &'a mut Grid<R> {
        self.deltas.last_mut().unwrap_or(input_deltas)
    }
}
