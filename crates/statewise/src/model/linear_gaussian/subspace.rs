//! A start by subspace identification from second moments, so that gaps do no harm.
//!
//! x_t = J p_t is what the past p_t = (y, u)_{t-1, …, t-h} best tells of the future y_{t, …, t+h-1}, given the
//! future inputs: canonical correlations. Regressions on it give the innovation form
//!
//! x_{t+1} = A x_t + B' u_t + G e_t,  y_t = C x_t + D' u_t + e_t,  Cov e = Ω,
//!
//! and with z_t = x_t + B u_t + (what u and past y do not tell): F = A, H = C, F B = B', D = D' − H B. The
//! uncertainty P of z_t satisfies F P Hᵀ = G Ω, R = Ω − H P Hᵀ and Q = P − F P Fᵀ + G Ω Gᵀ; P is the
//! one of least rank.
//!
//! # Source
//! Larimore (1990), canonical variate analysis; Van Overschee and De Moor (1996), chapters 3 and 4.

use statewise_kernels::linalg::{svd, symmetric_eigen};

use super::lagged_moments::LaggedMoments;
use super::matrix::{product, product_transposed, symmetrise, transpose};
use super::spec::LinearGaussianSpec;
use super::start::{Estimate, pseudo_inverse, regress};
use crate::data::Dataset;
use crate::error::{Error, Result};

/// Steps of past and future, where that is enough for D and makes no larger matrices than `LARGE`.
const REACH: usize = 8;
const LARGE: usize = 200;

/// Shares of the innovations' variance between which the noise of the observations is put.
const NOISE: [f64; 2] = [0.05, 0.98];

/// Directions of the state that a step shrinks to less than this share are not traced back over it.
const FORGOTTEN: f64 = 0.1;

/// Share of a variance that may be taken off as noise that was added.
const ADDED: f64 = 0.7;

pub(super) fn subspace(spec: &LinearGaussianSpec, data: &Dataset<'_>) -> Result<Estimate> {
    let (d, m, u) = (spec.state_dim, spec.emission_dim, spec.input_dim);
    let needed = d.div_ceil(m) + 1;
    let longest = data.lengths().max().unwrap_or(0);
    let reach = needed.max(REACH.min(LARGE / (m + u)).min(longest / 4));
    if longest < 2 * reach + 2 {
        let expected = format!("a sequence of at least {} steps", 2 * reach + 2);
        return Err(Error::argument("emissions", format!("at most {longest} steps"), expected));
    }
    let moments = LaggedMoments::new(data, reach, spec.has_emissions_bias)?;
    let state = state(&moments, d)?;
    let next = moments.shifted(&state, 1);
    let (y, inputs) = (moments.emissions(std::iter::once(0)), moments.inputs(std::iter::once(0)));
    let x = [state.clone(), inputs].concat();
    let (xx, state_cov) = (moments.cov(&x, &x), moments.cov(&state, &state));
    let both = [next, y].concat();
    let n = d + m;
    let (weights, residual) = regress(&moments.cov(&both, &both), &moments.cov(&both, &x), &xx, n, d + u);
    let part = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>, of: &[f64], width: usize| {
        rows.flat_map(|i| of[i * width + columns.start..i * width + columns.end].to_vec())
            .collect::<Vec<f64>>()
    };
    let (a, b) = (part(0..d, 0..d, &weights, d + u), part(0..d, d..d + u, &weights, d + u));
    let (c, through) = (part(d..n, 0..d, &weights, d + u), part(d..n, d..d + u, &weights, d + u));
    let omega = positive(&part(d..n, d..n, &residual, n), m, 1e-8)?;
    // G Ω = Cov(x_{t+1}, e_t).
    let gain_omega = part(0..d, d..n, &residual, n);

    let back = pseudo_inverse(&a, d, d, FORGOTTEN)?;
    let transition_inputs = product(&back, &b, d, d, u);
    let at_once = product(&c, &transition_inputs, m, d, u);
    let emission_inputs = through.iter().zip(at_once).map(|(t, o)| t - o).collect();

    // P Hᵀ = F⁺ G Ω, of which H P Hᵀ must lie between 0 and Ω.
    let p_h = product(&back, &gain_omega, d, d, m);
    let (known, inverse) = between(&product(&c, &p_h, m, d, m), &omega, m)?;
    let emission_cov = noise_of_emissions(&omega, &known, &moments.added)?;
    let uncertainty = product_transposed(&product(&p_h, &inverse, d, m, m), &p_h, d, m, d);
    let propagated = product_transposed(&product(&a, &uncertainty, d, d, d), &a, d, d, d);
    let whitened = product(&gain_omega, &pseudo_inverse(&omega, m, m, 1e-10)?, d, m, m);
    let told = product_transposed(&whitened, &gain_omega, d, m, d);
    let noise: Vec<f64> = (0..d * d).map(|i| uncertainty[i] - propagated[i] + told[i]).collect();
    let spread: Vec<f64> = state_cov.iter().zip(&uncertainty).map(|(s, p)| s + p).collect();
    Ok(Estimate {
        transition: a,
        transition_inputs,
        transition_cov: positive(&noise, d, 1e-3)?,
        emission: c,
        emission_inputs,
        emission_cov,
        state_cov: positive(&spread, d, 1e-3)?,
        mean: moments.mean.clone(),
    })
}

