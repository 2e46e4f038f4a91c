//! The evidence lower bound, importance sampling and the particle filter as estimates of −log p(x).

use statewise::data::Dataset;
use statewise::{Result, Seed};

use super::{Group, map_groups, paths_of, row_limited};
use crate::array::Real;
use crate::checks::check_share;
use crate::deep_markov_model::DeepMarkovModel;
use crate::learn::Objective;
use crate::learn::device::{self, Device, Engine, GroupSums};
use crate::model::Batch;
use crate::objective::{Draws, Pass, Resampling};

/// What an [`Evaluation`] estimates. All are upper bounds of −log p(x) in expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimator {
    /// −ELBO, averaged over the drawn paths.
    Bound,
    /// −log of the mean importance weight of whole paths.
    ImportanceSampling,
    /// −log of a particle filter's evidence, with q as its proposal.
    ParticleFilter,
}

/// An estimate of −log p(x) for every sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// What was estimated.
    pub estimator: Estimator,
    /// Paths or particles drawn for each sequence.
    pub num_samples: usize,
    /// The estimate of each sequence, nats.
    pub per_sequence: Vec<f64>,
    /// Its share in log q − log p (the divergence of a bound, 0 for other estimators).
    pub divergence: Vec<f64>,
    /// T of each sequence.
    pub lengths: Vec<usize>,
}

impl Evaluation {
    /// Σ estimates / Σ T: nats per time step over the whole set ("b" of the literature, for a bound).
    pub fn per_step(&self) -> f64 {
        self.per_sequence.iter().sum::<f64>() / self.lengths.iter().sum::<usize>() as f64
    }

    /// The mean over sequences of estimate / T ("c" of the literature, for a bound).
    pub fn mean_of_sequences(&self) -> f64 {
        let per_step = self.per_sequence.iter().zip(&self.lengths).map(|(x, t)| x / *t as f64);
        per_step.sum::<f64>() / self.lengths.len() as f64
    }

    /// Σ divergences / Σ T.
    pub fn divergence_per_step(&self) -> f64 {
        self.divergence.iter().sum::<f64>() / self.lengths.iter().sum::<usize>() as f64
    }
}

/// Whole paths that importance sampling draws at a time.
const PATHS: usize = 64;

impl<R: Real> DeepMarkovModel<R> {
    /// −ELBO of every sequence, each divergence in closed form given the drawn z_{t−1} (behind a flow, at the
    /// drawn z_t), averaged over `num_samples` drawn paths.
    ///
    /// # Errors
    /// Data that the model does not know; no samples.
    pub fn bound(&self, data: &Dataset<'_>, num_samples: usize, seed: Seed) -> Result<Evaluation> {
        self.bound_on(Device::Cpu, data, num_samples, seed)
    }

    /// [`DeepMarkovModel::bound`] on a device; of the same draws, and of the same numbers up to rounding.
    ///
    /// # Errors
    /// Data that the model does not know; no samples; a device that is not there, that fails, or that does not
    /// know an option of the model.
    pub fn bound_on(
        &self,
        device: Device,
        data: &Dataset<'_>,
        num_samples: usize,
        seed: Seed,
    ) -> Result<Evaluation> {
        self.check_samples(data, num_samples)?;
        let mut engine = device::open(device, self.config(), Objective::Elbo)?;
        self.bound_with(engine.as_deref_mut(), data, num_samples, seed)
    }

