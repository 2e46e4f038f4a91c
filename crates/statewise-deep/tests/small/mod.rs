//! A model of the default preset that is small enough to try every option on.

use statewise_deep::model::DmmConfig;

pub(crate) fn small(emission_dim: usize) -> DmmConfig {
    DmmConfig {
        latent_dim: 3,
        emission_width: 5,
        transition_width: 4,
        rnn_size: 4,
        ..DmmConfig::preset("default", emission_dim).unwrap()
    }
}
