//! The inference network q(z_t | z_{t−1}, x): what the observations say, and how z_{t−1} joins in.
//!
//! Recurrent layers read the sequence from the left, the right or both sides; h is their output.
//! * mean field: q = N(W_μ h + b, sp(W_σ h + b)); of both directions, the normalised product of two;
//! * average: c = α f(W z_{t−1} + b) + Σ β h, q = N(W_μ c + b, sp(W_σ c + b));
//! * product: the mean-field factor times the transition p(z_t | z_{t−1}), normalised.
//!
//! # Source
//! Krishnan, Shalit and Sontag (2017), §4.

use std::ops::Range;

use super::batch::Batch;
use super::config::{Combiner, CombinerWeights, DmmConfig, Evidence, GuideStart};
use super::transition::TransitionTape;
use crate::array::{Grid, Nonlinearity, Panels, Real, sum_rows, vectorised};
use crate::layers::{Direction, Linear, Mlp, MlpTape, Recurrent, RecurrentStart, RecurrentTape, Spread};
use crate::parameters::{Builder, Start};

/// The inference network.
#[derive(Clone, Debug)]
pub(crate) struct Guide {
    latent_dim: usize,
    size: usize,
    spread: Spread,
    embedding: Mlp,
    readers: Vec<Reader>,
    rule: Rule,
}

/// Recurrent layers in one direction.
#[derive(Clone, Debug)]
struct Reader {
    layers: Vec<Recurrent>,
    /// β, the weight of this direction in the average.
    weight: f64,
}

/// How q is made.
#[derive(Clone, Debug)]
enum Rule {
    /// One head a direction; `with_prior`: times the transition.
    Evidence { heads: Vec<Linear>, with_prior: bool },
    /// The average with z_{t−1}.
    Average {
        state: Linear,
        nonlinearity: Nonlinearity,
        weight: f64,
        head: Linear,
        start: GuideStart,
        learned: Option<Range<usize>>,
    },
}

/// The inference network's values on every row, and the gradients with respect to them.
#[derive(Clone, Debug)]
pub(crate) struct GuideTape<R> {
    /// z_{t−1} as the combiner sees it, one row a particle.
    pub(crate) past: Grid<R>,
    /// ∂/∂z_{t−1} by way of the combiner.
    pub(crate) d_past: Grid<R>,
    /// Mean of q(z_t).
    pub(crate) mean: Grid<R>,
    /// Variance of q(z_t).
    pub(crate) variance: Grid<R>,
    /// ∂/∂mean, filled by the objective and the draw.
    pub(crate) d_mean: Grid<R>,
    /// ∂/∂variance, filled by the objective and the draw.
    pub(crate) d_variance: Grid<R>,
    embedding: MlpTape<R>,
    d_reading: Grid<R>,
    readers: Vec<ReaderTape<R>>,
    /// Σ β h, one row a time step.
    summary: Grid<R>,
    d_summary: Grid<R>,
    heads: Vec<HeadTape<R>>,
    state: Grid<R>,
    d_state: Grid<R>,
    combined: Grid<R>,
    d_combined: Grid<R>,
    out: Grid<R>,
    d_out: Grid<R>,
    raw: Grid<R>,
    d_raw: Grid<R>,
    panels: AveragePanels<R>,
}

/// The weights of the average laid out for time steps, and their transposes.
#[derive(Clone, Debug, Default)]
struct AveragePanels<R> {
    state: Panels<R>,
    head: Panels<R>,
    state_back: Panels<R>,
    head_back: Panels<R>,
}

#[derive(Clone, Debug)]
struct ReaderTape<R> {
    layers: Vec<RecurrentTape<R>>,
    /// What each layer gives on: h with some units dropped.
    outputs: Vec<Grid<R>>,
    d_outputs: Vec<Grid<R>>,
    /// The factors that dropout multiplied with; empty where nothing was dropped.
    kept: Vec<Grid<R>>,
}

