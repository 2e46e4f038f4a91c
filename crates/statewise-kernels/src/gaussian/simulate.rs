//! Draws of all states given all observations, in blocks of time.
//!
//! The filter's error e_t = z_t − E(z_t | y_{1:t}) does not depend on the data. With draws η of the noise of
//! states and ε of that of observations,
//!
//! x_t = A e_{t-1} + η_t;  w⁺_t = U x_t + L⁻¹ ε_t;  e_t = x_t − Wᵀ w⁺_t
//!
//! and m_{t|t} + e_t + P_{t|t} q_t, with the smoother's q_t for the innovations w − w⁺, is a draw: one pass
//! forwards and one backwards over numbers, no second filter. Errors are forgotten as beliefs are, so blocks
//! start from no error and are corrected over their first steps.
//!
//! # Source
//! Durbin and Koopman (2002), in the variables of the filter's error.

use std::ops::Range;

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::gains::Gains;
use super::scan::{self, may_be_cut};
use super::schedule::{Forward, Scheduled, SmootherRows, Start, check};
use super::smoothed_means::{SmoothedRows, smooth_means_before};
use super::system::{GaussianError, Noise, Series, Steps, System, length};
use super::transfer::{FORGOTTEN, Transfer};
use crate::discrete::Schedule;
use crate::linalg::semidefinite_cholesky;
use crate::random::Seed;

/// Draws z_{1:T} from p(z_{1:T} | y_{1:T}) on a schedule, as
/// [`filter_scheduled`](super::filter_scheduled); `out` has shape \[num_samples, T, D\].
///
/// Noise is drawn from one stream per draw and block, whatever the schedule: schedules give the same draws
/// to rounding, and any number of threads the same bits.
///
/// # Errors
/// As [`filter_scheduled`](super::filter_scheduled); a covariance that is not positive semi-definite.
pub fn sample_scheduled(
    system: &System<'_>,
    series: &Series<'_>,
    schedule: Schedule,
    steady_state: bool,
    seed: Seed,
    num_samples: usize,
    out: &mut [f64],
) -> Result<Scheduled, GaussianError> {
    let (num_steps, d) = (check(system, series)?, system.state_dim);
    length("out", out.len(), num_samples * num_steps * d)?;
    let factors = Factors::of(system)?;
    let blocks = scan::starts(system, series, schedule, steady_state);
    let in_blocks = blocks.and_then(|blocks| {
        let run = |block: &scan::Block| {
            let rows = &mut SmootherRows::default();
            let forward = Forward::run(system, series, &block.start(), steady_state, rows).ok()?;
            may_be_cut(block, forward.rank_lost).then_some(forward)
        };
        blocks.par_iter().map(run).collect::<Option<Vec<Forward>>>()
    });
    let parts = match in_blocks {
        Some(parts) => parts,
        None => {
            let start = Start { steps: 0..num_steps, mean: system.initial_mean, cov: system.initial_cov };
            vec![Forward::run(system, series, &start, steady_state, &mut SmootherRows::default())?]
        }
    };
    for (s, path) in out.chunks_exact_mut((num_steps * d).max(1)).enumerate() {
        draw(system, series, &factors, &parts, seed.child("gaussian posterior sample", s as u64), path);
    }
    let marginal_loglik = parts.iter().map(|part| part.means.marginal_loglik()).sum();
    Ok(Scheduled { marginal_loglik, num_blocks: parts.len() })
}

