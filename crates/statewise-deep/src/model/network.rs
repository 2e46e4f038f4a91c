//! All networks of a model and the layout of their weights.

use std::ops::Range;

use statewise::{Result, Seed};

use super::config::{DmmConfig, Initial};
use super::emission::Emission;
use super::flow::Flow;
use super::guide::Guide;
use super::transition::Transition;
use crate::array::Real;
use crate::objective::Divergence;
use crate::parameters::{Builder, Start, Tensor};

/// The networks of a deep Markov model; the weights lie elsewhere, in one flat vector.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) config: DmmConfig,
    pub(crate) transition: Transition,
    pub(crate) emission: Emission,
    pub(crate) guide: Guide,
    pub(crate) flow: Flow,
    pub(crate) first: FirstState,
    pub(crate) tensors: Vec<Tensor>,
}

/// p(z_1).
#[derive(Clone, Debug)]
pub(crate) enum FirstState {
    Standard,
    Learned {
        mean: Range<usize>,
        raw: Range<usize>,
    },
    /// The transition from z_0.
    State(Range<usize>),
}

impl Network {
    /// Lays out the networks and draws their first weights.
    pub(crate) fn new(config: &DmmConfig, seed: Seed) -> Result<(Self, Vec<f64>)> {
        Self::build(config, Builder::new(config.init_scheme, config.init_weight, seed))
    }

    /// Lays out the networks for weights that are already there.
    pub(crate) fn layout(config: &DmmConfig) -> Result<Self> {
        Ok(Self::build(config, Builder::without_values())?.0)
    }

    fn build(config: &DmmConfig, mut builder: Builder) -> Result<(Self, Vec<f64>)> {
        config.check()?;
        let transition = Transition::new(&mut builder, config);
        let zero = Start::Constant(0.0);
        let shape = [config.latent_dim];
        let first = match config.initial {
            Initial::Standard => FirstState::Standard,
            Initial::Learned => {
                let one = Start::Constant(config.spread.raw(1.0));
                FirstState::Learned {
                    mean: builder.tensor("initial.mean".into(), &shape, zero),
                    raw: builder.tensor("initial.spread".into(), &shape, one),
                }
            }
            Initial::LearnedState => {
                FirstState::State(builder.tensor("initial.state".into(), &shape, zero))
            }
        };
        let emission = Emission::new(&mut builder, config);
        let guide = Guide::new(&mut builder, config);
        let flow = Flow::new(&mut builder, config);
        let (tensors, values) = builder.finish();
        Ok((Network { config: config.clone(), transition, emission, guide, flow, first, tensors }, values))
    }

    /// How the divergence of a step is scored: in closed form where there is one, at the draw behind a flow.
    pub(crate) fn closed_form(&self) -> Divergence {
        if self.flow.is_identity() { Divergence::Expected } else { Divergence::Sampled }
    }

    /// Mean and variance of p(z_1), unless the transition from z_0 gives them.
    pub(crate) fn first_moments<R: Real>(&self, theta: &[R], mean: &mut [R], variance: &mut [R]) {
        match &self.first {
            FirstState::Standard => {
                mean.fill(R::ZERO);
                variance.fill(R::ONE);
            }
            FirstState::Learned { mean: at, raw } => {
                mean.copy_from_slice(&theta[at.clone()]);
                self.config.spread.variances(&theta[raw.clone()], variance);
            }
            FirstState::State(_) => {}
        }
    }
}
