//! Expected statistics: the E-step's traversal, in bounded memory.

use std::ops::Range;

use super::check::{length, sizes};
use super::posterior::{Kept, Pairs, posterior};
use super::{Chain, ChainError, Workspace};

/// Visits the posterior of every step and adds up the expected transitions; returns
/// log p(y_{1:T}).
///
/// γ_t(k) = p(z_t = k | y_{1:T});  `pair_sum`(i, j) += Σ_{t≥2} p(z_{t-1} = i, z_t = j | y_{1:T})
///
/// * `pair_sum` – in and out, shape \[K, K\], added to.
/// * `visit` – gets a range of steps and their γ, shape \[len, K\]. Ranges come from the end of the
///   sequence to its start, each is ascending inside, and together they are all steps once.
///
/// Sequences of up to 2²¹ / K steps are taken in one go, longer ones in segments that are
/// computed twice, so that memory beside the sequence is O(√T K).
///
/// # Errors
/// As in [`smooth`](super::smooth()).
///
/// # Source
/// Rabiner (1989), §III.C; Binder, Murphy and Russell (1997), "Space-efficient inference in dynamic
/// probabilistic networks", for the segments. O(T K²) time.
pub fn expected_statistics(
    chain: &Chain<'_>,
    ws: &mut Workspace,
    pair_sum: &mut [f64],
    visit: &mut dyn FnMut(Range<usize>, &[f64]),
) -> Result<f64, ChainError> {
    let (_, num_states) = sizes(chain)?;
    length("pair_sum", pair_sum.len(), num_states * num_states)?;
    posterior(chain, ws, Kept::default(), Pairs::Sum(pair_sum), visit)
}

/// Visits the posterior of every step and of every pair of steps; returns log p(y_{1:T}).
///
/// For transitions with parameters of their own at every step. `visit` is called as in
/// [`expected_statistics`], `visit_pair(t, ξ_t)` as in [`pairwise`]. The pair into the first step
/// of a range comes after the range itself.
///
/// # Errors
/// As in [`smooth`](super::smooth()).
pub fn expected_statistics_with_pairs(
    chain: &Chain<'_>,
    ws: &mut Workspace,
    visit: &mut dyn FnMut(Range<usize>, &[f64]),
    visit_pair: &mut dyn FnMut(usize, &[f64]),
) -> Result<f64, ChainError> {
    posterior(chain, ws, Kept::default(), Pairs::Each(visit_pair), visit)
}

/// Visits the posterior of every pair of neighbouring steps and returns log p(y_{1:T}).
///
/// ξ_t(i, j) = p(z_{t-1} = i, z_t = j | y_{1:T})
///
/// * `visit` – gets t ≥ 1 (0-based: ξ_t belongs to the step into z_t) and ξ_t, shape \[K, K\], once
///   for every t, from T-1 down to 1.
///
/// # Errors
/// As in [`smooth`](super::smooth()).
pub fn pairwise(
    chain: &Chain<'_>,
    ws: &mut Workspace,
    visit: &mut dyn FnMut(usize, &[f64]),
) -> Result<f64, ChainError> {
    posterior(chain, ws, Kept::default(), Pairs::Each(visit), &mut |_, _| {})
}
