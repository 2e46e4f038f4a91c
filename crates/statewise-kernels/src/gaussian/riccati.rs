//! The covariance recursion of the Kalman filter, in covariance form.
//!
//! P_t = A P_{t-1|t-1} Aᵀ + Q;  S = H P Hᵀ + R = L Lᵀ;  W = L⁻¹ H P;  P_{t|t} = P − Wᵀ W
//!
//! Where an observation is far more precise than the prediction, P − Wᵀ W would lose what is left; the
//! update then takes Joseph's form (I − K H) P (I − K H)ᵀ + K R Kᵀ, which loses nothing.

use std::ops::Range;

use super::dense::{Into, Left, dot, mirror, product, transpose};
use super::gains::{Gains, Layout, PartsMut};
use super::settling::{SETTLING_INTERVAL, distance, has_settled};
use super::system::{GaussianError, Noise, System};
use crate::math::dispatch::vectorised;
use crate::math::ln_lane;

/// S_ii / R_ii from which on the update takes Joseph's form.
pub(super) const PRECISE: f64 = 1e6;
/// A pivot below this share of its diagonal entry is at the mercy of rounding.
pub(super) const ILL_CONDITIONED: f64 = 1e-11;
/// log 2π.
pub(super) const LN_2_PI: f64 = 1.837_877_066_409_345_483_6;
/// Standard deviations below this share of those before an update are rounding.
const NOISE_FLOOR: f64 = 64.0 * f64::EPSILON;

/// How covariances came about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RiccatiReport {
    /// Directions of innovations without any variance, over all steps.
    pub rank_lost: usize,
    /// The first step at which rounding takes more than a few digits; square roots do better there.
    pub ill_conditioned: Option<usize>,
    /// Updates in Joseph's form.
    pub joseph_updates: usize,
}

/// The recursion between two steps: what it needs to go on.
#[derive(Clone, Debug, Default)]
pub struct Riccati {
    pub(super) layout: Layout,
    /// The last entry; its filtered covariance drives the next step.
    pub(super) last: Vec<f64>,
    /// Rows of the last L⁻¹ without variance.
    pub(super) last_lost: Vec<u32>,
    /// Which entries the last step observed.
    pub(super) observed: Vec<bool>,
    /// Whether the last step's entry will do as long as the same entries are observed.
    pub(super) settled: bool,
    pub(super) steady_state: bool,
    pub(super) change: f64,
    pub(super) stalled: u32,
    /// Standard deviations that are rounding, \[D\]; kept up only where R has a zero variance.
    pub(super) floor: Vec<f64>,
    /// The predicted covariance of the first step; empty after it.
    pub(super) start: Vec<f64>,
    pub(super) report: RiccatiReport,
    pub(super) scratch: Scratch,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    entry: Vec<f64>,
    /// Aᵀ and Hᵀ.
    transition: Vec<f64>,
    emission: Vec<f64>,
    /// H with the rows of missing entries zeroed.
    masked: Vec<f64>,
    square: Vec<f64>,
    other: Vec<f64>,
    wide: Vec<f64>,
    /// S, then L.
    factor: Vec<f64>,
    now_observed: Vec<bool>,
    variance_floor: Vec<f64>,
    pub(super) has_transposes: bool,
}

impl Riccati {
    /// Starts before step `first` with the predicted covariance of z_first. With `steady_state`, a
    /// recursion that has settled to rounding is not repeated; it is taken up again when a gap ends it.
    pub fn start(&mut self, system: &System<'_>, predicted_cov: &[f64], steady_state: bool) {
        let (d, m) = (system.state_dim, system.emission_dim);
        self.layout = Layout { d, m };
        self.last.clear();
        self.last.resize(self.layout.len(), 0.0);
        self.last_lost.clear();
        self.observed.clear();
        self.settled = false;
        self.steady_state = steady_state && system.is_fixed();
        self.change = f64::INFINITY;
        self.stalled = 0;
        self.floor.clear();
        self.floor.resize(d, 0.0);
        self.start.clear();
        self.start.extend_from_slice(predicted_cov);
        self.report = RiccatiReport::default();
        self.scratch.resize(d, m);
    }