/// A mean-field factor, one row a time step.
#[derive(Clone, Debug)]
struct HeadTape<R> {
    out: Grid<R>,
    d_out: Grid<R>,
    mean: Grid<R>,
    raw: Grid<R>,
    variance: Grid<R>,
    d_mean: Grid<R>,
    d_variance: Grid<R>,
    d_raw: Grid<R>,
}

impl Guide {
    pub(crate) fn new(builder: &mut Builder, config: &DmmConfig) -> Self {
        let (size, latent_dim) = (config.rnn_size, config.latent_dim);
        let missing = if config.observe_missing { config.emission_dim } else { 0 };
        let reading = config.features() + config.input_dim + missing;
        let depth = usize::from(config.embedding > 0);
        let embedding =
            Mlp::new(builder, "guide.embedding", reading, config.embedding, depth, config.nonlinearity);
        let start = RecurrentStart {
            initial_cell: config.rnn_initial_cell,
            learned: config.rnn_learned_start,
            laplace_bias: config.rnn_laplace_bias,
        };
        let directions: &[(Direction, &str)] = match config.evidence {
            Evidence::Left => &[(Direction::Left, "left")],
            Evidence::Right => &[(Direction::Right, "right")],
            Evidence::Both => &[(Direction::Left, "left"), (Direction::Right, "right")],
        };
        let (weight, share) = match (directions.len(), config.combiner_weights) {
            (1, _) => (0.5, 0.5),
            (_, CombinerWeights::Equal) => (1.0 / 3.0, 1.0 / 3.0),
            (_, CombinerWeights::Halves) => (0.5, 0.25),
        };
        let readers = directions
            .iter()
            .map(|(direction, name)| {
                let inputs = |l: usize| if l == 0 { embedding.outputs() } else { size };
                let layer = |l: usize| {
                    let name = format!("guide.rnn_{name}.{l}");
                    Recurrent::new(builder, &name, inputs(l), size, config.rnn, *direction, start)
                };
                Reader { layers: (0..config.rnn_layers).map(layer).collect(), weight: share }
            })
            .collect();
        let rule = match config.combiner {
            Combiner::MeanField | Combiner::Product => {
                let head = |(_, name): &(Direction, &str)| {
                    Linear::new(builder, &format!("guide.head_{name}"), size, 2 * latent_dim)
                };
                let heads = directions.iter().map(head).collect();
                Rule::Evidence { heads, with_prior: config.combiner == Combiner::Product }
            }
            Combiner::Average => Rule::Average {
                state: Linear::new(builder, "guide.state", latent_dim, size),
                nonlinearity: config.combiner_nonlinearity,
                weight,
                head: Linear::new(builder, "guide.head", size, 2 * latent_dim),
                start: config.guide_start,
                learned: (config.guide_start == GuideStart::Learned)
                    .then(|| builder.tensor("guide.start".into(), &[latent_dim], Start::Constant(0.0))),
            },
        };
        Guide { latent_dim, size, spread: config.spread, embedding, readers, rule }
    }

    pub(crate) fn tape<R: Real>(&self, reading: usize) -> GuideTape<R> {
        let latent = || Grid::new(self.latent_dim);
        let average = matches!(self.rule, Rule::Average { .. });
        let averaged = |width: usize| Grid::new(if average { width } else { 0 });
        let head = || HeadTape {
            out: Grid::new(2 * self.latent_dim),
            d_out: Grid::new(2 * self.latent_dim),
            mean: latent(),
            raw: latent(),
            variance: latent(),
            d_mean: latent(),
            d_variance: latent(),
            d_raw: latent(),
        };
        GuideTape {
            past: averaged(self.latent_dim),
            d_past: averaged(self.latent_dim),
            mean: latent(),
            variance: latent(),
            d_mean: latent(),
            d_variance: latent(),
            embedding: self.embedding.tape(),
            d_reading: Grid::new(reading),
            readers: self.readers.iter().map(Reader::tape).collect(),
            summary: averaged(self.size),
            d_summary: averaged(self.size),
            heads: if average { Vec::new() } else { self.readers.iter().map(|_| head()).collect() },
            state: averaged(self.size),
            d_state: averaged(self.size),
            combined: averaged(self.size),
            d_combined: averaged(self.size),
            out: averaged(2 * self.latent_dim),
            d_out: averaged(2 * self.latent_dim),
            raw: averaged(self.latent_dim),
            d_raw: averaged(self.latent_dim),
            panels: AveragePanels::default(),
        }
    }