    /// The same on an engine that is open, with data and samples that are checked.
    pub(crate) fn bound_with(
        &self,
        engine: Option<&mut (dyn Engine + 'static)>,
        data: &Dataset<'_>,
        num_samples: usize,
        seed: Seed,
    ) -> Result<Evaluation> {
        let groups = paths_of(data, num_samples, num_samples);
        let seed_of = |group: &Group| match group.first_path {
            0 => seed,
            first => seed.child("paths", first as u64),
        };
        let results = match engine {
            None => map_groups(&self.network, &groups, |pass: &mut Pass<R>, group| {
                self.bound_of(pass, data, group, seed_of(group))
            }),
            Some(engine) => {
                let theta: Vec<f64> = self.theta.iter().map(|x| x.to_f64()).collect();
                engine.set_weights(&theta);
                let mut bound = |group: &Group| {
                    engine.bound(&self.network, data, &group.sequences, group.paths, seed_of(group))
                };
                groups.iter().map(&mut bound).collect::<Result<_>>()?
            }
        };
        let mut evaluation = self.empty(Estimator::Bound, data, num_samples);
        for (sequences, sums) in results {
            for (n, [nll, divergence]) in sequences.into_iter().zip(sums) {
                evaluation.per_sequence[n] += (nll + divergence) / num_samples as f64;
                evaluation.divergence[n] += divergence / num_samples as f64;
            }
        }
        Ok(evaluation)
    }

    /// Sums of −log p(x | z) and of the divergence over the group's paths of every sequence.
    fn bound_of(&self, pass: &mut Pass<R>, data: &Dataset<'_>, group: &Group, seed: Seed) -> GroupSums {
        let network = &self.network;
        let batch = Batch::new(&network.config, data, &group.sequences, group.paths);
        let divergence = network.closed_form();
        pass.forward(network, &self.theta, &batch, Draws::Random(seed), None, divergence);
        let sums = batch.sums([pass.emission.nll.all(), pass.divergence.all()]);
        (batch.sequences, sums)
    }

    /// −log 1/S Σ_s p(x, z^s) / q(z^s | x) of every sequence, S = `num_samples` whole paths.
    ///
    /// # Errors
    /// As [`DeepMarkovModel::bound`].
    pub fn importance_sampling(
        &self,
        data: &Dataset<'_>,
        num_samples: usize,
        seed: Seed,
    ) -> Result<Evaluation> {
        self.check_samples(data, num_samples)?;
        let mut evaluation = self.empty(Estimator::ImportanceSampling, data, num_samples);
        let groups = paths_of(data, num_samples, PATHS);
        let results = map_groups(&self.network, &groups, |pass: &mut Pass<R>, group| {
            let seed = seed.child("paths", group.first_path as u64);
            self.particles(pass, data, &group.sequences, group.paths, seed, Resampling::Never)
        });
        let mut log_sums = vec![f64::NEG_INFINITY; data.num_sequences()];
        for (group, (sequences, bounds)) in groups.iter().zip(results) {
            for (n, bound) in sequences.into_iter().zip(bounds) {
                log_sums[n] = log_add(log_sums[n], bound + (group.paths as f64).ln());
            }
        }
        let negative = |log_sum: f64| (num_samples as f64).ln() - log_sum;
        evaluation.per_sequence = log_sums.into_iter().map(negative).collect();
        Ok(evaluation)
    }

    /// −log of the evidence that a particle filter with proposal q estimates; particles are drawn anew
    /// where less than the share `resample_below` of them is effective. With few particles and a q that reads
    /// the future, whole paths ([`DeepMarkovModel::importance_sampling`]) may do better.
    ///
    /// # Errors
    /// As [`DeepMarkovModel::bound`]; a share outside \[0, 1\].
    pub fn particle_bound(
        &self,
        data: &Dataset<'_>,
        num_particles: usize,
        resample_below: f64,
        seed: Seed,
    ) -> Result<Evaluation> {
        self.check_samples(data, num_particles)?;
        check_share(resample_below)?;
        let mut evaluation = self.empty(Estimator::ParticleFilter, data, num_particles);
        let groups = row_limited(data, num_particles);
        let results = map_groups(&self.network, &groups, |pass: &mut Pass<R>, group| {
            self.particles(pass, data, group, num_particles, seed, Resampling::Below(resample_below))
        });
        for (sequences, bounds) in results {
            sequences.into_iter().zip(bounds).for_each(|(n, bound)| evaluation.per_sequence[n] = -bound);
        }
        Ok(evaluation)
    }

    /// log p̂(x) of some sequences by `copies` particles of each; sequences come in their order in the batch.
    fn particles(
        &self,
        pass: &mut Pass<R>,
        data: &Dataset<'_>,
        sequences: &[usize],
        copies: usize,
        seed: Seed,
        resampling: Resampling,
    ) -> (Vec<usize>, Vec<f64>) {
        let batch = Batch::new(&self.network.config, data, sequences, copies);
        let (bounds, _) =
            pass.forward_particles(&self.network, &self.theta, &batch, seed, None, resampling);
        (batch.sequences, bounds)
    }

    fn empty(&self, estimator: Estimator, data: &Dataset<'_>, num_samples: usize) -> Evaluation {
        Evaluation {
            estimator,
            num_samples,
            per_sequence: vec![0.0; data.num_sequences()],
            divergence: vec![0.0; data.num_sequences()],
            lengths: data.lengths().collect(),
        }
    }
}

/// log(eᵃ + eᵇ).
fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}
