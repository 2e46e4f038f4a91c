//! The two precisions of a network: single to train, double to check.
//!
//! Single precision has its own exponential and logarithm without branches, so that loops over them
//! are vectorised: exp x = 2ⁿ eʳ with |r| ≤ ln 2 / 2; ln x = n ln 2 + ln m with m in [√½, √2).
//!
//! # Source
//! Minimax coefficients: Moshier, Cephes `expf.c` and `logf.c` (1995). Within 2 ulp.

use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// A floating-point number that networks compute with.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + Sum
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;

    /// The nearest number to `x`.
    fn from_f64(x: f64) -> Self;
    /// The same number in double precision.
    fn to_f64(self) -> f64;
    /// eˣ.
    fn exp(self) -> Self;
    /// ln x for x > 0.
    fn ln(self) -> Self;
    /// √x.
    fn sqrt(self) -> Self;
    /// |x|.
    fn abs(self) -> Self;
    /// self · a + b with one rounding; slow unless compiled for a processor that has it.
    fn multiply_add(self, a: Self, b: Self) -> Self;
    /// The larger of two.
    fn maximum(self, other: Self) -> Self;

    /// 1 / (1 + e⁻ˣ).
    #[inline(always)]
    fn sigmoid(self) -> Self {
        Self::ONE / (Self::ONE + (-self).exp())
    }

    /// tanh x, with an error of one unit of rounding at 1.
    #[inline(always)]
    fn tanh(self) -> Self {
        let two = Self::ONE + Self::ONE;
        let size = Self::ONE - two / ((two * self.abs()).exp() + Self::ONE);
        if self < Self::ZERO { -size } else { size }
    }

    /// ln(1 + eˣ), relatively exact in both tails.
    #[inline(always)]
    fn softplus(self) -> Self {
        let tail = (-self.abs()).exp();
        let sum = Self::ONE + tail;
        let change = sum - Self::ONE;
        // NUMERICS: ln(1 + y) loses y's digits in 1 + y; the quotient gives them back.
        let log = if change > Self::ZERO { sum.ln() * (tail / change) } else { tail };
        self.maximum(Self::ZERO) + log
    }

    /// C (m × n) = A B, or C += A B; strides are (column, row).
    ///
    /// # Safety
    /// Every element of the three matrices lies inside its allocation, and C overlaps neither.
    unsafe fn gemm(
        size: [usize; 3],
        c: *mut Self,
        c_strides: [isize; 2],
        a: *const Self,
        a_strides: [isize; 2],
        b: *const Self,
        b_strides: [isize; 2],
        accumulate: bool,
    );
}

macro_rules! gemm_of {
    ($real:ty) => {
        #[inline(always)]
        unsafe fn gemm(
            [m, n, k]: [usize; 3],
            c: *mut Self,
            [c_column, c_row]: [isize; 2],
            a: *const Self,
            [a_column, a_row]: [isize; 2],
            b: *const Self,
            [b_column, b_row]: [isize; 2],
            accumulate: bool,
        ) {
            let serial = gemm::Parallelism::None;
            // SAFETY: the caller's.
            unsafe {
                gemm::gemm(
                    m, n, k, c, c_column, c_row, accumulate, a, a_column, a_row, b, b_column, b_row, 1.0,
                    1.0, false, false, false, serial,
                )
            }
        }
    };
}

impl Real for f64 {
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;

    #[inline(always)]
    fn from_f64(x: f64) -> f64 {
        x
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn exp(self) -> f64 {
        f64::exp(self)
    }
    #[inline(always)]
    fn ln(self) -> f64 {
        f64::ln(self)
    }
    #[inline(always)]
    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }
    #[inline(always)]
    fn abs(self) -> f64 {
        f64::abs(self)
    }
    #[inline(always)]
    fn multiply_add(self, a: f64, b: f64) -> f64 {
        self.mul_add(a, b)
    }
    #[inline(always)]
    fn maximum(self, other: f64) -> f64 {
        if self > other { self } else { other }
    }
    #[inline(always)]
    fn tanh(self) -> f64 {
        f64::tanh(self)
    }
    gemm_of!(f64);
}

