//! The backward recursion over covariances (Bryson and Frazier's smoother, the adjoint of the filter).
//!
//! With J = I − Uᵀ W (so that Jᵀ = I − K H), backwards from Λ_T = 0:
//!
//! N_t = J Λ_t Jᵀ + Uᵀ U;  Λ_{t-1} = Aᵀ N_t A;  Cov(z_t | y_{1:T}) = P − P Λ P with P = Cov(z_t | y_{1:t});
//! Cov(z_t, z_{t+1} | y_{1:T}) = P Aᵀ (I − N_{t+1} P_{t+1|t})
//!
//! Nothing is inverted, so that states and noise without variance need no special care. N_t and Λ_t are
//! the precisions that later observations add; with the adjoints of the means they give the gradient.
//!
//! Source: Bryson and Frazier (1963); de Jong and MacKinnon (1988) for the lag-one covariances.

use super::dense::{Into, Left, mirror, product, transpose};
use super::gains::Gains;
use super::riccati::identity;
use super::settling::{SETTLING_INTERVAL, distance, has_settled};
use super::system::System;
use crate::math::dispatch::vectorised;

/// A smoothed variance below this share of the filtered one is at the mercy of rounding.
pub(super) const ILL_CONDITIONED: f64 = 1e-9;

/// Smoothed covariances and precisions of all steps; settled steps share an entry.
#[derive(Clone, Debug, Default)]
pub struct Smoothing {
    d: usize,
    entries: Vec<f64>,
    /// Entry of each step, the last step's first.
    index: Vec<u32>,
    num_entries: usize,
    first: usize,
    ill_conditioned: bool,
    /// N and P of the step after the last one; empty where nothing comes after it.
    later: Vec<f64>,
    scratch: [Vec<f64>; 4],
}

/// One entry.
#[derive(Clone, Copy)]
pub(super) struct SmoothingParts<'a> {
    /// N_t.
    pub(super) predicted_precision: &'a [f64],
    /// Λ_t.
    pub(super) filtered_precision: &'a [f64],
    /// Cov(z_t | y_{1:T}).
    pub(super) cov: &'a [f64],
    /// Cov(z_t, z_{t+1} | y_{1:T}); rows are z_t.
    pub(super) lag_one: &'a [f64],
}

impl Smoothing {
    /// Runs backwards over all steps of `gains`. Without `lag_one`, those covariances are left out.
    pub fn compute(&mut self, system: &System<'_>, gains: &Gains, lag_one: bool) {
        self.compute_before(system, gains, lag_one, &[], &[]);
    }

    /// As [`Smoothing::compute`], where more steps follow: `precision` is N and `predicted` P of the step
    /// after the last one of `gains`.
    pub(super) fn compute_before(
        &mut self,
        system: &System<'_>,
        gains: &Gains,
        lag_one: bool,
        precision: &[f64],
        predicted: &[f64],
    ) {
        self.later.clear();
        self.later.extend_from_slice(precision);
        self.later.extend_from_slice(predicted);
        let d = system.state_dim;
        self.d = d;
        self.first = gains.first;
        self.entries.clear();
        self.index.clear();
        self.num_entries = 0;
        self.ill_conditioned = false;
        for buffer in &mut self.scratch {
            buffer.clear();
            buffer.resize(d * d, 0.0);
        }
        if gains.num_steps() > 0 {
            super::by_dim!(d, compute(self, system, gains, lag_one));
        }
    }

    #[inline(always)]
    pub(super) fn entry_of(&self, t: usize) -> usize {
        self.index[self.index.len() - 1 - (t - self.first)] as usize
    }

    #[inline(always)]
    pub(super) fn parts(&self, entry: usize) -> SmoothingParts<'_> {
        let size = self.d * self.d;
        let values = &self.entries[4 * size * entry..4 * size * (entry + 1)];
        SmoothingParts {
            predicted_precision: &values[..size],
            filtered_precision: &values[size..2 * size],
            cov: &values[2 * size..3 * size],
            lag_one: &values[3 * size..],
        }
    }

    /// Cov(z_t | y_{1:T}), \[D, D\].
    pub fn cov(&self, t: usize) -> &[f64] {
        self.parts(self.entry_of(t)).cov
    }

    /// Cov(z_t, z_{t+1} | y_{1:T}), \[D, D\], rows are z_t; not for the last step.
    pub fn lag_one_cov(&self, t: usize) -> &[f64] {
        self.parts(self.entry_of(t)).lag_one
    }

    /// N_t, the precision that y_{t:T} adds to what is known of z_t before, \[D, D\].
    pub fn predicted_precision(&self, t: usize) -> &[f64] {
        self.parts(self.entry_of(t)).predicted_precision
    }

    /// Λ_t, the precision that y_{t+1:T} adds, \[D, D\].
    pub fn filtered_precision(&self, t: usize) -> &[f64] {
        self.parts(self.entry_of(t)).filtered_precision
    }

    /// Number of different entries.
    pub fn num_entries(&self) -> usize {
        self.num_entries
    }

    /// Whether rounding takes more than a few digits of a smoothed variance.
    pub fn is_ill_conditioned(&self) -> bool {
        self.ill_conditioned
    }
}

