//! What the inference network reads: an embedding of the observations, then recurrent layers from the
//! left, the right or both sides, with dropout on their outputs.

use super::batch::Batch;
use super::config::{DmmConfig, Evidence};
use crate::array::{Grid, Real};
use crate::layers::{Direction, Mlp, MlpTape, Recurrent, RecurrentStart, RecurrentTape};
use crate::parameters::Builder;

/// The embedding and the recurrent layers of each direction.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    size: usize,
    reading: usize,
    pub(crate) embedding: Mlp,
    pub(crate) directions: Vec<Vec<Recurrent>>,
}

/// Their values on every time step, and the gradients with respect to them.
#[derive(Clone, Debug)]
pub(super) struct ReadersTape<R> {
    embedding: MlpTape<R>,
    d_reading: Grid<R>,
    directions: Vec<DirectionTape<R>>,
}

#[derive(Clone, Debug)]
struct DirectionTape<R> {
    layers: Vec<RecurrentTape<R>>,
    /// What each layer gives on: h with some units dropped.
    outputs: Vec<Grid<R>>,
    d_outputs: Vec<Grid<R>>,
    /// The factors that dropout multiplied with; empty where nothing was dropped.
    kept: Vec<Grid<R>>,
}

impl Readers {
    pub(super) fn new(builder: &mut Builder, config: &DmmConfig) -> Self {
        let (size, reading) = (config.rnn_size, config.reading_inputs());
        let depth = usize::from(config.embedding > 0);
        let embedding =
            Mlp::new(builder, "guide.embedding", reading, config.embedding, depth, config.nonlinearity);
        let start = RecurrentStart {
            initial_cell: config.rnn_initial_cell,
            learned: config.rnn_learned_start,
            laplace_bias: config.rnn_laplace_bias,
        };
        let directions = directions(config.evidence)
            .iter()
            .map(|(direction, name)| {
                let inputs = |l: usize| if l == 0 { embedding.outputs() } else { size };
                let layer = |l: usize| {
                    let name = format!("guide.rnn_{name}.{l}");
                    Recurrent::new(builder, &name, inputs(l), size, config.rnn, *direction, start)
                };
                (0..config.rnn_layers).map(layer).collect()
            })
            .collect();
        Readers { size, reading, embedding, directions }
    }

    pub(super) fn tape<R: Real>(&self) -> ReadersTape<R> {
        let direction = |layers: &Vec<Recurrent>| {
            let layers: Vec<RecurrentTape<R>> = layers.iter().map(Recurrent::tape).collect();
            let outputs: Vec<Grid<R>> = layers.iter().map(|tape| tape.hidden().clone()).collect();
            let kept = layers.iter().map(|_| Grid::new(0)).collect();
            DirectionTape { d_outputs: outputs.clone(), outputs, kept, layers }
        };
        ReadersTape {
            embedding: self.embedding.tape(),
            d_reading: Grid::new(self.reading),
            directions: self.directions.iter().map(direction).collect(),
        }
    }

    /// Units that dropout may drop, over all layers.
    pub(super) fn units(&self) -> usize {
        self.size * self.directions.iter().map(Vec::len).sum::<usize>()
    }

    /// * `kept` – factors of dropout, shape \[rows, `units`\]; none in evaluation.
    pub(super) fn forward<R: Real>(
        &self,
        theta: &[R],
        batch: &Batch<R>,
        kept: Option<&Grid<R>>,
        tape: &mut ReadersTape<R>,
    ) {
        let rows = 0..batch.packed.num_rows();
        self.embedding.forward(theta, rows, &batch.reading, &mut tape.embedding);
        let embedded = tape.embedding.output(&batch.reading);
        let mut first_unit = 0;
        for (layers, tape) in self.directions.iter().zip(&mut tape.directions) {
            for (l, layer) in layers.iter().enumerate() {
                let (below, above) = tape.outputs.split_at_mut(l);
                let input = below.last().unwrap_or(embedded);
                layer.forward(theta, &batch.packed, input, &mut tape.layers[l]);
                above[0].all_mut().copy_from_slice(tape.layers[l].hidden().all());
                drop_units(kept, first_unit, &mut tape.kept[l], &mut above[0]);
                first_unit += self.size;
            }
        }
    }

