//! What a device does: it holds reals in one block of memory, runs kernels over them, multiplies matrices.
//!
//! Everything happens in the order that it is asked for. Nothing but a download waits, and so nothing but a
//! download reports an error: the first that there was, after which a driver does no more.

use statewise::Result;

use crate::array::Real;

/// A device. Places in its memory count reals from its start.
pub(crate) trait Driver {
    /// What it computes with.
    type Real: Real;

    /// Makes room for `len` reals; the first `keep` stay as they are, the others may be anything.
    fn reserve(&mut self, len: usize, keep: usize);

    /// Copies values to the memory.
    fn upload(&mut self, at: usize, values: &[Self::Real]);

    /// Runs a kernel.
    fn launch(&mut self, kernel: Kernel, call: &Call<'_>);

    /// Multiplies two matrices.
    fn multiply(&mut self, product: &Product);

    /// Waits for all that was asked for, and copies values from the memory.
    ///
    /// # Errors
    /// The first error since the last download.
    fn download(&mut self, at: usize, values: &mut [Self::Real]) -> Result<()>;
}

/// In place of the place of something that a model does not have: a null pointer for the kernel.
pub(super) const NOWHERE: usize = usize::MAX;

/// The arguments of a kernel: places of what is read and written, sizes, constants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(super) threads: usize,
    pub(super) x: &'a [usize],
    pub(super) y: &'a [usize],
    pub(super) n: &'a [usize],
    pub(super) c: &'a [f64],
}

/// The same as kernels read them: `Args` of `kernels/prelude.cu`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Args<R> {
    x: [u64; 14],
    y: [u64; 8],
    n: [i32; 8],
    c: [R; 2],
    threads: i32,
}

impl<R: Real> Args<R> {
    /// * `memory` – the address of the device's first real.
    pub(super) fn new(call: &Call<'_>, memory: u64) -> Self {
        let address = |at: usize| match at {
            NOWHERE => 0,
            _ => memory + (at * size_of::<R>()) as u64,
        };
        let mut args =
            Args { x: [0; 14], y: [0; 8], n: [0; 8], c: [R::ZERO; 2], threads: call.threads as i32 };
        args.x.iter_mut().zip(call.x).for_each(|(to, at)| *to = address(*at));
        args.y.iter_mut().zip(call.y).for_each(|(to, at)| *to = address(*at));
        args.n.iter_mut().zip(call.n).for_each(|(to, n)| *to = *n as i32);
        args.c.iter_mut().zip(call.c).for_each(|(to, c)| *to = R::from_f64(*c));
        args
    }
}

/// C = op(A) op(B), or C += op(A) op(B), all column-major: cuBLAS's `gemm`.
///
/// op(A) is m × k, op(B) is k × n, C is m × n; columns of A, B and C lie `lda`, `ldb` and `ldc` apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) a: usize,
    pub(super) lda: usize,
    pub(super) transpose_a: bool,
    pub(super) b: usize,
    pub(super) ldb: usize,
    pub(super) transpose_b: bool,
    pub(super) c: usize,
    pub(super) ldc: usize,
    pub(super) accumulate: bool,
}

/// The text of all kernels.
pub(super) const KERNELS: &str = concat!(
    include_str!("kernels/prelude.cu"),
    include_str!("kernels/layers.cu"),
    include_str!("kernels/guide.cu"),
    include_str!("kernels/transition.cu"),
    include_str!("kernels/scores.cu"),
);

/// Lists the kernels, each with its name in the text.
macro_rules! kernels {
    ($($kernel:ident = $name:literal),+ $(,)?) => {
        /// A kernel of `kernels/`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kernel {
            $($kernel),+
        }

        impl Kernel {
            /// The names of all kernels, in the order of their numbers.
            pub(super) const NAMES: &'static [&'static str] = &[$($name),+];
        }
    };
}

kernels! {
    Fill = "fill",
    CopyColumns = "copy_columns",
    Drop = "drop",
    BiasApply = "bias_apply",
    PullBack = "pull_back",
    Gru = "gru",
    GruBack = "gru_back",
    Lstm = "lstm",
    LstmBack = "lstm_back",
    Plain = "plain",
    PlainBack = "plain_back",
    Summary = "summary",
    SummaryBack = "summary_back",
    Combine = "combine",
    CombineBack = "combine_back",
    HeadMoments = "head_moments",
    DrawAverage = "draw_average",
    DrawAverageBack = "draw_average_back",
    DrawEvidence = "draw_evidence",
    DrawEvidenceBack = "draw_evidence_back",
    Mix = "mix",
    Unmix = "unmix",
    Unrectify = "unrectify",
    Variances = "variances",
    VariancesBack = "variances_back",
    FirstMoments = "first_moments",
    Bernoulli = "bernoulli",
    Poisson = "poisson",
    Gaussian = "gaussian",
    Categorical = "categorical",
    Expected = "expected",
    ExpectedBack = "expected_back",
    Sampled = "sampled",
    SampledBack = "sampled_back",
}
