//! Every option of a deep Markov model.

use serde::{Deserialize, Serialize};
use statewise::{Error, Result};

use crate::array::Nonlinearity;
use crate::layers::{Cell, Function, Spread};
use crate::parameters::InitScheme;

/// p(x_t | z_t).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmissionKind {
    /// Independent binary features.
    #[default]
    Bernoulli,
    /// Independent real features with means and variances from the network.
    Gaussian,
    /// Labels 0..`num_classes` in every feature.
    Categorical,
    /// Counts.
    Poisson,
    /// Binary features, each given those before it (Larochelle and Murray 2011).
    Nade,
}

/// p(z_t | z_{t−1}).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitionKind {
    /// A gate between a linear and a nonlinear proposal, the linear one starting at the identity.
    #[default]
    Gated,
    /// The gate of the repository clinicalml/dmm: two stacks, no bias, no identity.
    GatedDmm,
    /// A multilayer perceptron.
    Mlp,
    /// A linear mean; the variance a softplus of a linear function of z.
    Linear,
    /// The mean a formula with learnable parameters (`transition_function`), variances constant.
    Function,
    /// A linear mean and constant variances: with a linear Gaussian emission, a Kalman filter's model.
    LinearGaussian,
}

/// p(z_1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initial {
    /// N(0, I).
    #[default]
    Standard,
    /// A learned mean and variance.
    Learned,
    /// The transition from a learned z_0.
    LearnedState,
}

/// Which observations q(z_t) looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The past and the present, x_{1:t}.
    Left,
    /// The present and the future, x_{t:T}.
    #[default]
    Right,
    /// All of them.
    Both,
}

/// How q(z_t) joins z_{t−1} and the recurrent states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combiner {
    /// Not at all: mean field, q(z_t | x).
    MeanField,
    /// The average of f(W z_{t−1} + b) and the recurrent states: structured.
    #[default]
    Average,
    /// The mean-field factor times the transition p(z_t | z_{t−1}): structured.
    Product,
}

/// Weights of the average where both directions are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CombinerWeights {
    /// One third each (the paper).
    #[default]
    Equal,
    /// One half for z_{t−1}, one quarter for each direction (clinicalml/dmm).
    Halves,
}

/// z_0 as the combiner sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuideStart {
    /// The zero vector.
    #[default]
    Zero,
    /// A learned vector.
    Learned,
    /// A draw from N(0, I), in evaluation too (clinicalml/dmm).
    Noise,
}

/// Every option of a deep Markov model; [`DmmConfig::preset`] gives the named sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DmmConfig {
    /// Features of an observation, E.
    pub emission_dim: usize,
    /// Values of an external input u_t, which enters transition, emission and inference network.
    pub input_dim: usize,
    /// p(x_t | z_t).
    pub emission: EmissionKind,
    /// Classes of a categorical feature.
    pub num_classes: usize,
    /// S, the dimension of z_t.
    pub latent_dim: usize,
    /// Units of a hidden layer of the emission.
    pub emission_width: usize,
    /// Hidden layers of the emission.
    pub emission_layers: usize,
    /// Whether the emission sees x_{t−1}.
    pub emission_previous: bool,
    /// Whether z W is added to the emission's output.
    pub emission_residual: bool,
    /// Whether a Gaussian emission has constant variances, not those of a network.
    pub emission_constant_variance: bool,
    /// p(z_t | z_{t−1}).
    pub transition: TransitionKind,
    /// Units of a hidden layer of the transition.
    pub transition_width: usize,
    /// Hidden layers of an MLP transition or of the stacks of `gated_dmm`.
    pub transition_layers: usize,
    /// The formula of a transition of kind `function`.
    pub transition_function: Option<Function>,
    /// Whether the transition into z_t sees x_{t−1}.
    pub transition_previous: bool,
    /// p(z_1).
    pub initial: Initial,
    /// Which observations the inference network reads.
    pub evidence: Evidence,
    /// How it uses z_{t−1}.
    pub combiner: Combiner,
    /// Weights of the average of both directions.
    pub combiner_weights: CombinerWeights,
    /// The function of W z_{t−1} + b in the average.
    pub combiner_nonlinearity: Nonlinearity,
    /// What stands for z_0 in the average.
    pub guide_start: GuideStart,
    /// The recurrent cell.
    pub rnn: Cell,
    /// Its size.
    pub rnn_size: usize,
    /// Recurrent layers in each direction.
    pub rnn_layers: usize,
    /// Whether the initial hidden state is learned.
    pub rnn_learned_start: bool,
    /// The LSTM's memory before the first step.
    pub rnn_initial_cell: f64,
    /// Whether biases of recurrent layers start as Laplace(0, 1) draws.
    pub rnn_laplace_bias: bool,
    /// Units of the layer between observations and recurrent layers, 0 for none.
    pub embedding: usize,
    /// Whether the inference network is told which features are missing.
    pub observe_missing: bool,
    /// Inverse autoregressive flows on every q(z_t), which then has no divergence in closed form.
    pub iaf_layers: usize,
    /// Hidden units of a flow.
    pub iaf_width: usize,
    /// Dropout of the recurrent states in training.
    pub rnn_dropout: f64,
    /// Of hidden layers.
    pub nonlinearity: Nonlinearity,
    /// What softplus outputs are.
    pub spread: Spread,
    /// First weights.
    pub init_scheme: InitScheme,
    /// Width of the first weights, for the schemes `uniform` and `normal`.
    pub init_weight: f64,
}

