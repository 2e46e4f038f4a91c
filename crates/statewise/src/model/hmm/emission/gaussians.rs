//! Densities, conditionals and expected moments of dense Gaussians, with missing entries.
//!
//! Complete rows go to the vectorised kernels. Incomplete rows use one factorisation per state
//! and *pattern* (the set of missing columns), shared by all rows and threads.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use statewise_kernels::linalg::{cholesky, log_det_chol, solve_chol, solve_lower};
use statewise_kernels::math::{add_gaussian_moments, gaussian_log_densities, packed_len};

use super::moments::{LN_TAU, add_moments, moments_len};
use crate::error::{Error, Result};

/// Patterns kept; with more, in data of many columns with scattered gaps, they are factorised anew.
const MAX_PATTERNS: usize = 1024;

/// K Gaussians made ready.
#[derive(Debug)]
pub(super) struct Gaussians<'a> {
    dim: usize,
    /// μ, shape [K, D].
    means: Cow<'a, [f64]>,
    /// Σ, shape [K, D, D].
    covs: Cow<'a, [f64]>,
    /// L with L Lᵀ = Σ, shape [K, D, D].
    chols: Vec<f64>,
    /// L⁻¹ / √2, packed lower triangles.
    whiteners: Vec<f64>,
    /// log N(μ | μ, Σ), shape [K].
    log_norms: Vec<f64>,
    patterns: RwLock<HashMap<Vec<u64>, Arc<Pattern>>>,
}

/// What is observed and missing, and the factors of every state for it.
#[derive(Debug)]
pub(super) struct Pattern {
    /// Columns that are observed; at least one.
    pub(super) observed: Vec<usize>,
    missing: Vec<usize>,
    states: Vec<PatternState>,
}

#[derive(Debug)]
struct PatternState {
    /// L_o with L_o L_oᵀ = Σ_oo.
    chol: Vec<f64>,
    log_norm: f64,
    /// Σ_mo Σ_oo⁻¹, shape [missing, observed].
    gain: Vec<f64>,
    /// Cov(y_m | y_o), shape [missing, missing].
    cov: Vec<f64>,
}

impl<'a> Gaussians<'a> {
    /// Factorises; `path` names the covariances in the error.
    ///
    /// # Errors
    /// A covariance that is not positive definite.
    pub(super) fn new(
        dim: usize,
        means: impl Into<Cow<'a, [f64]>>,
        covs: impl Into<Cow<'a, [f64]>>,
        path: &str,
    ) -> Result<Self> {
        let (means, covs) = (means.into(), covs.into());
        let num = means.len() / dim;
        let mut chols = covs.to_vec();
        let mut whiteners = vec![0.0; num * packed_len(dim)];
        let mut log_norms = vec![0.0; num];
        let mut unit = vec![0.0; dim];
        for (k, chol) in chols.chunks_exact_mut(dim * dim).enumerate() {
            cholesky(chol, dim)
                .map_err(|e| Error::argument(format!("{path}[{k}]"), e, "a positive definite matrix"))?;
            log_norms[k] = -0.5 * (dim as f64 * LN_TAU + log_det_chol(chol, dim));
            let whitener = &mut whiteners[k * packed_len(dim)..(k + 1) * packed_len(dim)];
            for j in 0..dim {
                unit.fill(0.0);
                unit[j] = std::f64::consts::FRAC_1_SQRT_2;
                solve_lower(chol, dim, &mut unit);
                (j..dim).for_each(|i| whitener[packed_len(i) + j] = unit[i]);
            }
        }
        Ok(Gaussians { dim, means, covs, chols, whiteners, log_norms, patterns: RwLock::default() })
    }

    /// K.
    pub(super) fn num(&self) -> usize {
        self.log_norms.len()
    }

    /// μ_k.
    pub(super) fn mean(&self, k: usize) -> &[f64] {
        &self.means[k * self.dim..(k + 1) * self.dim]
    }

    /// Σ_k.
    pub(super) fn cov(&self, k: usize) -> &[f64] {
        &self.covs[k * self.dim * self.dim..(k + 1) * self.dim * self.dim]
    }

    /// L_k.
    pub(super) fn chol(&self, k: usize) -> &[f64] {
        &self.chols[k * self.dim * self.dim..(k + 1) * self.dim * self.dim]
    }

