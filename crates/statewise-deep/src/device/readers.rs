//! What the inference network reads, on a device: `model/reader` with kernels.

use super::driver::{Driver, Kernel};
use super::layers::MlpTape;
use super::memory::{Layout, Rows};
use super::recurrent::RecurrentTape;
use super::stage::Stage;
use crate::array::Packed;
use crate::layers::Direction;
use crate::model::reader::Readers;

/// The embedding's and the recurrent layers' values on every time step.
#[derive(Clone, Debug)]
pub(super) struct ReadersTape {
    embedding: MlpTape,
    directions: Vec<DirectionTape>,
}

#[derive(Clone, Debug)]
struct DirectionTape {
    layers: Vec<RecurrentTape>,
    /// What each layer gives on; where nothing is dropped, h itself.
    outputs: Vec<Rows>,
    d_outputs: Vec<Rows>,
}

/// What reading needs beside the weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<'a> {
    pub(super) packed: &'a Packed,
    pub(super) input: Rows,
    /// Factors of dropout, over all layers; none in evaluation.
    pub(super) kept: Option<Rows>,
    /// Columns with 1 where a sequence starts, from the left and from the right, for learned starts.
    pub(super) starts: Option<[Rows; 2]>,
}

impl Reading<'_> {
    /// The factors of one layer.
    fn kept(&self, first_unit: usize, size: usize) -> Option<Rows> {
        self.kept.map(|kept| kept.columns(first_unit..first_unit + size))
    }
}

impl ReadersTape {
    pub(super) fn new(layout: &mut Layout, readers: &Readers, rows: usize, drops: bool) -> Self {
        let embedding = MlpTape::new(layout, &readers.embedding, rows);
        let mut directions = Vec::new();
        for layers in &readers.directions {
            let layers: Vec<(usize, RecurrentTape)> =
                layers.iter().map(|layer| (layer.size, RecurrentTape::new(layout, layer, rows))).collect();
            let mut outputs = |own: fn(&RecurrentTape) -> Rows| -> Vec<Rows> {
                layers
                    .iter()
                    .map(|(size, tape)| if drops { layout.rows(rows, *size) } else { own(tape) })
                    .collect()
            };
            directions.push(DirectionTape {
                outputs: outputs(|tape| tape.hidden),
                d_outputs: outputs(|tape| tape.d_hidden),
                layers: layers.into_iter().map(|(_, tape)| tape).collect(),
            });
        }
        ReadersTape { embedding, directions }
    }

    /// What the last layer of each direction gives on.
    pub(super) fn outputs(&self) -> Vec<Rows> {
        self.directions.iter().map(|tape| tape.outputs[tape.outputs.len() - 1]).collect()
    }

    /// Where their deltas are to be put.
    pub(super) fn output_deltas(&self) -> Vec<Rows> {
        self.directions.iter().map(|tape| tape.d_outputs[tape.d_outputs.len() - 1]).collect()
    }

    pub(super) fn forward<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        readers: &Readers,
        reading: &Reading<'_>,
    ) {
        self.embedding.forward(stage, &readers.embedding, 0..reading.input.count, reading.input);
        let mut first_unit = 0;
        for (layers, tape) in readers.directions.iter().zip(&self.directions) {
            let mut input = self.embedding.output(reading.input);
            for (l, layer) in layers.iter().enumerate() {
                let (layer_tape, output) = (&tape.layers[l], tape.outputs[l]);
                layer_tape.forward(stage, layer, reading.packed, input);
                if let Some(kept) = reading.kept(first_unit, layer.size) {
                    drop_units(stage, layer_tape.hidden, kept, output);
                }
                first_unit += layer.size;
                input = output;
            }
        }
    }

    /// From the deltas of the outputs to all weights' gradients.
    pub(super) fn backward<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        readers: &Readers,
        reading: &Reading<'_>,
    ) {
        let rows = 0..reading.input.count;
        let embeds = !readers.embedding.layers.is_empty();
        self.embedding.clear_deltas(stage, rows.clone());
        let mut last_unit = 0;
        for (layers, tape) in readers.directions.iter().zip(&self.directions) {
            last_unit += layers.iter().map(|layer| layer.size).sum::<usize>();
            let mut first_unit = last_unit;
            for (l, layer) in layers.iter().enumerate().rev() {
                first_unit -= layer.size;
                let layer_tape = &tape.layers[l];
                if let Some(kept) = reading.kept(first_unit, layer.size) {
                    drop_units(stage, tape.d_outputs[l], kept, layer_tape.d_hidden);
                }
                let into = match l {
                    // Nobody asks for the deltas of the observations.
                    0 => embeds.then(|| self.embedding.output_deltas(reading.input)),
                    _ => Some(tape.d_outputs[l - 1]),
                };
                layer_tape.backward(stage, layer, reading.packed, into, l == 0);
                let input = match l {
                    0 => self.embedding.output(reading.input),
                    _ => tape.outputs[l - 1],
                };
                let starts = reading.starts.map(|[left, right]| match layer.direction {
                    Direction::Left => left,
                    Direction::Right => right,
                });
                layer_tape.gradient(stage, layer, input, starts);
            }
        }
        self.embedding.backward(stage, &readers.embedding, rows.clone(), None);
        self.embedding.gradient(stage, &readers.embedding, rows, reading.input);
    }
}

/// to = from · kept.
fn drop_units<D: Driver>(stage: &mut Stage<'_, D>, from: Rows, kept: Rows, to: Rows) {
    stage.launch(Kernel::Drop, to.len(), &[from.at, kept.at], &[to.at], &[to.width, kept.stride], &[]);
}
