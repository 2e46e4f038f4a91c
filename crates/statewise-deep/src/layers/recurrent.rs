//! Recurrent layers over packed sequences: plain, LSTM and GRU cells, in either direction of time.
//!
//! Inputs are projected for all steps in one product; only h₋ U is left to the loop over time. A
//! layer that runs backwards starts each sequence at that sequence's own last step, so that neither
//! padding nor the other sequences have any influence.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Linear;
use super::cells::{gru, gru_back, lstm, lstm_back};
use crate::array::{Grid, Nonlinearity, Packed, Panels, Real, multiply_transposed, sum_rows};
use crate::parameters::{Builder, Start};

/// The cell of a recurrent layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// Long short-term memory (gates in the order input, forget, output, candidate).
    Lstm,
    /// Gated recurrent unit (gates in the order reset, update, candidate).
    #[default]
    Gru,
    /// h = tanh(x + h₋ U).
    Tanh,
    /// h = max(x + h₋ U, 0).
    Relu,
    /// h = x + h₋ U.
    Linear,
}

impl Cell {
    pub(crate) fn gates(self) -> usize {
        match self {
            Cell::Lstm => 4,
            Cell::Gru => 3,
            Cell::Tanh | Cell::Relu | Cell::Linear => 1,
        }
    }

    pub(crate) fn nonlinearity(self) -> Nonlinearity {
        match self {
            Cell::Tanh => Nonlinearity::Tanh,
            Cell::Relu => Nonlinearity::Relu,
            Cell::Lstm | Cell::Gru | Cell::Linear => Nonlinearity::Identity,
        }
    }
}

/// Which way a recurrent layer reads a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the first step: h_t knows x_{1:t}.
    Left,
    /// From the last step: h_t knows x_{t:T}.
    Right,
}

impl Direction {
    /// The `k`-th step that is taken, of `num_steps`.
    pub(crate) fn step(self, k: usize, num_steps: usize) -> usize {
        match self {
            Direction::Left => k,
            Direction::Right => num_steps - 1 - k,
        }
    }

    /// The rows of the step before t in this direction, those whose sequences run at t.
    pub(crate) fn past(self, packed: &Packed, t: usize) -> Range<usize> {
        match self {
            Direction::Left if t == 0 => 0..0,
            Direction::Left => {
                let start = packed.rows(t - 1).start;
                start..start + packed.active(t)
            }
            Direction::Right if t + 1 == packed.num_steps() => 0..0,
            Direction::Right => packed.rows(t + 1),
        }
    }
}

/// One recurrent layer.
#[derive(Clone, Debug)]
pub(crate) struct Recurrent {
    pub(crate) cell: Cell,
    pub(crate) direction: Direction,
    pub(crate) size: usize,
    pub(crate) initial_cell: f64,
    pub(crate) input: Linear,
    pub(crate) recurrent: Linear,
    recurrent_weight: Range<usize>,
    pub(crate) initial: Option<Range<usize>>,
}

/// What a recurrent layer keeps for its backward pass.
#[derive(Clone, Debug)]
pub(crate) struct RecurrentTape<R> {
    gates: Grid<R>,
    recurrent: Grid<R>,
    past: Grid<R>,
    past_cell: Grid<R>,
    cell: Grid<R>,
    hidden: Grid<R>,
    d_gates: Grid<R>,
    d_recurrent: Grid<R>,
    d_past: Grid<R>,
    d_cell: Grid<R>,
    d_hidden: Grid<R>,
    /// The recurrent weight and its transpose, laid out for the steps of this pass.
    weight: Panels<R>,
    transposed: Panels<R>,
    /// h and c before the first step, where they come from an earlier pass.
    carried: Option<[Grid<R>; 2]>,
}

/// How a recurrent layer starts, in training and in every sequence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecurrentStart {
    /// The LSTM's memory before the first step.
    pub(crate) initial_cell: f64,
    /// Whether h before the first step is learned, not zero.
    pub(crate) learned: bool,
    /// Laplace biases, as the first published code.
    pub(crate) laplace_bias: bool,
}

impl Recurrent {
    pub(crate) fn new(
        builder: &mut Builder,
        name: &str,
        inputs: usize,
        size: usize,
        cell: Cell,
        direction: Direction,
        start: RecurrentStart,
    ) -> Self {
        let width = cell.gates() * size;
        let scheme = Start::Scheme { inputs: size };
        let bias = if start.laplace_bias { Start::Laplace } else { scheme };
        let weight = match cell {
            Cell::Lstm | Cell::Gru => Start::OrthogonalBlocks,
            Cell::Tanh | Cell::Relu | Cell::Linear => scheme,
        };
        let input = Linear::starting(
            builder,
            &format!("{name}.input"),
            inputs,
            width,
            Start::Scheme { inputs },
            Some(bias),
        );
        // The candidate of a GRU needs a bias inside the reset gate; elsewhere a second one says nothing.
        let second = (cell == Cell::Gru).then_some(scheme);
        let recurrent =
            Linear::starting(builder, &format!("{name}.recurrent"), size, width, weight, second);
        let recurrent_weight = recurrent.weight();
        let zero = Start::Constant(0.0);
        let initial = start.learned.then(|| builder.tensor(format!("{name}.initial"), &[size], zero));
        Recurrent {
            cell,
            direction,
            size,
            initial_cell: start.initial_cell,
            input,
            recurrent,
            recurrent_weight,
            initial,
        }
    }

