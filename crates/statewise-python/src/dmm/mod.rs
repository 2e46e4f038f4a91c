//! Deep Markov models and the data of their literature.

pub(crate) mod data;
pub(crate) mod evaluate;
pub(crate) mod fit;
pub(crate) mod generate;
pub(crate) mod infer;
pub(crate) mod midi;
pub(crate) mod model;
mod stream;

pub(crate) use model::Dmm;
pub(crate) use stream::DmmStream;
