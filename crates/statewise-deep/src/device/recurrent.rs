//! Recurrent layers on a device: `layers/recurrent` with kernels. A time step is one product and one kernel,
//! which also puts h where the following step reads it; so is a step of the way back.

use super::driver::{Driver, Kernel, NOWHERE};
use super::memory::{Layout, Rows};
use super::stage::Stage;
use crate::array::Packed;
use crate::layers::{Cell, Recurrent};

/// What a recurrent layer keeps for its backward pass; sums of one row are the gradient of a learned start.
#[derive(Clone, Debug)]
pub(super) struct RecurrentTape {
    gates: Rows,
    recurrent: Rows,
    past: Rows,
    past_cell: Rows,
    cell: Rows,
    pub(super) hidden: Rows,
    d_gates: Rows,
    d_recurrent: Rows,
    d_past: Rows,
    d_cell: Rows,
    pub(super) d_hidden: Rows,
    start_sums: Rows,
}

impl RecurrentTape {
    pub(super) fn new(layout: &mut Layout, layer: &Recurrent, rows: usize) -> Self {
        let width = layer.cell.gates() * layer.size;
        let recurrent = if layer.cell == Cell::Gru { width } else { 0 };
        let memory = if layer.cell == Cell::Lstm { layer.size } else { 0 };
        let learned = layer.initial.is_some();
        let d_past = if learned && layer.cell == Cell::Gru { layer.size } else { 0 };
        let mut grid = |width: usize| layout.rows(rows, width);
        RecurrentTape {
            gates: grid(width),
            recurrent: grid(recurrent),
            past: grid(layer.size),
            past_cell: grid(memory),
            cell: grid(memory),
            hidden: grid(layer.size),
            d_gates: grid(width),
            d_recurrent: grid(recurrent),
            d_past: grid(d_past),
            d_cell: grid(memory),
            d_hidden: grid(layer.size),
            start_sums: layout.rows(1, if learned { width } else { 0 }),
        }
    }