    /// −½ log |2π Σ_k|.
    pub(super) fn log_norm(&self, k: usize) -> f64 {
        self.log_norms[k]
    }

    /// Writes log N of the observed entries of rows, shape \[T, K\].
    pub(super) fn log_likelihoods(&self, rows: &[f64], out: &mut [f64]) {
        gaussian_log_densities(rows, self.dim, &self.means, &self.whiteners, &self.log_norms, out);
        let num = self.num();
        self.for_incomplete_rows(rows, |t, row, pattern| {
            for (k, out) in out[t * num..(t + 1) * num].iter_mut().enumerate() {
                *out = pattern
                    .map_or(0.0, |p| p.log_norm(k) - 0.5 * p.distance(k, &mut self.residual(k, row, p)));
            }
        });
    }

    /// Writes −½ (y − μ)ᵀ Σ⁻¹ (y − μ) of complete rows, shape \[T, K\]; NaN for other rows.
    pub(super) fn half_distances(&self, rows: &[f64], out: &mut [f64]) {
        let zeros = vec![0.0; self.num()];
        gaussian_log_densities(rows, self.dim, &self.means, &self.whiteners, &zeros, out);
    }

    /// Adds expected moments of rows, those of components at [`moments_len`] each. What is missing
    /// enters by its mean and covariance given what is observed; rows without any entry do not.
    pub(super) fn accumulate(&self, rows: &[f64], gamma: &[f64], stats: &mut [f64]) {
        self.accumulate_weighted(rows, gamma, gamma, stats);
    }

    /// As [`Gaussians::accumulate`] with weights `gamma` of means and products, and weights
    /// `cov_gamma` of the covariances of what is missing.
    pub(super) fn accumulate_weighted(
        &self,
        rows: &[f64],
        gamma: &[f64],
        cov_gamma: &[f64],
        stats: &mut [f64],
    ) {
        let (dim, num) = (self.dim, self.num());
        let stride = 1 + dim + packed_len(dim);
        let mut sums = vec![0.0; num * stride];
        add_gaussian_moments(rows, dim, gamma, &self.means, &mut sums);
        let mut centred = vec![0.0; dim];
        self.for_incomplete_rows(rows, |t, row, pattern| {
            let Some(pattern) = pattern else { return };
            for (k, sums) in sums.chunks_exact_mut(stride).enumerate() {
                let (weight, cov_weight) = (gamma[t * num + k], cov_gamma[t * num + k]);
                pattern.complete(k, &self.residual(k, row, pattern), &mut centred);
                add_row(sums, &centred, weight);
                pattern.add_cov(k, cov_weight, 0, &mut sums[1 + dim..]);
            }
        });
        self.merge(&sums, stats);
    }

    /// Adds sums about the means to the statistics.
    fn merge(&self, sums: &[f64], stats: &mut [f64]) {
        let dim = self.dim;
        let all = sums.chunks_exact(1 + dim + packed_len(dim)).zip(self.means.chunks_exact(dim));
        for (stats, (sums, mean)) in stats.chunks_exact_mut(moments_len(dim)).zip(all) {
            add_moments(stats, mean, sums);
        }
    }

    /// y_o − μ_o.
    pub(super) fn residual(&self, k: usize, row: &[f64], pattern: &Pattern) -> Vec<f64> {
        let mean = self.mean(k);
        pattern.observed.iter().map(|&d| row[d] - mean[d]).collect()
    }

    /// Calls `f` with step, row and pattern of each row with a gap; `None` if nothing is observed.
    pub(super) fn for_incomplete_rows(
        &self,
        rows: &[f64],
        mut f: impl FnMut(usize, &[f64], Option<&Pattern>),
    ) {
        if !rows.iter().fold(false, |any, x| any | x.is_nan()) {
            return;
        }
        let mut key = Vec::new();
        let mut last: Option<(Vec<u64>, Arc<Pattern>)> = None;
        for (t, row) in rows.chunks_exact(self.dim).enumerate() {
            if row.iter().all(|y| y.is_nan()) {
                f(t, row, None);
            } else if row.iter().any(|y| y.is_nan()) {
                key.clear();
                key.extend(row.chunks(64).map(|bits| {
                    bits.iter().enumerate().fold(0, |word, (i, y)| word | u64::from(y.is_nan()) << i)
                }));
                let pattern = match last.take() {
                    Some((known, pattern)) if known == key => pattern,
                    _ => self.pattern(&key, row),
                };
                f(t, row, Some(&pattern));
                last = Some((key.clone(), pattern));
            }
        }
    }

