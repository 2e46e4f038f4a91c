//! Passes over the data of sixteen series at a time that share their gains, one series a lane.
//!
//! Every lane does the operations of the passes over one series in their order, so the bits are the same.
//!
//! PERF: eight series fill a vector, but a step of the recursion is a chain of some fifteen dependent
//! operations; two octets side by side keep the processor busy while one of them waits.

mod advance;
pub(super) mod exchange;
pub(super) mod offsets;
mod smooth;

pub use advance::advance_mean_lanes;
pub use smooth::smooth_mean_lanes;

use crate::math::dispatch::fma;

/// Series that go together at most.
pub const LANES: usize = OCTETS * OCTET;
/// Vectors side by side.
const OCTETS: usize = 2;
/// Series in a vector.
pub(super) const OCTET: usize = 8;

/// One number of each series of an octet.
pub(super) type Lane = [f64; OCTET];

/// Where one kind of rows goes: a slice per series, all empty where nobody asked.
pub type LaneSlices<'a> = [&'a mut [f64]; LANES];

/// Steps between exchanges of rows of the series with lanes.
///
/// PERF: a lane that is read right after its numbers were written one by one stalls the processor; rows are
/// therefore exchanged a block at a time.
pub(super) const BLOCK: usize = 16;

/// Buffers of the passes, and what the backward pass needs of the forward one.
#[derive(Clone, Debug, Default)]
pub struct LaneScratch {
    /// A block of rows of each kind that is read or written, of each octet.
    blocks: [[Vec<Lane>; 3]; OCTETS],
    /// m_{t|t}, \[T, octets, D\].
    filtered: Vec<Lane>,
    /// w_t, \[T, octets, M\].
    innovations: Vec<Lane>,
}

impl LaneScratch {
    fn resize(&mut self, d: usize, m: usize) {
        for blocks in &mut self.blocks {
            for (block, width) in blocks.iter_mut().zip([m, d, d]) {
                block.resize(BLOCK * width, [0.0; OCTET]);
            }
        }
    }
}

/// A vector of lanes: of a length known to the compiler, which finds registers for it, or of any length.
trait Lanes: AsRef<[Lane]> + AsMut<[Lane]> {
    /// Zeros.
    fn zeros(len: usize) -> Self;
}

impl<const N: usize> Lanes for [Lane; N] {
    #[inline(always)]
    fn zeros(_: usize) -> Self {
        [[0.0; OCTET]; N]
    }
}

impl Lanes for Vec<Lane> {
    fn zeros(len: usize) -> Self {
        vec![[0.0; OCTET]; len]
    }
}

/// Calls `f::<ISA, V, W>` with vectors of D and M lanes as the sizes allow.
///
/// PERF: few sensors are the rule; loops over them that the compiler can unroll save a third.
macro_rules! by_vectors {
    ($isa:ident, $k:ident, $m:expr, $f:ident($($arg:expr),* $(,)?)) => {
        match ($k, $m) {
            (0, _) => $f::<$isa, Vec<Lane>, Vec<Lane>>($($arg),*),
            (_, 1) => $f::<$isa, [Lane; $k], [Lane; 1]>($($arg),*),
            (_, 2) => $f::<$isa, [Lane; $k], [Lane; 2]>($($arg),*),
            _ => $f::<$isa, [Lane; $k], Vec<Lane>>($($arg),*),
        }
    };
}
use by_vectors;

/// start + Σ_k weights_k v_k, in order.
#[inline(always)]
fn sum_row<const ISA: u8>(start: Lane, weights: &[f64], v: &[Lane]) -> Lane {
    let mut sum = start;
    for (w, v) in weights.iter().zip(v) {
        for l in 0..OCTET {
            sum[l] = fma::<ISA>(*w, v[l], sum[l]);
        }
    }
    sum
}

/// start + Σ_k weights_ki v_k, in order, of a matrix of this width.
#[inline(always)]
fn sum_column<const ISA: u8>(start: Lane, weights: &[f64], width: usize, i: usize, v: &[Lane]) -> Lane {
    let mut sum = start;
    for (row, v) in weights.chunks_exact(width).zip(v) {
        for l in 0..OCTET {
            sum[l] = fma::<ISA>(row[i], v[l], sum[l]);
        }
    }
    sum
}

/// Adds to a sum that keeps what rounding takes; the bits of Neumaier's sum (Knuth's is branchless).
#[inline(always)]
pub(super) fn add_exactly(sum: &mut Lane, lost: &mut Lane, term: &Lane) {
    for l in 0..OCTET {
        let (before, term) = (sum[l], term[l]);
        let after = before + term;
        let part = after - before;
        lost[l] += (before - (after - part)) + (term - part);
        sum[l] = after;
    }
}
