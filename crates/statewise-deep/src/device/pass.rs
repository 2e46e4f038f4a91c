//! One pass forward along drawn latent paths and one back, on a device: `objective/pass` with kernels.

use super::driver::{Driver, Kernel, NOWHERE};
use super::emission::EmissionTape;
use super::guide::GuideTape;
use super::memory::{Layout, Rows};
use super::readers::Reading;
use super::stage::Stage;
use super::step::Step;
use super::transition::TransitionTape;
use crate::array::Packed;
use crate::model::{FirstState, Network};
use crate::objective::Divergence;

/// What a pass reads, all of it uploaded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inputs {
    pub(super) reading: Rows,
    pub(super) targets: Rows,
    pub(super) observed: Option<Rows>,
    pub(super) transition_context: Rows,
    pub(super) emission_context: Rows,
    pub(super) noise: Rows,
    pub(super) kept: Option<Rows>,
    pub(super) starts: Option<[Rows; 2]>,
}

/// What a pass answers, a value a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scores {
    pub(super) nll: Rows,
    pub(super) divergence: Rows,
}

/// Weights of both in the sum that is differentiated.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScoreWeights {
    pub(super) nll: f64,
    pub(super) divergence: f64,
}

/// The tapes of all networks for one batch.
pub(super) struct Pass<'a> {
    network: &'a Network,
    packed: &'a Packed,
    particles: &'a Packed,
    inputs: Inputs,
    scores: Scores,
    guide: GuideTape,
    transition: TransitionTape,
    emission: EmissionTape,
    z: Rows,
    d_z: Rows,
    divergence_terms: Rows,
}

impl<'a> Pass<'a> {
    /// Lays the tapes out.
    pub(super) fn new(
        layout: &mut Layout,
        network: &'a Network,
        packed: &'a Packed,
        particles: &'a Packed,
        inputs: Inputs,
        scores: Scores,
    ) -> Self {
        let (rows, dim) = (particles.num_rows(), network.config.latent_dim);
        let drops = inputs.kept.is_some();
        Pass {
            guide: GuideTape::new(layout, &network.guide, packed.num_rows(), particles, drops),
            transition: TransitionTape::new(layout, &network.transition, rows),
            emission: EmissionTape::new(layout, &network.emission, rows),
            z: layout.rows(rows, dim),
            d_z: layout.rows(rows, dim),
            divergence_terms: layout.rows(rows, dim),
            network,
            packed,
            particles,
            inputs,
            scores,
        }
    }

