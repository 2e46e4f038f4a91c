//! One pass forward along drawn latent paths and one back: log p(x_t | z_t) and log q − log p of every
//! step, and the gradient of any weighted sum of them.
//!
//! What can be computed for all steps at once waits until the last z is drawn: the emission, and the
//! transition unless q reads it or particles are weighed on the way.

use std::ops::Range;

use statewise::Seed;

use super::divergence::{self, Pair, PairDeltas};
use super::particles::{Particles, Resampling, own_parents};
use super::{Draws, fill_noise};
use crate::array::{Grid, Packed, Real, sum_rows};
use crate::model::FirstState;
use crate::model::{Batch, EmissionTape, FlowTape, GuideTape, Network, TransitionTape};

/// How log q(z_t) − log p(z_t) is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Divergence {
    /// Its expectation under q(z_t), given the drawn z_{t−1}.
    Expected,
    /// Its value at the drawn z_t.
    Sampled,
}

/// Weights of −log p(x_t | z_t) and of the divergence in the sum that is differentiated, one a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct PathWeights<R> {
    pub(crate) nll: Vec<R>,
    pub(crate) divergence: Vec<R>,
}

/// The tapes of all networks; reused from batch to batch.
#[derive(Clone, Debug)]
pub(crate) struct Pass<R> {
    pub(crate) guide: GuideTape<R>,
    pub(crate) transition: TransitionTape<R>,
    pub(crate) emission: EmissionTape<R>,
    flow: FlowTape<R>,
    /// z_t.
    pub(crate) z: Grid<R>,
    /// log q − log p, one value a row.
    pub(crate) divergence: Grid<R>,
    noise: Grid<R>,
    d_z: Grid<R>,
    parents: Vec<usize>,
    scored: Option<Divergence>,
    /// z before the first step, where it comes from an earlier pass.
    carried: Option<Grid<R>>,
}

impl<R: Real> Pass<R> {
    pub(crate) fn new(network: &Network) -> Self {
        let latent = || Grid::new(network.config.latent_dim);
        Pass {
            guide: network.guide.tape(),
            transition: network.transition.tape(),
            emission: network.emission.tape(),
            flow: network.flow.tape(),
            z: latent(),
            divergence: Grid::new(1),
            noise: latent(),
            d_z: latent(),
            parents: Vec::new(),
            scored: None,
            carried: None,
        }
    }

    /// Lets the next pass go on where this one, of one step, ended.
    pub(crate) fn carry(&mut self) {
        self.carried = Some(self.z.clone());
        self.guide.carry();
    }

    /// The first row that the transition network computes.
    fn first_transition(&self, network: &Network, particles: &Packed) -> usize {
        match (&network.first, &self.carried) {
            (FirstState::Standard | FirstState::Learned { .. }, None) => particles.active(0),
            _ => 0,
        }
    }

    fn resize(&mut self, batch: &Batch<R>) {
        let (steps, particles) = (batch.packed.num_rows(), batch.particles.num_rows());
        self.guide.resize(steps, particles);
        self.transition.resize(particles);
        self.emission.resize(particles);
        self.flow.resize(particles);
        let Pass { z, divergence, noise, d_z, .. } = self;
        for grid in [z, noise, d_z] {
            grid.resize(particles);
        }
        divergence.resize(particles);
    }

    /// Draws the latent paths and scores them.
    ///
    /// * `kept` – factors of dropout for the recurrent states, in training.
    pub(crate) fn forward(
        &mut self,
        network: &Network,
        theta: &[R],
        batch: &Batch<R>,
        draws: Draws<'_>,
        kept: Option<&Grid<R>>,
        divergence: Divergence,
    ) {
        self.start(network, theta, batch, draws, kept);
        self.parents = own_parents(&batch.particles);
        let by_step = network.guide.reads_transition();
        for t in 0..batch.particles.num_steps() {
            self.draw_step(network, theta, batch, t, by_step);
        }
        let all = 0..batch.particles.num_rows();
        if !by_step {
            self.gather_transition_inputs(network, theta, batch);
            let first = self.first_transition(network, &batch.particles);
            network.transition.forward(theta, first..all.end, &mut self.transition);
            self.fill_first(network, theta, first);
        }
        network.emission.forward(theta, all.clone(), batch, &mut self.emission);
        self.score(all, divergence);
        self.scored = Some(divergence);
    }