    /// What was done so far.
    pub fn report(&self) -> RiccatiReport {
        self.report
    }

    /// Cov(z_t | y_{1:t}) after the last step, \[D, D\].
    pub fn filtered_cov(&self) -> &[f64] {
        let d = self.layout.d;
        &self.last[d * d..2 * d * d]
    }

    /// Fills `gains` for `steps`; `emissions` are the rows of these steps, of which only the missing
    /// entries count.
    ///
    /// # Errors
    /// A covariance that is not finite.
    pub fn advance(
        &mut self,
        system: &System<'_>,
        emissions: &[f64],
        steps: Range<usize>,
        gains: &mut Gains,
    ) -> Result<(), GaussianError> {
        gains.clear(self.layout, steps.start);
        super::by_dim!(system.state_dim, advance(self, system, emissions, steps, gains))
    }
}

impl Scratch {
    fn resize(&mut self, d: usize, m: usize) {
        let sizes = [
            (&mut self.entry, Layout { d, m }.len()),
            (&mut self.transition, d * d),
            (&mut self.emission, d * m),
            (&mut self.masked, m * d),
            (&mut self.square, d * d),
            (&mut self.other, d * d),
            (&mut self.wide, 2 * m * d),
            (&mut self.factor, m * m),
            (&mut self.variance_floor, m),
        ];
        for (buffer, size) in sizes {
            buffer.clear();
            buffer.resize(size, 0.0);
        }
        self.now_observed.clear();
        self.now_observed.resize(m, true);
        self.has_transposes = false;
    }
}

vectorised! {
    fn advance[const K](
        riccati: &mut Riccati,
        system: &System<'_>,
        emissions: &[f64],
        steps: Range<usize>,
        gains: &mut Gains,
    ) -> Result<(), GaussianError> = advance_body
}

#[inline(always)]
fn advance_body<const ISA: u8, const K: usize>(
    riccati: &mut Riccati,
    system: &System<'_>,
    emissions: &[f64],
    steps: Range<usize>,
    gains: &mut Gains,
) -> Result<(), GaussianError> {
    let m = system.emission_dim;
    for (t, row) in steps.zip(emissions.chunks_exact(m)) {
        for (observed, y) in riccati.scratch.now_observed.iter_mut().zip(row) {
            *observed = !y.is_nan();
        }
        let same_pattern = riccati.scratch.now_observed == riccati.observed;
        if riccati.settled && same_pattern {
            take_last(riccati, gains);
            continue;
        }
        riccati.settled = false;
        predict::<ISA, K>(riccati, system, t);
        if riccati.steady_state && same_pattern && t.is_multiple_of(SETTLING_INTERVAL) {
            let size = system.state_dim * system.state_dim;
            let now = distance(system.state_dim, &riccati.scratch.entry[..size], &riccati.last[..size]);
            riccati.settled = has_settled(now, &mut riccati.change, &mut riccati.stalled);
        }
        if riccati.settled {
            take_last(riccati, gains);
            continue;
        }
        if !same_pattern {
            riccati.change = f64::INFINITY;
            riccati.stalled = 0;
        }
        update::<ISA, K>(riccati, system, t)?;
        gains.push(&riccati.scratch.entry, &riccati.last_lost);
        std::mem::swap(&mut riccati.last, &mut riccati.scratch.entry);
        std::mem::swap(&mut riccati.observed, &mut riccati.scratch.now_observed);
        riccati.scratch.now_observed.resize(m, true);
    }
    Ok(())
}

/// Makes the last entry that of the next step too.
#[inline(always)]
fn take_last(riccati: &Riccati, gains: &mut Gains) {
    if gains.num_entries() == 0 {
        gains.push(&riccati.last, &riccati.last_lost);
    } else {
        gains.repeat();
    }
}