    /// Whether q depends on the transition, which then has to run step by step too.
    pub(crate) fn reads_transition(&self) -> bool {
        matches!(self.rule, Rule::Evidence { with_prior: true, .. })
    }

    /// Units that dropout may drop, by recurrent layer.
    pub(crate) fn dropped_units(&self) -> usize {
        self.size * self.readers.iter().map(|reader| reader.layers.len()).sum::<usize>()
    }

    /// Reads the observations: all that q needs and that doesn't depend on z.
    ///
    /// * `kept` – factors of dropout, shape \[rows, `dropped_units`\]; none in evaluation.
    pub(crate) fn read<R: Real>(
        &self,
        theta: &[R],
        batch: &Batch<R>,
        kept: Option<&Grid<R>>,
        tape: &mut GuideTape<R>,
    ) {
        let rows = 0..batch.packed.num_rows();
        self.embedding.forward(theta, rows.clone(), &batch.reading, &mut tape.embedding);
        let embedded = tape.embedding.output(&batch.reading);
        let mut first_unit = 0;
        for (reader, reader_tape) in self.readers.iter().zip(&mut tape.readers) {
            for (l, layer) in reader.layers.iter().enumerate() {
                let (below, above) = reader_tape.outputs.split_at_mut(l);
                let input = below.last().unwrap_or(embedded);
                layer.forward(theta, &batch.packed, input, &mut reader_tape.layers[l]);
                above[0].all_mut().copy_from_slice(reader_tape.layers[l].hidden().all());
                drop_units(kept, first_unit, &mut reader_tape.kept[l], &mut above[0]);
                first_unit += self.size;
            }
        }
        match &self.rule {
            Rule::Average { state, head, .. } => {
                state.fill_panels(theta, &mut tape.panels.state);
                head.fill_panels(theta, &mut tape.panels.head);
                tape.summary.all_mut().fill(R::ZERO);
                for (reader, reader_tape) in self.readers.iter().zip(&tape.readers) {
                    let weight = R::from_f64(reader.weight);
                    add_scaled(weight, reader_tape.last().all(), tape.summary.all_mut());
                }
            }
            Rule::Evidence { heads, .. } => {
                for ((head, head_tape), reader_tape) in heads.iter().zip(&mut tape.heads).zip(&tape.readers)
                {
                    head.forward(theta, reader_tape.last().all(), head_tape.out.all_mut());
                    split(&head_tape.out, rows.clone(), &mut head_tape.mean, &mut head_tape.raw);
                    self.spread.variances(head_tape.raw.all(), head_tape.variance.all_mut());
                }
            }
        }
    }

    /// z_0 of the combiner, for sequences at their first step.
    pub(crate) fn fill_start<R: Real>(
        &self,
        theta: &[R],
        rows: Range<usize>,
        noise: &Grid<R>,
        tape: &mut GuideTape<R>,
    ) {
        let Rule::Average { start, learned, .. } = &self.rule else { return };
        for row in rows {
            let past = tape.past.row_mut(row);
            match (start, learned) {
                (GuideStart::Noise, _) => past.copy_from_slice(noise.row(row)),
                (_, Some(learned)) => past.copy_from_slice(&theta[learned.clone()]),
                _ => past.fill(R::ZERO),
            }
        }
    }