    /// Draws and weighs particles step by step; answers the bounds and each row's share in them.
    pub(crate) fn forward_particles(
        &mut self,
        network: &Network,
        theta: &[R],
        batch: &Batch<R>,
        seed: Seed,
        kept: Option<&Grid<R>>,
        resampling: Resampling,
    ) -> (Vec<f64>, Vec<f64>) {
        self.start(network, theta, batch, Draws::Random(seed), kept);
        let mut particles = Particles::new(&batch.particles, &batch.sequences, resampling, seed);
        self.parents = own_parents(&batch.particles);
        for t in 0..batch.particles.num_steps() {
            self.draw_step(network, theta, batch, t, true);
            let rows = batch.particles.rows(t);
            network.emission.forward(theta, rows.clone(), batch, &mut self.emission);
            self.score(rows.clone(), Divergence::Sampled);
            let log_w =
                rows.map(|row| -(self.emission.nll.row(row)[0] + self.divergence.row(row)[0]).to_f64());
            particles.weigh(&batch.particles, t, log_w, &mut self.parents);
        }
        self.scored = Some(Divergence::Sampled);
        (particles.bounds, particles.shares)
    }

    fn start(
        &mut self,
        network: &Network,
        theta: &[R],
        batch: &Batch<R>,
        draws: Draws<'_>,
        kept: Option<&Grid<R>>,
    ) {
        self.resize(batch);
        fill_noise(draws, &batch.particles, &batch.sequences, &mut self.noise);
        network.guide.read(theta, batch, kept, &mut self.guide);
        network.flow.start(theta, &mut self.flow);
        let latent_dim = self.z.width();
        for row in 0..batch.particles.num_rows() {
            let context = batch.transition_context.row(row);
            self.transition.input.row_mut(row)[latent_dim..].copy_from_slice(context);
            self.emission.input.row_mut(row)[latent_dim..].copy_from_slice(batch.emission_context.row(row));
        }
    }

    /// q(z_t), its draw, and (`by_step`) the transition into it.
    fn draw_step(&mut self, network: &Network, theta: &[R], batch: &Batch<R>, t: usize, by_step: bool) {
        let rows = batch.particles.rows(t);
        if self.guide.past.width() > 0 {
            match &self.carried {
                Some(z) if t == 0 => self.guide.past.all_mut().copy_from_slice(z.all()),
                None if t == 0 => {
                    network.guide.fill_start(theta, rows.clone(), &self.noise, &mut self.guide)
                }
                _ => {
                    for row in rows.clone() {
                        self.guide.past.row_mut(row).copy_from_slice(self.z.row(self.parents[row]));
                    }
                }
            }
        }
        if by_step {
            self.gather_transition_rows(network, theta, batch, t);
            let first = self.first_transition(network, &batch.particles);
            if t == 0 && first > 0 {
                self.fill_first(network, theta, first);
            } else {
                network.transition.forward(theta, rows.clone(), &mut self.transition);
            }
        }
        network.guide.step(theta, batch, t, &self.transition, &mut self.guide);
        let latent_dim = self.z.width();
        for row in rows.clone() {
            let (mean, variance) = (self.guide.mean.row(row), self.guide.variance.row(row));
            let z = self.z.row_mut(row);
            for (j, noise) in self.noise.row(row).iter().enumerate() {
                z[j] = mean[j] + variance[j].sqrt() * *noise;
            }
        }
        network.flow.forward(theta, rows.clone(), &mut self.z, &mut self.flow);
        for row in rows {
            self.emission.input.row_mut(row)[..latent_dim].copy_from_slice(self.z.row(row));
        }
    }