/// One draw.
fn draw(
    system: &System<'_>,
    series: &Series<'_>,
    factors: &Factors,
    parts: &[Forward],
    seed: Seed,
    path: &mut [f64],
) {
    let (d, num_steps) = (system.state_dim, series.num_steps(system));
    let len = parts[0].gains.num_steps();
    let mut errors: Vec<Errors> = parts
        .par_iter()
        .map(|part| {
            let mut errors = Errors::of(system, series, factors, &part.gains, seed, num_steps);
            // Data and errors together, to be smoothed as one.
            errors.filtered.iter_mut().zip(&part.filtered).for_each(|(x, m)| *x += m);
            errors.white.iter_mut().zip(&part.innovations).for_each(|(x, w)| *x = w - *x);
            errors
        })
        .collect();
    // Each block has started from no error; the one before it left some.
    let mut before = vec![0.0; d];
    let mut left = Vec::with_capacity(parts.len());
    for (part, errors) in parts.iter().zip(&errors) {
        let mut arriving = vec![0.0; d];
        if part.gains.first > 0 {
            multiply(system.transition.at(part.gains.first), &before, &mut arriving);
        }
        let mut now = arriving.clone();
        errors.last.clone_into(&mut before);
        carry(system, &part.gains, &mut now, |_, _, _| ());
        before.iter_mut().zip(&now).for_each(|(x, e)| *x += e);
        left.push(arriving);
    }
    let heads: Vec<Transfer> = parts
        .par_iter()
        .zip(&mut errors)
        .zip(&left)
        .map(|((part, errors), arriving)| {
            let Errors { filtered, white, .. } = errors;
            let m = system.emission_dim;
            carry(system, &part.gains, &mut arriving.clone(), |s, x, e| {
                filtered[s * d..(s + 1) * d].iter_mut().zip(e).for_each(|(z, e)| *z += e);
                white[s * m..(s + 1) * m].iter_mut().zip(x).for_each(|(w, x)| *w -= x);
            });
            let mut head = Transfer::unit(system);
            if part.gains.first > 0 {
                let end = part.gains.first + part.gains.num_steps();
                head.advance(system, &part.gains, white, end == num_steps);
            }
            head
        })
        .collect();
    let mut adjoints = vec![Vec::new(); parts.len()];
    for b in (1..parts.len()).rev() {
        let mut r = heads[b].score.clone();
        if !adjoints[b].is_empty() {
            let psi = &heads[b].psi;
            let later: &Vec<f64> = &adjoints[b];
            (0..d).for_each(|j| r[j] += (0..d).map(|i| psi[i * d + j] * later[i]).sum::<f64>());
        }
        adjoints[b - 1] = r;
    }
    let blocks = parts.par_iter().zip(&errors).zip(&adjoints).zip(path.par_chunks_mut(len * d));
    blocks.for_each(|(((part, errors), later), smoothed)| {
        let rows = SmoothedRows {
            filtered: &errors.filtered,
            innovations: &errors.white,
            smoothed,
            state_adjoints: &mut [],
            emission_adjoints: &mut [],
        };
        smooth_means_before(system, &part.gains, later, rows, &mut Vec::new());
    });
}

/// Errors of one block that starts from none.
struct Errors {
    /// e_t, \[steps, D\].
    filtered: Vec<f64>,
    /// w⁺_t, \[steps, M\].
    white: Vec<f64>,
    /// e_t of the last step.
    last: Vec<f64>,
}

impl Errors {
    fn of(
        system: &System<'_>,
        series: &Series<'_>,
        factors: &Factors,
        gains: &Gains,
        seed: Seed,
        num_steps: usize,
    ) -> Self {
        let (d, m) = (system.state_dim, system.emission_dim);
        let steps = gains.first..gains.first + gains.num_steps();
        let mut filtered = vec![0.0; steps.len() * d];
        let mut white = vec![0.0; steps.len() * m];
        let (mut x, mut e, mut noise) = (vec![0.0; d], vec![0.0; d], vec![0.0; m]);
        for stretch in stretches(&steps, num_steps) {
            let rng = &mut seed.stream("block", (stretch.start / scan::block_steps(num_steps)) as u64);
            for t in stretch {
                if t == steps.start {
                    x.fill(0.0);
                } else {
                    multiply(system.transition.at(t), &e, &mut x);
                }
                let factor = if t == 0 { &factors.initial[..] } else { factors.transition(t, d) };
                add_noise(factor, d, &mut x, rng);
                noise.fill(0.0);
                add_noise(factors.emission(t, m), m, &mut noise, rng);
                let y = &series.emissions[t * m..(t + 1) * m];
                noise.iter_mut().zip(y).filter(|(_, y)| y.is_nan()).for_each(|(noise, _)| *noise = 0.0);
                let entry = gains.entry_of(t);
                let parts = gains.parts(entry);
                let s = t - steps.start;
                let w = &mut white[s * m..(s + 1) * m];
                for (i, w) in w.iter_mut().enumerate() {
                    let seen: f64 = parts.u[i * d..(i + 1) * d].iter().zip(&x).map(|(u, x)| u * x).sum();
                    let row = &parts.inverse[i * m..i * m + i + 1];
                    *w = seen + row.iter().zip(&noise).map(|(l, n)| l * n).sum::<f64>();
                }
                gains.lost_rows(entry).iter().for_each(|(_, row)| w[*row as usize] = 0.0);
                e.copy_from_slice(&x);
                for (w, row) in w.iter().zip(parts.w.chunks_exact(d)) {
                    e.iter_mut().zip(row).for_each(|(e, g)| *e -= g * w);
                }
                filtered[s * d..(s + 1) * d].copy_from_slice(&e);
            }
        }
        Errors { filtered, white, last: e }
    }
}