/// Writes A P Aᵀ + Q into the entry to come.
#[inline(always)]
fn predict<const ISA: u8, const K: usize>(riccati: &mut Riccati, system: &System<'_>, t: usize) {
    let d = if K > 0 { K } else { riccati.layout.d };
    let m = riccati.layout.m;
    let scratch = &mut riccati.scratch;
    if !scratch.has_transposes {
        transpose(d, d, system.transition.at(t), &mut scratch.transition);
        transpose(m, d, system.emission.at(t), &mut scratch.emission);
        scratch.has_transposes = system.transition.is_fixed() && system.emission.is_fixed();
    }
    let PartsMut { predicted, .. } = riccati.layout.parts_mut(&mut scratch.entry);
    if !riccati.start.is_empty() {
        predicted.copy_from_slice(&riccati.start);
        riccati.start.clear();
        return;
    }
    let filtered = &riccati.last[d * d..2 * d * d];
    let a = Left::plain(system.transition.at(t), d);
    product::<ISA, K>([d, d, d], a, filtered, &mut scratch.square, Into::Set);
    predicted.copy_from_slice(system.transition_cov.at(t));
    let half = Left::plain(&scratch.square, d);
    product::<ISA, K>([d, d, d], half, &scratch.transition, predicted, Into::Add);
    mirror::<K>(d, predicted);
}

/// Completes the entry to come from its predicted covariance.
#[inline(always)]
fn update<const ISA: u8, const K: usize>(
    riccati: &mut Riccati,
    system: &System<'_>,
    t: usize,
) -> Result<(), GaussianError> {
    let d = if K > 0 { K } else { riccati.layout.d };
    let m = riccati.layout.m;
    let Scratch {
        entry,
        emission,
        masked,
        square,
        other,
        wide,
        factor,
        now_observed: observed,
        variance_floor,
        ..
    } = &mut riccati.scratch;
    let PartsMut { predicted, filtered, w, u, inverse, log_norm } = riccati.layout.parts_mut(entry);
    let h = system.emission.at(t);
    let h = if observed.iter().all(|o| *o) {
        h
    } else {
        masked.copy_from_slice(h);
        for (row, _) in masked.chunks_exact_mut(d).zip(&*observed).filter(|(_, observed)| !**observed) {
            row.fill(0.0);
        }
        &masked[..]
    };

    // S in the lower triangle of `factor`.
    let (g, rest) = wide.split_at_mut(m * d);
    product::<ISA, K>([m, d, d], Left::plain(h, d), predicted, g, Into::Set);
    if m * d > 64 {
        product::<ISA, 0>([m, d, m], Left::plain(g, d), emission, factor, Into::Set);
    } else {
        for i in 0..m {
            for j in 0..=i {
                factor[i * m + j] = dot::<ISA>(&g[i * d..(i + 1) * d], &h[j * d..(j + 1) * d]);
            }
        }
    }
    add_noise(&system.emission_cov, t, observed, factor);
    let mut precise = false;
    let mut noise_free = false;
    for i in 0..m {
        let r = noise_variance(&system.emission_cov, t, m, i);
        noise_free |= r == 0.0;
        precise |= observed[i] && factor[i * m + i] > PRECISE * r;
    }
    if noise_free {
        floor_of_variances(&riccati.floor, h, d, variance_floor);
    }
    let variance_floor = if noise_free { Some(&variance_floor[..]) } else { None };
    let Some(pivots) = factorise::<ISA>(m, factor, inverse, variance_floor) else {
        return Err(GaussianError::NotFinite { t });
    };
    let num_observed = observed.iter().filter(|o| **o).count() - pivots.rank_lost;
    *log_norm = pivots.log_norm - 0.5 * num_observed as f64 * LN_2_PI;
    riccati.report.rank_lost += pivots.rank_lost;
    if pivots.smallest < ILL_CONDITIONED && !(noise_free && pivots.rank_lost > 0) {
        riccati.report.ill_conditioned.get_or_insert(t);
    }

    product::<ISA, K>([m, m, d], Left::plain(inverse, m), g, w, Into::Set);
    product::<ISA, K>([m, m, d], Left::plain(inverse, m), h, u, Into::Set);
    riccati.last_lost.clear();
    if pivots.rank_lost > 0 {
        // Rows of L⁻¹ without variance check the data; they move nothing.
        for i in (0..m).filter(|i| factor[i * m + i] == 0.0) {
            riccati.last_lost.push(i as u32);
            w[i * d..(i + 1) * d].fill(0.0);
            u[i * d..(i + 1) * d].fill(0.0);
        }
    }
    if precise {
        riccati.report.joseph_updates += 1;
        // J = I − Wᵀ U, P = J P Jᵀ + K R Kᵀ with Kᵀ = L⁻ᵀ W.
        identity(d, square);
        product::<ISA, K>([d, m, d], Left::transposed(w, d), u, square, Into::Subtract);
        product::<ISA, K>([d, d, d], Left::plain(square, d), predicted, other, Into::Set);
        transpose(d, d, square, filtered);
        square.copy_from_slice(filtered);
        product::<ISA, K>([d, d, d], Left::plain(other, d), square, filtered, Into::Set);
        let gain = &mut rest[..m * d];
        gain_transposed::<ISA, K>(m, d, inverse, w, gain);
        noise_times(&system.emission_cov, t, m, d, observed, gain, g);
        product::<ISA, K>([d, m, d], Left::transposed(gain, d), g, filtered, Into::Add);
        mirror::<K>(d, filtered);
    } else {
        filtered.copy_from_slice(predicted);
        product::<ISA, K>([d, m, d], Left::transposed(w, d), w, filtered, Into::Subtract);
    }
    for i in 0..d {
        let variance = &mut filtered[i * d + i];
        if !variance.is_finite() {
            return Err(GaussianError::NotFinite { t });
        }
        // NUMERICS: a variance that rounding took below zero is zero.
        *variance = variance.max(0.0);
    }
    if noise_free {
        riccati.propagate_floor(system, t);
    }
    Ok(())
}

