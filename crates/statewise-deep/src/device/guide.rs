//! The inference network on a device: `model/guide` with kernels. A step of the average is two products and two
//! kernels, the second of which also draws z and hands it on; a step of the mean field is one kernel.

use super::driver::{Driver, Kernel, NOWHERE};
use super::memory::{Layout, Rows};
use super::readers::{ReadersTape, Reading};
use super::stage::Stage;
use super::step::Step;
use crate::array::Packed;
use crate::layers::Linear;
use crate::model::GuideStart;
use crate::model::guide::{Guide, Rule};

/// The inference network's values on every row, and the gradients with respect to them.
#[derive(Clone, Debug)]
pub(super) struct GuideTape {
    /// z_{t−1} as the combiner sees it, one row a particle.
    pub(super) past: Rows,
    pub(super) mean: Rows,
    pub(super) variance: Rows,
    pub(super) d_mean: Rows,
    pub(super) d_variance: Rows,
    readers: ReadersTape,
    heads: Vec<HeadTape>,
    average: AverageTape,
}

/// A mean-field factor, one row a time step.
#[derive(Clone, Debug)]
struct HeadTape {
    out: Rows,
    d_out: Rows,
    variance: Rows,
}

/// What the average has.
#[derive(Clone, Debug)]
struct AverageTape {
    /// Σ β h, one row a time step.
    summary: Rows,
    state: Rows,
    d_state: Rows,
    combined: Rows,
    d_combined: Rows,
    out: Rows,
    d_out: Rows,
    /// Deltas of z_0, for a learned one.
    d_start: Rows,
}

impl GuideTape {
    /// * `steps` – rows of the time steps, without particles.
    pub(super) fn new(
        layout: &mut Layout,
        guide: &Guide,
        steps: usize,
        particles: &Packed,
        drops: bool,
    ) -> Self {
        let dim = guide.latent_dim;
        let rows = particles.num_rows();
        let readers = ReadersTape::new(layout, &guide.readers, steps, drops);
        let (heads, size) = match &guide.rule {
            Rule::Evidence { heads, .. } => (heads.len(), 0),
            Rule::Average { .. } => (0, guide.size),
        };
        let averaged = if size > 0 { dim } else { 0 };
        let mut head = || HeadTape {
            out: layout.rows(steps, 2 * dim),
            d_out: layout.rows(steps, 2 * dim),
            variance: layout.rows(steps, dim),
        };
        GuideTape {
            heads: (0..heads).map(|_| head()).collect(),
            readers,
            past: layout.rows(rows, averaged),
            mean: layout.rows(rows, dim),
            variance: layout.rows(rows, dim),
            d_mean: layout.rows(rows, dim),
            d_variance: layout.rows(rows, dim),
            average: AverageTape {
                summary: layout.rows(steps, size),
                state: layout.rows(rows, size),
                d_state: layout.rows(rows, size),
                combined: layout.rows(rows, size),
                d_combined: layout.rows(rows, size),
                out: layout.rows(rows, 2 * averaged),
                d_out: layout.rows(rows, 2 * averaged),
                d_start: layout.rows(particles.active(0), averaged),
            },
        }
    }

    /// Reads the observations: all that q needs and that doesn't depend on z.
    pub(super) fn read<D: Driver>(&self, stage: &mut Stage<'_, D>, guide: &Guide, reading: &Reading<'_>) {
        self.readers.forward(stage, &guide.readers, reading);
        let outputs = self.readers.outputs();
        match &guide.rule {
            Rule::Average { share, .. } => {
                let summary = self.average.summary;
                let x = [outputs[0].at, outputs.get(1).map_or(NOWHERE, |rows| rows.at)];
                stage.launch(Kernel::Summary, summary.len(), &x, &[summary.at], &[], &[*share]);
            }
            Rule::Evidence { heads, .. } => {
                for ((head, tape), output) in heads.iter().zip(&self.heads).zip(outputs) {
                    stage.forward(head, output, tape.out, false);
                    let n = [guide.latent_dim, guide.spread as usize];
                    let y = [tape.out.at, tape.variance.at];
                    let bias = stage.bias(head);
                    stage.launch(Kernel::HeadMoments, tape.variance.len(), &[bias], &y, &n, &[]);
                }
            }
        }
    }

