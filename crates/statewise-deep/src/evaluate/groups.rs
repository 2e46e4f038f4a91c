//! Sequences in groups whose activations fit in memory, one group a thread.

use rayon::prelude::*;
use statewise::data::Dataset;
use statewise::threads;

use crate::array::Real;
use crate::model::Network;
use crate::objective::Pass;

/// Rows (time steps times particles) of a group, about.
const ROWS: usize = 8192;

/// Groups of sequences of like lengths, longest first; a group has about [`ROWS`] rows at most, unless
/// one sequence alone has more.
pub(crate) fn row_limited(data: &Dataset<'_>, copies: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..data.num_sequences()).collect();
    order.sort_by_key(|n| (std::cmp::Reverse(data.range(*n).len()), *n));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut rows = usize::MAX;
    for n in order {
        let more = data.range(n).len() * copies;
        if rows.saturating_add(more) > ROWS {
            groups.push(Vec::new());
            rows = 0;
        }
        rows += more;
        if let Some(group) = groups.last_mut() {
            group.push(n);
        }
    }
    groups
}

/// Maps groups of sequences with a tape for each thread; results are in order.
pub(crate) fn map_groups<R: Real, T: Send>(
    network: &Network,
    groups: &[Vec<usize>],
    work: impl Fn(&mut Pass<R>, &[usize]) -> T + Sync,
) -> Vec<T> {
    threads::install(|| {
        groups.par_iter().map_init(|| Pass::new(network), |pass, group| work(pass, group)).collect()
    })
}
