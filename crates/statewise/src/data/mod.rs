//! Observed data: one sequence, a batch or a ragged list, with inputs, weights and gaps.

mod dataset;

pub use dataset::{Dataset, Layout, Sequence};
