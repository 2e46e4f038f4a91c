//! The order in which an epoch visits the sequences.

use rand::seq::SliceRandom;
use statewise::Seed;
use statewise::data::Dataset;

/// Minibatches that are sorted together, where like lengths go together.
const POOL: usize = 8;

/// Every sequence once, in minibatches of `size`; in a bucketed epoch those of a minibatch have like
/// lengths. A sequence's lengths alone never decide where in the epoch it comes.
pub(super) fn minibatches(
    data: &Dataset<'_>,
    size: usize,
    bucketed: bool,
    seed: Seed,
    epoch: u64,
) -> Vec<Vec<usize>> {
    let mut rng = seed.stream("order of sequences", epoch);
    let mut order: Vec<usize> = (0..data.num_sequences()).collect();
    order.shuffle(&mut rng);
    if bucketed {
        for pool in order.chunks_mut(POOL * size) {
            pool.sort_by_key(|n| std::cmp::Reverse(data.range(*n).len()));
        }
    }
    let mut batches: Vec<Vec<usize>> = order.chunks(size).map(<[usize]>::to_vec).collect();
    if bucketed {
        batches.shuffle(&mut rng);
    }
    batches
}