    fn gather_transition_inputs(&mut self, network: &Network, theta: &[R], batch: &Batch<R>) {
        for t in 0..batch.particles.num_steps() {
            self.gather_transition_rows(network, theta, batch, t);
        }
    }

    /// Puts z_{t−1} (z_0 at first) before the transition.
    fn gather_transition_rows(&mut self, network: &Network, theta: &[R], batch: &Batch<R>, t: usize) {
        let latent_dim = self.z.width();
        for row in batch.particles.rows(t) {
            let input = &mut self.transition.input.row_mut(row)[..latent_dim];
            match (&self.carried, &network.first, t) {
                (Some(z), _, 0) => input.copy_from_slice(z.row(row)),
                (None, FirstState::State(state), 0) => input.copy_from_slice(&theta[state.clone()]),
                (None, _, 0) => input.fill(R::ZERO),
                _ => input.copy_from_slice(self.z.row(self.parents[row])),
            }
        }
    }

    /// Moments of p(z_1) on the rows that the transition does not compute.
    fn fill_first(&mut self, network: &Network, theta: &[R], rows: usize) {
        for row in 0..rows {
            let (mean, variance) =
                (self.transition.mean.row_mut(row), self.transition.variance.row_mut(row));
            network.first_moments(theta, mean, variance);
        }
    }

    fn score(&mut self, rows: Range<usize>, divergence: Divergence) {
        for row in rows {
            let (q, p) = (&self.guide, &self.transition);
            let pair = Pair::at([&q.mean, &q.variance, &p.mean, &p.variance], row);
            let value = match divergence {
                Divergence::Expected => divergence::expected(pair),
                Divergence::Sampled => {
                    let log_ratio = divergence::sampled(pair, self.noise.row(row), self.z.row(row));
                    self.flow.log_det.row(row).iter().fold(log_ratio, |ratio, log_det| ratio - *log_det)
                }
            };
            self.divergence.row_mut(row)[0] = value;
        }
    }

    /// Mean and variance of q(z_t) given z_{t−1}; behind a flow, which has no closed form, the draw and 0.
    pub(crate) fn posterior(&self, row: usize) -> (Vec<f64>, Vec<f64>) {
        let wide = |values: &[R]| values.iter().map(|x| x.to_f64()).collect::<Vec<f64>>();
        if self.flow.log_det.width() > 0 {
            let z = wide(self.z.row(row));
            let variance = vec![0.0; z.len()];
            return (z, variance);
        }
        (wide(self.guide.mean.row(row)), wide(self.guide.variance.row(row)))
    }

    /// Adds the gradient of Σ weights · (nll, divergence) over the rows of the last forward pass.
    pub(crate) fn backward(
        &mut self,
        network: &Network,
        theta: &[R],
        batch: &Batch<R>,
        weights: &PathWeights<R>,
        gradient: &mut [R],
    ) {
        let particles = &batch.particles;
        let all = 0..particles.num_rows();
        let latent_dim = self.z.width();
        network.emission.backward(theta, all.clone(), batch, &weights.nll, &mut self.emission, gradient);
        for row in all.clone() {
            self.d_z.row_mut(row).copy_from_slice(&self.emission.d_input.row(row)[..latent_dim]);
        }
        self.score_back(all, &weights.divergence);
        network.guide.start_back(theta, &mut self.guide);
        network.flow.start_back(theta, &mut self.flow);
        let by_step = network.guide.reads_transition();
        let first = self.first_transition(network, particles);
        if !by_step {
            network.transition.backward(theta, first..particles.num_rows(), &mut self.transition, gradient);
            for t in (1..particles.num_steps()).rev() {
                self.pass_transition_deltas(particles, t);
            }
        }
        for t in (0..particles.num_steps()).rev() {
            let rows = particles.rows(t);
            network.flow.backward(rows.clone(), &weights.divergence, &mut self.d_z, &mut self.flow);
            self.draw_back(particles, t);
            network.guide.step_back(batch, t, &mut self.transition, &mut self.guide);
            if by_step && rows.start >= first {
                network.transition.backward(theta, rows, &mut self.transition, gradient);
            }
            if t > 0 {
                if by_step {
                    self.pass_transition_deltas(particles, t);
                }
                self.pass_guide_deltas(particles, t);
            }
        }
        network.transition.gradient(first..particles.num_rows(), &self.transition, gradient);
        self.first_gradient(network, theta, particles, gradient);
        network.flow.gradient(&self.flow, gradient);
        network.guide.backward(theta, batch, &mut self.guide, gradient);
    }

