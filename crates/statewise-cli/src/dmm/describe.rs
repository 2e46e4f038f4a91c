//! Deep Markov models and their data in words.

use statewise::data::Dataset;
use statewise_deep::DeepMarkovModel;
use statewise_deep::model::{Combiner, DmmConfig, Evidence};

/// Sizes and networks of a model in one line.
pub(super) fn model(model: &DeepMarkovModel) -> String {
    let config = model.config();
    format!(
        "DeepMarkovModel of {} and {}, {} over {} {}, {} weights",
        count(config.emission_dim, "feature"),
        count(config.latent_dim, "latent dimension"),
        inference(config),
        word(&config.rnn).to_uppercase(),
        config.rnn_size,
        model.parameters().len(),
    )
}

/// The name of the inference network in the literature.
fn inference(config: &DmmConfig) -> String {
    let structure = match config.combiner {
        Combiner::MeanField => "MF",
        Combiner::Average => "ST",
        Combiner::Product => "product",
    };
    let read = match config.evidence {
        Evidence::Left => "L",
        Evidence::Right => "R",
        Evidence::Both => "LR",
    };
    format!("{structure}-{read}")
}

/// The size of a dataset.
pub(super) fn data(data: &Dataset<'_>) -> String {
    format!("{} in {}", count(data.num_rows(), "step"), count(data.num_sequences(), "sequence"))
}

pub(super) fn count(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}

/// The name of an option's value, as files spell it.
pub(super) fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}
