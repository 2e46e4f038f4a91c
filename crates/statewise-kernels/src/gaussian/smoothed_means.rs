//! The backward pass over the data: smoothed means and the adjoints of the filter's means.
//!
//! Backwards from q_T = 0:  E(z_t | y_{1:T}) = m_{t|t} + P_{t|t} q_t;  a = w_t − W q_t;
//! r_t = q_t + Uᵀ a;  q_{t-1} = Aᵀ r_t
//!
//! r_t and q_t are the gradients of the evidence with respect to the predicted and the filtered mean of
//! z_t; L⁻ᵀ a is the one with respect to the offset of y_t.

use super::dense::{Into, apply};
use super::gains::Gains;
use super::system::System;
use crate::math::dispatch::{fma, vectorised};

/// What the pass reads and writes, one row per step.
#[derive(Debug)]
pub struct SmoothedRows<'a> {
    /// m_{t|t}, \[T, D\].
    pub filtered: &'a [f64],
    /// w_t, \[T, M\].
    pub innovations: &'a [f64],
    /// Out: E(z_t | y_{1:T}), \[T, D\]; or empty.
    pub smoothed: &'a mut [f64],
    /// Out: r_t, \[T, D\]; or empty.
    pub state_adjoints: &'a mut [f64],
    /// Out: L⁻ᵀ a, \[T, M\]; or empty.
    pub emission_adjoints: &'a mut [f64],
}

/// Runs backwards over all steps of `gains`. `scratch` is grown to fit.
pub fn smooth_means(system: &System<'_>, gains: &Gains, rows: SmoothedRows<'_>, scratch: &mut Vec<f64>) {
    smooth_means_before(system, gains, &[], rows, scratch);
}

/// As [`smooth_means`], where more steps follow: `later` is r of the step after the last one of `gains`.
pub(super) fn smooth_means_before(
    system: &System<'_>,
    gains: &Gains,
    later: &[f64],
    rows: SmoothedRows<'_>,
    scratch: &mut Vec<f64>,
) {
    let (d, m) = (system.state_dim, system.emission_dim);
    scratch.clear();
    scratch.resize(2 * d + m, 0.0);
    if gains.num_steps() > 0 {
        super::by_dim!(d, smooth(system, gains, later, rows, scratch));
    }
}

vectorised! {
    fn smooth[const K](
        system: &System<'_>,
        gains: &Gains,
        later: &[f64],
        rows: SmoothedRows<'_>,
        scratch: &mut [f64],
    ) = smooth_body
}

#[inline(always)]
fn smooth_body<const ISA: u8, const K: usize>(
    system: &System<'_>,
    gains: &Gains,
    later: &[f64],
    rows: SmoothedRows<'_>,
    scratch: &mut [f64],
) {
    let d = if K > 0 { K } else { system.state_dim };
    let m = system.emission_dim;
    let (q, rest) = scratch.split_at_mut(d);
    let (r, a) = rest.split_at_mut(d);
    let last = gains.num_steps() - 1;
    for s in (0..=last).rev() {
        let t = gains.first + s;
        let parts = gains.parts(gains.index[s] as usize);
        let more = s < last || !later.is_empty();
        if more {
            let r = if s < last { &*r } else { later };
            // Columns of Aᵀ are rows of A.
            apply::<ISA, K>(d, system.transition.at(t + 1), r, q, Into::Set);
        }
        if !rows.smoothed.is_empty() {
            let smoothed = &mut rows.smoothed[s * d..(s + 1) * d];
            smoothed.copy_from_slice(&rows.filtered[s * d..(s + 1) * d]);
            if more {
                apply::<ISA, K>(d, parts.filtered, q, smoothed, Into::Add);
            }
        }
        a.copy_from_slice(&rows.innovations[s * m..(s + 1) * m]);
        for (a, w) in a.iter_mut().zip(parts.w.chunks_exact(d)) {
            for (w, q) in w.iter().zip(&*q) {
                *a = fma::<ISA>(-*w, *q, *a);
            }
        }
        r.copy_from_slice(q);
        apply::<ISA, K>(d, parts.u, a, r, Into::Add);
        if !rows.state_adjoints.is_empty() {
            rows.state_adjoints[s * d..(s + 1) * d].copy_from_slice(r);
        }
        if !rows.emission_adjoints.is_empty() {
            let out = &mut rows.emission_adjoints[s * m..(s + 1) * m];
            out.fill(0.0);
            for (row, a) in parts.inverse.chunks_exact(m).zip(&*a) {
                for (x, l) in out.iter_mut().zip(row) {
                    *x = fma::<ISA>(*l, *a, *x);
                }
            }
        }
    }
}
