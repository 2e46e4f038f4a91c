//! q(z | x) of every step, and the observations that it explains.

use statewise::data::Dataset;
use statewise::{Result, Seed};

use crate::array::Real;
use crate::deep_markov_model::DeepMarkovModel;
use crate::evaluate::{map_groups, row_limited};
use crate::model::{Batch, EmissionKind};
use crate::objective::{Draws, Pass};

/// The inference network's posterior, rows as in the dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    /// E\[z_t | x\], shape \[rows, S\].
    pub means: Vec<f64>,
    /// Var\[z_t | x\], the spread over paths included, shape \[rows, S\]; behind a flow that spread alone.
    pub variances: Vec<f64>,
    /// Drawn paths, shape \[num_samples, rows, S\].
    pub samples: Vec<f64>,
    /// S.
    pub latent_dim: usize,
    /// Paths.
    pub num_samples: usize,
}

/// What the posterior says of observations, missing ones included; rows as in the dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconstruction {
    /// E\[x_t\] over drawn paths, shape \[rows, E\] (\[rows, E K\] for labels).
    pub means: Vec<f64>,
    /// Draws of x_t, one for each path, shape \[num_samples, rows, E\]; entries that were observed keep
    /// their value.
    pub filled: Vec<f64>,
    /// Paths.
    pub num_samples: usize,
}

impl<R: Real> DeepMarkovModel<R> {
    /// Means, variances and drawn paths of q(z | x).
    ///
    /// # Errors
    /// Data that the model does not know; no samples.
    pub fn infer(&self, data: &Dataset<'_>, num_samples: usize, seed: Seed) -> Result<Posterior> {
        self.check_samples(data, num_samples)?;
        let latent_dim = self.config().latent_dim;
        let (rows, size) = (data.num_rows(), latent_dim);
        let mut posterior = Posterior {
            means: vec![0.0; rows * size],
            variances: vec![0.0; rows * size],
            samples: vec![0.0; num_samples * rows * size],
            latent_dim,
            num_samples,
        };
        let moments = |pass: &Pass<R>, row: usize| {
            let (mean, variance) = pass.posterior(row);
            [mean, variance, pass.z.row(row).iter().map(|x| x.to_f64()).collect()]
        };
        self.visit_paths(data, num_samples, seed, moments, |dataset_row, path, [mean, variance, z]| {
            let weight = 1.0 / num_samples as f64;
            for j in 0..size {
                posterior.means[dataset_row * size + j] += weight * mean[j];
                // First E[variance + mean²]; the square of the mean goes off at the end.
                posterior.variances[dataset_row * size + j] += weight * (variance[j] + mean[j] * mean[j]);
            }
            posterior.samples[(path * rows + dataset_row) * size..][..size].copy_from_slice(&z);
        });
        for (variance, mean) in posterior.variances.iter_mut().zip(&posterior.means) {
            *variance = (*variance - mean * mean).max(0.0);
        }
        Ok(posterior)
    }

    /// E\[x_t\] under the posterior, and draws of what is missing: smoothing, not forecasting.
    ///
    /// # Errors
    /// As [`DeepMarkovModel::infer`].
    pub fn reconstruct(
        &self,
        data: &Dataset<'_>,
        num_samples: usize,
        seed: Seed,
    ) -> Result<Reconstruction> {
        self.check_samples(data, num_samples)?;
        let (rows, dim) = (data.num_rows(), data.width());
        let labels = self.config().emission == EmissionKind::Categorical;
        let width = if labels { self.config().features() } else { dim };
        let mut result = Reconstruction {
            means: vec![0.0; rows * width],
            filled: vec![0.0; num_samples * rows * dim],
            num_samples,
        };
        let emission = &self.network.emission;
        let explain = |pass: &Pass<R>, row: usize| {
            let (mut mean, mut draw) = (Vec::with_capacity(width), Vec::with_capacity(dim));
            emission.mean(&self.theta, row, &pass.emission, &mut mean);
            // The draw of a row depends on its latent value alone, so that batching does not matter.
            let bits =
                pass.z.row(row).iter().fold(0, |bits: u64, z| bits.rotate_left(7) ^ z.to_f64().to_bits());
            let mut rng = seed.stream("reconstruction", bits);
            emission.draw(&self.theta, row, &pass.emission, &mut rng, &mut draw);
            [mean, draw]
        };
        self.visit_paths(data, num_samples, seed, explain, |dataset_row, path, [mean, draw]| {
            let sums = result.means[dataset_row * width..][..width].iter_mut();
            sums.zip(mean).for_each(|(sum, x)| *sum += x / num_samples as f64);
            let observed = &data.rows()[dataset_row * dim..][..dim];
            let filled = result.filled[(path * rows + dataset_row) * dim..][..dim].iter_mut();
            filled
                .zip(observed.iter().zip(draw))
                .for_each(|(f, (x, d))| *f = if x.is_nan() { d } else { *x });
        });
        Ok(result)
    }

    /// Runs drawn paths over all data; `of_row` reads a particle's row, `take` gets it with the dataset's
    /// row and the path.
    fn visit_paths<T: Send>(
        &self,
        data: &Dataset<'_>,
        num_samples: usize,
        seed: Seed,
        of_row: impl Fn(&Pass<R>, usize) -> T + Sync,
        mut take: impl FnMut(usize, usize, T),
    ) {
        let network = &self.network;
        let groups = row_limited(data, num_samples);
        let parts = map_groups(network, &groups, |pass: &mut Pass<R>, group| {
            let batch = Batch::new(&network.config, data, group, num_samples);
            pass.forward(network, &self.theta, &batch, Draws::Random(seed), None, network.closed_form());
            let rows = 0..batch.particles.num_rows();
            rows.map(|row| (batch.dataset_rows[row / num_samples], row % num_samples, of_row(pass, row)))
                .collect::<Vec<_>>()
        });
        parts.into_iter().flatten().for_each(|(row, path, value)| take(row, path, value));
    }
}