/// Carries an error of the predicted mean through a block: `each(s, U x, e)` sees what it adds to w⁺ and e
/// of step s, until it is forgotten. `x` becomes the e of the last step.
fn carry(system: &System<'_>, gains: &Gains, x: &mut [f64], mut each: impl FnMut(usize, &[f64], &[f64])) {
    let d = system.state_dim;
    let (mut seen, mut before) = (vec![0.0; system.emission_dim], vec![0.0; d]);
    for s in 0..gains.num_steps() {
        if s > 0 {
            before.copy_from_slice(x);
            multiply(system.transition.at(gains.first + s), &before, x);
        }
        if x.iter().all(|x| x.abs() < FORGOTTEN) {
            x.fill(0.0);
            return;
        }
        let parts = gains.parts(gains.index[s] as usize);
        for (seen, u) in seen.iter_mut().zip(parts.u.chunks_exact(d)) {
            *seen = u.iter().zip(&*x).map(|(u, x)| u * x).sum();
        }
        for (seen, g) in seen.iter().zip(parts.w.chunks_exact(d)) {
            x.iter_mut().zip(g).for_each(|(x, g)| *x -= g * seen);
        }
        each(s, &seen, x);
    }
}

/// Cuts steps where the streams of noise change.
fn stretches(steps: &Range<usize>, num_steps: usize) -> impl Iterator<Item = Range<usize>> {
    let (len, end) = (scan::block_steps(num_steps), steps.end);
    steps.clone().step_by(len).map(move |first| first..end.min(first + len))
}

/// Factors of all noise covariances, L Lᵀ each.
struct Factors {
    initial: Vec<f64>,
    transition: (Vec<f64>, bool),
    emission: (Vec<f64>, bool),
}

impl Factors {
    fn of(system: &System<'_>) -> Result<Self, GaussianError> {
        let (d, m) = (system.state_dim, system.emission_dim);
        let initial = factor("initial_cov", &Steps::fixed(system.initial_cov), d, 0)?;
        let transition = factor("transition_cov", &system.transition_cov, d, 1)?;
        let emission = match &system.emission_cov {
            Noise::Full(r) => factor("emission_cov", r, m, 0)?,
            Noise::Diagonal(r) => {
                let mut full = vec![0.0; r.values().len() * m];
                for (row, r) in full.chunks_exact_mut(m * m).zip(r.values().chunks_exact(m)) {
                    r.iter().enumerate().for_each(|(i, r)| row[i * m + i] = r.max(0.0).sqrt());
                }
                (full, !r.is_fixed())
            }
        };
        Ok(Factors { initial: initial.0, transition, emission })
    }

    fn transition(&self, t: usize, d: usize) -> &[f64] {
        at(&self.transition, t, d)
    }

    fn emission(&self, t: usize, m: usize) -> &[f64] {
        at(&self.emission, t, m)
    }
}

/// Factors the covariances of all steps; of arrays with one entry per step those from `first` on.
fn factor(
    argument: &'static str,
    covs: &Steps<'_>,
    n: usize,
    first: usize,
) -> Result<(Vec<f64>, bool), GaussianError> {
    let mut factors = covs.values().to_vec();
    let skip = if covs.is_fixed() { 0 } else { first };
    for (t, l) in factors.chunks_exact_mut(n * n).enumerate().skip(skip) {
        semidefinite_cholesky(l, n).map_err(|error| GaussianError::Indefinite {
            argument,
            t,
            pivot: error.pivot,
        })?;
    }
    Ok((factors, !covs.is_fixed()))
}

fn at((values, per_step): &(Vec<f64>, bool), t: usize, n: usize) -> &[f64] {
    let start = if *per_step { t * n * n } else { 0 };
    &values[start..start + n * n]
}

/// x += L ε with ε standard normal.
fn add_noise(l: &[f64], n: usize, x: &mut [f64], rng: &mut impl Rng) {
    for j in 0..n {
        let e: f64 = StandardNormal.sample(rng);
        (j..n).for_each(|i| x[i] += l[i * n + j] * e);
    }
}

/// Writes A v.
fn multiply(a: &[f64], v: &[f64], out: &mut [f64]) {
    for (out, row) in out.iter_mut().zip(a.chunks_exact(v.len())) {
        *out = row.iter().zip(v).map(|(a, v)| a * v).sum();
    }
}
