//! An objective and its gradient over a minibatch, shard by shard.
//!
//! A shard is a fixed set of sequences, so that sums come out alike whatever the number of threads.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use statewise::data::Dataset;
use statewise::{Result, Seed, threads};

use super::options::Objective;
use crate::array::{Grid, Real};
use crate::checks::at_least_one;
use crate::deep_markov_model::DeepMarkovModel;
use crate::model::{Batch, Network};
use crate::objective::{Divergence, Draws, Pass, PathWeights, Resampling};

/// The terms of an objective, summed over sequences and averaged over the paths of each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PathTerms {
    /// Σ −log p(x_t | z_t).
    pub nll: f64,
    /// Σ of the divergences.
    pub divergence: f64,
    /// The bound of log p(x): −nll − divergence, or that of the particles.
    pub bound: f64,
    /// Time steps.
    pub steps: usize,
    /// Sequences.
    pub sequences: usize,
}

impl PathTerms {
    pub(crate) fn add(&mut self, other: PathTerms) {
        self.nll += other.nll;
        self.divergence += other.divergence;
        self.bound += other.bound;
        self.steps += other.steps;
        self.sequences += other.sequences;
    }
}

/// What an objective needs beside the weights and the data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ObjectiveCall {
    pub(crate) objective: Objective,
    pub(crate) num_particles: usize,
    /// β.
    pub(crate) divergence_weight: f64,
    pub(crate) seed: Seed,
    /// Whether units are dropped.
    pub(crate) training: bool,
}

/// The tapes and the gradient of one shard.
pub(crate) struct Worker<R> {
    pass: Pass<R>,
    weights: PathWeights<R>,
    kept: Grid<R>,
    pub(crate) gradient: Vec<R>,
}

impl<R: Real> Worker<R> {
    pub(crate) fn new(network: &Network) -> Self {
        Worker {
            pass: Pass::new(network),
            weights: PathWeights::default(),
            kept: Grid::new(network.guide.dropped_units()),
            gradient: Vec::new(),
        }
    }

    /// Runs the shard and leaves ∂(−objective)/∂θ in `gradient`.
    pub(crate) fn run(
        &mut self,
        network: &Network,
        theta: &[R],
        data: &Dataset<'_>,
        shard: &[usize],
        call: ObjectiveCall,
    ) -> PathTerms {
        let batch = Batch::new(&network.config, data, shard, call.num_particles);
        let rate = network.config.rnn_dropout;
        let drops = call.training && rate > 0.0;
        if drops {
            fill_kept(rate, &batch, call.seed, &mut self.kept);
        }
        let kept = drops.then_some(&self.kept);
        self.gradient.clear();
        self.gradient.resize(theta.len(), R::ZERO);
        let rows = batch.particles.num_rows();
        let path = 1.0 / call.num_particles as f64;
        let mut bound = None;
        match call.objective {
            Objective::Elbo | Objective::SampledElbo => {
                let sampled = call.objective == Objective::SampledElbo;
                let divergence = if sampled { Divergence::Sampled } else { network.closed_form() };
                self.pass.forward(network, theta, &batch, Draws::Random(call.seed), kept, divergence);
                fill(&mut self.weights.nll, rows, R::from_f64(path));
                fill(&mut self.weights.divergence, rows, R::from_f64(path * call.divergence_weight));
            }
            Objective::Iwae | Objective::Fivo { .. } => {
                let resampling = match call.objective {
                    Objective::Fivo { resample_below } => Resampling::Below(resample_below),
                    _ => Resampling::Never,
                };
                let (bounds, shares) =
                    self.pass.forward_particles(network, theta, &batch, call.seed, kept, resampling);
                bound = Some(bounds.iter().sum());
                self.weights.nll.clear();
                self.weights.nll.extend(shares.iter().map(|share| R::from_f64(*share)));
                self.weights.divergence.clone_from(&self.weights.nll);
            }
        }
        self.pass.backward(network, theta, &batch, &self.weights, &mut self.gradient);
        let sum = |grid: &Grid<R>| path * grid.all()[..rows].iter().map(|x| x.to_f64()).sum::<f64>();
        let (nll, divergence) = (sum(&self.pass.emission.nll), sum(&self.pass.divergence));
        PathTerms {
            nll,
            divergence,
            bound: bound.unwrap_or(-nll - divergence),
            steps: batch.packed.num_rows(),
            sequences: shard.len(),
        }
    }
}

