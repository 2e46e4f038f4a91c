//! A variance from an unbounded output: softplus gives the variance, or the standard deviation.

use serde::{Deserialize, Serialize};

use crate::array::{Real, vectorised};

/// What the softplus of a network's output is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// The variance (Krishnan et al. 2017).
    #[default]
    Variance,
    /// The standard deviation (Pyro).
    Scale,
}

/// Added to the softplus: a density never collapses to a point.
const FLOOR: f64 = 1e-6;

impl Spread {
    /// var = sp(raw) + floor, or its square.
    pub(crate) fn variances<R: Real>(self, raw: &[R], variances: &mut [R]) {
        match self {
            Spread::Variance => variance(raw, variances),
            Spread::Scale => squared_scale(raw, variances),
        }
    }

    /// d_raw = d_var ∂var/∂raw.
    pub(crate) fn pull_back<R: Real>(self, raw: &[R], d_variances: &[R], d_raw: &mut [R]) {
        match self {
            Spread::Variance => variance_slope(raw, d_variances, d_raw),
            Spread::Scale => squared_scale_slope(raw, d_variances, d_raw),
        }
    }

    /// The raw output that gives this variance.
    pub(crate) fn raw(self, variance: f64) -> f64 {
        let value = match self {
            Spread::Variance => variance,
            Spread::Scale => variance.sqrt(),
        };
        let soft = (value - FLOOR).max(FLOOR);
        if soft > 30.0 { soft } else { soft.exp_m1().ln() }
    }
}

vectorised! { fn variance(raw: &[R], variances: &mut [R]) = variance_body }
#[inline(always)]
fn variance_body<R: Real>(raw: &[R], variances: &mut [R]) {
    for (v, x) in variances.iter_mut().zip(raw) {
        *v = x.softplus() + R::from_f64(FLOOR);
    }
}

vectorised! { fn squared_scale(raw: &[R], variances: &mut [R]) = squared_scale_body }
#[inline(always)]
fn squared_scale_body<R: Real>(raw: &[R], variances: &mut [R]) {
    for (v, x) in variances.iter_mut().zip(raw) {
        let scale = x.softplus() + R::from_f64(FLOOR);
        *v = scale * scale;
    }
}

vectorised! { fn variance_slope(raw: &[R], d_variances: &[R], d_raw: &mut [R]) = variance_slope_body }
#[inline(always)]
fn variance_slope_body<R: Real>(raw: &[R], d_variances: &[R], d_raw: &mut [R]) {
    for ((d, x), dv) in d_raw.iter_mut().zip(raw).zip(d_variances) {
        *d = *dv * x.sigmoid();
    }
}

vectorised! { fn squared_scale_slope(raw: &[R], d_variances: &[R], d_raw: &mut [R]) = squared_scale_slope_body }
#[inline(always)]
fn squared_scale_slope_body<R: Real>(raw: &[R], d_variances: &[R], d_raw: &mut [R]) {
    let two = R::ONE + R::ONE;
    for ((d, x), dv) in d_raw.iter_mut().zip(raw).zip(d_variances) {
        *d = *dv * two * (x.softplus() + R::from_f64(FLOOR)) * x.sigmoid();
    }
}
