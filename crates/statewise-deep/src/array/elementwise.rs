//! Nonlinearities and sums over rows, each loop compiled for the processor at hand.

use serde::{Deserialize, Serialize};

use super::{Real, vectorised};

/// A function applied to every unit of a layer. Its slope is a function of its own value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nonlinearity {
    /// max(x, 0).
    #[default]
    Relu,
    /// x for x > 0, else x / 10.
    LeakyRelu,
    /// tanh x.
    Tanh,
    /// ln(1 + eˣ).
    Softplus,
    /// x for x > 0, else eˣ − 1.
    Elu,
    /// x itself: a linear layer.
    Identity,
}

/// Slope of the leaky rectifier below zero.
const LEAK: f64 = 0.1;

impl Nonlinearity {
    /// Replaces every x by f(x).
    pub(crate) fn apply<R: Real>(self, values: &mut [R]) {
        match self {
            Nonlinearity::Relu => relu(values),
            Nonlinearity::LeakyRelu => leaky(values),
            Nonlinearity::Tanh => tanh(values),
            Nonlinearity::Softplus => softplus(values),
            Nonlinearity::Elu => elu(values),
            Nonlinearity::Identity => {}
        }
    }

    /// Multiplies the deltas by f′, given the values y = f(x).
    pub(crate) fn pull_back<R: Real>(self, values: &[R], deltas: &mut [R]) {
        match self {
            Nonlinearity::Relu => relu_slope(values, deltas),
            Nonlinearity::LeakyRelu => leaky_slope(values, deltas),
            Nonlinearity::Tanh => tanh_slope(values, deltas),
            Nonlinearity::Softplus => softplus_slope(values, deltas),
            Nonlinearity::Elu => elu_slope(values, deltas),
            Nonlinearity::Identity => {}
        }
    }
}

/// Defines the two loops of a nonlinearity from f(x) and from f′ as a function of f's value.
macro_rules! nonlinearity {
    ($name:ident $body:ident $value:expr, $slope_name:ident $slope_body:ident $slope:expr) => {
        vectorised! { fn $name(values: &mut [R]) = $body }
        #[inline(always)]
        fn $body<R: Real>(values: &mut [R]) {
            for x in values {
                *x = $value(*x);
            }
        }
        vectorised! { fn $slope_name(values: &[R], deltas: &mut [R]) = $slope_body }
        #[inline(always)]
        fn $slope_body<R: Real>(values: &[R], deltas: &mut [R]) {
            for (delta, y) in deltas.iter_mut().zip(values) {
                *delta *= $slope(*y);
            }
        }
    };
}

nonlinearity! {
    relu relu_body |x: R| x.maximum(R::ZERO),
    relu_slope relu_slope_body |y: R| if y > R::ZERO { R::ONE } else { R::ZERO }
}
nonlinearity! {
    leaky leaky_body |x: R| x.maximum(x * R::from_f64(LEAK)),
    leaky_slope leaky_slope_body |y: R| if y > R::ZERO { R::ONE } else { R::from_f64(LEAK) }
}
nonlinearity! {
    tanh tanh_body |x: R| x.tanh(),
    tanh_slope tanh_slope_body |y: R| R::ONE - y * y
}
nonlinearity! {
    softplus softplus_body |x: R| x.softplus(),
    softplus_slope softplus_slope_body |y: R| R::ONE - (-y).exp()
}
nonlinearity! {
    elu elu_body |x: R| if x > R::ZERO { x } else { x.exp() - R::ONE },
    elu_slope elu_slope_body |y: R| if y > R::ZERO { R::ONE } else { y + R::ONE }
}

vectorised! {
    /// Adds `row` to every row.
    pub(crate) fn add_rows(rows: &mut [R], row: &[R]) = add_rows_body
}
#[inline(always)]
fn add_rows_body<R: Real>(rows: &mut [R], row: &[R]) {
    for values in rows.chunks_exact_mut(row.len()) {
        for (x, b) in values.iter_mut().zip(row) {
            *x += *b;
        }
    }
}

vectorised! {
    /// Adds the sum over rows to `sum`.
    pub(crate) fn sum_rows(rows: &[R], sum: &mut [R]) = sum_rows_body
}
#[inline(always)]
fn sum_rows_body<R: Real>(rows: &[R], sum: &mut [R]) {
    for values in rows.chunks_exact(sum.len()) {
        for (s, x) in sum.iter_mut().zip(values) {
            *s += *x;
        }
    }
}
