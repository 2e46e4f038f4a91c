//! The gradient of the evidence with respect to every matrix of a system.
//!
//! With the adjoints r_t, N_t, Λ_t of the backward passes, μ and P the smoothed mean and the filtered
//! covariance, K = Wᵀ L⁻¹ the gain, u_t = L⁻ᵀ a and C_t = S⁻¹ + Kᵀ Λ_t K:
//!
//! ∂A_t = r_t μ_{t-1}ᵀ − N_t A_t P_{t-1};  ∂Q_t = ½ (r_t r_tᵀ − N_t);  ∂b_t = r_t;
//! ∂H_t = u_t μ_tᵀ − Kᵀ (I − Λ_t P_t);  ∂R_t = ½ (u_t u_tᵀ − C_t);  ∂d_t = u_t = −∂y_t;
//! ∂m = r_1;  ∂P = ½ (r_1 r_1ᵀ − N_1)
//!
//! Entries of a covariance count as independent: df = Σ_ij ∂Σ_ij dΣ_ij. The terms without data are those
//! of covariances and are added once for all series that share them, times their number.
//!
//! Source: the reverse sweep of the Kalman filter in these variables is Bryson and Frazier's smoother;
//! compare Koopman and Shephard (1992) for the score.

use super::dense::{Into, Left, product};
use super::gains::Gains;
use super::riccati::gain_transposed;
use super::smoothing::Smoothing;
use super::system::{Noise, Series, System};
use crate::math::dispatch::vectorised;

/// The gradient with respect to what series share, added up over series. Arrays that are fixed over time
/// hold sums over steps; arrays of one value per step hold each step's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SystemGradient {
    /// ∂m, \[D\].
    pub initial_mean: Vec<f64>,
    /// ∂P, \[D, D\].
    pub initial_cov: Vec<f64>,
    /// ∂A, \[D, D\] or \[T, D, D\].
    pub transition: Vec<f64>,
    /// ∂Q, \[D, D\] or \[T, D, D\].
    pub transition_cov: Vec<f64>,
    /// ∂H, \[M, D\] or \[T, M, D\].
    pub emission: Vec<f64>,
    /// ∂R, \[M, M\] or \[T, M, M\]; of a diagonal R \[M\] or \[T, M\].
    pub emission_cov: Vec<f64>,
}

/// What the backward pass over the data of one series answered, one row per step.
#[derive(Clone, Copy, Debug)]
pub struct Adjoints<'a> {
    /// E(z_t | y_{1:T}), \[T, D\].
    pub smoothed: &'a [f64],
    /// r_t, \[T, D\].
    pub states: &'a [f64],
    /// u_t, \[T, M\].
    pub emissions: &'a [f64],
}

impl SystemGradient {
    /// Nothing added yet.
    pub fn zeros(system: &System<'_>) -> Self {
        SystemGradient {
            initial_mean: vec![0.0; system.state_dim],
            initial_cov: vec![0.0; system.state_dim * system.state_dim],
            transition: vec![0.0; system.transition.values().len()],
            transition_cov: vec![0.0; system.transition_cov.values().len()],
            emission: vec![0.0; system.emission.values().len()],
            emission_cov: vec![0.0; system.emission_cov.steps().values().len()],
        }
    }

    /// Adds the terms of covariances, `weight` times (the weights of all series that share them).
    /// `series` is one of them; only which entries are missing counts. Gains that begin after a diffuse
    /// phase leave out the phase and the step into their first state.
    pub fn add_covariances(
        &mut self,
        system: &System<'_>,
        series: &Series<'_>,
        gains: &Gains,
        smoothing: &Smoothing,
        weight: f64,
    ) {
        add_covariances(self, system, series, gains, smoothing, weight);
    }

    /// Adds the terms of the data of one series, `weight` times.
    pub fn add_means(&mut self, system: &System<'_>, adjoints: Adjoints<'_>, weight: f64) {
        super::by_dim!(system.state_dim, add_means(self, system, adjoints, weight));
    }
}

vectorised! {
    fn add_means[const K](
        gradient: &mut SystemGradient,
        system: &System<'_>,
        adjoints: Adjoints<'_>,
        weight: f64,
    ) = add_means_body
}

#[inline(always)]
fn add_means_body<const ISA: u8, const K: usize>(
    gradient: &mut SystemGradient,
    system: &System<'_>,
    adjoints: Adjoints<'_>,
    weight: f64,
) {
    let d = if K > 0 { K } else { system.state_dim };
    let m = system.emission_dim;
    let rows = adjoints.smoothed.chunks_exact(d).zip(adjoints.states.chunks_exact(d));
    let mut before: &[f64] = &[];
    for (t, ((mean, r), u)) in rows.zip(adjoints.emissions.chunks_exact(m)).enumerate() {
        if t == 0 {
            gradient.initial_mean.iter_mut().zip(r).for_each(|(g, r)| *g += weight * r);
            add_outer::<ISA, K>(0.5 * weight, r, r, &mut gradient.initial_cov);
        } else {
            let range = system.transition.range(t);
            add_outer::<ISA, K>(weight, r, before, &mut gradient.transition[range]);
            let range = system.transition_cov.range(t);
            add_outer::<ISA, K>(0.5 * weight, r, r, &mut gradient.transition_cov[range]);
        }
        add_outer::<ISA, K>(weight, u, mean, &mut gradient.emission[system.emission.range(t)]);
        let noise = &mut gradient.emission_cov[system.emission_cov.steps().range(t)];
        match system.emission_cov {
            Noise::Full(_) => add_outer::<ISA, 0>(0.5 * weight, u, u, noise),
            Noise::Diagonal(_) => {
                noise.iter_mut().zip(u).for_each(|(g, u)| *g += 0.5 * weight * u * u);
            }
        }
        before = mean;
    }
}

