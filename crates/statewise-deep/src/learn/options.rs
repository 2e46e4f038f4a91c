//! Every option of training.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use statewise::learn::{Adam, AdamW, Optimizer, Rule, Schedule};
use statewise::{Error, Result};

use super::device::Device;
use crate::checks::{at_least_one, check_share};

/// The lower bound of log p(x) that is maximised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Objective {
    /// E_q\[log p(x | z)\] − β KL(q ‖ p), the divergence of each step in closed form; behind a flow, which has
    /// none, estimated as in `SampledElbo`.
    #[default]
    Elbo,
    /// The same with the divergence estimated at the drawn z (Pyro's estimator).
    SampledElbo,
    /// log 1/K Σ_k p(x, z^k) / q(z^k | x), importance-weighted.
    Iwae,
    /// The log evidence estimate of a particle filter that resamples below this share of effective particles.
    /// With an inference network that reads the future, resampling costs: weights know less than proposals.
    Fivo {
        /// Share of effective particles below which particles are drawn anew.
        resample_below: f64,
    },
}

/// β, the weight of the divergence: linear from `start` to 1 over so many updates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Annealing {
    /// β of the first update.
    pub start: f64,
    /// Updates until β is 1; 0 for none.
    pub updates: f64,
}

impl Annealing {
    /// β of an update, 0-based.
    pub fn at(&self, update: u64) -> f64 {
        if self.updates <= 0.0 {
            return 1.0;
        }
        (self.start + (1.0 - self.start) * update as f64 / self.updates).min(1.0)
    }
}

/// What a gradient is divided by before its norm is limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GradientScale {
    /// Nothing: the sum over the minibatch.
    Sum,
    /// The sequences of the minibatch.
    Sequences,
    /// Its time steps.
    #[default]
    Steps,
}

/// Every option of training; [`FitOptions::preset`] gives the named sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitOptions {
    /// The bound that is maximised.
    pub objective: Objective,
    /// Latent paths drawn for every sequence.
    pub num_particles: usize,
    /// Weight of the divergence (ELBO objectives).
    pub annealing: Annealing,
    /// Passes over the data.
    pub epochs: usize,
    /// Sequences in a minibatch.
    pub batch_size: usize,
    /// Whether a minibatch has sequences of like lengths.
    pub bucketed: bool,
    /// Adam or another rule, its schedule (in updates), the limit of the gradient's norm.
    pub optimizer: Optimizer,
    /// Whether a constant rate falls along a cosine to zero, at the last of all epochs or at the time limit,
    /// whichever is nearer; a run that is resumed with more epochs then differs from one that had them from
    /// the start.
    pub cosine: bool,
    /// Limit of every entry of the gradient.
    pub clip_value: Option<f64>,
    /// What the gradient is divided by.
    pub gradient_scale: GradientScale,
    /// λ of λ Σ θ² in the summed loss.
    pub l2: f64,
    /// Tensors whose names start with one of these stay as they are.
    pub frozen: Vec<String>,
    /// Decay of a running average of the weights, which is then what is evaluated and kept; 0 for none.
    pub average: f64,
    /// Epochs between evaluations on the validation data.
    pub evaluate_every: usize,
    /// Latent paths of an evaluation.
    pub evaluate_samples: usize,
    /// Epochs without a better validation bound after which training stops.
    pub patience: Option<usize>,
    /// Seconds after which training stops.
    pub time_limit: Option<f64>,
    /// A file that training resumes from if it exists, and writes its state to.
    #[serde(skip)]
    pub checkpoint: Option<PathBuf>,
    /// Epochs between two checkpoints.
    pub checkpoint_every: usize,
    /// Sequences that one thread works on at a time; results depend on it in the last digits, but not
    /// on the number of threads.
    pub shard_size: usize,
    /// Seed of order, dropout and draws.
    pub seed: u64,
    /// Where passes run; a resumed run may use another device than the one before. On a GPU a minibatch is one
    /// shard, and all is in single precision.
    #[serde(default)]
    pub device: Device,
}

