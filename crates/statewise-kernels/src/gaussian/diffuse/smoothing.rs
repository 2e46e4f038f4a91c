//! The backward recursion over covariances while the state was diffuse.
//!
//! With L = I − K hᵀ, L¹ = −K¹ hᵀ for each scalar of a step, N = N⁰ + N¹/κ + N²/κ² goes back by
//! N ← Lᵀ N L + h hᵀ/F, order by order, and by Λ = Aᵀ N A between steps. With P = P* + κ P∞ filtered and
//! P' = P*' + κ P∞' predicted for the next step, what stays of P − P Λ P and of P Aᵀ (I − N P') is
//!
//! Cov(z_t | y_{1:T}) = P* − P* Λ⁰ P* − P∞ Λ¹ P* − P* Λ¹ P∞ − P∞ Λ² P∞, with P∞ − P∞ Λ¹ P∞ as factor of κ;
//! Cov(z_t, z_{t+1} | y_{1:T}) = P* Aᵀ − P* Aᵀ (N⁰ P*' + N¹ P∞') − P∞ Aᵀ (N¹ P*' + N² P∞').
//!
//! Terms of L of order κ⁻² would only meet N⁰ L P∞ = 0 and are left out.

use super::gains::{DiffuseGains, Moments, Update, complement};
use crate::gaussian::dense::mirror;
use crate::gaussian::small::{
    add, add_outer, apply, congruence, inner, times, transposed, transposed_times,
};
use crate::gaussian::system::System;

/// The terms of order κ⁰, κ⁻¹ and κ⁻² of a precision.
pub(super) type Orders = [Vec<f64>; 3];

/// Smoothed covariances of steps 0..s, and the precisions that later observations add.
#[derive(Clone, Debug, Default)]
pub struct DiffuseSmoothing {
    pub(super) steps: Vec<Smoothed>,
    /// N_s; empty if the phase lasts as long as the series.
    pub(super) after: Vec<f64>,
}

/// One step.
#[derive(Clone, Debug)]
pub(super) struct Smoothed {
    /// N_t.
    pub(super) predicted_precision: Orders,
    /// Λ_t.
    pub(super) filtered_precision: Orders,
    cov: Moments,
    lag_one: Vec<f64>,
}

impl DiffuseSmoothing {
    /// Runs backwards over steps s..0. `after` is N_s, \[D, D\], the first predicted precision of the
    /// ordinary recursion; `None` if the phase lasts as long as the series.
    pub fn compute(system: &System<'_>, gains: &DiffuseGains, after: Option<&[f64]>) -> Self {
        let d = gains.d;
        let zero = || vec![0.0; d * d];
        let mut n = [after.map_or(zero(), <[f64]>::to_vec), zero(), zero()];
        let end = Moments {
            finite: gains.predicted_cov_after().map_or(zero(), <[f64]>::to_vec),
            diffuse: zero(),
        };
        let mut ahead = &end;
        let mut steps = Vec::with_capacity(gains.steps.len());
        for (t, step) in gains.steps.iter().enumerate().rev() {
            let mut lag_one = zero();
            let mut filtered_precision = [zero(), zero(), zero()];
            if t + 1 < gains.steps.len() || after.is_some() {
                let a = system.transition.at(t + 1);
                let back = transposed([d, d], a);
                lag_one = lag_one_cov(d, &back, &step.filtered, &n, ahead);
                filtered_precision = n.map(|n| congruence(d, &back, &n));
            }
            n = filtered_precision.clone();
            step.updates.iter().rev().for_each(|update| update.precede(&mut n));
            let cov = smoothed(d, &step.filtered, &filtered_precision);
            steps.push(Smoothed { predicted_precision: n.clone(), filtered_precision, cov, lag_one });
            ahead = &step.predicted;
        }
        steps.reverse();
        DiffuseSmoothing { steps, after: after.map_or(vec![], <[f64]>::to_vec) }
    }

    /// Cov(z_t | y_{1:T}), \[D, D\], t < s; its finite part where directions stay diffuse.
    pub fn cov(&self, t: usize) -> &[f64] {
        &self.steps[t].cov.finite
    }

