//! Objectives and bounds on a device: a batch goes up, a pass runs, sums and the gradient come down.

use statewise::data::Dataset;
use statewise::{Error, Result, Seed};

use super::driver::Driver;
use super::memory::{Layout, Rows};
use super::pass::{Inputs, Pass, ScoreWeights, Scores};
use super::stage::Stage;
use crate::array::{Grid, Packed, Real};
use crate::learn::Objective;
use crate::learn::device::{Engine, GroupSums};
use crate::learn::gradient::{ObjectiveCall, PathTerms, fill_kept};
use crate::model::{Batch, Network};
use crate::objective::{Divergence, Draws, fill_noise};

/// An engine of any driver, with what it keeps from batch to batch.
pub(super) struct DeviceEngine<D: Driver> {
    driver: D,
    num_weights: usize,
    staging: Vec<D::Real>,
    answers: Vec<D::Real>,
    noise: Grid<D::Real>,
    kept: Grid<D::Real>,
}

/// What a pass is to do.
struct Task {
    divergence: Divergence,
    weights: ScoreWeights,
    backward: bool,
    drops: bool,
    seed: Seed,
}

/// What a pass answered.
struct Answers<'a, R> {
    gradient: &'a [R],
    nll: &'a [R],
    divergence: &'a [R],
}

impl<D: Driver> DeviceEngine<D> {
    pub(super) fn new(driver: D) -> Self {
        DeviceEngine {
            driver,
            num_weights: 0,
            staging: Vec::new(),
            answers: Vec::new(),
            noise: Grid::default(),
            kept: Grid::default(),
        }
    }

    /// The driver, for tests that count.
    #[cfg(test)]
    pub(super) fn driver(&self) -> &D {
        &self.driver
    }

    /// Draws noise and dropout factors as the CPU does.
    fn draw(&mut self, network: &Network, batch: &Batch<D::Real>, task: &Task) {
        if self.noise.width() != network.config.latent_dim {
            self.noise = Grid::new(network.config.latent_dim);
        }
        self.noise.resize(batch.particles.num_rows());
        fill_noise(Draws::Random(task.seed), &batch.particles, &batch.sequences, &mut self.noise);
        if task.drops {
            if self.kept.width() != network.guide.dropped_units() {
                self.kept = Grid::new(network.guide.dropped_units());
            }
            fill_kept(network.config.rnn_dropout, batch, task.seed, &mut self.kept);
        }
    }

    /// Lays the batch out, sends it up, runs the pass and brings its answers down.
    fn run(
        &mut self,
        network: &Network,
        batch: &Batch<D::Real>,
        task: &Task,
    ) -> Result<Answers<'_, D::Real>> {
        self.draw(network, batch, task);
        let mut layout = Layout::default();
        let theta = layout.rows(1, self.num_weights);
        let kept_end = layout.end();
        let gradient = layout.rows(1, self.num_weights);
        let rows = batch.particles.num_rows();
        let scores = Scores { nll: layout.rows(rows, 1), divergence: layout.rows(rows, 1) };
        let answers_end = layout.end();
        let mut uploads = Uploads { layout: &mut layout, parts: Vec::new() };
        let kept = task.drops.then_some(&self.kept);
        let starts = network.config.rnn_learned_start.then(|| starts(&batch.packed));
        let inputs = uploads.inputs(batch, &self.noise, kept, starts.as_ref());
        let parts = uploads.parts;
        let uploads_end = layout.end();
        let longest = [rows, network.config.emission_dim, network.config.latent_dim];
        let ones = layout.rows(longest.into_iter().max().unwrap_or(1), 1);
        let pass = Pass::new(&mut layout, network, &batch.packed, &batch.particles, inputs, scores);
        if layout.too_large() {
            let found = format!("{rows} rows of time steps and particles at once");
            return Err(Error::argument("device", found, "smaller batches, or device = cpu"));
        }
        self.driver.reserve(layout.end(), kept_end);
        self.staging.clear();
        self.staging.resize(uploads_end - answers_end, D::Real::ZERO);
        for (rows, values) in parts {
            let first = rows.at - answers_end;
            self.staging[first..first + values.len()].copy_from_slice(values);
        }
        self.driver.upload(answers_end, &self.staging);
        let mut stage = Stage { driver: &mut self.driver, theta: theta.at, gradient: gradient.at, ones };
        stage.fill(ones, 1.0);
        pass.forward(&mut stage, task.divergence, task.weights);
        let first_answer = if task.backward {
            stage.fill(gradient, 0.0);
            pass.backward(&mut stage, task.divergence, task.weights);
            gradient.at
        } else {
            scores.nll.at
        };
        self.answers.resize(answers_end - first_answer, D::Real::ZERO);
        self.driver.download(first_answer, &mut self.answers)?;
        let part = |rows: Rows| &self.answers[rows.at - first_answer..][..rows.len()];
        Ok(Answers {
            gradient: if task.backward { part(gradient) } else { &[] },
            nll: part(scores.nll),
            divergence: part(scores.divergence),
        })
    }
}