impl FitOptions {
    /// The options that go with a model preset of the same name.
    ///
    /// # Errors
    /// A name that is none of [`crate::model::DmmConfig::PRESETS`].
    pub fn preset(name: &str) -> Result<Self> {
        let base = Self::base();
        let adam =
            |b1: f64, rate: f64| Optimizer::constant(Rule::Adam(Adam { b1, ..Adam::default() }), rate);
        match name {
            "default" => Ok(base),
            "krishnan2017" => Ok(FitOptions {
                annealing: Annealing { start: 0.01, updates: 5000.0 },
                epochs: 2000,
                optimizer: Optimizer { clip_norm: Some(1.0), ..adam(0.9, 8e-4) },
                cosine: false,
                gradient_scale: GradientScale::Sequences,
                l2: 0.05,
                average: 0.0,
                evaluate_every: 25,
                ..base
            }),
            "dmm-repo" => Ok(FitOptions {
                annealing: Annealing { start: 0.01, updates: 2.0 },
                epochs: 2000,
                optimizer: Optimizer { clip_norm: Some(1.0), ..adam(0.9, 8e-4) },
                cosine: false,
                gradient_scale: GradientScale::Sum,
                l2: 0.05,
                average: 0.0,
                ..base
            }),
            "pyro" => Ok(FitOptions {
                objective: Objective::SampledElbo,
                annealing: Annealing { start: 0.2, updates: 12_000.0 },
                epochs: 5000,
                cosine: false,
                optimizer: Optimizer {
                    schedule: Schedule::ExponentialDecay {
                        rate: 3e-4,
                        transition_steps: 1.0,
                        decay_rate: 0.99996,
                    },
                    ..adam(0.96, 3e-4)
                },
                clip_value: Some(10.0),
                gradient_scale: GradientScale::Sum,
                // torch's weight decay w adds w θ to the gradient: half of it is λ.
                l2: 1.0,
                average: 0.0,
                evaluate_every: 50,
                evaluate_samples: 1,
                ..base
            }),
            _ => {
                let known = crate::model::DmmConfig::PRESETS;
                Err(Error::argument("preset", format!("{name:?}"), format!("one of {known:?}")))
            }
        }
    }

    fn base() -> Self {
        FitOptions {
            objective: Objective::Elbo,
            num_particles: 1,
            annealing: Annealing { start: 0.05, updates: 4000.0 },
            epochs: 800,
            batch_size: 20,
            bucketed: true,
            optimizer: Optimizer {
                clip_norm: Some(1.0),
                ..Optimizer::constant(Rule::AdamW(AdamW { weight_decay: 0.1, ..AdamW::default() }), 2e-3)
            },
            cosine: true,
            clip_value: None,
            gradient_scale: GradientScale::Steps,
            l2: 0.0,
            frozen: Vec::new(),
            average: 0.998,
            evaluate_every: 10,
            evaluate_samples: 10,
            patience: None,
            time_limit: None,
            checkpoint: None,
            checkpoint_every: 10,
            shard_size: 10,
            seed: 0,
            device: Device::Cpu,
        }
    }

    /// Checks every option.
    ///
    /// # Errors
    /// The first that is out of range.
    pub fn check(&self) -> Result<()> {
        at_least_one(&[
            ("num_particles", self.num_particles),
            ("batch_size", self.batch_size),
            ("evaluate_every", self.evaluate_every),
            ("evaluate_samples", self.evaluate_samples),
            ("checkpoint_every", self.checkpoint_every),
            ("shard_size", self.shard_size),
        ])?;
        let fractions = [("annealing.start", self.annealing.start), ("average", self.average)];
        if let Some((name, value)) = fractions.iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            return Err(Error::argument(*name, value, "a number from 0 to 1"));
        }
        if self.average == 1.0 {
            return Err(Error::argument("average", 1, "a decay below 1"));
        }
        if let Objective::Fivo { resample_below } = self.objective {
            check_share(resample_below)?;
        }
        let amounts = [
            ("l2", Some(self.l2)),
            ("time_limit", self.time_limit),
            ("clip_value", self.clip_value),
            ("annealing.updates", Some(self.annealing.updates)),
        ];
        for (name, value) in amounts {
            if let Some(value) = value.filter(|value| !(value.is_finite() && *value >= 0.0)) {
                return Err(Error::argument(name, value, "a number of at least 0"));
            }
        }
        if self.cosine && !matches!(self.optimizer.schedule, Schedule::Constant { .. }) {
            let found = format!("true beside the schedule {:?}", self.optimizer.schedule);
            return Err(Error::argument("cosine", found, "a constant schedule, or cosine = false"));
        }
        self.optimizer.check(None, 0)
    }

    /// The learning rate of an update, `seconds` after the start, with `updates` of them in an epoch.
    pub(super) fn rate(&self, update: u64, updates: usize, seconds: f64) -> f64 {
        let (true, Schedule::Constant { rate }) = (self.cosine, &self.optimizer.schedule) else {
            return self.optimizer.schedule.at(update);
        };
        let by_updates = update as f64 / (self.epochs * updates).max(1) as f64;
        let by_time = self.time_limit.map_or(0.0, |limit| seconds / limit.max(f64::MIN_POSITIVE));
        rate * Schedule::cosine(by_updates.max(by_time))
    }
}