    pub(super) fn forward<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        layer: &Recurrent,
        packed: &Packed,
        input: Rows,
    ) {
        stage.forward(&layer.input, input, self.gates, false);
        let initial = layer.initial.as_ref().map_or(NOWHERE, |initial| stage.weight(initial));
        stage.copy(initial, 0, self.past);
        if layer.cell == Cell::Lstm {
            stage.fill(self.past_cell, layer.initial_cell);
        }
        let steps = packed.num_steps();
        for k in 0..steps {
            let t = layer.direction.step(k, steps);
            let into = match layer.cell {
                Cell::Gru => self.recurrent,
                _ => self.gates,
            };
            let rows = packed.rows(t);
            let accumulate = layer.cell != Cell::Gru;
            stage.forward(&layer.recurrent, self.past.rows(rows.clone()), into.rows(rows), accumulate);
            self.step(stage, layer, packed, k);
        }
    }

    /// The cell at the `k`-th step; rows that go on hand their state to the following step.
    fn step<D: Driver>(&self, stage: &mut Stage<'_, D>, layer: &Recurrent, packed: &Packed, k: usize) {
        let steps = packed.num_steps();
        let rows = packed.rows(layer.direction.step(k, steps));
        let (next, going) = match k + 1 < steps {
            true => {
                let t = layer.direction.step(k + 1, steps);
                (packed.rows(t).start, layer.direction.past(packed, t).len())
            }
            false => (0, 0),
        };
        let at = |grid: Rows| grid.rows(rows.clone()).at;
        let after = |grid: Rows| grid.at + next * grid.stride;
        let threads = rows.len() * layer.size;
        let bias = stage.bias(&layer.input);
        let (gates, hidden) = (at(self.gates), at(self.hidden));
        match layer.cell {
            Cell::Gru => {
                let x = [at(self.past), bias, stage.bias(&layer.recurrent)];
                let y = [gates, at(self.recurrent), hidden, after(self.past)];
                stage.launch(Kernel::Gru, threads, &x, &y, &[layer.size, going], &[]);
            }
            Cell::Lstm => {
                let y = [gates, at(self.cell), hidden, after(self.past), after(self.past_cell)];
                let x = [at(self.past_cell), bias];
                stage.launch(Kernel::Lstm, threads, &x, &y, &[layer.size, going], &[]);
            }
            Cell::Tanh | Cell::Relu | Cell::Linear => {
                let n = [layer.size, going, layer.cell.nonlinearity() as usize];
                let y = [gates, hidden, after(self.past)];
                stage.launch(Kernel::Plain, threads, &[bias], &y, &n, &[]);
            }
        }
    }

    /// Pulls `d_hidden` back through time and, where asked for, to the deltas of the input, which are set
    /// (or, if `accumulate`, added to).
    pub(super) fn backward<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        layer: &Recurrent,
        packed: &Packed,
        input_deltas: Option<Rows>,
        accumulate: bool,
    ) {
        if layer.cell == Cell::Lstm {
            stage.fill(self.d_cell, 0.0);
        }
        let steps = packed.num_steps();
        for k in (0..steps).rev() {
            let t = layer.direction.step(k, steps);
            self.step_back(stage, layer, packed, t);
            let (rows, to) = (packed.rows(t), layer.direction.past(packed, t));
            let going = self.deltas(layer).rows(rows.start..rows.start + to.len());
            stage.backward(&layer.recurrent, going, self.d_hidden.rows(to), true);
        }
        if let Some(deltas) = input_deltas {
            stage.backward(&layer.input, self.d_gates, deltas, accumulate);
        }
    }

    fn step_back<D: Driver>(&self, stage: &mut Stage<'_, D>, layer: &Recurrent, packed: &Packed, t: usize) {
        let rows = packed.rows(t);
        let to = layer.direction.past(packed, t);
        let at = |grid: Rows| grid.rows(rows.clone()).at;
        let before = |grid: Rows| grid.at + to.start * grid.stride;
        let threads = rows.len() * layer.size;
        let n = [layer.size, to.len()];
        let (d_hidden, d_gates) = (at(self.d_hidden), at(self.d_gates));
        match layer.cell {
            Cell::Gru => {
                let x = [at(self.gates), at(self.recurrent), at(self.past), d_hidden];
                let d_past = if self.d_past.width > 0 { at(self.d_past) } else { NOWHERE };
                let y = [d_gates, at(self.d_recurrent), d_past, before(self.d_hidden)];
                stage.launch(Kernel::GruBack, threads, &x, &y, &n, &[]);
            }
            Cell::Lstm => {
                let x = [at(self.gates), at(self.past_cell), at(self.cell), d_hidden, at(self.d_cell)];
                let y = [d_gates, before(self.d_cell)];
                stage.launch(Kernel::LstmBack, threads, &x, &y, &n, &[]);
            }
            Cell::Tanh | Cell::Relu | Cell::Linear => {
                let f = layer.cell.nonlinearity() as usize;
                let x = [at(self.hidden), d_hidden];
                stage.launch(Kernel::PlainBack, threads, &x, &[d_gates], &[f], &[]);
            }
        }
    }

    /// The deltas of h₋ U.
    fn deltas(&self, layer: &Recurrent) -> Rows {
        if layer.cell == Cell::Gru { self.d_recurrent } else { self.d_gates }
    }

    /// Adds the gradients of the weights, all steps at once.
    ///
    /// * `starts` – a column with 1 where a sequence starts, for a learned start.
    pub(super) fn gradient<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        layer: &Recurrent,
        input: Rows,
        starts: Option<Rows>,
    ) {
        let deltas = self.deltas(layer);
        stage.gradient(&layer.input, input, self.d_gates);
        stage.gradient(&layer.recurrent, self.past, deltas);
        if let (Some(initial), Some(starts)) = (&layer.initial, starts) {
            stage.add_outer(starts, deltas, self.start_sums.at, false);
            let into = stage.gradient_row(initial);
            stage.backward(&layer.recurrent, self.start_sums, into, true);
            if layer.cell == Cell::Gru {
                stage.add_outer(starts, self.d_past, into.at, true);
            }
        }
    }
}
