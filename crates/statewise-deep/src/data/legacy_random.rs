//! NumPy's legacy random generator: what `numpy.random.RandomState(seed)` draws, bit for bit.
//!
//! Published data sets were drawn with it; everything else in this library draws from
//! [`statewise::Seed`]. Normal draws go through the platform's logarithm and may differ in the last
//! bit where that does.

use statewise::{Error, Result};

/// Words of the state.
const N: usize = 624;
/// Offset of the recurrence.
const M: usize = 397;

/// The Mersenne Twister MT19937 with NumPy's legacy distributions.
///
/// # Source
/// Matsumoto and Nishimura (1998); seeding of 2002; the polar method of Marsaglia and Bray (1964).
#[derive(Clone, Debug)]
pub struct LegacyRandom {
    words: [u32; N],
    /// The next word to be given out; N where all are used up.
    next: usize,
    /// The second value of the last pair of normal draws.
    normal: Option<f64>,
}

impl LegacyRandom {
    /// The generator of `RandomState(seed)`.
    pub fn new(seed: u32) -> Self {
        let mut words = [seed; N];
        for i in 1..N {
            words[i] = mixed(words[i - 1]).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        LegacyRandom { words, next: N, normal: None }
    }

    /// The generator of `RandomState([…])`.
    ///
    /// # Errors
    /// No seeds.
    pub fn from_seeds(seeds: &[u32]) -> Result<Self> {
        if seeds.is_empty() {
            return Err(Error::argument("seeds", "none", "at least one"));
        }
        let mut random = LegacyRandom::new(19_650_218);
        let words = &mut random.words;
        let mut i = 1;
        let step = |words: &mut [u32; N], i: &mut usize| {
            *i += 1;
            if *i == N {
                words[0] = words[N - 1];
                *i = 1;
            }
        };
        for k in 0..N.max(seeds.len()) {
            let j = k % seeds.len();
            let previous = mixed(words[i - 1]).wrapping_mul(1_664_525);
            words[i] = (words[i] ^ previous).wrapping_add(seeds[j]).wrapping_add(j as u32);
            step(words, &mut i);
        }
        for _ in 1..N {
            let previous = mixed(words[i - 1]).wrapping_mul(1_566_083_941);
            words[i] = (words[i] ^ previous).wrapping_sub(i as u32);
            step(words, &mut i);
        }
        words[0] = 0x8000_0000;
        Ok(random)
    }

    /// 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.next == N {
            self.twist();
        }
        let mut y = self.words[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// Replaces all words by the next N of the recurrence.
    fn twist(&mut self) {
        let words = &mut self.words;
        for i in 0..N {
            let y = (words[i] & 0x8000_0000) | (words[(i + 1) % N] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            words[i] = words[(i + M) % N] ^ (y >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// `random_sample()`: uniform on \[0, 1), a multiple of 2⁻⁵³.
    pub fn random_sample(&mut self) -> f64 {
        let (high, low) = (self.next_u32() >> 5, self.next_u32() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// `uniform(low, high)`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.random_sample()
    }

    /// `standard_normal()`, one value of `randn`.
    ///
    /// Draws come in pairs, f v₂ first and then f v₁, with (v₁, v₂) uniform in the unit disc and
    /// f = √(−2 ln r² / r²).
    pub fn standard_normal(&mut self) -> f64 {
        if let Some(second) = self.normal.take() {
            return second;
        }
        loop {
            let v1 = 2.0 * self.random_sample() - 1.0;
            let v2 = 2.0 * self.random_sample() - 1.0;
            let squared = v1 * v1 + v2 * v2;
            if squared < 1.0 && squared != 0.0 {
                let factor = (-2.0 * squared.ln() / squared).sqrt();
                self.normal = Some(factor * v1);
                return factor * v2;
            }
        }
    }

    /// `randn(len)`.
    pub fn randn(&mut self, len: usize) -> Vec<f64> {
        (0..len).map(|_| self.standard_normal()).collect()
    }

    /// `permutation(len)`: 0, …, len − 1 in random order.
    pub fn permutation(&mut self, len: u32) -> Vec<usize> {
        let mut order: Vec<usize> = (0..len as usize).collect();
        for i in (1..len).rev() {
            let j = self.at_most(i);
            order.swap(i as usize, j as usize);
        }
        order
    }

    /// Uniform on 0, …, max: draws of as many bits as `max` has, until one is not too large.
    fn at_most(&mut self, max: u32) -> u32 {
        let mask = u32::MAX.checked_shr(max.leading_zeros()).unwrap_or(0);
        loop {
            let value = self.next_u32() & mask;
            if value <= max {
                return value;
            }
        }
    }
}

/// A word with its two upper bits folded in.
fn mixed(word: u32) -> u32 {
    word ^ (word >> 30)
}
