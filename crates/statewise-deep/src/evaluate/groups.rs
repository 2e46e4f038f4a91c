//! Sequences in groups whose activations fit in memory, one group a thread.

use std::collections::BTreeMap;

use rayon::prelude::*;
use statewise::data::Dataset;
use statewise::threads;

use crate::array::Real;
use crate::model::Network;
use crate::objective::Pass;

/// Rows (time steps times particles) of a group, about.
const ROWS: usize = 8192;

/// Rows at most of the paths of one sequence that are drawn at a time.
const ROWS_OF_PATHS: usize = 65_536;

/// Some sequences, and some of the paths that are drawn of each.
pub(crate) struct Group {
    pub(crate) sequences: Vec<usize>,
    /// The first path, counted over all groups of these sequences.
    pub(crate) first_path: usize,
    pub(crate) paths: usize,
}

/// Groups for independent paths of every sequence, at most `most` of them at a time, and fewer of a sequence
/// so long that they would not fit in memory.
pub(crate) fn paths_of(data: &Dataset<'_>, num_samples: usize, most: usize) -> Vec<Group> {
    let mut by_paths: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for n in 0..data.num_sequences() {
        let fit = (ROWS_OF_PATHS / data.range(n).len().max(1)).max(1);
        by_paths.entry(fit.min(most).min(num_samples)).or_default().push(n);
    }
    let mut groups = Vec::new();
    for (at_a_time, sequences) in by_paths {
        for first_path in (0..num_samples).step_by(at_a_time) {
            let paths = at_a_time.min(num_samples - first_path);
            let rows = row_limited_of(data, sequences.clone(), paths).into_iter();
            groups.extend(rows.map(|sequences| Group { sequences, first_path, paths }));
        }
    }
    groups
}

/// Groups of sequences of like lengths, longest first; a group has about [`ROWS`] rows at most, unless
/// one sequence alone has more.
pub(crate) fn row_limited(data: &Dataset<'_>, copies: usize) -> Vec<Vec<usize>> {
    row_limited_of(data, (0..data.num_sequences()).collect(), copies)
}

fn row_limited_of(data: &Dataset<'_>, mut order: Vec<usize>, copies: usize) -> Vec<Vec<usize>> {
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

/// Maps groups with a tape for each thread; results are in order.
pub(crate) fn map_groups<R: Real, G: Sync, T: Send>(
    network: &Network,
    groups: &[G],
    work: impl Fn(&mut Pass<R>, &G) -> T + Sync,
) -> Vec<T> {
    threads::install(|| {
        groups.par_iter().map_init(|| Pass::new(network), |pass, group| work(pass, group)).collect()
    })
}
