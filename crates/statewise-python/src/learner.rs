//! Learners by name, from the JSON text of their settings.

use serde::Deserialize;
use statewise::Seed;
use statewise::learn::{Em, GradientDescent, Learner, Optimizer, QuasiNewton, StepSize, StochasticEm};

/// The settings of a learner; Python fills in the defaults.
#[derive(Deserialize)]
#[serde(tag = "learner", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum LearnerSpec {
    Em {
        num_iters: usize,
        tol: Option<f64>,
        use_priors: bool,
    },
    StochasticEm {
        num_epochs: usize,
        batch_size: usize,
        shuffle: bool,
        seed: u64,
        step_size: StepSize,
        use_priors: bool,
    },
    Sgd(SgdSpec),
    Lbfgs {
        num_iters: usize,
        tol: Option<f64>,
        gradient_tol: f64,
        memory: usize,
        use_priors: bool,
    },
}

/// The settings of gradient descent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SgdSpec {
    optimizer: Optimizer,
    batch_size: usize,
    num_epochs: usize,
    shuffle: bool,
    seed: u64,
    use_priors: bool,
}

impl SgdSpec {
    pub(crate) fn build(self) -> GradientDescent {
        let SgdSpec { optimizer, batch_size, num_epochs, shuffle, seed, use_priors } = self;
        let seed = Seed(seed);
        GradientDescent { optimizer, batch_size, num_epochs, shuffle, seed, prior: use_priors }
    }
}

impl LearnerSpec {
    pub(crate) fn build(self) -> Box<dyn Learner> {
        match self {
            LearnerSpec::Em { num_iters, tol, use_priors } => {
                Box::new(Em { num_iters, tolerance: tol, prior: use_priors })
            }
            LearnerSpec::StochasticEm { num_epochs, batch_size, shuffle, seed, step_size, use_priors } => {
                let seed = Seed(seed);
                Box::new(StochasticEm {
                    num_epochs,
                    batch_size,
                    shuffle,
                    seed,
                    step_size,
                    prior: use_priors,
                })
            }
            LearnerSpec::Sgd(spec) => Box::new(spec.build()),
            LearnerSpec::Lbfgs { num_iters, tol, gradient_tol, memory, use_priors } => {
                Box::new(QuasiNewton {
                    num_iters,
                    tolerance: tol,
                    gradient_tolerance: gradient_tol,
                    memory,
                    prior: use_priors,
                })
            }
        }
    }
}