/// R = Ω − H P Hᵀ without the noise that was added, but for a share: a start with too little noise is worse
/// than one with too much.
fn noise_of_emissions(omega: &[f64], known: &[f64], added: &[f64]) -> Result<Vec<f64>> {
    let n = added.len();
    let mut cov: Vec<f64> = omega.iter().zip(known).map(|(o, k)| o - k).collect();
    (0..n).for_each(|i| cov[i * n + i] -= added[i].min(ADDED * cov[i * n + i]));
    let scale: Vec<f64> = (0..n).map(|i| omega[i * n + i].sqrt()).collect();
    let unit: Vec<f64> = (0..n * n).map(|at| cov[at] / (scale[at / n] * scale[at % n])).collect();
    let cov = from_eigenvalues(&unit, n, |value, _| value.max(NOISE[0]))?;
    Ok((0..n * n).map(|at| cov[at] * scale[at / n] * scale[at % n]).collect())
}

/// x_t with unit variances, as a functional of the window.
fn state(moments: &LaggedMoments, d: usize) -> Result<Vec<f64>> {
    let h = moments.reach as isize;
    let past = moments.both((1..=h).map(|l| -l));
    let future = moments.emissions(0..h);
    let inputs = moments.inputs(0..h);
    let (p, f, v) = (moments.rows_of(&past), moments.rows_of(&future), moments.rows_of(&inputs));
    let given = |a: &Vec<f64>, b: &Vec<f64>, m: usize, n: usize| -> Vec<f64> {
        let cov = moments.cov(a, b);
        if v == 0 {
            return cov;
        }
        let (weights, _) =
            regress(&vec![0.0; m * m], &moments.cov(a, &inputs), &moments.cov(&inputs, &inputs), m, v);
        let known = product(&weights, &moments.cov(&inputs, b), m, v, n);
        cov.iter().zip(known).map(|(c, k)| c - k).collect()
    };
    let past_root = inverse_root(&given(&past, &past, p, p), p)?;
    let future_root = inverse_root(&given(&future, &future, f, f), f)?;
    let crossed =
        product(&product(&future_root, &given(&future, &past, f, p), f, f, p), &past_root, f, p, p);
    let parts = svd(&crossed, f, p).map_err(finite)?;
    let r = f.min(p);
    let canonical: Vec<f64> = transpose(&parts.right, p, r)[..d * p].to_vec();
    let mut weights = product(&canonical, &past_root, d, p, p);
    let raw = moments.map(&weights, &past, d);
    let cov = moments.cov(&raw, &raw);
    for (i, row) in weights.chunks_exact_mut(p).enumerate() {
        let scale = cov[i * d + i].max(f64::MIN_POSITIVE).sqrt();
        row.iter_mut().for_each(|w| *w /= scale);
    }
    Ok(moments.map(&weights, &past, d))
}

fn finite(error: statewise_kernels::linalg::NotConverged) -> Error {
    Error::argument("emissions", error, "data with finite moments that vary")
}

/// A^(−½) with eigenvalues of at least 1e-8 of the greatest (available-case moments can be indefinite).
fn inverse_root(a: &[f64], n: usize) -> Result<Vec<f64>> {
    from_eigenvalues(a, n, |value, greatest| 1.0 / value.max(1e-8 * greatest).max(f64::MIN_POSITIVE).sqrt())
}

/// The nearest matrix whose eigenvalues are at least `least` times the greatest.
pub(super) fn positive(a: &[f64], n: usize, least: f64) -> Result<Vec<f64>> {
    from_eigenvalues(a, n, |value, greatest| value.max(least * greatest).max(1e-12))
}

fn from_eigenvalues(a: &[f64], n: usize, map: impl Fn(f64, f64) -> f64) -> Result<Vec<f64>> {
    let mut symmetric = a.to_vec();
    symmetrise(&mut symmetric, n);
    let eigen = symmetric_eigen(&symmetric, n).map_err(finite)?;
    let greatest = eigen.values.last().copied().unwrap_or(0.0).max(0.0);
    let mut scaled = eigen.vectors.clone();
    scaled.iter_mut().enumerate().for_each(|(at, x)| *x *= map(eigen.values[at % n], greatest));
    let mut out = product_transposed(&scaled, &eigen.vectors, n, n, n);
    symmetrise(&mut out, n);
    Ok(out)
}

/// The matrix nearest to A between 0 and Ω (as shares of Ω), and its inverse.
fn between(a: &[f64], omega: &[f64], n: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let root = from_eigenvalues(omega, n, |value, _| value.max(f64::MIN_POSITIVE).sqrt())?;
    let inverse = from_eigenvalues(omega, n, |value, _| 1.0 / value.max(f64::MIN_POSITIVE).sqrt())?;
    let around = |outer: &[f64], inner: &[f64]| product(&product(outer, inner, n, n, n), outer, n, n, n);
    let share = around(&inverse, a);
    let clip = |value: f64| value.clamp(1.0 - NOISE[1], 1.0 - NOISE[0]);
    let clipped = from_eigenvalues(&share, n, |value, _| clip(value))?;
    let reciprocal = from_eigenvalues(&share, n, |value, _| 1.0 / clip(value))?;
    Ok((around(&root, &clipped), around(&inverse, &reciprocal)))
}
