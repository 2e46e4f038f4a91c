//! Filter and smoother of up to eight series at a time that share no covariances, one series a lane.
//!
//! Series that miss different entries have the system in common and nothing else; the recursions over
//! covariances of [`Riccati`](super::Riccati) and [`Smoothing`](super::Smoothing) then run once for eight of
//! them, on vectors with a number of each series. A missing entry is a row of the identity in the S of its lane.
//! Every lane does the operations of the passes over one series in their order, so the bits are the same.
//!
//! Where those passes would look closer (Joseph's form, digits lost to rounding, numbers that are not finite), a
//! lane has no answer; the caller takes that series by itself.

mod backward;
mod covariances;
mod forward;
mod matrix;
mod means;

use super::lanes::{Lane, OCTET};
use super::settling::has_settled;
use super::system::{Noise, Series, System};

/// Whether the baseline of the target is that of old processors, for which no lanes are compiled.
const OUTDATED: bool = cfg!(target_arch = "x86_64");

/// Series that go together at most.
pub const SEPARATE_LANES: usize = OCTET;

/// Where one kind of rows goes: a slice per series, \[T, ...\] each; all empty where nobody asked.
pub type SeparateSlices<'a> = [&'a mut [f64]; SEPARATE_LANES];

/// Where filter and smoother write.
#[derive(Debug, Default)]
pub struct SeparateRows<'a> {
    /// E(z_t | y_{1:t-1}), \[T, D\].
    pub predicted_means: SeparateSlices<'a>,
    /// Cov(z_t | y_{1:t-1}), \[T, D, D\].
    pub predicted_covs: SeparateSlices<'a>,
    /// E(z_t | y_{1:t}), \[T, D\].
    pub filtered_means: SeparateSlices<'a>,
    /// Cov(z_t | y_{1:t}), \[T, D, D\].
    pub filtered_covs: SeparateSlices<'a>,
    /// E(z_t | y_{1:T}), \[T, D\].
    pub smoothed_means: SeparateSlices<'a>,
    /// Cov(z_t | y_{1:T}), \[T, D, D\].
    pub smoothed_covs: SeparateSlices<'a>,
    /// Cov(z_t, z_{t+1} | y_{1:T}), rows are z_t, \[T, D, D\]; zero for the last step.
    pub lag_one_covs: SeparateSlices<'a>,
}

/// Buffers, and what the backward pass needs of the forward one.
#[derive(Clone, Debug, Default)]
pub struct SeparateScratch {
    entry: Entry,
    /// The entry of the step before.
    last: Entry,
    /// H P, rows of missing entries zeroed, \[M, D\].
    gain: Vec<Lane>,
    /// S, then L.
    factor: Vec<Lane>,
    /// U = L⁻¹ H, \[M, D\].
    u: Vec<Lane>,
    squares: [Vec<Lane>; 4],
    /// Λ, N, Cov(z_t | y_{1:T}) and Cov(z_t, z_{t+1} | y_{1:T}) of this step and of the one after.
    backward: [[Vec<Lane>; 4]; 2],
    state: [Vec<Lane>; 2],
    emission: [Vec<Lane>; 2],
    blocks: [Vec<Lane>; 3],
    history: History,
}

/// Covariances and gains of a step.
#[derive(Clone, Debug, Default)]
struct Entry {
    /// P, \[D, D\].
    predicted: Vec<Lane>,
    /// P − Wᵀ W, \[D, D\].
    filtered: Vec<Lane>,
    /// W, \[M, D\].
    w: Vec<Lane>,
    /// L⁻¹, \[M, M\].
    inverse: Vec<Lane>,
    /// L⁻¹ with the columns of missing entries zeroed, \[M, M\].
    masked: Vec<Lane>,
    /// −log det L − ½ n log 2π.
    log_norm: Vec<Lane>,
}

/// What the backward pass needs of the forward one.
#[derive(Clone, Debug, Default)]
struct History {
    /// Lower triangles of P and P − Wᵀ W, W and masked L⁻¹ of every entry.
    entries: Vec<Lane>,
    /// Entry of each step.
    index: Vec<u32>,
    /// Lanes whose entry is that of the step before, a bit each.
    same: Vec<u8>,
    /// m_{t|t} and w_t, \[T, D + M\].
    means: Vec<Lane>,
}

impl Entry {
    fn parts_mut(&mut self) -> [&mut Vec<Lane>; 6] {
        [
            &mut self.predicted,
            &mut self.filtered,
            &mut self.w,
            &mut self.inverse,
            &mut self.masked,
            &mut self.log_norm,
        ]
    }
}

impl SeparateScratch {
    fn resize(&mut self, d: usize, m: usize) {
        let resize = |buffer: &mut Vec<Lane>, len: usize| {
            buffer.clear();
            buffer.resize(len, [0.0; OCTET]);
        };
        for entry in [&mut self.entry, &mut self.last] {
            let sizes = [d * d, d * d, m * d, m * m, m * m, 1];
            entry.parts_mut().into_iter().zip(sizes).for_each(|(part, size)| resize(part, size));
        }
        resize(&mut self.gain, m * d);
        resize(&mut self.u, m * d);
        resize(&mut self.factor, m * m);
        self.squares.iter_mut().for_each(|buffer| resize(buffer, d * d));
        self.backward.iter_mut().flatten().for_each(|buffer| resize(buffer, d * d));
        self.state.iter_mut().for_each(|buffer| resize(buffer, d));
        self.emission.iter_mut().for_each(|buffer| resize(buffer, m));
        self.blocks.iter_mut().for_each(|buffer| resize(buffer, super::lanes::BLOCK * d.max(m)));
        let History { entries, index, same, means } = &mut self.history;
        entries.clear();
        index.clear();
        same.clear();
        means.clear();
    }
}

