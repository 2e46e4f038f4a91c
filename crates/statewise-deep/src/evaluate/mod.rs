//! Bounds of −log p(x), each by its own name; nats, lower is better.

mod bound;
mod groups;

pub use bound::{Estimator, Evaluation};
use groups::{Group, paths_of};
pub(crate) use groups::{map_groups, row_limited};