    pub(crate) fn tape<R: Real>(&self) -> RecurrentTape<R> {
        let gates = Grid::new(self.cell.gates() * self.size);
        let recurrent = Grid::new(if self.cell == Cell::Gru { 3 * self.size } else { 0 });
        let memory = Grid::new(if self.cell == Cell::Lstm { self.size } else { 0 });
        let hidden = Grid::new(self.size);
        RecurrentTape {
            d_gates: gates.clone(),
            gates,
            d_recurrent: recurrent.clone(),
            recurrent,
            past: hidden.clone(),
            d_past: hidden.clone(),
            past_cell: memory.clone(),
            d_cell: memory.clone(),
            cell: memory,
            d_hidden: hidden.clone(),
            hidden,
            weight: Panels::default(),
            transposed: Panels::default(),
            carried: None,
        }
    }

    pub(crate) fn forward<R: Real>(
        &self,
        theta: &[R],
        packed: &Packed,
        input: &Grid<R>,
        tape: &mut RecurrentTape<R>,
    ) {
        self.input.forward(theta, input.all(), tape.gates.all_mut());
        self.recurrent.fill_panels(theta, &mut tape.weight);
        for k in 0..packed.num_steps() {
            let t = self.direction.step(k, packed.num_steps());
            self.fill_past(theta, packed, t, tape);
            self.step(theta, packed.rows(t), tape);
        }
    }

    /// Copies the state before step t beside the step; sequences that start here get the initial state.
    fn fill_past<R: Real>(&self, theta: &[R], packed: &Packed, t: usize, tape: &mut RecurrentTape<R>) {
        let rows = packed.rows(t);
        let from = self.direction.past(packed, t);
        let (going, starting) = (rows.start..rows.start + from.len(), rows.start + from.len()..rows.end);
        tape.past.rows_mut(going.clone()).copy_from_slice(tape.hidden.rows(from.clone()));
        if let Some([hidden, cell]) = tape.carried.as_ref().filter(|_| t == 0) {
            tape.past.rows_mut(rows.clone()).copy_from_slice(hidden.all());
            tape.past_cell.rows_mut(rows).copy_from_slice(cell.all());
            return;
        }
        for row in starting.clone() {
            match &self.initial {
                Some(initial) => tape.past.row_mut(row).copy_from_slice(&theta[initial.clone()]),
                None => tape.past.row_mut(row).fill(R::ZERO),
            }
        }
        if self.cell == Cell::Lstm {
            tape.past_cell.rows_mut(going).copy_from_slice(tape.cell.rows(from));
            tape.past_cell.rows_mut(starting).fill(R::from_f64(self.initial_cell));
        }
    }

    /// One step of the rows, whose past and projected inputs stand on the tape.
    fn step<R: Real>(&self, theta: &[R], rows: Range<usize>, tape: &mut RecurrentTape<R>) {
        let past = tape.past.rows(rows.clone());
        let gates = tape.gates.rows_mut(rows.clone());
        let hidden = tape.hidden.rows_mut(rows.clone());
        match self.cell {
            Cell::Gru => {
                let recurrent = tape.recurrent.rows_mut(rows);
                self.recurrent.fill_bias(theta, recurrent);
                tape.weight.add(past, recurrent);
                gru(self.size, gates, recurrent, past, hidden);
            }
            Cell::Lstm => {
                tape.weight.add(past, gates);
                lstm(self.size, gates, tape.past_cell.rows(rows.clone()), tape.cell.rows_mut(rows), hidden);
            }
            Cell::Tanh | Cell::Relu | Cell::Linear => {
                tape.weight.add(past, gates);
                hidden.copy_from_slice(gates);
                self.cell.nonlinearity().apply(hidden);
            }
        }
    }

    /// Pulls the deltas of the hidden states back through time and to those of the input.
    pub(crate) fn backward<R: Real>(
        &self,
        theta: &[R],
        packed: &Packed,
        tape: &mut RecurrentTape<R>,
        input_deltas: &mut Grid<R>,
        gradient: &mut [R],
    ) {
        tape.d_cell.all_mut().fill(R::ZERO);
        self.recurrent.fill_transposed_panels(theta, &mut tape.transposed);
        for k in (0..packed.num_steps()).rev() {
            let t = self.direction.step(k, packed.num_steps());
            self.step_back(packed.rows(t), tape);
            self.pass_to_past(theta, packed, t, tape, gradient);
        }
        self.input.backward(theta, tape.d_gates.all(), input_deltas.all_mut());
    }