    /// z_0 of the combiner, for sequences at their first step.
    pub(super) fn fill_start<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        guide: &Guide,
        first: usize,
        noise: Rows,
    ) {
        let Rule::Average { start, learned, .. } = &guide.rule else { return };
        let past = self.past.rows(0..first);
        match (start, learned) {
            (GuideStart::Noise, _) => stage.copy(noise.at, noise.stride, past),
            (_, Some(learned)) => stage.copy(stage.weight(learned), 0, past),
            _ => stage.copy(NOWHERE, 0, past),
        }
    }

    /// Mean and variance of q(z_t) for the particles of a step, whose past stands on the tape, and z_t.
    pub(super) fn step<D: Driver>(&self, stage: &mut Stage<'_, D>, guide: &Guide, step: &Step<'_>) {
        let at = |grid: Rows| grid.rows(step.rows()).at;
        let threads = step.rows().len() * guide.latent_dim;
        let [first, second] = step.handed_on(self.past);
        let drawn = [at(self.mean), at(self.variance), at(step.z), at(step.emission.input), first, second];
        let y = |out: usize| {
            let [mean, variance, z, input, past, next] = drawn;
            [out, mean, variance, z, input, past, next]
        };
        let n = step.sizes(guide);
        match &guide.rule {
            Rule::Average { state, nonlinearity, weight, head, .. } => {
                let tape = &self.average;
                self.combine(stage, step, state, *nonlinearity as usize, *weight);
                stage.forward(head, tape.combined.rows(step.rows()), tape.out.rows(step.rows()), false);
                let x = [stage.bias(head), at(step.noise)];
                stage.launch(Kernel::DrawAverage, threads, &x, &y(at(tape.out)), &n, &[]);
            }
            Rule::Evidence { .. } => {
                let [a, b, c, d] = self.factors(step);
                let [mean, variance] = step.prior(guide);
                let x = [a, b, c, d, mean, variance, at(step.noise)];
                stage.launch(Kernel::DrawEvidence, threads, &x, &y(NOWHERE), &n, &[]);
            }
        }
    }

    /// c = α f(W z₋ + b) + summary.
    fn combine<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        step: &Step<'_>,
        state: &Linear,
        f: usize,
        weight: f64,
    ) {
        let at = |grid: Rows| grid.rows(step.rows());
        let tape = &self.average;
        stage.forward(state, at(self.past), at(tape.state), false);
        let summary = tape.summary.rows(step.steps());
        let (n, x) = ([tape.state.width, step.copies(), f], [stage.bias(state), summary.at]);
        let y = [at(tape.state).at, at(tape.combined).at];
        stage.launch(Kernel::Combine, at(tape.state).len(), &x, &y, &n, &[weight]);
    }

    /// Outputs and variances of the heads at a step.
    fn factors(&self, step: &Step<'_>) -> [usize; 4] {
        let at = |head: Option<&HeadTape>| match head {
            Some(tape) => [tape.out.rows(step.steps()).at, tape.variance.rows(step.steps()).at],
            None => [NOWHERE, NOWHERE],
        };
        let ([a, b], [c, d]) = (at(self.heads.first()), at(self.heads.get(1)));
        [a, b, c, d]
    }

    /// Pulls the deltas of z_t and of q's moments back to what was read, to z_{t−1} (`Step::d_z` of the step
    /// before) and to the transition's moments where q reads them.
    pub(super) fn step_back<D: Driver>(&self, stage: &mut Stage<'_, D>, guide: &Guide, step: &Step<'_>) {
        let at = |grid: Rows| grid.rows(step.rows()).at;
        let d_z = [at(step.d_z), at(step.emission.d_input), step.later_deltas()];
        let n = step.sizes(guide);
        match &guide.rule {
            Rule::Average { state, nonlinearity, weight, head, learned, .. } => {
                let tape = &self.average;
                let rows = |grid: Rows| grid.rows(step.rows());
                let own = [tape.out, step.noise, self.variance, self.d_mean, self.d_variance].map(at);
                let x = [&own[..], &d_z[..]].concat();
                let threads = step.rows().len() * guide.latent_dim;
                stage.launch(Kernel::DrawAverageBack, threads, &x, &[at(tape.d_out)], &n, &[]);
                stage.backward(head, rows(tape.d_out), rows(tape.d_combined), false);
                let (x, f) = ([at(tape.state), at(tape.d_combined)], *nonlinearity as usize);
                let (threads, y) = (rows(tape.d_state).len(), [at(tape.d_state)]);
                stage.launch(Kernel::CombineBack, threads, &x, &y, &[f], &[*weight]);
                match step.before() {
                    Some(before) => stage.backward(state, rows(tape.d_state), step.d_z.rows(before), true),
                    None if learned.is_some() => {
                        stage.backward(state, rows(tape.d_state), tape.d_start, false);
                    }
                    None => {}
                }
            }
            Rule::Evidence { .. } => {
                let [mean, variance] = step.prior(guide);
                let own = [step.noise, self.variance, self.d_mean, self.d_variance].map(at);
                let x = [&self.factors(step)[..], &[mean, variance], &own[..], &d_z[..]].concat();
                let head = |k: usize| self.heads.get(k).map_or(NOWHERE, |h| h.d_out.rows(step.steps()).at);
                let [d_mean, d_variance] = step.prior_deltas(guide);
                let threads = step.steps().len() * guide.latent_dim;
                let y = [head(0), head(1), d_mean, d_variance];
                stage.launch(Kernel::DrawEvidenceBack, threads, &x, &y, &n, &[]);
            }
        }
    }

    /// After the last [`GuideTape::step_back`]: through the recurrent layers, and all weights' gradients.
    pub(super) fn backward<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        guide: &Guide,
        copies: usize,
        reading: &Reading<'_>,
    ) {
        let (outputs, deltas) = (self.readers.outputs(), self.readers.output_deltas());
        match &guide.rule {
            Rule::Average { state, share, head, learned, .. } => {
                let tape = &self.average;
                stage.gradient(head, tape.combined, tape.d_out);
                stage.gradient(state, self.past, tape.d_state);
                if let Some(learned) = learned {
                    stage.sum_rows(tape.d_start, learned);
                }
                let y = [deltas[0].at, deltas.get(1).map_or(NOWHERE, |rows| rows.at)];
                let (threads, n) = (deltas[0].len(), [guide.size, copies]);
                stage.launch(Kernel::SummaryBack, threads, &[tape.d_combined.at], &y, &n, &[*share]);
            }
            Rule::Evidence { heads, .. } => {
                let tapes = self.heads.iter().zip(outputs.iter().zip(&deltas));
                for (head, (tape, (output, deltas))) in heads.iter().zip(tapes) {
                    stage.backward(head, tape.d_out, *deltas, false);
                    stage.gradient(head, *output, tape.d_out);
                }
            }
        }
        self.readers.backward(stage, &guide.readers, reading);
    }
}