/// Adds R to the lower triangle; rows and columns of missing entries become those of the identity.
#[inline(always)]
fn add_noise(noise: &Noise<'_>, t: usize, observed: &[bool], s: &mut [f64]) {
    let m = observed.len();
    match noise {
        Noise::Diagonal(r) => {
            for (i, r) in r.at(t).iter().enumerate() {
                s[i * m + i] += r;
            }
        }
        Noise::Full(r) => {
            let r = r.at(t);
            for i in 0..m {
                for j in 0..=i {
                    s[i * m + j] += r[i * m + j];
                }
            }
        }
    }
    for i in (0..m).filter(|i| !observed[*i]) {
        s[i * m..i * m + i].fill(0.0);
        s[i * m + i] = 1.0;
        for k in i + 1..m {
            s[k * m + i] = 0.0;
        }
    }
}

#[inline(always)]
fn noise_variance(noise: &Noise<'_>, t: usize, m: usize, i: usize) -> f64 {
    match noise {
        Noise::Diagonal(r) => r.at(t)[i],
        Noise::Full(r) => r.at(t)[i * m + i],
    }
}

/// R Kᵀ over observed entries.
#[inline(always)]
fn noise_times(
    noise: &Noise<'_>,
    t: usize,
    m: usize,
    d: usize,
    observed: &[bool],
    gain: &[f64],
    out: &mut [f64],
) {
    for i in 0..m {
        let row = &mut out[i * d..(i + 1) * d];
        row.fill(0.0);
        if !observed[i] {
            continue;
        }
        let mut add = |k: usize, r: f64| {
            for (x, g) in row.iter_mut().zip(&gain[k * d..(k + 1) * d]) {
                *x += r * g;
            }
        };
        match noise {
            Noise::Diagonal(r) => add(i, r.at(t)[i]),
            Noise::Full(r) => {
                (0..m).filter(|k| observed[*k]).for_each(|k| add(k, r.at(t)[i * m + k]));
            }
        }
    }
}

/// Kᵀ = L⁻ᵀ W; rows of L⁻¹ without variance take no part.
#[inline(always)]
pub(super) fn gain_transposed<const ISA: u8, const K: usize>(
    m: usize,
    d: usize,
    inverse: &[f64],
    w: &[f64],
    gain: &mut [f64],
) {
    // W is zero in the rows that take no part.
    product::<ISA, K>([m, m, d], Left::transposed(inverse, m), w, gain, Into::Set);
}

