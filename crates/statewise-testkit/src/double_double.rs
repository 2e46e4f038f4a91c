//! Numbers of twice the precision of a double, for oracles that must not round.
//!
//! x = high + low, |low| ≤ ulp(high) / 2: about 32 decimal digits.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// The unevaluated sum of two doubles.
///
/// # Source
/// Dekker (1971); Hida, Li and Bailey (2001), QD, the accurate versions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct DoubleDouble {
    high: f64,
    low: f64,
}

impl DoubleDouble {
    pub(crate) const ZERO: Self = DoubleDouble { high: 0.0, low: 0.0 };
    pub(crate) const ONE: Self = DoubleDouble { high: 1.0, low: 0.0 };

    /// The nearest double.
    pub(crate) fn rounded(self) -> f64 {
        self.high
    }

    pub(crate) fn is_zero(self) -> bool {
        self.high == 0.0
    }

    /// log x as a double: log high + low / high.
    pub(crate) fn ln(self) -> f64 {
        self.high.ln() + self.low / self.high
    }
}

impl From<f64> for DoubleDouble {
    fn from(high: f64) -> Self {
        DoubleDouble { high, low: 0.0 }
    }
}

/// a + b and its rounding error, for any a and b.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// a + b and its rounding error, for |a| ≥ |b|.
fn quick_two_sum(a: f64, b: f64) -> DoubleDouble {
    let high = a + b;
    DoubleDouble { high, low: b - (high - a) }
}

impl Add for DoubleDouble {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (high, error) = two_sum(self.high, other.high);
        let (low, rest) = two_sum(self.low, other.low);
        let first = quick_two_sum(high, error + low);
        quick_two_sum(first.high, first.low + rest)
    }
}

impl Neg for DoubleDouble {
    type Output = Self;

    fn neg(self) -> Self {
        DoubleDouble { high: -self.high, low: -self.low }
    }
}

impl Sub for DoubleDouble {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for DoubleDouble {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let high = self.high * other.high;
        let error = self.high.mul_add(other.high, -high);
        quick_two_sum(high, error + (self.high * other.low + self.low * other.high))
    }
}

impl Div for DoubleDouble {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        let first = self.high / other.high;
        let rest = self - other * first.into();
        let second = rest.high / other.high;
        let rest = rest - other * second.into();
        quick_two_sum(first, second) + DoubleDouble::from(rest.high / other.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_times_three_is_one_to_thirty_digits() {
        let third = DoubleDouble::ONE / 3.0.into();
        let error = third + third + third - DoubleDouble::ONE;
        assert!(error.rounded().abs() < 1e-31, "{error:?}");
        let error = third * 3.0.into() - DoubleDouble::ONE;
        assert!(error.rounded().abs() < 1e-31, "{error:?}");
    }

    #[test]
    fn small_terms_survive_cancellation() {
        let tiny = DoubleDouble::from(1e-25);
        let sum = DoubleDouble::from(0.1) + tiny - DoubleDouble::from(0.1);
        assert!((sum.rounded() - 1e-25).abs() < 1e-31, "{sum:?}");
    }
}
