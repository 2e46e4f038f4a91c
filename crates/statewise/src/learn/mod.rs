//! Learning: everything that moves parameters. No learner knows a model by name.

mod kmeans;
mod lbfgs;
mod numerical_m_step;

pub use kmeans::{Clusters, kmeans};
pub use lbfgs::{Lbfgs, Minimum};
pub(crate) use numerical_m_step::maximise_numerically;
