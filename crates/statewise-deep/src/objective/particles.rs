//! Particles of a sequence: log weights, resampling, and the bound that they give.
//!
//! Between two resamplings the K particles of a sequence carry weights Π w_t; a segment adds
//! log (1/K Σ_k Π w_t^k) to the bound. One segment is importance sampling (IWAE), a new one after every
//! step with few effective particles a particle filter (FIVO).
//!
//! # Source
//! Burda, Grosse and Salakhutdinov (2016); Maddison et al. (2017), "Filtering variational objectives".

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use statewise::Seed;

use crate::array::Packed;

/// When the particles of a sequence are drawn anew in proportion to their weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Resampling {
    /// Never: importance sampling of whole paths.
    Never,
    /// After a step that leaves fewer effective particles than this fraction of all.
    Below(f64),
}

/// The weights of all particles of a batch as time goes on.
#[derive(Clone, Debug)]
pub(super) struct Particles {
    copies: usize,
    resampling: Resampling,
    streams: Vec<ChaCha8Rng>,
    /// Σ log w since the last resampling, particle by particle of a step.
    log_weights: Vec<f64>,
    /// The first step of the running segment of each sequence.
    segment_starts: Vec<usize>,
    /// log p̂(x), sequence by sequence.
    pub(super) bounds: Vec<f64>,
    /// ∂bound/∂log w of every row.
    pub(super) shares: Vec<f64>,
}

impl Particles {
    pub(super) fn new(packed: &Packed, sequences: &[usize], resampling: Resampling, seed: Seed) -> Self {
        let stream = |n: &usize| seed.stream("resampling", *n as u64);
        Particles {
            copies: packed.copies(),
            resampling,
            streams: sequences.iter().map(stream).collect(),
            log_weights: vec![0.0; packed.active(0)],
            segment_starts: vec![0; sequences.len()],
            bounds: vec![0.0; sequences.len()],
            shares: vec![0.0; packed.num_rows()],
        }
    }

    /// Takes in log w_t of the particles of step t and, where it is time, draws the parents of t + 1.
    ///
    /// * `parents` – in/out, the row of the step before that each row comes from.
    pub(super) fn weigh(
        &mut self,
        packed: &Packed,
        t: usize,
        log_w: impl Iterator<Item = f64>,
        parents: &mut [usize],
    ) {
        self.log_weights.iter_mut().zip(log_w).for_each(|(sum, w)| *sum += w);
        let (here, next) = (packed.active(t) / self.copies, packed.active(t + 1) / self.copies);
        for i in 0..here {
            let at = i * self.copies..(i + 1) * self.copies;
            let weights = Normalised::new(&self.log_weights[at.clone()]);
            let ends = i >= next;
            let few = match self.resampling {
                Resampling::Never => false,
                Resampling::Below(fraction) => weights.effective() < fraction * self.copies as f64,
            };
            if !(ends || few) {
                continue;
            }
            self.bounds[i] += weights.log_mean;
            for s in self.segment_starts[i]..=t {
                let first = packed.rows(s).start + at.start;
                self.shares[first..first + self.copies].copy_from_slice(&weights.probs);
            }
            self.segment_starts[i] = t + 1;
            self.log_weights[at.clone()].fill(0.0);
            if !ends {
                let from = packed.rows(t).start + at.start;
                let to = packed.rows(t + 1).start + at.start;
                let offset = self.streams[i].random::<f64>();
                let drawn = systematic(&weights.probs, offset);
                drawn.into_iter().enumerate().for_each(|(k, parent)| parents[to + k] = from + parent);
            }
        }
        self.log_weights.truncate(next * self.copies);
    }
}

/// Every particle comes from the one at its own place.
pub(super) fn own_parents(packed: &Packed) -> Vec<usize> {
    let parent = |(t, i): (usize, usize)| if t == 0 { i } else { packed.rows(t - 1).start + i };
    packed.places().map(parent).collect()
}

/// Weights that sum to one.
struct Normalised {
    probs: Vec<f64>,
    log_mean: f64,
}

impl Normalised {
    fn new(log_weights: &[f64]) -> Self {
        let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !largest.is_finite() {
            // No particle explains the data: all weigh alike, the bound says −∞.
            let probs = vec![1.0 / log_weights.len() as f64; log_weights.len()];
            return Normalised { probs, log_mean: largest };
        }
        let mut probs: Vec<f64> = log_weights.iter().map(|w| (w - largest).exp()).collect();
        let total: f64 = probs.iter().sum();
        probs.iter_mut().for_each(|p| *p /= total);
        Normalised { probs, log_mean: largest + (total / log_weights.len() as f64).ln() }
    }

    /// 1 / Σ p², the number of equal weights that would serve as well.
    fn effective(&self) -> f64 {
        1.0 / self.probs.iter().map(|p| p * p).sum::<f64>()
    }
}

/// One draw a particle at equally spaced points, shifted by `offset` ∈ \[0, 1) of a spacing.
pub(crate) fn systematic(probs: &[f64], offset: f64) -> Vec<usize> {
    let spacing = 1.0 / probs.len() as f64;
    let mut drawn = Vec::with_capacity(probs.len());
    let (mut chosen, mut reached) = (0, probs[0]);
    for k in 0..probs.len() {
        let point = (k as f64 + offset) * spacing;
        while reached <= point && chosen + 1 < probs.len() {
            chosen += 1;
            reached += probs[chosen];
        }
        drawn.push(chosen);
    }
    drawn
}