impl<D: Driver> Engine for DeviceEngine<D> {
    fn set_weights(&mut self, theta: &[f64]) {
        self.num_weights = theta.len();
        self.staging.clear();
        self.staging.extend(theta.iter().map(|x| D::Real::from_f64(*x)));
        self.driver.reserve(theta.len(), 0);
        self.driver.upload(0, &self.staging);
    }

    fn objective(
        &mut self,
        network: &Network,
        data: &Dataset<'_>,
        sequences: &[usize],
        call: ObjectiveCall,
        gradient: &mut [f64],
    ) -> Result<PathTerms> {
        let batch = Batch::new(&network.config, data, sequences, call.num_particles);
        let path = 1.0 / call.num_particles as f64;
        let sampled = call.objective == Objective::SampledElbo;
        let task = Task {
            divergence: if sampled { Divergence::Sampled } else { network.closed_form() },
            weights: ScoreWeights { nll: path, divergence: path * call.divergence_weight },
            backward: true,
            drops: call.training && network.config.rnn_dropout > 0.0,
            seed: call.seed,
        };
        let answers = self.run(network, &batch, &task)?;
        gradient.iter_mut().zip(answers.gradient).for_each(|(to, x)| *to = x.to_f64());
        let sum = |values: &[D::Real]| path * values.iter().map(|x| x.to_f64()).sum::<f64>();
        let (nll, divergence) = (sum(answers.nll), sum(answers.divergence));
        let (steps, sequences) = (batch.packed.num_rows(), sequences.len());
        Ok(PathTerms { nll, divergence, bound: -nll - divergence, steps, sequences })
    }

    fn bound(
        &mut self,
        network: &Network,
        data: &Dataset<'_>,
        group: &[usize],
        num_samples: usize,
        seed: Seed,
    ) -> Result<GroupSums> {
        let batch = Batch::new(&network.config, data, group, num_samples);
        let weights = ScoreWeights { nll: 1.0, divergence: 1.0 };
        let divergence = network.closed_form();
        let task = Task { divergence, weights, backward: false, drops: false, seed };
        let answers = self.run(network, &batch, &task)?;
        let sums = batch.sums([answers.nll, answers.divergence]);
        Ok((batch.sequences, sums))
    }
}

/// What goes up in one piece: matrices of a layout with their values.
struct Uploads<'a, 'b, R> {
    layout: &'a mut Layout,
    parts: Vec<(Rows, &'b [R])>,
}

impl<'b, R: Real> Uploads<'_, 'b, R> {
    fn inputs(
        &mut self,
        batch: &'b Batch<R>,
        noise: &'b Grid<R>,
        kept: Option<&'b Grid<R>>,
        starts: Option<&'b [Grid<R>; 2]>,
    ) -> Inputs {
        let (steps, rows) = (batch.packed.num_rows(), batch.particles.num_rows());
        Inputs {
            reading: self.add(steps, &batch.reading),
            targets: self.add(rows, &batch.targets),
            observed: batch.observed.as_ref().map(|grid| self.add(rows, grid)),
            transition_context: self.add(rows, &batch.transition_context),
            emission_context: self.add(rows, &batch.emission_context),
            noise: self.add(rows, noise),
            kept: kept.map(|grid| self.add(steps, grid)),
            starts: starts.map(|[left, right]| [self.add(steps, left), self.add(steps, right)]),
        }
    }

    fn add(&mut self, rows: usize, grid: &'b Grid<R>) -> Rows {
        let place = self.layout.rows(rows, grid.width());
        self.parts.push((place, grid.all()));
        place
    }
}

/// Columns with 1 where a sequence has its first step, and where its last.
fn starts<R: Real>(packed: &Packed) -> [Grid<R>; 2] {
    let mut columns = [Grid::new(1), Grid::new(1)];
    columns.iter_mut().for_each(|column| column.resize(packed.num_rows()));
    for (row, (t, i)) in packed.places().enumerate() {
        let ends = [t == 0, i >= packed.active(t + 1)];
        for (column, end) in columns.iter_mut().zip(ends) {
            column.row_mut(row)[0] = if end { R::ONE } else { R::ZERO };
        }
    }
    columns
}
