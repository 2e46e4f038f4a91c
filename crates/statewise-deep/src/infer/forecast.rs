//! Continuations: particles of z_T given x_{1:T}, carried on by the model.

use statewise::data::Dataset;
use statewise::{Error, Result, Seed};

use super::generate::{Generated, PathKind, PathStart};
use crate::array::Real;
use crate::checks::at_least_one;
use crate::deep_markov_model::DeepMarkovModel;
use crate::model::Batch;
use crate::objective::{Pass, Resampling, systematic};

/// Continuations of every sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecasts {
    /// Paths of each sequence, equally weighted.
    pub num_samples: usize,
    /// Steps ahead, H.
    pub horizon: usize,
    /// Entry n: the paths of sequence n.
    pub sequences: Vec<Generated>,
}

impl<R: Real> DeepMarkovModel<R> {
    /// Draws `num_samples` continuations of `horizon` steps of every sequence, from the last particles of
    /// a filter whose proposal is q.
    ///
    /// * `inputs` – u of the steps ahead, shape \[N, H, `input_dim`\]; empty for a model without inputs.
    ///
    /// # Errors
    /// Data that the model does not know; no samples or steps; inputs of another length.
    pub fn forecast(
        &self,
        data: &Dataset<'_>,
        horizon: usize,
        num_samples: usize,
        inputs: &[f64],
        seed: Seed,
    ) -> Result<Forecasts> {
        self.check_data("data", data)?;
        at_least_one(&[("horizon", horizon), ("num_samples", num_samples)])?;
        let step = horizon * self.config().input_dim;
        if inputs.len() != data.num_sequences() * step {
            let expected = format!("{} × {horizon} × {}", data.num_sequences(), self.config().input_dim);
            return Err(Error::argument("inputs", format!("{} values", inputs.len()), expected));
        }
        let mut pass = Pass::new(&self.network);
        let sequence = |n: usize| {
            let latents = self.last_particles(&mut pass, data, n, num_samples, seed);
            let last = data.sequence(n).emission(data.range(n).len() - 1);
            let observations = last.repeat(num_samples);
            let start = PathStart { latents: &latents, observations: &observations };
            let inputs = inputs[n * step..(n + 1) * step].repeat(num_samples);
            let seed = seed.child("forecast", n as u64);
            self.generate(num_samples, horizon, PathKind::Stochastic, &inputs, seed, Some(start))
        };
        let sequences = (0..data.num_sequences()).map(sequence).collect::<Result<_>>()?;
        Ok(Forecasts { num_samples, horizon, sequences })
    }

    /// z_T of equally weighted particles, shape \[num_samples, S\].
    fn last_particles(
        &self,
        pass: &mut Pass<R>,
        data: &Dataset<'_>,
        n: usize,
        num_samples: usize,
        seed: Seed,
    ) -> Vec<R> {
        let batch = Batch::new(self.config(), data, &[n], num_samples);
        let resampling = Resampling::Below(0.5);
        let (_, shares) =
            pass.forward_particles(&self.network, &self.theta, &batch, seed, None, resampling);
        let last = batch.particles.rows(batch.particles.num_steps() - 1);
        let weights: Vec<f64> = last.clone().map(|row| shares[row]).collect();
        let mut latents = Vec::with_capacity(num_samples * self.config().latent_dim);
        for parent in systematic(&weights, 0.5) {
            latents.extend_from_slice(pass.z.row(last.start + parent));
        }
        latents
    }
}
