//! Laws of structural time series, each on a corpus of specifications.

mod blocks;
mod constraints;
mod corpus;
mod discretisation;
mod flat_start;
mod goldens;
mod gradients;
mod inference;
mod learning;
mod specs;
mod streaming;
