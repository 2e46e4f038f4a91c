//! Priors of rates and probabilities: log densities, their slopes, the modes of posteriors.
//!
//! A mode at the edge of the space (concentration 1 or less, no such count) is that edge, never NaN.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta as BetaDraw, Distribution, Gamma as GammaDraw};
use statewise_kernels::math::ln_gamma;

pub(super) use crate::model::hmm::dirichlet::{DirichletPrior, ratio, xlogy};

/// The smallest rate that a maximisation sets.
const SMALLEST_RATE: f64 = 1e-10;

/// λ ~ Gamma(shape a, rate b); rate 0 is the improper density λ^(a − 1).
#[derive(Clone, Copy, Debug)]
pub(super) struct GammaPrior {
    pub(super) shape: f64,
    pub(super) rate: f64,
}

impl GammaPrior {
    /// No prior at all.
    pub(super) const FLAT: Self = GammaPrior { shape: 1.0, rate: 0.0 };

    /// log p(λ).
    pub(super) fn log_density(self, x: f64) -> f64 {
        let (a, b) = (self.shape, self.rate);
        let constant = if b > 0.0 { a * b.ln() - ln_gamma(a) } else { 0.0 };
        constant + xlogy(a - 1.0, x) - b * x
    }

    /// d log p(λ) / dλ.
    pub(super) fn slope(self, x: f64) -> f64 {
        ratio(self.shape - 1.0, x) - self.rate
    }

    /// Moves λ to the maximum of count ln λ − weight λ + log p(λ); counts a repair where that is
    /// no interior point.
    pub(super) fn mode(self, count: f64, weight: f64, rate: &mut f64) -> usize {
        let (count, weight) = (count + self.shape - 1.0, weight + self.rate);
        if count > 0.0 && weight > 0.0 {
            *rate = (count / weight).max(SMALLEST_RATE);
            return 0;
        }
        if weight > 0.0 {
            // Only zeros were counted: the likelihood rises as the rate falls to zero.
            *rate = rate.min(SMALLEST_RATE);
        }
        1
    }

    /// Draws λ.
    pub(super) fn draw(self, rng: &mut ChaCha8Rng) -> f64 {
        GammaDraw::new(self.shape, 1.0 / self.rate).map_or(1.0, |g| g.sample(rng)).max(SMALLEST_RATE)
    }
}

/// p ~ Beta(c1, c0).
#[derive(Clone, Copy, Debug)]
pub(super) struct BetaPrior {
    /// c1, of the event.
    pub(super) ones: f64,
    /// c0, of its absence.
    pub(super) zeros: f64,
}

impl BetaPrior {
    /// No prior at all.
    pub(super) const FLAT: Self = BetaPrior { ones: 1.0, zeros: 1.0 };

    /// log p(p).
    pub(super) fn log_density(self, p: f64) -> f64 {
        let constant = ln_gamma(self.ones + self.zeros) - ln_gamma(self.ones) - ln_gamma(self.zeros);
        constant + xlogy(self.ones - 1.0, p) + xlogy(self.zeros - 1.0, 1.0 - p)
    }

    /// d log p(p) / dp.
    pub(super) fn slope(self, p: f64) -> f64 {
        ratio(self.ones - 1.0, p) - ratio(self.zeros - 1.0, 1.0 - p)
    }

    /// Moves p to the mode after weighted counts of ones and zeros; without any it stays, which
    /// counts as a repair.
    pub(super) fn mode(self, ones: f64, zeros: f64, p: &mut f64) -> usize {
        let (ones, zeros) = ((ones + self.ones - 1.0).max(0.0), (zeros + self.zeros - 1.0).max(0.0));
        if ones + zeros > 0.0 {
            *p = ones / (ones + zeros);
            return 0;
        }
        1
    }

    /// Draws p.
    pub(super) fn draw(self, rng: &mut ChaCha8Rng) -> f64 {
        BetaDraw::new(self.ones, self.zeros).map_or(0.5, |b| b.sample(rng))
    }
}