    /// From the deltas of the outputs ([`ReadersTape::outputs_mut`]) to all weights' gradients.
    pub(super) fn backward<R: Real>(
        &self,
        theta: &[R],
        batch: &Batch<R>,
        tape: &mut ReadersTape<R>,
        gradient: &mut [R],
    ) {
        let ReadersTape { embedding, d_reading, directions } = tape;
        let rows = 0..batch.packed.num_rows();
        embedding.clear_deltas(rows.clone());
        d_reading.all_mut().fill(R::ZERO);
        for (layers, tape) in self.directions.iter().zip(directions) {
            for (l, layer) in layers.iter().enumerate().rev() {
                let (below, above) = tape.d_outputs.split_at_mut(l);
                let layer_tape = &mut tape.layers[l];
                layer_tape.hidden_deltas().all_mut().copy_from_slice(above[0].all());
                if tape.kept[l].width() > 0 {
                    let deltas = layer_tape.hidden_deltas().all_mut().iter_mut();
                    deltas.zip(tape.kept[l].all()).for_each(|(d, k)| *d *= *k);
                }
                let into = match below.last_mut() {
                    Some(below) => {
                        below.all_mut().fill(R::ZERO);
                        below
                    }
                    None => embedding.output_deltas(d_reading),
                };
                layer.backward(theta, &batch.packed, layer_tape, into, gradient);
                let input = match l {
                    0 => embedding.output(&batch.reading),
                    _ => &tape.outputs[l - 1],
                };
                layer.gradient(input, layer_tape, gradient);
            }
        }
        self.embedding.backward(theta, rows.clone(), embedding, d_reading);
        self.embedding.gradient(rows, &batch.reading, embedding, gradient);
    }
}

impl<R: Real> ReadersTape<R> {
    /// What the last layer of each direction gives on.
    pub(super) fn outputs(&self) -> impl Iterator<Item = &Grid<R>> {
        self.directions.iter().map(|tape| &tape.outputs[tape.outputs.len() - 1])
    }

    /// The same, each with its deltas to be filled.
    pub(super) fn outputs_mut(&mut self) -> impl Iterator<Item = (&Grid<R>, &mut Grid<R>)> {
        self.directions.iter_mut().map(|tape| {
            let last = tape.outputs.len() - 1;
            (&tape.outputs[last], &mut tape.d_outputs[last])
        })
    }

    /// Lets the next pass read on where this one, of one step, ended.
    pub(super) fn carry(&mut self) {
        self.directions.iter_mut().flat_map(|tape| &mut tape.layers).for_each(RecurrentTape::carry);
    }

    pub(super) fn resize(&mut self, steps: usize) {
        self.d_reading.resize(steps);
        self.embedding.resize(steps);
        for tape in &mut self.directions {
            tape.layers.iter_mut().for_each(|tape| tape.resize(steps));
            tape.outputs.iter_mut().chain(&mut tape.d_outputs).for_each(|grid| grid.resize(steps));
        }
    }
}

/// The directions that are read, with the names that their tensors carry.
pub(super) fn directions(evidence: Evidence) -> &'static [(Direction, &'static str)] {
    match evidence {
        Evidence::Left => &[(Direction::Left, "left")],
        Evidence::Right => &[(Direction::Right, "right")],
        Evidence::Both => &[(Direction::Left, "left"), (Direction::Right, "right")],
    }
}

/// Multiplies a layer's output with its share of the factors of dropout, and keeps them.
fn drop_units<R: Real>(kept: Option<&Grid<R>>, first_unit: usize, own: &mut Grid<R>, output: &mut Grid<R>) {
    let size = output.width();
    let Some(kept) = kept else {
        *own = Grid::new(0);
        return;
    };
    if own.width() != size {
        *own = Grid::new(size);
    }
    let rows = output.all().len() / size;
    own.resize(rows);
    for row in 0..rows {
        let factors = &kept.row(row)[first_unit..first_unit + size];
        own.row_mut(row).copy_from_slice(factors);
        output.row_mut(row).iter_mut().zip(factors).for_each(|(h, k)| *h *= *k);
    }
}
