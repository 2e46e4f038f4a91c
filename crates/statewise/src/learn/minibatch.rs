//! Passes over the data in minibatches of sequences.

use rand::RngExt;
use statewise_kernels::random::Seed;

/// How the sequences are cut into minibatches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Minibatches {
    pub(super) num_sequences: usize,
    pub(super) batch_size: usize,
    pub(super) shuffle: bool,
    pub(super) seed: Seed,
}

impl Minibatches {
    /// The minibatches of a pass: all sequences once, the last batch as short as it falls.
    ///
    /// The order depends on the seed and the pass alone, so that a fit can be resumed.
    pub(super) fn of_epoch(&self, epoch: u64) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..self.num_sequences).collect();
        if self.shuffle {
            let mut rng = self.seed.stream("minibatches", epoch);
            for i in (1..order.len()).rev() {
                order.swap(i, rng.random_range(0..=i));
            }
        }
        order.chunks(self.batch_size.max(1)).map(<[usize]>::to_vec).collect()
    }
}