    /// The factor of κ of Cov(z_t | y_{1:T}), \[D, D\], t < s: zero, to rounding, if the series pins the
    /// state down.
    pub fn diffuse_cov(&self, t: usize) -> &[f64] {
        &self.steps[t].cov.diffuse
    }

    /// Cov(z_t, z_{t+1} | y_{1:T}), \[D, D\], rows are z_t, for t < s, with z_s too; not for the last step.
    pub fn lag_one_cov(&self, t: usize) -> &[f64] {
        &self.steps[t].lag_one
    }

    /// N_t⁰, the precision that y_{t:T} adds in the limit, \[D, D\], t < s.
    pub fn predicted_precision(&self, t: usize) -> &[f64] {
        &self.steps[t].predicted_precision[0]
    }

    /// Λ_t⁰, the precision that y_{t+1:T} adds in the limit, \[D, D\], t < s.
    pub fn filtered_precision(&self, t: usize) -> &[f64] {
        &self.steps[t].filtered_precision[0]
    }
}

impl Update {
    /// N from after the observation to before it.
    pub(super) fn precede(&self, n: &mut Orders) {
        if self.is_certain() {
            return;
        }
        let d = self.h.len();
        let map = complement(&self.gain[0], &self.h);
        let mut before = [vec![], vec![], vec![]];
        for order in 0..3 {
            // (Lᵀ N L) with L¹ of rank one: −h (K¹ᵀ N L) and its transpose, and h (K¹ᵀ N K¹) hᵀ.
            let mut out = congruence(d, &transposed([d, d], &map), &n[order]);
            let mut weight = self.precision[order];
            if self.is_diffuse() && order >= 1 {
                let cross = apply(d, &transposed([d, d], &map), &apply(d, &n[order - 1], &self.gain[1]));
                add_outer(&mut out, -1.0, &self.h, &cross);
                add_outer(&mut out, -1.0, &cross, &self.h);
                if order == 2 {
                    weight += inner(&self.gain[1], &apply(d, &n[0], &self.gain[1]));
                }
            }
            add_outer(&mut out, weight, &self.h, &self.h);
            mirror::<0>(d, &mut out);
            before[order] = out;
        }
        *n = before;
    }
}

fn smoothed(d: usize, filtered: &Moments, lambda: &Orders) -> Moments {
    let (p, infinite) = (&filtered.finite, &filtered.diffuse);
    let sandwich =
        |left: &[f64], middle: &[f64], right: &[f64]| times([d; 3], &times([d; 3], left, middle), right);
    let mut finite = p.clone();
    add(&mut finite, -1.0, &sandwich(p, &lambda[0], p));
    let cross = sandwich(infinite, &lambda[1], p);
    add(&mut finite, -1.0, &cross);
    add(&mut finite, -1.0, &transposed([d, d], &cross));
    add(&mut finite, -1.0, &sandwich(infinite, &lambda[2], infinite));
    let mut diffuse = infinite.clone();
    add(&mut diffuse, -1.0, &sandwich(infinite, &lambda[1], infinite));
    for cov in [&mut finite, &mut diffuse] {
        mirror::<0>(d, cov);
        // NUMERICS: a variance that rounding took below zero is zero.
        (0..d).for_each(|i| cov[i * d + i] = cov[i * d + i].max(0.0));
    }
    Moments { finite, diffuse }
}

/// `back` is Aᵀ.
fn lag_one_cov(d: usize, back: &[f64], filtered: &Moments, n: &Orders, ahead: &Moments) -> Vec<f64> {
    let pair = |n0: &[f64], n1: &[f64]| {
        let mut out = times([d; 3], n0, &ahead.finite);
        add(&mut out, 1.0, &times([d; 3], n1, &ahead.diffuse));
        times([d; 3], back, &out)
    };
    let mut inner = back.to_vec();
    add(&mut inner, -1.0, &pair(&n[0], &n[1]));
    let mut out = transposed_times([d; 3], &filtered.finite, &inner);
    add(&mut out, -1.0, &transposed_times([d; 3], &filtered.diffuse, &pair(&n[1], &n[2])));
    out
}