impl DmmConfig {
    /// Checks that the options make a model.
    ///
    /// # Errors
    /// A size of zero, a probability outside \[0, 1), or options that exclude each other.
    pub fn check(&self) -> Result<()> {
        self.check_sizes()?;
        if !(0.0..1.0).contains(&self.rnn_dropout) {
            return Err(Error::argument("rnn_dropout", self.rnn_dropout, "a probability below 1"));
        }
        if !self.rnn_initial_cell.is_finite() {
            return Err(Error::argument("rnn_initial_cell", self.rnn_initial_cell, "a finite number"));
        }
        if !(self.init_weight.is_finite() && self.init_weight > 0.0) {
            return Err(Error::argument("init_weight", self.init_weight, "a positive number"));
        }
        if self.emission == EmissionKind::Categorical && self.num_classes < 2 {
            return Err(Error::argument(
                "num_classes",
                self.num_classes,
                "at least 2 for categorical emissions",
            ));
        }
        match (&self.transition_function, self.transition) {
            (Some(function), TransitionKind::Function) => {
                function.check(self.transition_inputs(), self.latent_dim)?;
            }
            (None, TransitionKind::Function) => {
                return Err(Error::argument(
                    "transition_function",
                    "none",
                    "the formula of the transition",
                ));
            }
            (Some(_), _) => {
                return Err(Error::argument(
                    "transition_function",
                    "a formula",
                    "transition = function with it",
                ));
            }
            (None, _) => {}
        }
        if self.iaf_layers > 0 && self.iaf_width < self.latent_dim {
            return Err(Error::argument(
                "iaf_width",
                self.iaf_width,
                format!("at least latent_dim = {}", self.latent_dim),
            ));
        }
        Ok(())
    }

    /// Values that the inference network reads: features, inputs, which features are there.
    pub(crate) fn reading_inputs(&self) -> usize {
        let missing = if self.observe_missing { self.emission_dim } else { 0 };
        self.features() + self.input_dim + missing
    }

    /// Values that the emission reads: \[z_t, context\].
    pub(crate) fn emission_inputs(&self) -> usize {
        let previous = if self.emission_previous { self.features() } else { 0 };
        self.latent_dim + previous + self.input_dim
    }

    /// Values that the transition reads: \[z_{t−1}, context\].
    pub(crate) fn transition_inputs(&self) -> usize {
        let previous = if self.transition_previous { self.features() } else { 0 };
        self.latent_dim + previous + self.input_dim
    }

    /// Sizes that no model has would overflow: a model file can name any.
    fn check_sizes(&self) -> Result<()> {
        let units = [
            ("emission_dim", self.emission_dim, 1),
            ("latent_dim", self.latent_dim, 1),
            ("emission_width", self.emission_width, 1),
            ("transition_width", self.transition_width, 1),
            ("rnn_size", self.rnn_size, 1),
            ("embedding", self.embedding, 0),
            ("iaf_width", self.iaf_width, 0),
            ("input_dim", self.input_dim, 0),
            ("num_classes", self.num_classes, 0),
        ];
        let layers = [
            ("rnn_layers", self.rnn_layers, 1),
            ("emission_layers", self.emission_layers, 0),
            ("transition_layers", self.transition_layers, 0),
            ("iaf_layers", self.iaf_layers, 0),
        ];
        let units = units.into_iter().map(|option| (option, 1 << 24));
        for ((name, value, least), most) in units.chain(layers.map(|option| (option, 1000))) {
            if !(least..=most).contains(&value) {
                return Err(Error::argument(name, value, format!("at least {least} and at most {most}")));
            }
        }
        Ok(())
    }

    /// Values of an observation as networks read it: one-hot for labels, else one a feature.
    pub(crate) fn features(&self) -> usize {
        match self.emission {
            EmissionKind::Categorical => self.emission_dim * self.num_classes,
            _ => self.emission_dim,
        }
    }
}