    /// Mean and variance of q(z_t) for the particles of step t, whose past stands on the tape.
    pub(crate) fn step<R: Real>(
        &self,
        theta: &[R],
        batch: &Batch<R>,
        t: usize,
        transition: &TransitionTape<R>,
        tape: &mut GuideTape<R>,
    ) {
        let rows = batch.particles.rows(t);
        match &self.rule {
            Rule::Average { state, nonlinearity, weight, head, .. } => {
                let values = tape.state.rows_mut(rows.clone());
                state.fill_bias(theta, values);
                tape.panels.state.add(tape.past.rows(rows.clone()), values);
                nonlinearity.apply(values);
                let combined = tape.combined.rows_mut(rows.clone());
                let weight = R::from_f64(*weight);
                combined.iter_mut().zip(&*values).for_each(|(c, s)| *c = weight * *s);
                let summary = tape.summary.rows(batch.packed.rows(t));
                add_to_copies(batch.particles.copies(), self.size, summary, combined);
                let out = tape.out.rows_mut(rows.clone());
                head.fill_bias(theta, out);
                tape.panels.head.add(combined, out);
                split(&tape.out, rows.clone(), &mut tape.mean, &mut tape.raw);
                self.spread.variances(tape.raw.rows(rows.clone()), tape.variance.rows_mut(rows));
            }
            Rule::Evidence { with_prior, .. } => {
                let copies = batch.particles.copies();
                for (k, row) in rows.enumerate() {
                    let step_row = batch.packed.rows(t).start + k / copies;
                    let (mean, variance) = (tape.mean.row_mut(row), tape.variance.row_mut(row));
                    mean.copy_from_slice(tape.heads[0].mean.row(step_row));
                    variance.copy_from_slice(tape.heads[0].variance.row(step_row));
                    for head in &tape.heads[1..] {
                        join(head.mean.row(step_row), head.variance.row(step_row), mean, variance);
                    }
                    if *with_prior {
                        join(transition.mean.row(row), transition.variance.row(row), mean, variance);
                    }
                }
            }
        }
    }

    /// Pulls `d_mean` and `d_variance` of step t back to z_{t−1} (`d_past`), to what was read, and to
    /// the transition's deltas where q reads it.
    pub(crate) fn step_back<R: Real>(
        &self,
        batch: &Batch<R>,
        t: usize,
        transition: &mut TransitionTape<R>,
        tape: &mut GuideTape<R>,
    ) {
        let rows = batch.particles.rows(t);
        match &self.rule {
            Rule::Average { nonlinearity, weight, .. } => {
                let d_raw = tape.d_raw.rows_mut(rows.clone());
                self.spread.pull_back(
                    tape.raw.rows(rows.clone()),
                    tape.d_variance.rows(rows.clone()),
                    d_raw,
                );
                unsplit(&tape.d_mean, &tape.d_raw, rows.clone(), &mut tape.d_out);
                let d_combined = tape.d_combined.rows_mut(rows.clone());
                d_combined.fill(R::ZERO);
                tape.panels.head_back.add(tape.d_out.rows(rows.clone()), d_combined);
                let d_summary = tape.d_summary.rows_mut(batch.packed.rows(t));
                sum_copies(batch.particles.copies(), self.size, d_combined, d_summary);
                let d_state = tape.d_state.rows_mut(rows.clone());
                let weight = R::from_f64(*weight);
                d_state.iter_mut().zip(&*d_combined).for_each(|(s, c)| *s = weight * *c);
                nonlinearity.pull_back(tape.state.rows(rows.clone()), d_state);
                let d_past = tape.d_past.rows_mut(rows);
                d_past.fill(R::ZERO);
                tape.panels.state_back.add(d_state, d_past);
            }
            Rule::Evidence { with_prior, .. } => {
                self.evidence_back(batch, t, *with_prior, transition, tape);
            }
        }
    }

