//! Named sets of options: what published numbers were computed with, and what does best here.

use statewise::{Error, Result};

use super::config::{
    Combiner, CombinerWeights, DmmConfig, EmissionKind, Evidence, GuideStart, Initial, TransitionKind,
};
use crate::array::Nonlinearity;
use crate::layers::{Cell, Spread};
use crate::parameters::InitScheme;

impl DmmConfig {
    /// The names that [`DmmConfig::preset`] knows.
    pub const PRESETS: [&str; 4] = ["default", "krishnan2017", "dmm-repo", "pyro"];

    /// A named set of options for observations of `emission_dim` features.
    ///
    /// * `default`: GRU 200 read from the right, 100 latent dimensions.
    /// * `krishnan2017`: the paper's DKS with LSTM 600 (clinicalml/structuredinference).
    /// * `dmm-repo`: the defaults of clinicalml/dmm.
    /// * `pyro`: the example of Pyro 1.9.
    ///
    /// # Errors
    /// A name that is none of these.
    pub fn preset(name: &str, emission_dim: usize) -> Result<Self> {
        let base = Self::base(emission_dim);
        match name {
            "default" => Ok(base),
            "krishnan2017" => Ok(Self::krishnan(base)),
            "dmm-repo" => Ok(DmmConfig {
                transition: TransitionKind::Mlp,
                transition_width: 200,
                emission_width: 200,
                guide_start: GuideStart::Noise,
                combiner_weights: CombinerWeights::Halves,
                ..Self::krishnan(base)
            }),
            "pyro" => Ok(Self::pyro(base)),
            _ => Err(Error::argument("preset", format!("{name:?}"), format!("one of {:?}", Self::PRESETS))),
        }
    }

    fn base(emission_dim: usize) -> Self {
        DmmConfig {
            emission_dim,
            input_dim: 0,
            emission: EmissionKind::Bernoulli,
            num_classes: 0,
            latent_dim: 100,
            emission_width: 100,
            emission_layers: 2,
            emission_previous: false,
            emission_residual: false,
            emission_constant_variance: false,
            transition: TransitionKind::Gated,
            transition_width: 200,
            transition_layers: 2,
            transition_function: None,
            transition_previous: false,
            initial: Initial::Learned,
            evidence: Evidence::Right,
            combiner: Combiner::Average,
            combiner_weights: CombinerWeights::Equal,
            combiner_nonlinearity: Nonlinearity::Tanh,
            guide_start: GuideStart::Learned,
            rnn: Cell::Gru,
            rnn_size: 200,
            rnn_layers: 1,
            rnn_learned_start: true,
            rnn_initial_cell: 0.0,
            rnn_laplace_bias: false,
            embedding: 0,
            observe_missing: false,
            iaf_layers: 0,
            iaf_width: 100,
            rnn_dropout: 0.1,
            nonlinearity: Nonlinearity::Relu,
            spread: Spread::Variance,
            init_scheme: InitScheme::FanIn,
            init_weight: 0.1,
        }
    }

    fn krishnan(base: Self) -> Self {
        DmmConfig {
            latent_dim: 100,
            emission_width: 200,
            transition_width: 400,
            initial: Initial::Standard,
            guide_start: GuideStart::Zero,
            rnn: Cell::Lstm,
            rnn_size: 600,
            rnn_learned_start: false,
            rnn_initial_cell: 1.0,
            rnn_laplace_bias: true,
            embedding: 600,
            init_scheme: InitScheme::Uniform,
            ..base
        }
    }

    fn pyro(base: Self) -> Self {
        DmmConfig {
            latent_dim: 100,
            initial: Initial::LearnedState,
            rnn: Cell::Relu,
            rnn_size: 600,
            rnn_dropout: 0.0,
            spread: Spread::Scale,
            ..base
        }
    }
}
