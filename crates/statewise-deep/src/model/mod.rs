//! The parts of a deep Markov model: transition, emission, inference network.

mod batch;
mod config;
pub(crate) mod emission;
mod factor;
mod flow;
pub(crate) mod guide;
pub(crate) mod likelihood;
mod nade;
mod network;
mod presets;
pub(crate) mod reader;
pub(crate) mod transition;

pub(crate) use batch::{Batch, encode};
pub use config::{
    Combiner, CombinerWeights, DmmConfig, EmissionKind, Evidence, GuideStart, Initial, TransitionKind,
};
pub(crate) use emission::EmissionTape;
pub(crate) use flow::FlowTape;
pub(crate) use guide::GuideTape;
pub(crate) use network::{FirstState, Network};
pub(crate) use transition::TransitionTape;