/// Calls `f::<D, M>` where there are kernels for these sizes.
///
/// Beyond them a matrix of one series fills vectors by itself. Builds with debug assertions compile fewer sizes.
#[cfg(not(debug_assertions))]
macro_rules! by_size {
    ($d:expr, $m:expr, $f:ident($($arg:expr),* $(,)?)) => {
        by_size!(@ $d, $m, $f($($arg),*), 1 1, 1 2, 1 3, 2 1, 2 2, 2 3, 3 1, 3 2, 3 3,
            4 1, 4 2, 4 3, 5 1, 5 2, 5 3, 6 1, 6 2, 6 3)
    };
    (@ $d:expr, $m:expr, $f:ident $args:tt, $($x:literal $y:literal),*) => {
        match ($d, $m) { $(($x, $y) => Some($f::<$x, $y> $args),)* _ => None }
    };
}
#[cfg(debug_assertions)]
macro_rules! by_size {
    ($d:expr, $m:expr, $f:ident($($arg:expr),* $(,)?)) => {
        match ($d, $m) {
            (2, 1) => Some($f::<2, 1>($($arg),*)),
            (2, 2) => Some($f::<2, 2>($($arg),*)),
            (4, 1) => Some($f::<4, 1>($($arg),*)),
            (4, 2) => Some($f::<4, 2>($($arg),*)),
            _ => None,
        }
    };
}
use by_size;

/// Whether [`separate_lanes`] has kernels for a system: small ones with a proper start and noise on every
/// observation.
pub fn has_separate_lanes(system: &System<'_>) -> bool {
    fn known<const D: usize, const M: usize>() {}
    let m = system.emission_dim;
    let noisy = match &system.emission_cov {
        Noise::Diagonal(r) => r.values().iter().all(|r| *r > 0.0),
        Noise::Full(r) => {
            r.values().chunks_exact(m * m).all(|r| r.iter().step_by(m + 1).all(|variance| *variance > 0.0))
        }
    };
    let known = by_size!(system.state_dim, m, known()).is_some();
    known && noisy && system.initial_diffuse.is_none()
}

/// Filters up to [`SEPARATE_LANES`] series of any lengths, and with `smooth` smooths them; answers
/// log p(y_{1:T}) of each, or `None` where the series needs a closer look (or there is none).
///
/// Lengths of `rows` are those of the series. O(T D³) for all, at most T entries of memory with `smooth`.
pub fn separate_lanes(
    system: &System<'_>,
    series: &[Series<'_>],
    steady_state: bool,
    smooth: bool,
    rows: &mut SeparateRows<'_>,
    scratch: &mut SeparateScratch,
) -> [Option<f64>; SEPARATE_LANES] {
    let (d, m) = (system.state_dim, system.emission_dim);
    if series.is_empty() || series.len() > SEPARATE_LANES || !has_separate_lanes(system) {
        return [None; SEPARATE_LANES];
    }
    scratch.resize(d, m);
    let mut found = forward::run(system, series, steady_state, smooth, rows, scratch);
    if smooth {
        let sound = backward::run(system, &lengths(series, m), rows, scratch);
        for (found, sound) in found.iter_mut().zip(sound) {
            *found = found.filter(|_| sound);
        }
    }
    found
}

/// T of each lane, 0 for lanes without a series.
fn lengths(series: &[Series<'_>], m: usize) -> [usize; OCTET] {
    std::array::from_fn(|l| series.get(l).map_or(0, |series| series.emissions.len() / m))
}

/// Which lanes of a recursion have settled.
struct Settling {
    settled: [bool; OCTET],
    change: Lane,
    stalled: [u32; OCTET],
}

impl Settling {
    fn new() -> Self {
        Settling { settled: [false; OCTET], change: [f64::INFINITY; OCTET], stalled: [0; OCTET] }
    }

    /// Starts lane l again.
    fn restart(&mut self, l: usize) {
        (self.settled[l], self.change[l], self.stalled[l]) = (false, f64::INFINITY, 0);
    }

    /// Looks at how much the marked lanes have changed.
    fn look(&mut self, marked: &[bool; OCTET], change: &Lane) {
        for l in 0..OCTET {
            if marked[l] && !self.settled[l] {
                self.settled[l] = has_settled(change[l], &mut self.change[l], &mut self.stalled[l]);
            }
        }
    }

    /// Whether all but the marked lanes have settled.
    fn is_complete(&self, without: &[bool; OCTET]) -> bool {
        (0..OCTET).all(|l| self.settled[l] || without[l])
    }

    /// Lanes that have settled, a bit each.
    fn bits(&self) -> u8 {
        (0..OCTET).fold(0, |bits, l| bits | (u8::from(self.settled[l]) << l))
    }
}
