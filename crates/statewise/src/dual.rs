//! Numbers that carry a derivative, so that a formula written once is also its exact gradient.
//!
//! (x + x' ε)(y + y' ε) = x y + (x' y + x y') ε,  ε² = 0

use std::ops::{Add, Div, Mul, Neg, Sub};

/// What the formulas of models need of a number: a double, or a double with a derivative.
pub(crate) trait Real:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// A number that does not depend on any parameter.
    fn constant(value: f64) -> Self;

    /// The number without its derivative.
    fn value(self) -> f64;

    /// eˣ.
    fn exp(self) -> Self;

    /// x to a constant power; x > 0.
    fn powf(self, power: f64) -> Self;

    /// (sin x, cos x).
    fn sin_cos(self) -> (Self, Self);

    /// `factor` times the number.
    fn scaled(self, factor: f64) -> Self {
        self * Self::constant(factor)
    }
}

impl Real for f64 {
    fn constant(value: f64) -> Self {
        value
    }

    fn value(self) -> f64 {
        self
    }

    fn exp(self) -> Self {
        f64::exp(self)
    }

    fn powf(self, power: f64) -> Self {
        f64::powf(self, power)
    }

    fn sin_cos(self) -> (Self, Self) {
        f64::sin_cos(self)
    }
}

/// A value and its derivative with respect to one parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dual {
    /// x.
    pub value: f64,
    /// x'.
    pub slope: f64,
}

impl Dual {
    /// `values`, with a derivative of 1 at entry `index`.
    pub(crate) fn seeded(values: &[f64], index: usize) -> Vec<Dual> {
        let slope = |i: usize| if i == index { 1.0 } else { 0.0 };
        values.iter().enumerate().map(|(i, value)| Dual { value: *value, slope: slope(i) }).collect()
    }
}

impl Real for Dual {
    fn constant(value: f64) -> Self {
        Dual { value, slope: 0.0 }
    }

    fn value(self) -> f64 {
        self.value
    }

    fn exp(self) -> Self {
        let value = self.value.exp();
        Dual { value, slope: value * self.slope }
    }

    fn powf(self, power: f64) -> Self {
        // A power of 0 is 1 everywhere, also where x^(power − 1) is infinite.
        let slope = if power == 0.0 { 0.0 } else { power * self.value.powf(power - 1.0) * self.slope };
        Dual { value: self.value.powf(power), slope }
    }

    fn sin_cos(self) -> (Self, Self) {
        let (sin, cos) = self.value.sin_cos();
        (Dual { value: sin, slope: cos * self.slope }, Dual { value: cos, slope: -sin * self.slope })
    }
}

impl Add for Dual {
    type Output = Dual;
    fn add(self, other: Dual) -> Dual {
        Dual { value: self.value + other.value, slope: self.slope + other.slope }
    }
}

impl Sub for Dual {
    type Output = Dual;
    fn sub(self, other: Dual) -> Dual {
        Dual { value: self.value - other.value, slope: self.slope - other.slope }
    }
}

impl Mul for Dual {
    type Output = Dual;
    fn mul(self, other: Dual) -> Dual {
        let slope = self.slope * other.value + self.value * other.slope;
        Dual { value: self.value * other.value, slope }
    }
}

impl Div for Dual {
    type Output = Dual;
    fn div(self, other: Dual) -> Dual {
        let value = self.value / other.value;
        Dual { value, slope: (self.slope - value * other.slope) / other.value }
    }
}

impl Neg for Dual {
    type Output = Dual;
    fn neg(self) -> Dual {
        Dual { value: -self.value, slope: -self.slope }
    }
}
