//! Standard normal draws for every latent value, the same however sequences are batched.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use statewise::Seed;

use crate::array::{Grid, Packed, Real};

/// Where the latent path runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draws {
    /// Along draws from q, of this seed; every sequence of a dataset has its own stream.
    Random(Seed),
    /// Along the means of q.
    Mean,
}

/// Fills ε for all particles of the batch; `sequences` are their indices in the dataset.
pub(crate) fn fill_noise<R: Real>(
    draws: Draws,
    particles: &Packed,
    sequences: &[usize],
    noise: &mut Grid<R>,
) {
    let Draws::Random(seed) = draws else {
        return noise.all_mut().fill(R::ZERO);
    };
    let stream = |n: &usize| seed.stream("latent noise", *n as u64);
    let mut streams: Vec<ChaCha8Rng> = sequences.iter().map(stream).collect();
    let copies = particles.copies();
    for t in 0..particles.num_steps() {
        for (k, row) in particles.rows(t).enumerate() {
            let rng = &mut streams[k / copies];
            for x in noise.row_mut(row) {
                let draw: f32 = StandardNormal.sample(rng);
                *x = R::from_f64(f64::from(draw));
            }
        }
    }
}