    /// Draws the latent paths and scores them.
    pub(super) fn forward<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        divergence: Divergence,
        weights: ScoreWeights,
    ) {
        let network = self.network;
        let (all, first) = (self.particles.num_rows(), self.particles.active(0));
        self.guide.read(stage, &network.guide, &self.reading());
        let dim = network.config.latent_dim;
        let context = |stage: &mut Stage<'_, D>, from: Rows, input: Rows| {
            stage.copy(from.at, from.stride, input.columns(dim..input.width));
        };
        context(stage, self.inputs.transition_context, self.transition.input);
        context(stage, self.inputs.emission_context, self.emission.input);
        self.guide.fill_start(stage, &network.guide, first, self.inputs.noise);
        self.start_transition(stage);
        let by_step = network.guide.reads_transition();
        for t in 0..self.particles.num_steps() {
            let rows = self.particles.rows(t);
            if by_step && rows.start >= self.first_transition() {
                self.transition.forward(stage, &network.transition, rows);
            }
            self.guide.step(stage, &network.guide, &self.step(t));
        }
        if !by_step {
            self.transition.forward(stage, &network.transition, self.first_transition()..all);
        }
        let Inputs { targets, observed, .. } = self.inputs;
        self.emission.forward(stage, &network.emission, targets, observed, weights.nll, self.scores.nll);
        self.score(stage, divergence);
    }

    /// Adds the gradient of the weighted sum of both scores.
    pub(super) fn backward<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        divergence: Divergence,
        weights: ScoreWeights,
    ) {
        let network = self.network;
        let (all, first) = (self.particles.num_rows(), self.first_transition());
        self.emission.backward(stage, &network.emission);
        self.score_back(stage, divergence, weights.divergence);
        let by_step = network.guide.reads_transition();
        if !by_step {
            self.transition.backward(stage, &network.transition, first..all);
        }
        for t in (0..self.particles.num_steps()).rev() {
            self.guide.step_back(stage, &network.guide, &self.step(t));
            let rows = self.particles.rows(t);
            if by_step && rows.start >= first {
                self.transition.backward(stage, &network.transition, rows);
            }
        }
        self.transition.gradient(stage, &network.transition, first..all);
        self.first_gradient(stage);
        self.guide.backward(stage, &network.guide, self.particles.copies(), &self.reading());
    }

    fn reading(&self) -> Reading<'_> {
        let Inputs { reading, kept, starts, .. } = self.inputs;
        Reading { packed: self.packed, input: reading, kept, starts }
    }

    fn step(&self, t: usize) -> Step<'_> {
        Step {
            t,
            packed: self.packed,
            particles: self.particles,
            emission: &self.emission,
            transition: &self.transition,
            noise: self.inputs.noise,
            z: self.z,
            d_z: self.d_z,
        }
    }

    /// The first row that the transition network computes.
    fn first_transition(&self) -> usize {
        match self.network.first {
            FirstState::Standard | FirstState::Learned { .. } => self.particles.active(0),
            FirstState::State(_) => 0,
        }
    }

    /// z_0 before the transition, or the moments of p(z_1) behind it.
    fn start_transition<D: Driver>(&self, stage: &mut Stage<'_, D>) {
        let dim = self.network.config.latent_dim;
        let rows = 0..self.particles.active(0);
        let (mean, raw) = match &self.network.first {
            FirstState::State(state) => {
                let input = self.transition.input.rows(rows).columns(0..dim);
                return stage.copy(stage.weight(state), 0, input);
            }
            FirstState::Standard => (NOWHERE, NOWHERE),
            FirstState::Learned { mean, raw } => (stage.weight(mean), stage.weight(raw)),
        };
        let y = [self.transition.mean.at, self.transition.variance.at];
        let n = [dim, self.network.config.spread as usize];
        stage.launch(Kernel::FirstMoments, rows.len() * dim, &[mean, raw], &y, &n, &[]);
    }

    /// Places of q's and p's moments.
    fn moments(&self) -> [usize; 4] {
        let (q, p) = (&self.guide, &self.transition);
        [q.mean.at, q.variance.at, p.mean.at, p.variance.at]
    }

    fn score<D: Driver>(&self, stage: &mut Stage<'_, D>, divergence: Divergence) {
        let terms = self.divergence_terms;
        let [qm, qv, pm, pv] = self.moments();
        let x = [qm, qv, pm, pv, self.inputs.noise.at, self.z.at];
        match divergence {
            Divergence::Expected => {
                stage.launch(Kernel::Expected, terms.len(), &x[..4], &[terms.at], &[], &[]);
            }
            Divergence::Sampled => stage.launch(Kernel::Sampled, terms.len(), &x, &[terms.at], &[], &[]),
        }
        stage.sum_columns(terms, self.scores.divergence);
    }

    fn score_back<D: Driver>(&self, stage: &mut Stage<'_, D>, divergence: Divergence, weight: f64) {
        let [qm, qv, pm, pv] = self.moments();
        let x = [qm, qv, pm, pv, self.inputs.noise.at, self.z.at];
        let (q, p) = (&self.guide, &self.transition);
        let y = [q.d_mean.at, q.d_variance.at, p.d_mean.at, p.d_variance.at, self.d_z.at];
        let kernel = match divergence {
            Divergence::Expected => Kernel::ExpectedBack,
            Divergence::Sampled => Kernel::SampledBack,
        };
        stage.launch(kernel, self.d_z.len(), &x, &y, &[], &[weight]);
    }

    fn first_gradient<D: Driver>(&self, stage: &mut Stage<'_, D>) {
        let dim = self.network.config.latent_dim;
        let first = |grid: Rows| grid.rows(0..self.particles.active(0));
        match &self.network.first {
            FirstState::Standard => {}
            FirstState::Learned { mean, raw } => {
                stage.sum_rows(first(self.transition.d_mean), mean);
                let d_raw = first(self.transition.d_raw);
                let x = [stage.weight(raw), self.transition.d_variance.at];
                let n = [dim, self.network.config.spread as usize, 0];
                stage.launch(Kernel::VariancesBack, d_raw.len(), &x, &[d_raw.at], &n, &[]);
                stage.sum_rows(d_raw, raw);
            }
            FirstState::State(state) => {
                stage.sum_rows(first(self.transition.d_input).columns(0..dim), state);
            }
        }
    }
}
