//! The parts of a deep Markov model: transition, emission, inference network.

mod batch;
mod config;
mod emission;
mod factor;
mod flow;
mod guide;
mod likelihood;
mod nade;
mod network;
mod presets;
mod reader;
mod transition;

pub(crate) use batch::{Batch, encode};
pub use config::{
    Combiner, CombinerWeights, DmmConfig, EmissionKind, Evidence, GuideStart, Initial, TransitionKind,
};
pub(crate) use emission::EmissionTape;
pub(crate) use flow::FlowTape;
pub(crate) use guide::GuideTape;
pub(crate) use network::{FirstState, Network};
pub(crate) use transition::TransitionTape;