    fn score_back(&mut self, rows: Range<usize>, weights: &[R]) {
        for row in rows {
            let (q, p) = (&mut self.guide, &mut self.transition);
            let pair = Pair::at([&q.mean, &q.variance, &p.mean, &p.variance], row);
            let deltas = PairDeltas {
                q_mean: q.d_mean.row_mut(row),
                q_variance: q.d_variance.row_mut(row),
                p_mean: p.d_mean.row_mut(row),
                p_variance: p.d_variance.row_mut(row),
            };
            match self.scored {
                Some(Divergence::Sampled) => {
                    divergence::sampled_back(
                        weights[row],
                        pair,
                        self.z.row(row),
                        deltas,
                        self.d_z.row_mut(row),
                    );
                }
                _ => divergence::expected_back(weights[row], pair, deltas),
            }
        }
    }

    /// Through z = mean + √variance ε.
    fn draw_back(&mut self, particles: &Packed, t: usize) {
        let half = R::from_f64(0.5);
        for row in particles.rows(t) {
            let (d_z, noise) = (self.d_z.row(row), self.noise.row(row));
            let variance = self.guide.variance.row(row);
            let d_variance = self.guide.d_variance.row_mut(row);
            for j in 0..d_z.len() {
                d_variance[j] += half * d_z[j] * noise[j] / variance[j].sqrt();
            }
            self.guide.d_mean.row_mut(row).iter_mut().zip(d_z).for_each(|(d, z)| *d += *z);
        }
    }

    fn pass_transition_deltas(&mut self, particles: &Packed, t: usize) {
        add_to_parents(particles.rows(t), &self.parents, &self.transition.d_input, &mut self.d_z);
    }

    fn pass_guide_deltas(&mut self, particles: &Packed, t: usize) {
        if self.guide.past.width() > 0 {
            add_to_parents(particles.rows(t), &self.parents, &self.guide.d_past, &mut self.d_z);
        }
    }

    fn first_gradient(&self, network: &Network, theta: &[R], particles: &Packed, gradient: &mut [R]) {
        let rows = particles.rows(0);
        match &network.first {
            FirstState::Standard => {}
            FirstState::Learned { mean, raw } => {
                sum_rows(self.transition.d_mean.rows(rows.clone()), &mut gradient[mean.clone()]);
                let mut d_variance = vec![R::ZERO; raw.len()];
                sum_rows(self.transition.d_variance.rows(rows), &mut d_variance);
                let mut d_raw = vec![R::ZERO; raw.len()];
                network.config.spread.pull_back(&theta[raw.clone()], &d_variance, &mut d_raw);
                gradient[raw.clone()].iter_mut().zip(&d_raw).for_each(|(g, d)| *g += *d);
            }
            FirstState::State(state) => {
                for row in rows {
                    let from = &self.transition.d_input.row(row)[..state.len()];
                    gradient[state.clone()].iter_mut().zip(from).for_each(|(g, d)| *g += *d);
                }
            }
        }
    }
}

/// Adds the deltas of z_{t−1}, the first of each row, to those of the row that it came from.
fn add_to_parents<R: Real>(rows: Range<usize>, parents: &[usize], deltas: &Grid<R>, d_z: &mut Grid<R>) {
    for row in rows {
        let into = d_z.row_mut(parents[row]).iter_mut();
        into.zip(deltas.row(row)).for_each(|(d, x)| *d += *x);
    }
}
