//! Ancestral draws: z_t from the transition, x_t from the emission, step after step.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use statewise::{Error, Result, Seed};

use crate::array::Real;
use crate::checks::at_least_one;
use crate::deep_markov_model::DeepMarkovModel;
use crate::model::{EmissionKind, EmissionTape, FirstState, TransitionTape, encode};

/// How z_t follows z_{t−1}.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathKind {
    /// Drawn from the transition.
    #[default]
    Stochastic,
    /// The transition's mean.
    Mean,
}

/// Paths of a model; the first axis counts paths, the second time steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Generated {
    /// Paths, N.
    pub num_paths: usize,
    /// Steps, T.
    pub num_steps: usize,
    /// z_t, shape \[N, T, S\].
    pub latents: Vec<f64>,
    /// Mean of p(z_t | z_{t−1}), shape \[N, T, S\].
    pub latent_means: Vec<f64>,
    /// Variance of p(z_t | z_{t−1}), shape \[N, T, S\].
    pub latent_variances: Vec<f64>,
    /// E\[x_t | z_t\], shape \[N, T, E\]; probabilities of labels, shape \[N, T, E K\].
    pub emission_means: Vec<f64>,
    /// x_t, shape \[N, T, E\].
    pub observations: Vec<f64>,
}

/// Where paths go on from: the latent state and the observation before their first step.
pub(super) struct PathStart<'a, R> {
    /// z_0, shape \[N, S\].
    pub(super) latents: &'a [R],
    /// x_0, shape \[N, E\].
    pub(super) observations: &'a [f64],
}

impl<R: Real> DeepMarkovModel<R> {
    /// Draws `num_paths` paths of `num_steps` steps.
    ///
    /// * `inputs` – u_t, shape \[N, T, `input_dim`\]; empty for a model without inputs.
    ///
    /// # Errors
    /// No paths or steps; inputs of another length.
    pub fn sample(
        &self,
        num_paths: usize,
        num_steps: usize,
        kind: PathKind,
        inputs: &[f64],
        seed: Seed,
    ) -> Result<Generated> {
        at_least_one(&[("num_paths", num_paths), ("num_steps", num_steps)])?;
        self.generate(num_paths, num_steps, kind, inputs, seed, None)
    }

    pub(super) fn generate(
        &self,
        num_paths: usize,
        num_steps: usize,
        kind: PathKind,
        inputs: &[f64],
        seed: Seed,
        start: Option<PathStart<'_, R>>,
    ) -> Result<Generated> {
        let input_dim = self.config().input_dim;
        if inputs.len() != num_paths * num_steps * input_dim {
            let expected = format!("{num_paths} × {num_steps} × {input_dim} (paths, steps, input_dim)");
            return Err(Error::argument("inputs", format!("{} values", inputs.len()), expected));
        }
        let mut generator = Generator::new(self, num_paths, seed);
        let mut generated = Generated { num_paths, num_steps, ..Generated::default() };
        let mut steps = Vec::with_capacity(num_steps);
        if let Some(start) = &start {
            generator.previous.copy_from_slice(start.observations);
        }
        for t in 0..num_steps {
            let input = |n: usize| &inputs[(n * num_steps + t) * input_dim..][..input_dim];
            let before = match (t, &start) {
                (0, None) => None,
                (0, Some(start)) => Some(start.latents.to_vec()),
                _ => Some(generator.latents.clone()),
            };
            steps.push(generator.step(before.as_deref(), &input, kind));
        }
        // Steps came one after the other; results have all steps of a path together.
        for n in 0..num_paths {
            for step in &steps {
                let of_path = |values: &[f64]| {
                    let width = values.len() / num_paths;
                    values[n * width..(n + 1) * width].to_vec()
                };
                generated.latents.extend(of_path(&step.latents));
                generated.latent_means.extend(of_path(&step.latent_means));
                generated.latent_variances.extend(of_path(&step.latent_variances));
                generated.emission_means.extend(of_path(&step.emission_means));
                generated.observations.extend(of_path(&step.observations));
            }
        }
        Ok(generated)
    }
}

/// All paths at one step.
struct Step {
    latents: Vec<f64>,
    latent_means: Vec<f64>,
    latent_variances: Vec<f64>,
    emission_means: Vec<f64>,
    observations: Vec<f64>,
}