/// What a factorisation of S found.
#[derive(Clone, Copy)]
struct Pivots {
    /// −log det L over the directions with variance.
    log_norm: f64,
    rank_lost: usize,
    /// The smallest pivot relative to its diagonal entry.
    smallest: f64,
}

/// Factors S = L Lᵀ in place (lower triangle) and writes L⁻¹.
///
/// A row whose pivot is rounding gets a zero pivot; its row of L⁻¹ is that of the unscaled residual.
/// `None`: S is not finite, or negative beyond rounding.
#[inline(always)]
fn factorise<const ISA: u8>(
    m: usize,
    s: &mut [f64],
    inverse: &mut [f64],
    variance_floor: Option<&[f64]>,
) -> Option<Pivots> {
    let mut pivots = Pivots { log_norm: 0.0, rank_lost: 0, smallest: 1.0 };
    // NUMERICS: a product of pivots takes one logarithm per step; it is folded before it can overflow.
    let mut product = 1.0;
    inverse.fill(0.0);
    for i in 0..m {
        for j in 0..i {
            let (head, tail) = s.split_at_mut(i * m);
            let dot = dot::<ISA>(&head[j * m..j * m + j], &tail[..j]);
            let pivot = head[j * m + j];
            tail[j] = if pivot > 0.0 { (tail[j] - dot) / pivot } else { 0.0 };
        }
        let diagonal = s[i * m + i];
        let row = &s[i * m..i * m + i];
        let pivot = diagonal - dot::<ISA>(row, row);
        if !pivot.is_finite() {
            return None;
        }
        let share = pivot / diagonal;
        let floor = variance_floor.map_or(0.0, |f| f[i].max(8.0 * m as f64 * f64::EPSILON * diagonal));
        let lost = pivot <= floor;
        let (head, tail) = inverse.split_at_mut(i * m);
        for j in 0..i {
            let l = s[i * m + j];
            for (x, y) in tail[..=j].iter_mut().zip(&head[j * m..j * m + j + 1]) {
                *x -= l * y;
            }
        }
        tail[i] = 1.0;
        if lost {
            if variance_floor.is_none() && diagonal != 0.0 {
                pivots.smallest = 0.0;
            }
            pivots.rank_lost += 1;
            s[i * m + i] = 0.0;
            continue;
        }
        pivots.smallest = pivots.smallest.min(share);
        let root = pivot.sqrt();
        s[i * m + i] = root;
        let scale = 1.0 / root;
        tail[..=i].iter_mut().for_each(|x| *x *= scale);
        product *= root;
        if !(1e-100..1e100).contains(&product) {
            pivots.log_norm -= ln_lane::<ISA>(product);
            product = 1.0;
        }
    }
    pivots.log_norm -= ln_lane::<ISA>(product);
    Some(pivots)
}

/// (Σ_j |H_ij| s_j)²: variances of observations that are rounding.
fn floor_of_variances(floor: &[f64], h: &[f64], d: usize, out: &mut [f64]) {
    for (out, row) in out.iter_mut().zip(h.chunks_exact(d)) {
        let deviation: f64 = row.iter().zip(floor).map(|(h, s)| h.abs() * s).sum();
        *out = deviation * deviation;
    }
}

impl Riccati {
    /// Carries standard deviations that are rounding through an update and the next prediction.
    fn propagate_floor(&mut self, system: &System<'_>, t: usize) {
        let d = self.layout.d;
        let predicted = &self.scratch.entry[..d * d];
        for j in 0..d {
            let rounding = NOISE_FLOOR * predicted[j * d + j].max(0.0).sqrt();
            self.floor[j] = self.floor[j].max(rounding);
        }
        let a = system.transition.at(t);
        let next = &mut self.scratch.square[..d];
        for (i, next) in next.iter_mut().enumerate() {
            *next = (0..d).map(|j| a[i * d + j].abs() * self.floor[j]).sum();
        }
        self.floor.copy_from_slice(&self.scratch.square[..d]);
    }
}

#[inline(always)]
pub(super) fn identity(d: usize, out: &mut [f64]) {
    out.fill(0.0);
    (0..d).for_each(|i| out[i * d + i] = 1.0);
}