    /// Undoes the products of [`Guide::step`], last factor first; the joined moments are recomputed.
    fn evidence_back<R: Real>(
        &self,
        batch: &Batch<R>,
        t: usize,
        with_prior: bool,
        transition: &mut TransitionTape<R>,
        tape: &mut GuideTape<R>,
    ) {
        let copies = batch.particles.copies();
        let mut scratch = [vec![R::ZERO; self.latent_dim], vec![R::ZERO; self.latent_dim]];
        for (k, row) in batch.particles.rows(t).enumerate() {
            let step_row = batch.packed.rows(t).start + k / copies;
            let (d_mean, d_variance) = (tape.d_mean.row_mut(row), tape.d_variance.row_mut(row));
            if with_prior {
                joined(&tape.heads, step_row, &mut scratch);
                let prior = [transition.mean.row(row), transition.variance.row(row)];
                let d_prior = [transition.d_mean.row_mut(row), transition.d_variance.row_mut(row)];
                unjoin(prior, [&scratch[0], &scratch[1]], d_prior, [&mut *d_mean, &mut *d_variance]);
            }
            if let [first, second] = &mut tape.heads[..] {
                joined(std::slice::from_ref(first), step_row, &mut scratch);
                let factor = [second.mean.row(step_row), second.variance.row(step_row)];
                let d_factor = [second.d_mean.row_mut(step_row), second.d_variance.row_mut(step_row)];
                unjoin(factor, [&scratch[0], &scratch[1]], d_factor, [&mut *d_mean, &mut *d_variance]);
            }
            let first = &mut tape.heads[0];
            first.d_mean.row_mut(step_row).iter_mut().zip(&*d_mean).for_each(|(d, x)| *d += *x);
            first.d_variance.row_mut(step_row).iter_mut().zip(&*d_variance).for_each(|(d, x)| *d += *x);
        }
    }

    /// Before the first [`Guide::step_back`]: clears what it adds to, lays out weights.
    pub(crate) fn start_back<R: Real>(&self, theta: &[R], tape: &mut GuideTape<R>) {
        if let Rule::Average { state, head, .. } = &self.rule {
            state.fill_transposed_panels(theta, &mut tape.panels.state_back);
            head.fill_transposed_panels(theta, &mut tape.panels.head_back);
        }
        tape.d_summary.all_mut().fill(R::ZERO);
        for head in &mut tape.heads {
            head.d_mean.all_mut().fill(R::ZERO);
            head.d_variance.all_mut().fill(R::ZERO);
        }
    }

    /// After the last [`Guide::step_back`]: through the recurrent layers, and all weights' gradients.
    pub(crate) fn backward<R: Real>(
        &self,
        theta: &[R],
        batch: &Batch<R>,
        tape: &mut GuideTape<R>,
        gradient: &mut [R],
    ) {
        match &self.rule {
            Rule::Average { state, head, learned, .. } => {
                head.gradient(tape.combined.all(), tape.d_out.all(), gradient);
                state.gradient(tape.past.all(), tape.d_state.all(), gradient);
                if let Some(learned) = learned {
                    let first = batch.particles.rows(0);
                    sum_rows(tape.d_past.rows(first), &mut gradient[learned.clone()]);
                }
                for (reader, reader_tape) in self.readers.iter().zip(&mut tape.readers) {
                    let d_last = reader_tape.d_last().all_mut();
                    let weight = R::from_f64(reader.weight);
                    d_last.iter_mut().zip(tape.d_summary.all()).for_each(|(d, s)| *d = weight * *s);
                }
            }
            Rule::Evidence { heads, .. } => {
                for ((head, head_tape), reader_tape) in
                    heads.iter().zip(&mut tape.heads).zip(&mut tape.readers)
                {
                    let d_raw = head_tape.d_raw.all_mut();
                    self.spread.pull_back(head_tape.raw.all(), head_tape.d_variance.all(), d_raw);
                    let rows = 0..batch.packed.num_rows();
                    unsplit(&head_tape.d_mean, &head_tape.d_raw, rows, &mut head_tape.d_out);
                    reader_tape.d_last().all_mut().fill(R::ZERO);
                    head.backward(theta, head_tape.d_out.all(), reader_tape.d_last().all_mut());
                    head.gradient(reader_tape.last().all(), head_tape.d_out.all(), gradient);
                }
            }
        }
        self.readers_back(theta, batch, tape, gradient);
    }

