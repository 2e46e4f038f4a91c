//! Filtering as observations come in, for inference networks that read the past only.

use rand_chacha::ChaCha8Rng;
use statewise::data::Dataset;
use statewise::{Error, Result, Seed};

use super::generate::{Generated, PathKind, PathStart};
use crate::array::Real;
use crate::checks::at_least_one;
use crate::deep_markov_model::DeepMarkovModel;
use crate::model::{Batch, Evidence, encode};
use crate::objective::{Draws, Pass, noise_stream};

/// Drawn latent paths that follow one sequence, step by step; a clone goes its own way.
///
/// The numbers are those of [`DeepMarkovModel::infer`] over the whole sequence with the same seed.
#[derive(Clone, Debug)]
pub struct DmmStream<R = f32> {
    model: DeepMarkovModel<R>,
    pass: Pass<R>,
    noise: ChaCha8Rng,
    num_samples: usize,
    seed: Seed,
    last: Vec<f64>,
    steps: usize,
}

/// q(z_t | x_{1:t}) after an observation.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamStep {
    /// E\[z_t\] over the paths, shape \[S\].
    pub mean: Vec<f64>,
    /// Var\[z_t\], shape \[S\].
    pub variance: Vec<f64>,
    /// What this step adds to −ELBO, nats.
    pub bound: f64,
}

impl<R: Real> DeepMarkovModel<R> {
    /// A stream of `num_samples` latent paths before its first observation.
    ///
    /// # Errors
    /// An inference network that reads the future; no samples.
    pub fn stream(&self, num_samples: usize, seed: Seed) -> Result<DmmStream<R>> {
        if self.config().evidence != Evidence::Left {
            let found = format!("{:?}", self.config().evidence).to_lowercase();
            return Err(Error::argument("evidence", found, "left: a stream knows the past only"));
        }
        at_least_one(&[("num_samples", num_samples)])?;
        Ok(DmmStream {
            pass: Pass::new(&self.network),
            model: self.clone(),
            noise: noise_stream(seed, 0),
            num_samples,
            seed,
            last: Vec::new(),
            steps: 0,
        })
    }
}

impl<R: Real> DmmStream<R> {
    /// Observations so far.
    pub fn num_steps(&self) -> usize {
        self.steps
    }

    /// Takes in x_t, NaN where missing, and u_t (empty for a model without inputs).
    ///
    /// # Errors
    /// Values that the model does not know; the stream then stands where it stood.
    pub fn update(&mut self, emission: &[f64], input: &[f64]) -> Result<StreamStep> {
        let mut data = Dataset::single(emission, emission.len())?;
        if !input.is_empty() {
            data = data.with_inputs(input, input.len())?;
        }
        self.model.check_data("emission", &data)?;
        let (network, theta) = (&self.model.network, &self.model.theta);
        let mut batch = Batch::new(&network.config, &data, &[0], self.num_samples);
        if self.steps > 0 {
            self.fill_previous(&mut batch);
        }
        let draws = Draws::Streams(std::slice::from_mut(&mut self.noise));
        self.pass.forward(network, theta, &batch, draws, None, network.closed_form());
        self.pass.carry();
        self.last = emission.to_vec();
        self.steps += 1;
        Ok(self.summary())
    }

    /// Draws `num_steps` steps that go on from every path.
    ///
    /// * `inputs` – u of the steps ahead, shape \[num_steps, `input_dim`\].
    ///
    /// # Errors
    /// No observation yet, no steps, or inputs of another length.
    pub fn forecast(&self, num_steps: usize, inputs: &[f64]) -> Result<Generated> {
        if self.steps == 0 || num_steps == 0 {
            let found = format!("{} observations, {num_steps} steps", self.steps);
            return Err(Error::argument("num_steps", found, "at least one observation and one step"));
        }
        let observations = self.last.repeat(self.num_samples);
        let start = PathStart { latents: self.pass.z.all(), observations: &observations };
        let inputs = inputs.repeat(self.num_samples);
        let seed = self.seed.child("stream forecast", self.steps as u64);
        self.model.generate(self.num_samples, num_steps, PathKind::Stochastic, &inputs, seed, Some(start))
    }

    /// x_{t−1} where the networks want it; a batch of one step does not know it.
    fn fill_previous(&self, batch: &mut Batch<R>) {
        let config = self.model.config();
        let features = config.features();
        let contexts = [&mut batch.transition_context, &mut batch.emission_context];
        for context in contexts.into_iter().filter(|context| context.width() > config.input_dim) {
            for row in 0..self.num_samples {
                encode(config, &self.last, &mut context.row_mut(row)[..features]);
            }
        }
    }

    fn summary(&self) -> StreamStep {
        let size = self.model.config().latent_dim;
        let weight = 1.0 / self.num_samples as f64;
        let (mut mean, mut variance, mut bound) = (vec![0.0; size], vec![0.0; size], 0.0);
        for row in 0..self.num_samples {
            let (means, variances) = self.pass.posterior(row);
            for (j, (m, v)) in means.into_iter().zip(variances).enumerate() {
                mean[j] += weight * m;
                variance[j] += weight * (v + m * m);
            }
            bound +=
                weight * (self.pass.emission.nll.row(row)[0] + self.pass.divergence.row(row)[0]).to_f64();
        }
        variance.iter_mut().zip(&mean).for_each(|(v, m)| *v = (*v - m * m).max(0.0));
        StreamStep { mean, variance, bound }
    }
}