vectorised! {
    fn compute[const K](
        smoothing: &mut Smoothing,
        system: &System<'_>,
        gains: &Gains,
        lag_one: bool,
    ) = compute_body
}

#[inline(always)]
fn compute_body<const ISA: u8, const K: usize>(
    smoothing: &mut Smoothing,
    system: &System<'_>,
    gains: &Gains,
    lag_one: bool,
) {
    let d = if K > 0 { K } else { smoothing.d };
    let m = system.emission_dim;
    let size = d * d;
    let fixed = system.is_fixed();
    let last = gains.num_steps() - 1;
    let (mut settled, mut change, mut stalled) = (false, f64::INFINITY, 0);
    for s in (0..=last).rev() {
        let t = gains.first + s;
        let entry = gains.index[s];
        let alike = fixed && s + 2 <= last && gains.index[s + 1] == entry && gains.index[s + 2] == entry;
        if alike && settled {
            smoothing.index.push(smoothing.num_entries as u32 - 1);
            continue;
        }
        let parts = gains.parts(entry as usize);
        smoothing.entries.resize(4 * size * (smoothing.num_entries + 1), 0.0);
        let (done, values) = smoothing.entries.split_at_mut(4 * size * smoothing.num_entries);
        let (n, rest) = values.split_at_mut(size);
        let (lambda, rest) = rest.split_at_mut(size);
        let (cov, lag) = rest.split_at_mut(size);
        let [x, y, j, transposed] = &mut smoothing.scratch;

        if s == last && smoothing.later.is_empty() {
            lambda.fill(0.0);
            cov.copy_from_slice(parts.filtered);
            lag.fill(0.0);
        } else {
            let a = system.transition.at(t + 1);
            let (next_n, ahead) = if s == last {
                smoothing.later.split_at(size)
            } else {
                let next = &done[4 * size * (smoothing.num_entries - 1)..];
                (&next[..size], gains.parts(gains.index[s + 1] as usize).predicted)
            };
            product::<ISA, K>([d, d, d], Left::plain(next_n, d), a, x, Into::Set);
            product::<ISA, K>([d, d, d], Left::transposed(a, d), x, lambda, Into::Set);
            mirror::<K>(d, lambda);
            if alike {
                if t.is_multiple_of(SETTLING_INTERVAL) {
                    let next_lambda = &done[4 * size * (smoothing.num_entries - 1) + size..][..size];
                    settled = has_settled(distance(d, lambda, next_lambda), &mut change, &mut stalled);
                }
                if settled {
                    smoothing.index.push(smoothing.num_entries as u32 - 1);
                    continue;
                }
            } else {
                (settled, change, stalled) = (false, f64::INFINITY, 0);
            }
            product::<ISA, K>([d, d, d], Left::plain(lambda, d), parts.filtered, x, Into::Set);
            cov.copy_from_slice(parts.filtered);
            product::<ISA, K>([d, d, d], Left::plain(parts.filtered, d), x, cov, Into::Subtract);
            mirror::<K>(d, cov);
            for i in 0..d {
                let variance = &mut cov[i * d + i];
                smoothing.ill_conditioned |= *variance < ILL_CONDITIONED * parts.filtered[i * d + i];
                // NUMERICS: a variance that rounding took below zero is zero.
                *variance = variance.max(0.0);
            }
            if lag_one {
                product::<ISA, K>([d, d, d], Left::plain(next_n, d), ahead, x, Into::Set);
                transpose(d, d, a, y);
                product::<ISA, K>([d, d, d], Left::transposed(a, d), x, y, Into::Subtract);
                product::<ISA, K>([d, d, d], Left::plain(parts.filtered, d), y, lag, Into::Set);
            }
        }
        identity(d, j);
        product::<ISA, K>([d, m, d], Left::transposed(parts.u, d), parts.w, j, Into::Subtract);
        product::<ISA, K>([d, d, d], Left::plain(j, d), lambda, x, Into::Set);
        transpose(d, d, j, transposed);
        product::<ISA, K>([d, d, d], Left::plain(x, d), transposed, n, Into::Set);
        product::<ISA, K>([d, m, d], Left::transposed(parts.u, d), parts.u, n, Into::Add);
        mirror::<K>(d, n);
        smoothing.index.push(smoothing.num_entries as u32);
        smoothing.num_entries += 1;
    }
}
