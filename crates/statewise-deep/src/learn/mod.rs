//! Learning: objectives and their gradients over shards of a minibatch, schedules, the training loop.

mod checkpoint;
pub(crate) mod device;
mod fit;
pub(crate) mod gradient;
mod history;
mod minibatches;
mod options;
mod state;

pub use device::Device;
pub use fit::Fit;
pub use gradient::PathTerms;
pub use history::{EpochRecord, FitReport, Progress, StopReason};
pub use options::{Annealing, FitOptions, GradientScale, Objective};