    /// The factors of a pattern, from the cache or anew.
    fn pattern(&self, key: &[u64], row: &[f64]) -> Arc<Pattern> {
        // A poisoned lock only says that another thread panicked; patterns are whole.
        let cached = self.patterns.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        cached.unwrap_or_else(|| {
            let pattern = Arc::new(Pattern::new(self, row));
            let mut patterns = self.patterns.write().unwrap_or_else(PoisonError::into_inner);
            if patterns.len() < MAX_PATTERNS {
                patterns.insert(key.to_vec(), Arc::clone(&pattern));
            }
            pattern
        })
    }
}

/// Adds w, w e and w e eᵀ.
pub(super) fn add_row(sums: &mut [f64], e: &[f64], w: f64) {
    let dim = e.len();
    sums[0] += w;
    for i in 0..dim {
        sums[1 + i] += w * e[i];
        let row = &mut sums[1 + dim + packed_len(i)..][..=i];
        row.iter_mut().zip(e).for_each(|(s, x)| *s += w * e[i] * x);
    }
}

impl Pattern {
    fn new(gaussians: &Gaussians<'_>, row: &[f64]) -> Self {
        let dim = gaussians.dim;
        let (missing, observed): (Vec<usize>, Vec<usize>) = (0..dim).partition(|d| row[*d].is_nan());
        let (n, o) = (missing.len(), observed.len());
        let state = |k: usize| {
            let cov = gaussians.cov(k);
            let mut chol: Vec<f64> =
                observed.iter().flat_map(|i| observed.iter().map(move |j| cov[i * dim + j])).collect();
            // A principal block of a matrix that has a Cholesky factor has one too.
            let factorised = cholesky(&mut chol, o);
            debug_assert!(factorised.is_ok(), "state {k}, observed {observed:?}: {factorised:?}");
            let mut gain = vec![0.0; n * o];
            for (row, &m) in gain.chunks_exact_mut(o).zip(&missing) {
                row.iter_mut().zip(&observed).for_each(|(g, j)| *g = cov[m * dim + j]);
                solve_chol(&chol, o, row);
            }
            let mut conditional = vec![0.0; n * n];
            for (a, &i) in missing.iter().enumerate() {
                for (b, &j) in missing.iter().enumerate() {
                    let gain = &gain[a * o..(a + 1) * o];
                    let explained: f64 =
                        gain.iter().zip(&observed).map(|(g, c)| g * cov[j * dim + c]).sum();
                    conditional[a * n + b] = cov[i * dim + j] - explained;
                }
            }
            let log_norm = -0.5 * (o as f64 * LN_TAU + log_det_chol(&chol, o));
            PatternState { chol, log_norm, gain, cov: conditional }
        };
        let states = (0..gaussians.num()).map(state).collect();
        Pattern { observed, missing, states }
    }

    /// −½ log |2π Σ_oo|.
    pub(super) fn log_norm(&self, k: usize) -> f64 {
        self.states[k].log_norm
    }

    /// rᵀ Σ_oo⁻¹ r; overwrites the residual r = y_o − μ_o.
    pub(super) fn distance(&self, k: usize, residual: &mut [f64]) -> f64 {
        solve_lower(&self.states[k].chol, self.observed.len(), residual);
        residual.iter().map(|z| z * z).sum()
    }

    /// Writes E[y − μ | y_o] for all columns.
    pub(super) fn complete(&self, k: usize, residual: &[f64], out: &mut [f64]) {
        self.observed.iter().zip(residual).for_each(|(d, r)| out[*d] = *r);
        for (gain, d) in self.states[k].gain.chunks_exact(residual.len()).zip(&self.missing) {
            out[*d] = gain.iter().zip(residual).map(|(g, r)| g * r).sum();
        }
    }

    /// Adds weight · Cov(y | y_o) to a packed lower triangle in which y starts at row `first`.
    pub(super) fn add_cov(&self, k: usize, weight: f64, first: usize, packed: &mut [f64]) {
        let n = self.missing.len();
        for a in 0..n {
            for b in 0..=a {
                let (i, j) = (first + self.missing[a], first + self.missing[b]);
                packed[packed_len(i) + j] += weight * self.states[k].cov[a * n + b];
            }
        }
    }
}