/// Runs all shards, in parallel where there are threads, and sums terms and gradients in order.
pub(crate) fn run_shards<R: Real>(
    network: &Network,
    theta: &[R],
    data: &Dataset<'_>,
    shards: &[Vec<usize>],
    call: ObjectiveCall,
    workers: &mut Vec<Worker<R>>,
    gradient: &mut [f64],
) -> PathTerms {
    while workers.len() < shards.len() {
        workers.push(Worker::new(network));
    }
    let terms: Vec<PathTerms> = threads::install(|| {
        let pairs = workers.par_iter_mut().zip(shards.par_iter());
        pairs.map(|(worker, shard)| worker.run(network, theta, data, shard, call)).collect()
    });
    gradient.fill(0.0);
    for worker in &workers[..shards.len()] {
        gradient.iter_mut().zip(&worker.gradient).for_each(|(sum, g)| *sum += g.to_f64());
    }
    let mut sum = PathTerms::default();
    terms.into_iter().for_each(|terms| sum.add(terms));
    sum
}

/// Deals sequences to shards of at most `size`, longest first, so that shards take about equally long.
pub(crate) fn deal(data: &Dataset<'_>, sequences: &[usize], size: usize) -> Vec<Vec<usize>> {
    let mut order = sequences.to_vec();
    order.sort_by_key(|n| (std::cmp::Reverse(data.range(*n).len()), *n));
    let count = order.len().div_ceil(size).max(1);
    let mut shards = vec![Vec::with_capacity(size); count];
    for (k, n) in order.into_iter().enumerate() {
        let (round, place) = (k / count, k % count);
        let shard = if round % 2 == 0 { place } else { count - 1 - place };
        shards[shard].push(n);
    }
    shards
}

/// Factors of inverted dropout, 0 or 1 / (1 − rate); every sequence has its own stream.
pub(crate) fn fill_kept<R: Real>(rate: f64, batch: &Batch<R>, seed: Seed, kept: &mut Grid<R>) {
    kept.resize(batch.packed.num_rows());
    let stream = |n: &usize| seed.stream("dropout", *n as u64);
    let mut streams: Vec<ChaCha8Rng> = batch.sequences.iter().map(stream).collect();
    let threshold = (rate * f64::from(u32::MAX)) as u32;
    let factor = R::from_f64(1.0 / (1.0 - rate));
    for t in 0..batch.packed.num_steps() {
        for (i, row) in batch.packed.rows(t).enumerate() {
            let rng = &mut streams[i];
            for x in kept.row_mut(row) {
                *x = if rng.next_u32() < threshold { R::ZERO } else { factor };
            }
        }
    }
}

fn fill<R: Real>(values: &mut Vec<R>, len: usize, value: R) {
    values.clear();
    values.resize(len, value);
}

impl<R: Real> DeepMarkovModel<R> {
    /// The terms of an objective over all sequences, dropout off, and the gradient of the loss
    /// Σ nll + β Σ divergence (the negative bound, for `Iwae` and `Fivo`) in every weight.
    ///
    /// # Errors
    /// Data that the model does not know; no particles.
    pub fn objective_gradient(
        &self,
        data: &Dataset<'_>,
        objective: Objective,
        num_particles: usize,
        divergence_weight: f64,
        seed: Seed,
    ) -> Result<(PathTerms, Vec<f64>)> {
        self.check_data("data", data)?;
        at_least_one(&[("num_particles", num_particles)])?;
        let call = ObjectiveCall { objective, num_particles, divergence_weight, seed, training: false };
        let all: Vec<usize> = (0..data.num_sequences()).collect();
        let mut gradient = vec![0.0; self.theta.len()];
        let (network, mut workers) = (&self.network, Vec::new());
        let terms = run_shards(network, &self.theta, data, &[all], call, &mut workers, &mut gradient);
        Ok((terms, gradient))
    }
}
