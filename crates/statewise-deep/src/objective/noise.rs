//! Standard normal draws for every latent value, the same however sequences are batched.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use statewise::Seed;

use crate::array::{Grid, Packed, Real};

/// Where the noise of the latent paths comes from.
pub(crate) enum Draws<'a> {
    /// The streams of this seed, one for each sequence of the dataset.
    Random(Seed),
    /// Streams that go on from earlier passes, one for each sequence of the batch.
    Streams(&'a mut [ChaCha8Rng]),
}

/// The stream of a dataset's sequence.
pub(crate) fn noise_stream(seed: Seed, sequence: usize) -> ChaCha8Rng {
    seed.stream("latent noise", sequence as u64)
}

/// Fills ε for all particles of the batch; `sequences` are their indices in the dataset.
pub(crate) fn fill_noise<R: Real>(
    draws: Draws<'_>,
    particles: &Packed,
    sequences: &[usize],
    noise: &mut Grid<R>,
) {
    let mut own: Vec<ChaCha8Rng>;
    let streams = match draws {
        Draws::Streams(streams) => streams,
        Draws::Random(seed) => {
            own = sequences.iter().map(|n| noise_stream(seed, *n)).collect();
            &mut own
        }
    };
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
