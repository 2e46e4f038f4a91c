//! The one source of randomness: a seed and named counter-based streams.
//!
//! A stream is ChaCha8 keyed by the seed, at a position that depends only on its name and index.
//! So a result depends on the seed alone, never on the number of threads or the order of work.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A seed from which independent streams are drawn by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of this `name` and `index` (a sequence, a chain, a restart).
    pub fn stream(self, name: &str, index: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.0);
        rng.set_stream(mix(fnv1a(name) ^ mix(index)));
        rng
    }

    /// A new seed for a part of the work that itself draws streams (a restart, say).
    pub fn child(self, name: &str, index: u64) -> Seed {
        Seed(mix(self.0 ^ mix(fnv1a(name).wrapping_add(index))))
    }
}

/// The index at which the cumulative weight passes `uniform` ∈ \[0, 1) times the total: a draw in
/// proportion to weights of any scale. One of weight zero is never drawn; 0 where all are zero.
pub fn draw_index(weights: &[f64], uniform: f64) -> usize {
    // NUMERICS: the smallest weights would underflow when multiplied; the largest is scaled out.
    let max = weights.iter().copied().fold(0.0, f64::max);
    let total: f64 = weights.iter().map(|w| w / max).sum();
    let mut left = uniform * total;
    let mut chosen = 0;
    for (i, w) in weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
        chosen = i;
        left -= w / max;
        if left < 0.0 {
            break;
        }
    }
    chosen
}

/// FNV-1a, a fixed hash of the name (the standard library's may change between versions).
fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

/// The finaliser of SplitMix64: every input bit reaches every output bit.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