/// 1.5 · 2²³: adding it rounds to an integer that then sits in the low bits of the sum.
const ROUND: f32 = 12_582_912.0;
/// ln 2 = `LN2_HIGH` + `LN2_LOW`; n · `LN2_HIGH` is exact for every exponent n.
const LN2_HIGH: f32 = 0.693_359_375;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Where eˣ leaves the normal numbers.
const EXP_LOWEST: f32 = -87.0;
const EXP_HIGHEST: f32 = 88.0;

impl Real for f32 {
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;

    #[inline(always)]
    fn from_f64(x: f64) -> f32 {
        x as f32
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn exp(self) -> f32 {
        let x = if self > EXP_LOWEST { self } else { EXP_LOWEST };
        let x = if x < EXP_HIGHEST { x } else { EXP_HIGHEST };
        let shifted = x * std::f32::consts::LOG2_E + ROUND;
        let n = shifted - ROUND;
        let r = x - n * LN2_HIGH - n * LN2_LOW;
        let p = 1.987_569_15e-4;
        let p = p * r + 1.398_199_95e-3;
        let p = p * r + 8.333_451_9e-3;
        let p = p * r + 4.166_579_6e-2;
        let p = p * r + 1.666_666_55e-1;
        let p = p * r + 0.5;
        let y = p * (r * r) + r + 1.0;
        let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
        // NUMERICS: the clamp turns NaN into the lowest argument; without this line it would vanish.
        if self.is_nan() { self } else { y * power }
    }

    #[inline(always)]
    fn ln(self) -> f32 {
        // x = m 2ⁿ with m in [√½, √2): the exponent is taken after shifting the bits by √½'s mantissa.
        const ROOT_HALF: u32 = 0x3f35_04f3;
        let shifted = self.to_bits().wrapping_sub(ROOT_HALF);
        let n = (shifted as i32 >> 23) as f32;
        let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(ROOT_HALF));
        let f = m - 1.0;
        let p = 7.037_683_6e-2;
        let p = p * f - 1.151_461_03e-1;
        let p = p * f + 1.167_699_87e-1;
        let p = p * f - 1.242_014_08e-1;
        let p = p * f + 1.424_932_28e-1;
        let p = p * f - 1.666_805_77e-1;
        let p = p * f + 2.000_071_48e-1;
        let p = p * f - 2.499_999_4e-1;
        let p = p * f + 3.333_333_1e-1;
        let square = f * f;
        let y = p * f * square + n * LN2_LOW - 0.5 * square;
        f + y + n * LN2_HIGH
    }

    #[inline(always)]
    fn sqrt(self) -> f32 {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn abs(self) -> f32 {
        f32::abs(self)
    }
    #[inline(always)]
    fn multiply_add(self, a: f32, b: f32) -> f32 {
        self.mul_add(a, b)
    }
    #[inline(always)]
    fn maximum(self, other: f32) -> f32 {
        if self > other { self } else { other }
    }
    gemm_of!(f32);
}

#[cfg(test)]
mod tests {
    use super::Real;

    #[test]
    fn single_precision_functions_agree_with_double_ones() {
        for i in -2000..=2000 {
            let x = i as f32 * 0.0217;
            let wide = f64::from(x);
            for (name, got, want, scale) in [
                ("exp", Real::exp(x), wide.exp(), wide.exp()),
                ("sigmoid", Real::sigmoid(x), 1.0 / (1.0 + (-wide).exp()), 1.0 / (1.0 + (-wide).exp())),
                ("tanh", Real::tanh(x), wide.tanh(), 1.0),
                ("softplus", Real::softplus(x), Real::softplus(wide), Real::softplus(wide)),
                (
                    "ln",
                    Real::ln(wide.exp() as f32),
                    f64::from(wide.exp() as f32).ln(),
                    wide.abs().max(1e-3),
                ),
            ] {
                let error = (f64::from(got) - want).abs() / scale;
                // 4 ulp of single precision; tanh is exact to one at 1.
                assert!(error < 5e-7, "{name}({x}): {got}, {want}");
            }
        }
        assert!(Real::exp(f32::NAN).is_nan());
        let far = -60.0;
        assert!((Real::softplus(far) / far.exp() - 1.0).abs() < 1e-12);
    }
}