    fn readers_back<R: Real>(
        &self,
        theta: &[R],
        batch: &Batch<R>,
        tape: &mut GuideTape<R>,
        gradient: &mut [R],
    ) {
        let rows = 0..batch.packed.num_rows();
        tape.embedding.clear_deltas(rows.clone());
        tape.d_reading.all_mut().fill(R::ZERO);
        for (reader, reader_tape) in self.readers.iter().zip(&mut tape.readers) {
            for (l, layer) in reader.layers.iter().enumerate().rev() {
                let (below, above) = reader_tape.d_outputs.split_at_mut(l);
                let layer_tape = &mut reader_tape.layers[l];
                layer_tape.hidden_deltas().all_mut().copy_from_slice(above[0].all());
                if reader_tape.kept[l].width() > 0 {
                    let deltas = layer_tape.hidden_deltas().all_mut().iter_mut();
                    deltas.zip(reader_tape.kept[l].all()).for_each(|(d, k)| *d *= *k);
                }
                let into = match below.last_mut() {
                    Some(below) => {
                        below.all_mut().fill(R::ZERO);
                        below
                    }
                    None => tape.embedding.output_deltas(&mut tape.d_reading),
                };
                layer.backward(theta, &batch.packed, layer_tape, into, gradient);
                let input = match l {
                    0 => tape.embedding.output(&batch.reading),
                    _ => &reader_tape.outputs[l - 1],
                };
                layer.gradient(input, layer_tape, gradient);
            }
        }
        self.embedding.backward(theta, rows.clone(), &mut tape.embedding, &mut tape.d_reading);
        self.embedding.gradient(rows, &batch.reading, &tape.embedding, gradient);
    }
}

impl Reader {
    fn tape<R: Real>(&self) -> ReaderTape<R> {
        let layers: Vec<RecurrentTape<R>> = self.layers.iter().map(Recurrent::tape).collect();
        let outputs: Vec<Grid<R>> = layers.iter().map(|tape| tape.hidden().clone()).collect();
        let kept = layers.iter().map(|_| Grid::new(0)).collect();
        ReaderTape { d_outputs: outputs.clone(), outputs, kept, layers }
    }
}

impl<R: Real> ReaderTape<R> {
    fn last(&self) -> &Grid<R> {
        &self.outputs[self.outputs.len() - 1]
    }

    fn d_last(&mut self) -> &mut Grid<R> {
        let last = self.d_outputs.len() - 1;
        &mut self.d_outputs[last]
    }
}

impl<R: Real> GuideTape<R> {
    /// Lets the next pass read on where this one, of one step, ended.
    pub(crate) fn carry(&mut self) {
        self.readers.iter_mut().flat_map(|reader| &mut reader.layers).for_each(RecurrentTape::carry);
    }

