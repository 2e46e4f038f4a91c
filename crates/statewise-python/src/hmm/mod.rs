//! Hidden Markov models.

pub(crate) mod chain;
pub(crate) mod infer;
mod model;
pub(crate) mod stream;

pub(crate) use model::Hmm;
