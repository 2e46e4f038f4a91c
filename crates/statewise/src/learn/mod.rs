//! Learning: everything that moves parameters. No learner knows a model by name.

mod em;
mod kmeans;
mod lbfgs;
mod learnable;
mod numerical_m_step;

pub use em::{Em, FitReport, Progress};
pub use kmeans::{Clusters, kmeans};
pub use lbfgs::{Lbfgs, Minimum};
pub use learnable::{Learnable, MStepOutcome, Statistics};
pub(crate) use numerical_m_step::maximise_numerically;