    fn step_back<R: Real>(&self, rows: Range<usize>, tape: &mut RecurrentTape<R>) {
        let d_hidden = tape.d_hidden.rows_mut(rows.clone());
        let d_gates = tape.d_gates.rows_mut(rows.clone());
        let gates = tape.gates.rows(rows.clone());
        let past = tape.past.rows(rows.clone());
        match self.cell {
            Cell::Gru => {
                let recurrent = tape.recurrent.rows(rows.clone());
                let d_recurrent = tape.d_recurrent.rows_mut(rows.clone());
                let d_past = tape.d_past.rows_mut(rows);
                gru_back(self.size, gates, recurrent, past, d_hidden, d_gates, d_recurrent, d_past);
            }
            Cell::Lstm => {
                let past_cell = tape.past_cell.rows(rows.clone());
                let cell = tape.cell.rows(rows.clone());
                lstm_back(self.size, gates, past_cell, cell, d_hidden, tape.d_cell.rows_mut(rows), d_gates);
            }
            Cell::Tanh | Cell::Relu | Cell::Linear => {
                self.cell.nonlinearity().pull_back(tape.hidden.rows(rows), d_hidden);
                d_gates.copy_from_slice(d_hidden);
            }
        }
    }

    /// Adds the deltas of the state before step t to those of the step that computed it.
    fn pass_to_past<R: Real>(
        &self,
        theta: &[R],
        packed: &Packed,
        t: usize,
        tape: &mut RecurrentTape<R>,
        gradient: &mut [R],
    ) {
        let rows = packed.rows(t);
        let to = self.direction.past(packed, t);
        let (going, starting) = (rows.start..rows.start + to.len(), rows.start + to.len()..rows.end);
        let deltas = if self.cell == Cell::Gru { &tape.d_recurrent } else { &tape.d_gates };
        tape.transposed.add(deltas.rows(going.clone()), tape.d_hidden.rows_mut(to.clone()));
        if self.cell == Cell::Gru {
            let past = tape.d_past.rows(going.clone()).iter();
            tape.d_hidden.rows_mut(to.clone()).iter_mut().zip(past).for_each(|(d, p)| *d += *p);
        }
        if self.cell == Cell::Lstm {
            // The rows that go on are the first of both steps; the memory's deltas move over.
            let (from, into) = (going.start * self.size, to.start * self.size);
            tape.d_cell.all_mut().copy_within(from..from + to.len() * self.size, into);
        }
        if let Some(initial) = self.initial.clone().filter(|_| !starting.is_empty()) {
            let width = self.cell.gates() * self.size;
            let mut sum = vec![R::ZERO; width];
            sum_rows(deltas.rows(starting.clone()), &mut sum);
            let weight = &theta[self.recurrent_weight.clone()];
            let into = &mut gradient[initial];
            multiply_transposed(&sum, weight, self.size, width, into, true);
            if self.cell == Cell::Gru {
                sum_rows(tape.d_past.rows(starting), into);
            }
        }
    }

    /// Adds the gradients of the weights, all steps at once.
    pub(crate) fn gradient<R: Real>(&self, input: &Grid<R>, tape: &RecurrentTape<R>, gradient: &mut [R]) {
        self.input.gradient(input.all(), tape.d_gates.all(), gradient);
        let deltas = if self.cell == Cell::Gru { &tape.d_recurrent } else { &tape.d_gates };
        self.recurrent.gradient(tape.past.all(), deltas.all(), gradient);
    }
}

impl<R: Real> RecurrentTape<R> {
    pub(crate) fn resize(&mut self, rows: usize) {
        let RecurrentTape { gates, recurrent, past, past_cell, cell, hidden, .. } = self;
        for grid in [gates, recurrent, past, past_cell, cell, hidden] {
            grid.resize(rows);
        }
        let RecurrentTape { d_gates, d_recurrent, d_past, d_cell, d_hidden, .. } = self;
        for grid in [d_gates, d_recurrent, d_past, d_cell, d_hidden] {
            grid.resize(rows);
        }
    }

    /// Lets the next pass start where this one, of one step, ended.
    pub(crate) fn carry(&mut self) {
        self.carried = Some([self.hidden.clone(), self.cell.clone()]);
    }

    /// h of every row.
    pub(crate) fn hidden(&self) -> &Grid<R> {
        &self.hidden
    }

    /// Where gradients with respect to h are added up.
    pub(crate) fn hidden_deltas(&mut self) -> &mut Grid<R> {
        &mut self.d_hidden
    }
}
