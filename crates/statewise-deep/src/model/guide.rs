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
use super::config::{Combiner, CombinerWeights, DmmConfig, GuideStart};
use super::factor::{HeadTape, join, joined, split, unjoin, unsplit};
use super::reader::{Readers, ReadersTape, directions};
use super::transition::TransitionTape;
use crate::array::{Grid, Nonlinearity, Panels, Real, add_rows, sum_rows, vectorised};
use crate::layers::{Direction, Linear, Spread};
use crate::parameters::{Builder, Start};

/// The inference network.
#[derive(Clone, Debug)]
pub(crate) struct Guide {
    pub(crate) latent_dim: usize,
    pub(crate) size: usize,
    pub(crate) spread: Spread,
    pub(crate) readers: Readers,
    pub(crate) rule: Rule,
}

/// How q is made.
#[derive(Clone, Debug)]
pub(crate) enum Rule {
    /// One head a direction; `with_prior`: times the transition.
    Evidence { heads: Vec<Linear>, with_prior: bool },
    /// The average with z_{t−1}.
    Average {
        state: Linear,
        nonlinearity: Nonlinearity,
        /// α.
        weight: f64,
        /// β, of each direction.
        share: f64,
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
    readers: ReadersTape<R>,
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

impl Guide {
    pub(crate) fn new(builder: &mut Builder, config: &DmmConfig) -> Self {
        let (size, latent_dim) = (config.rnn_size, config.latent_dim);
        let readers = Readers::new(builder, config);
        let directions = directions(config.evidence);
        let (weight, share) = match (directions.len(), config.combiner_weights) {
            (1, _) => (0.5, 0.5),
            (_, CombinerWeights::Equal) => (1.0 / 3.0, 1.0 / 3.0),
            (_, CombinerWeights::Halves) => (0.5, 0.25),
        };
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
                share,
                head: Linear::new(builder, "guide.head", size, 2 * latent_dim),
                start: config.guide_start,
                learned: (config.guide_start == GuideStart::Learned)
                    .then(|| builder.tensor("guide.start".into(), &[latent_dim], Start::Constant(0.0))),
            },
        };
        Guide { latent_dim, size, spread: config.spread, readers, rule }
    }

    pub(crate) fn tape<R: Real>(&self) -> GuideTape<R> {
        let latent = || Grid::new(self.latent_dim);
        let average = matches!(self.rule, Rule::Average { .. });
        let averaged = |width: usize| Grid::new(if average { width } else { 0 });
        let heads = match &self.rule {
            Rule::Evidence { heads, .. } => heads.iter().map(|_| HeadTape::new(self.latent_dim)).collect(),
            Rule::Average { .. } => Vec::new(),
        };
        GuideTape {
            past: averaged(self.latent_dim),
            d_past: averaged(self.latent_dim),
            mean: latent(),
            variance: latent(),
            d_mean: latent(),
            d_variance: latent(),
            readers: self.readers.tape(),
            summary: averaged(self.size),
            d_summary: averaged(self.size),
            heads,
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
        self.readers.units()
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
        self.readers.forward(theta, batch, kept, &mut tape.readers);
        match &self.rule {
            Rule::Average { state, share, head, .. } => {
                state.fill_panels(theta, &mut tape.panels.state);
                head.fill_panels(theta, &mut tape.panels.head);
                tape.summary.all_mut().fill(R::ZERO);
                for output in tape.readers.outputs() {
                    add_scaled(R::from_f64(*share), output.all(), tape.summary.all_mut());
                }
            }
            Rule::Evidence { heads, .. } => {
                let outputs = tape.readers.outputs();
                for ((head, head_tape), output) in heads.iter().zip(&mut tape.heads).zip(outputs) {
                    let rows = 0..batch.packed.num_rows();
                    head.forward(theta, output.all(), head_tape.out.all_mut());
                    split(&head_tape.out, rows, &mut head_tape.mean, &mut head_tape.raw);
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
                    joined(&tape.heads, step_row, mean, variance);
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
        let (mut before_mean, mut before_variance) =
            (vec![R::ZERO; self.latent_dim], vec![R::ZERO; self.latent_dim]);
        for (k, row) in batch.particles.rows(t).enumerate() {
            let step_row = batch.packed.rows(t).start + k / copies;
            let (d_mean, d_variance) = (tape.d_mean.row_mut(row), tape.d_variance.row_mut(row));
            if with_prior {
                joined(&tape.heads, step_row, &mut before_mean, &mut before_variance);
                let prior = [transition.mean.row(row), transition.variance.row(row)];
                let d_prior = [transition.d_mean.row_mut(row), transition.d_variance.row_mut(row)];
                unjoin(prior, [&before_mean, &before_variance], d_prior, [&mut *d_mean, &mut *d_variance]);
            }
            if let [first, second] = &mut tape.heads[..] {
                joined(std::slice::from_ref(first), step_row, &mut before_mean, &mut before_variance);
                let factor = [second.mean.row(step_row), second.variance.row(step_row)];
                let d_factor = [second.d_mean.row_mut(step_row), second.d_variance.row_mut(step_row)];
                unjoin(
                    factor,
                    [&before_mean, &before_variance],
                    d_factor,
                    [&mut *d_mean, &mut *d_variance],
                );
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
            Rule::Average { state, share, head, learned, .. } => {
                head.gradient(tape.combined.all(), tape.d_out.all(), gradient);
                state.gradient(tape.past.all(), tape.d_state.all(), gradient);
                if let Some(learned) = learned {
                    let first = batch.particles.rows(0);
                    sum_rows(tape.d_past.rows(first), &mut gradient[learned.clone()]);
                }
                let share = R::from_f64(*share);
                for (_, deltas) in tape.readers.outputs_mut() {
                    let summed = tape.d_summary.all();
                    deltas.all_mut().iter_mut().zip(summed).for_each(|(d, s)| *d = share * *s);
                }
            }
            Rule::Evidence { heads, .. } => {
                let outputs = tape.readers.outputs_mut();
                for ((head, head_tape), (output, deltas)) in heads.iter().zip(&mut tape.heads).zip(outputs)
                {
                    let d_raw = head_tape.d_raw.all_mut();
                    self.spread.pull_back(head_tape.raw.all(), head_tape.d_variance.all(), d_raw);
                    let rows = 0..batch.packed.num_rows();
                    unsplit(&head_tape.d_mean, &head_tape.d_raw, rows, &mut head_tape.d_out);
                    deltas.all_mut().fill(R::ZERO);
                    head.backward(theta, head_tape.d_out.all(), deltas.all_mut());
                    head.gradient(output.all(), head_tape.d_out.all(), gradient);
                }
            }
        }
        self.readers.backward(theta, batch, &mut tape.readers, gradient);
    }
}

impl<R: Real> GuideTape<R> {
    /// Lets the next pass read on where this one, of one step, ended.
    pub(crate) fn carry(&mut self) {
        self.readers.carry();
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
        self.summary.resize(steps);
        self.d_summary.resize(steps);
        self.readers.resize(steps);
        self.heads.iter_mut().for_each(|head| head.resize(steps));
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
        add_rows(copies, row);
    }
}

/// Adds all copies to their row.
fn sum_copies<R: Real>(copies: usize, width: usize, particles: &[R], rows: &mut [R]) {
    for (row, copies) in rows.chunks_exact_mut(width).zip(particles.chunks_exact(copies * width)) {
        sum_rows(copies, row);
    }
}
