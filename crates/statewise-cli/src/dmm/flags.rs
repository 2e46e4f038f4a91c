//! The flags of `statewise dmm fit` that set one option of a model or of its training each.
//!
//! A path names the option among the fields of `DmmConfig` and `FitOptions`, with dots for their members.

/// A heading of the help.
pub(super) const MODEL: &str = "Model";
pub(super) const GUIDE: &str = "Inference network";
pub(super) const TRAINING: &str = "Training";

/// One flag.
#[derive(Debug)]
pub(super) struct Flag {
    /// Its name, without dashes.
    pub(super) name: &'static str,
    /// The option that it sets.
    pub(super) path: &'static str,
    /// What its value is called; [`SWITCH`] for flags that stand alone.
    pub(super) value: &'static str,
    pub(super) heading: &'static str,
    /// Whether the short help shows it.
    pub(super) common: bool,
    pub(super) help: &'static str,
}

/// Values of a flag that can stand alone for true.
pub(super) const SWITCH: &str = "true|false";

const fn common(
    heading: &'static str,
    name: &'static str,
    path: &'static str,
    value: &'static str,
    help: &'static str,
) -> Flag {
    Flag { name, path, value, heading, common: true, help }
}

const fn rare(
    heading: &'static str,
    name: &'static str,
    path: &'static str,
    value: &'static str,
    help: &'static str,
) -> Flag {
    Flag { name, path, value, heading, common: false, help }
}

/// Fields that follow from the data or from other arguments.
#[cfg(test)]
pub(super) const DERIVED: [&str; 2] = ["emission_dim", "input_dim"];

