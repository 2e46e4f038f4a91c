//! Memory that the square-root engines reuse from call to call.

use super::steps::StepBuffers;

/// Buffers of the square-root engines. They grow to the largest problem seen and are never shrunk, so a
/// second call on a series of the same size allocates nothing. Their contents mean nothing between calls.
#[derive(Clone, Debug, Default)]
pub struct SquareRootWorkspace {
    pub(super) step: StepBuffers,
    pub(super) pass: PassBuffers,
    pub(super) backward: BackwardBuffers,
    pub(super) two_filter: TwoFilterBuffers,
}

/// The forward pass: predicted beliefs, of one step or of all.
#[derive(Clone, Debug, Default)]
pub(super) struct PassBuffers {
    /// m, shape \[D\] or \[T, D\].
    pub(super) means: Vec<f64>,
    /// L by columns, shape \[D, D\] or \[T, D, D\].
    pub(super) roots: Vec<f64>,
    /// The filtered mean, shape \[D\].
    pub(super) filtered: Vec<f64>,
    /// A triangularisation for output.
    pub(super) lower: Vec<f64>,
}

/// The backward passes; see there.
#[derive(Clone, Debug, Default)]
pub(super) struct BackwardBuffers {
    pub(super) vectors: [Vec<f64>; 4],
    pub(super) matrices: [Vec<f64>; 6],
    pub(super) wide: [Vec<f64>; 4],
    pub(super) stacked: Vec<f64>,
}

/// The backward information filter; see there.
#[derive(Clone, Debug, Default)]
pub(super) struct TwoFilterBuffers {
    pub(super) root: Vec<f64>,
    pub(super) data: Vec<f64>,
    pub(super) square: Vec<f64>,
    pub(super) smoothed_root: Vec<f64>,
    pub(super) top: Vec<f64>,
    pub(super) bottom: Vec<f64>,
}