    /// Makes room for so many time steps and particles.
    pub(crate) fn resize(&mut self, steps: usize, particles: usize) {
        let GuideTape { past, d_past, mean, variance, d_mean, d_variance, .. } = self;
        for grid in [past, d_past, mean, variance, d_mean, d_variance] {
            grid.resize(particles);
        }
        let GuideTape { state, d_state, combined, d_combined, out, d_out, raw, d_raw, .. } = self;
        for grid in [state, d_state, combined, d_combined, out, d_out, raw, d_raw] {
            grid.resize(particles);
        }
        let GuideTape { d_reading, summary, d_summary, .. } = self;
        for grid in [d_reading, summary, d_summary] {
            grid.resize(steps);
        }
        self.embedding.resize(steps);
        for reader in &mut self.readers {
            reader.layers.iter_mut().for_each(|tape| tape.resize(steps));
            reader.outputs.iter_mut().chain(&mut reader.d_outputs).for_each(|grid| grid.resize(steps));
        }
        for HeadTape { out, d_out, mean, raw, variance, d_mean, d_variance, d_raw } in &mut self.heads {
            for grid in [out, d_out, mean, raw, variance, d_mean, d_variance, d_raw] {
                grid.resize(steps);
            }
        }
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

/// The first and second halves of every row, apart.
fn split<R: Real>(out: &Grid<R>, rows: Range<usize>, mean: &mut Grid<R>, raw: &mut Grid<R>) {
    let half = mean.width();
    for row in rows {
        let (first, second) = out.row(row).split_at(half);
        mean.row_mut(row).copy_from_slice(first);
        raw.row_mut(row).copy_from_slice(second);
    }
}

fn unsplit<R: Real>(d_mean: &Grid<R>, d_raw: &Grid<R>, rows: Range<usize>, d_out: &mut Grid<R>) {
    let half = d_mean.width();
    for row in rows {
        let (first, second) = d_out.row_mut(row).split_at_mut(half);
        first.copy_from_slice(d_mean.row(row));
        second.copy_from_slice(d_raw.row(row));
    }
}

vectorised! { fn add_scaled(weight: R, from: &[R], to: &mut [R]) = add_scaled_body }
#[inline(always)]
fn add_scaled_body<R: Real>(weight: R, from: &[R], to: &mut [R]) {
    to.iter_mut().zip(from).for_each(|(to, x)| *to += weight * *x);
}

/// Adds each row to all of its copies.
fn add_to_copies<R: Real>(copies: usize, width: usize, rows: &[R], particles: &mut [R]) {
    for (row, copies) in rows.chunks_exact(width).zip(particles.chunks_exact_mut(copies * width)) {
        crate::array::add_rows(copies, row);
    }
}

/// Adds all copies to their row.
fn sum_copies<R: Real>(copies: usize, width: usize, particles: &[R], rows: &mut [R]) {
    for (row, copies) in rows.chunks_exact_mut(width).zip(particles.chunks_exact(copies * width)) {
        sum_rows(copies, row);
    }
}

/// N(mean, variance) ∝ N(mean, variance) N(m, v): with w = v / (variance + v) the mean moves to
/// mean w + m (1 − w), the variance shrinks to variance w.
fn join<R: Real>(m: &[R], v: &[R], mean: &mut [R], variance: &mut [R]) {
    for ((m, v), (mean, variance)) in m.iter().zip(v).zip(mean.iter_mut().zip(variance)) {
        let w = *v / (*variance + *v);
        *mean = *m + w * (*mean - *m);
        *variance *= w;
    }
}

/// Backward of [`join`]: the deltas of the joined moments become those of `before`; the factor's are added to.
fn unjoin<R: Real>(
    [m, v]: [&[R]; 2],
    before: [&[R]; 2],
    [d_m, d_v]: [&mut [R]; 2],
    [d_mean, d_variance]: [&mut [R]; 2],
) {
    for j in 0..m.len() {
        let (mean, variance) = (before[0][j], before[1][j]);
        let total = variance + v[j];
        let w = v[j] / total;
        let d_w = d_mean[j] * (mean - m[j]) + d_variance[j] * variance;
        d_m[j] += d_mean[j] * (R::ONE - w);
        d_v[j] += d_w * (R::ONE - w) / total;
        d_variance[j] = d_variance[j] * w - d_w * w / total;
        d_mean[j] *= w;
    }
}

/// The product of the heads' factors at a time step.
fn joined<R: Real>(heads: &[HeadTape<R>], row: usize, moments: &mut [Vec<R>; 2]) {
    let [mean, variance] = moments;
    mean.copy_from_slice(heads[0].mean.row(row));
    variance.copy_from_slice(heads[0].variance.row(row));
    for head in &heads[1..] {
        join(head.mean.row(row), head.variance.row(row), mean, variance);
    }
}
