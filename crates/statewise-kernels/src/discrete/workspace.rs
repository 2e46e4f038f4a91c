//! Memory that the engines reuse from call to call.

use super::belief::Belief;
use super::matrix::LogMatrix;
use super::viterbi_kernel::Pointers;

/// Buffers for the engines. They grow to the largest chain seen and are never shrunk, so a second
/// call on a chain of the same size allocates nothing. Its contents mean nothing between calls.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    /// The forward pass's running state.
    pub(super) belief: Belief,
    /// One matrix of a time-varying chain.
    pub(super) matrix: MatrixBuffers,
    /// One block of scaled likelihoods and their shifts.
    pub(super) block: BlockBuffers,
    /// The backward pass.
    pub(super) backward: BackwardBuffers,
    /// Filtered probabilities of a segment, and beliefs where segments start.
    pub(super) segment: SegmentBuffers,
    /// Viterbi scores and back-pointers.
    pub(super) decode: DecodeBuffers,
}

/// Transition matrices in the layouts that the kernels read.
#[derive(Clone, Debug, Default)]
pub(super) struct MatrixBuffers {
    /// For the forward pass.
    pub(super) stepper: StepperBuffers,
    /// Rows of Aᵀ padded with zeros.
    pub(super) transposed: Vec<f64>,
    /// What `Transitions::Computed` writes into.
    pub(super) computed: Vec<f64>,
}

/// Transition matrices of the forward pass.
#[derive(Clone, Debug, Default)]
pub(super) struct StepperBuffers {
    /// Rows of A padded with zeros.
    pub(super) padded: Vec<f64>,
    /// What `Transitions::Computed` writes into.
    pub(super) computed: Vec<f64>,
    /// ln A.
    pub(super) log_matrix: LogMatrix,
}

/// One block of steps.
#[derive(Clone, Debug, Default)]
pub(super) struct BlockBuffers {
    pub(super) scaled: Vec<f64>,
    pub(super) shift: Vec<f64>,
    pub(super) log_b: Vec<f64>,
    pub(super) filtered: Vec<f64>,
}

/// The backward messages and what pair marginals are summed from.
#[derive(Clone, Debug, Default)]
pub(super) struct BackwardBuffers {
    pub(super) beta: Vec<f64>,
    pub(super) weighted: Vec<f64>,
    pub(super) outer: Vec<f64>,
    pub(super) left: Vec<f64>,
    pub(super) right: Vec<f64>,
    pub(super) pair: Vec<f64>,
    pub(super) computed: Vec<f64>,
}

/// One segment of the forward pass, and where each segment starts from.
#[derive(Clone, Debug, Default)]
pub(super) struct SegmentBuffers {
    pub(super) filtered: Vec<f64>,
    pub(super) scaled: Vec<f64>,
    pub(super) starts: Vec<f64>,
}

/// Scores and back-pointers of Viterbi.
#[derive(Clone, Debug, Default)]
pub(super) struct DecodeBuffers {
    pub(super) log_transition: Vec<f64>,
    pub(super) log_b: Vec<f64>,
    pub(super) score: Vec<f64>,
    pub(super) next: Vec<f64>,
    pub(super) pointers: Pointers,
}

/// The first `len` entries of `buffer`, grown if it is too short. Contents are left as they are.
pub(super) fn grow<T: Clone + Default>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    if buffer.len() < len {
        buffer.resize(len, T::default());
    }
    &mut buffer[..len]
}

/// [`grow`] for arrays of tiles: the first entry starts a cache line.
///
/// PERF: a tile that crosses a cache line takes two loads, which halves the speed of the kernels
/// that read a matrix at every step.
pub(super) fn grow_aligned(buffer: &mut Vec<f64>, len: usize) -> &mut [f64] {
    const LINE: usize = 64;
    let spare = LINE / size_of::<f64>();
    grow(buffer, len + spare);
    let offset = buffer.as_ptr().align_offset(LINE).min(spare);
    &mut buffer[offset..offset + len]
}