/// Every flag, in the order in which they are applied.
pub(super) const FLAGS: &[Flag] = &[
    common(
        MODEL,
        "emission",
        "emission",
        "NAME",
        "p(x_t | z_t): bernoulli, gaussian, categorical, poisson or nade",
    ),
    rare(
        MODEL,
        "num-classes",
        "num_classes",
        "K",
        "Classes of a categorical feature; 0: those of the data",
    ),
    common(MODEL, "latent-dim", "latent_dim", "S", "Dimension of z_t"),
    rare(MODEL, "emission-width", "emission_width", "N", "Units of a hidden layer of the emission"),
    rare(MODEL, "emission-layers", "emission_layers", "N", "Hidden layers of the emission"),
    rare(MODEL, "emission-previous", "emission_previous", SWITCH, "The emission sees x_{t-1}"),
    rare(MODEL, "emission-residual", "emission_residual", SWITCH, "z W is added to the emission's output"),
    rare(
        MODEL,
        "emission-constant-variance",
        "emission_constant_variance",
        SWITCH,
        "A gaussian emission has constant variances, not those of a network",
    ),
    common(
        MODEL,
        "transition",
        "transition",
        "NAME",
        "p(z_t | z_{t-1}): gated, gated-dmm, mlp, linear, function or linear-gaussian",
    ),
    rare(MODEL, "transition-width", "transition_width", "N", "Units of a hidden layer of the transition"),
    rare(
        MODEL,
        "transition-layers",
        "transition_layers",
        "N",
        "Hidden layers of an mlp transition or of the stacks of gated-dmm",
    ),
    rare(
        MODEL,
        "transition-function",
        "transition_function",
        "JSON",
        "The formula of a transition of kind function: operations, outputs, parameters",
    ),
    rare(MODEL, "transition-previous", "transition_previous", SWITCH, "The transition sees x_{t-1}"),
    rare(MODEL, "initial", "initial", "NAME", "p(z_1): standard, learned or learned-state"),
    rare(
        MODEL,
        "nonlinearity",
        "nonlinearity",
        "NAME",
        "Of hidden layers: relu, leaky-relu, tanh, softplus, elu or identity",
    ),
    rare(MODEL, "spread", "spread", "NAME", "What softplus outputs are: variance or scale"),
    rare(
        MODEL,
        "init-scheme",
        "init_scheme",
        "NAME",
        "First weights: fan-in, uniform, normal, xavier, he or orthogonal",
    ),
    rare(MODEL, "init-weight", "init_weight", "X", "Width of the first weights, of uniform and normal"),
    common(
        GUIDE,
        "inference",
        "inference",
        "NAME",
        "ST-R, ST-L, ST-LR, MF-R, MF-L or MF-LR: structured or mean field, reading the rest, the past, all",
    ),
    rare(GUIDE, "evidence", "evidence", "NAME", "Which observations it reads: left, right or both"),
    rare(GUIDE, "combiner", "combiner", "NAME", "How it uses z_{t-1}: mean-field, average or product"),
    rare(GUIDE, "combiner-weights", "combiner_weights", "NAME", "Of an average of both: equal or halves"),
    rare(
        GUIDE,
        "combiner-nonlinearity",
        "combiner_nonlinearity",
        "NAME",
        "The function of W z_{t-1} + b in the average",
    ),
    rare(GUIDE, "guide-start", "guide_start", "NAME", "z_0 in the average: zero, learned or noise"),
    common(GUIDE, "rnn", "rnn", "NAME", "Recurrent cell: lstm, gru, tanh, relu or linear"),
    common(GUIDE, "rnn-size", "rnn_size", "N", "Units of a recurrent layer"),
    rare(GUIDE, "rnn-layers", "rnn_layers", "N", "Recurrent layers in each direction"),
    rare(GUIDE, "rnn-learned-start", "rnn_learned_start", SWITCH, "The initial hidden state is learned"),
    rare(GUIDE, "rnn-initial-cell", "rnn_initial_cell", "X", "An LSTM's memory before the first step"),
    rare(
        GUIDE,
        "rnn-laplace-bias",
        "rnn_laplace_bias",
        SWITCH,
        "Biases of recurrent layers start as Laplace(0, 1) draws",
    ),
    rare(GUIDE, "embedding", "embedding", "N", "Units between observations and recurrent layers, 0: none"),
    rare(GUIDE, "observe-missing", "observe_missing", SWITCH, "It is told which features are missing"),
    rare(GUIDE, "iaf-layers", "iaf_layers", "N", "Inverse autoregressive flows on every q(z_t)"),
    rare(GUIDE, "iaf-width", "iaf_width", "N", "Hidden units of a flow"),
    common(GUIDE, "rnn-dropout", "rnn_dropout", "P", "Dropout of the recurrent states in training"),
    common(TRAINING, "objective", "objective", "NAME", "Bound: elbo, sampled-elbo, iwae or fivo"),
    rare(
        TRAINING,
        "resample-below",
        "objective.resample_below",
        "P",
        "Share of effective particles below which fivo resamples (0.5)",
    ),
    common(TRAINING, "num-particles", "num_particles", "K", "Latent paths drawn for every sequence"),
    common(TRAINING, "kl-start", "annealing.start", "X", "Weight of the divergence (beta) at first"),
    common(TRAINING, "kl-updates", "annealing.updates", "N", "Updates until beta is 1"),
    common(TRAINING, "epochs", "epochs", "N", "Passes over the data"),
    common(TRAINING, "time-limit", "time_limit", "SECONDS", "Seconds after which training stops"),
    common(
        TRAINING,
        "patience",
        "patience",
        "EPOCHS",
        "Epochs without a better validation bound after which training stops",
    ),
    common(TRAINING, "batch-size", "batch_size", "N", "Sequences in a minibatch"),
    rare(TRAINING, "bucketed", "bucketed", SWITCH, "A minibatch has sequences of like lengths"),
    rare(TRAINING, "optimizer", "optimizer.rule", "NAME", "sgd, adam, adamw, rmsprop or adagrad"),
    common(TRAINING, "learning-rate", "optimizer.schedule.rate", "X", "The (first) learning rate"),
    rare(
        TRAINING,
        "cosine",
        "cosine",
        SWITCH,
        "A constant rate falls along a cosine to zero at the last epoch",
    ),
    common(TRAINING, "weight-decay", "optimizer.rule.weight_decay", "X", "Decoupled decay (AdamW)"),
    common(TRAINING, "l2", "l2", "X", "Lambda of lambda sum theta^2 in the summed loss"),
    common(TRAINING, "clip-norm", "optimizer.clip_norm", "X", "Limit of the gradient's norm; none"),
    common(TRAINING, "clip-value", "clip_value", "X", "Limit of every entry of the gradient; none"),
    rare(
        TRAINING,
        "gradient-scale",
        "gradient_scale",
        "NAME",
        "What the gradient is divided by first: sum (nothing), sequences or steps",
    ),
    rare(TRAINING, "frozen", "frozen", "A,B", "Tensors whose names start so stay as they are"),
    common(
        TRAINING,
        "average",
        "average",
        "X",
        "Decay of a running average of the weights, which is what is kept; 0: none",
    ),
    rare(TRAINING, "evaluate-every", "evaluate_every", "EPOCHS", "Epochs between validations"),
    rare(TRAINING, "evaluate-samples", "evaluate_samples", "S", "Latent paths of an evaluation"),
    rare(TRAINING, "checkpoint-every", "checkpoint_every", "EPOCHS", "Epochs between checkpoints"),
    rare(TRAINING, "shard-size", "shard_size", "N", "Sequences that one thread works on at a time"),
    common(
        TRAINING,
        "device",
        "device",
        "NAME",
        "Where passes run: cpu, or cuda, an NVIDIA GPU, in builds with the feature of that name",
    ),
    common(TRAINING, "seed", "seed", "S", "Seed of first weights, order, dropout and draws"),
];