struct Generator<'a, R> {
    model: &'a DeepMarkovModel<R>,
    streams: Vec<ChaCha8Rng>,
    transition: TransitionTape<R>,
    emission: EmissionTape<R>,
    /// z of the last step, shape \[N, S\].
    latents: Vec<R>,
    /// x of the last step, shape \[N, E\]; NaN before the first.
    previous: Vec<f64>,
}

impl<'a, R: Real> Generator<'a, R> {
    fn new(model: &'a DeepMarkovModel<R>, num_paths: usize, seed: Seed) -> Self {
        let mut transition = model.network.transition.tape();
        let mut emission = model.network.emission.tape();
        transition.resize(num_paths);
        emission.resize(num_paths);
        Generator {
            model,
            streams: (0..num_paths).map(|n| seed.stream("generated path", n as u64)).collect(),
            transition,
            emission,
            latents: vec![R::ZERO; num_paths * model.config().latent_dim],
            previous: vec![f64::NAN; num_paths * model.config().emission_dim],
        }
    }

    fn step<'i>(
        &mut self,
        before: Option<&[R]>,
        input: &impl Fn(usize) -> &'i [f64],
        kind: PathKind,
    ) -> Step {
        let model = self.model;
        let (network, theta) = (&model.network, &model.theta);
        let num_paths = self.streams.len();
        let (size, dim) = (model.config().latent_dim, model.config().emission_dim);
        for n in 0..num_paths {
            let row = self.transition.input.row_mut(n);
            let (z, context) = row.split_at_mut(size);
            match (before, &network.first) {
                (Some(before), _) => z.copy_from_slice(&before[n * size..(n + 1) * size]),
                (None, FirstState::State(state)) => z.copy_from_slice(&theta[state.clone()]),
                (None, _) => z.fill(R::ZERO),
            }
            fill_context(model, &self.previous[n * dim..(n + 1) * dim], input(n), context);
        }
        if before.is_none() && !matches!(network.first, FirstState::State(_)) {
            for n in 0..num_paths {
                let tape = &mut self.transition;
                network.first_moments(theta, tape.mean.row_mut(n), tape.variance.row_mut(n));
            }
        } else {
            network.transition.forward(theta, 0..num_paths, &mut self.transition);
        }
        for (n, rng) in self.streams.iter_mut().enumerate() {
            let (mean, variance) = (self.transition.mean.row(n), self.transition.variance.row(n));
            let z = &mut self.latents[n * size..(n + 1) * size];
            for j in 0..size {
                let noise: f64 = match kind {
                    PathKind::Stochastic => StandardNormal.sample(rng),
                    PathKind::Mean => 0.0,
                };
                z[j] = mean[j] + variance[j].sqrt() * R::from_f64(noise);
            }
            let (latent, context) = self.emission.input.row_mut(n).split_at_mut(size);
            latent.copy_from_slice(z);
            fill_context(model, &self.previous[n * dim..(n + 1) * dim], input(n), context);
        }
        network.emission.outputs(theta, 0..num_paths, &mut self.emission);
        let (mut emission_means, mut observations) = (Vec::new(), Vec::new());
        for (n, rng) in self.streams.iter_mut().enumerate() {
            network.emission.mean(theta, n, &self.emission, &mut emission_means);
            network.emission.draw(theta, n, &self.emission, rng, &mut observations);
        }
        self.previous.copy_from_slice(&observations);
        let wide = |values: &[R]| values.iter().map(|x| x.to_f64()).collect();
        Step {
            latents: wide(&self.latents),
            latent_means: wide(self.transition.mean.all()),
            latent_variances: wide(self.transition.variance.all()),
            emission_means,
            observations,
        }
    }
}

/// \[x_{t−1}, u_t\] as far as a network wants it.
fn fill_context<R: Real>(model: &DeepMarkovModel<R>, previous: &[f64], input: &[f64], context: &mut [R]) {
    let features = context.len() - input.len();
    if features > 0 {
        if model.config().emission == EmissionKind::Categorical || !previous.iter().all(|x| x.is_nan()) {
            encode(model.config(), previous, &mut context[..features]);
        } else {
            context[..features].fill(R::ZERO);
        }
    }
    context[features..].iter_mut().zip(input).for_each(|(c, u)| *c = R::from_f64(*u));
}