/// C += weight x yᵀ; y has K values where K > 0.
#[inline(always)]
fn add_outer<const ISA: u8, const K: usize>(weight: f64, x: &[f64], y: &[f64], c: &mut [f64]) {
    let width = if K > 0 { K } else { y.len() };
    let y = &y[..width];
    for (row, x) in c.chunks_exact_mut(width).zip(x) {
        let x = weight * x;
        for (c, y) in row.iter_mut().zip(y) {
            *c = crate::math::dispatch::fma::<ISA>(x, *y, *c);
        }
    }
}

vectorised! {
    fn add_covariances(
        gradient: &mut SystemGradient,
        system: &System<'_>,
        series: &Series<'_>,
        gains: &Gains,
        smoothing: &Smoothing,
        weight: f64,
    ) = add_covariances_body
}

/// Terms of one step, kept as long as the entries they come from stay the same.
struct Terms {
    transition: Vec<f64>,
    emission: Vec<f64>,
    noise: Vec<f64>,
    transition_key: (usize, usize),
    emission_key: (usize, usize),
    square: Vec<f64>,
    gain: Vec<f64>,
    wide: Vec<f64>,
}

#[inline(always)]
fn add_covariances_body<const ISA: u8>(
    gradient: &mut SystemGradient,
    system: &System<'_>,
    series: &Series<'_>,
    gains: &Gains,
    smoothing: &Smoothing,
    weight: f64,
) {
    let d = system.state_dim;
    let m = system.emission_dim;
    let none = (usize::MAX, usize::MAX);
    let mut terms = Terms {
        transition: vec![0.0; d * d],
        emission: vec![0.0; m * d],
        noise: vec![0.0; m * m],
        transition_key: none,
        emission_key: none,
        square: vec![0.0; d * d],
        gain: vec![0.0; m * d],
        wide: vec![0.0; m * d],
    };
    let fixed = system.is_fixed();
    for (t, y) in series.emissions.chunks_exact(m).enumerate().skip(gains.first) {
        let (entry, forward) = (smoothing.entry_of(t), gains.entry_of(t));
        let parts = smoothing.parts(entry);
        if t == 0 {
            axpy(-0.5 * weight, parts.predicted_precision, &mut gradient.initial_cov);
        } else if t > gains.first {
            let before = gains.entry_of(t - 1);
            if !fixed || terms.transition_key != (entry, before) {
                terms.transition_key = (entry, before);
                let (a, p) = (system.transition.at(t), gains.parts(before).filtered);
                product::<ISA, 0>([d, d, d], Left::plain(a, d), p, &mut terms.square, Into::Set);
                let n = Left::plain(parts.predicted_precision, d);
                product::<ISA, 0>([d, d, d], n, &terms.square, &mut terms.transition, Into::Set);
            }
            axpy(-weight, &terms.transition, &mut gradient.transition[system.transition.range(t)]);
            let range = system.transition_cov.range(t);
            axpy(-0.5 * weight, parts.predicted_precision, &mut gradient.transition_cov[range]);
        }
        if !fixed || terms.emission_key != (entry, forward) {
            terms.emission_key = (entry, forward);
            emission_terms::<ISA>(&mut terms, d, m, y, gains, forward, parts.filtered_precision);
        }
        axpy(-weight, &terms.emission, &mut gradient.emission[system.emission.range(t)]);
        let noise = &mut gradient.emission_cov[system.emission_cov.steps().range(t)];
        match system.emission_cov {
            Noise::Full(_) => axpy(-0.5 * weight, &terms.noise, noise),
            Noise::Diagonal(_) => {
                (0..m).for_each(|i| noise[i] -= 0.5 * weight * terms.noise[i * m + i]);
            }
        }
    }
}

/// Kᵀ (I − Λ P) and S⁻¹ + Kᵀ Λ K, over the entries observed.
#[inline(always)]
fn emission_terms<const ISA: u8>(
    terms: &mut Terms,
    d: usize,
    m: usize,
    y: &[f64],
    gains: &Gains,
    entry: usize,
    lambda: &[f64],
) {
    let parts = gains.parts(entry);
    let Terms { emission, noise, square, gain, wide, .. } = terms;
    gain_transposed::<ISA, 0>(m, d, parts.inverse, parts.w, gain);
    product::<ISA, 0>([d, d, d], Left::plain(lambda, d), parts.filtered, square, Into::Set);
    emission.copy_from_slice(gain);
    product::<ISA, 0>([m, d, d], Left::plain(gain, d), square, emission, Into::Subtract);
    product::<ISA, 0>([m, d, d], Left::plain(gain, d), lambda, wide, Into::Set);
    let lost = gains.lost_rows(entry);
    let counts = |k: usize| !y[k].is_nan() && lost.iter().all(|(_, row)| *row as usize != k);
    for i in 0..m {
        for j in 0..m {
            let spread = super::dense::dot::<ISA>(&wide[i * d..(i + 1) * d], &gain[j * d..(j + 1) * d]);
            let precision: f64 = (i.max(j)..m)
                .filter(|k| counts(*k))
                .map(|k| parts.inverse[k * m + i] * parts.inverse[k * m + j])
                .sum();
            noise[i * m + j] = spread + precision;
        }
    }
}

fn axpy(weight: f64, x: &[f64], y: &mut [f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += weight * x);
}
