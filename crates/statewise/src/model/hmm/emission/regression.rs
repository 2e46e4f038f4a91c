//! Gaussian regression of emissions on features, the core of two families.
//!
//! p(y_t | z_t = k, x_t) = N(y_t | W_k x_t + b_k, Σ_k)
//!
//! Statistics are the moments of the joint vector v = (x, y), whose scatter gives the regression
//! with intercept. What is missing of y enters by its mean and covariance given the rest; a row
//! whose features are not all known is left out.

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use statewise_kernels::linalg::{cholesky, inverse_chol, log_det_chol, solve_chol};
use statewise_kernels::math::{add_gaussian_moments, packed_len};

use super::Prepared;
use super::conjugate::{has_no_weight, sample_gaussian};
use super::gaussians::{Gaussians, add_row};
use super::moments::{
    LN_TAU, Moments, add_covariance_gradient, add_moments, add_outer, dot, moments_len, product, transposed,
};
use super::variance_floor::{repair_covariance, variance_floors};
use crate::data::Sequence;
use crate::error::Result;
use crate::model::hmm::component::{MStep, Maximised};
use crate::params::{Array, Constraint, ParamSpec};

/// Sizes of a regression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Regression {
    /// K.
    pub(super) num_states: usize,
    /// D.
    pub(super) emission_dim: usize,
    /// P.
    pub(super) num_features: usize,
}

/// Second moments of residuals and features of one state at given W and b.
struct Residuals {
    /// Σγ e eᵀ, shape [D, D].
    second: Vec<f64>,
    /// Σγ e xᵀ, shape [D, P].
    cross: Vec<f64>,
    /// Σγ e, shape [D].
    first: Vec<f64>,
}

impl Regression {
    pub(super) fn schema(&self) -> Vec<ParamSpec> {
        let (k, d, p) = (self.num_states, self.emission_dim, self.num_features);
        let matrices = Constraint::PositiveDefinite;
        vec![
            ParamSpec::new("emissions.weights", "emission_weights", &[k, d, p], Constraint::Real),
            ParamSpec::new("emissions.biases", "emission_biases", &[k, d], Constraint::Real),
            ParamSpec::new("emissions.covs", "emission_covariances", &[k, d, d], matrices),
        ]
    }

    pub(super) fn num_stats(&self) -> usize {
        self.num_states * moments_len(self.num_features + self.emission_dim)
    }

    fn read(&self, stats: &[f64]) -> Vec<Moments> {
        Moments::read_all(stats, self.num_features + self.emission_dim)
    }

    /// A block of the scatter of v.
    fn block(&self, m: &Moments, rows: Range<usize>, columns: Range<usize>) -> Vec<f64> {
        let n = self.num_features + self.emission_dim;
        rows.flat_map(|i| m.scatter[i * n..(i + 1) * n][columns.clone()].iter().copied()).collect()
    }

    fn residuals(&self, m: &Moments, weights: &[f64], bias: &[f64]) -> Residuals {
        let (p, d) = (self.num_features, self.emission_dim);
        let (xx, yx) = (self.block(m, 0..p, 0..p), self.block(m, p..p + d, 0..p));
        let fitted = product(weights, &xx, p, p);
        let mut cross: Vec<f64> = yx.iter().zip(&fitted).map(|(a, b)| a - b).collect();
        // Syy − W Sxy − (Syx − W Sxx) Wᵀ
        let mut second = self.block(m, p..p + d, p..p + d);
        let (explained, rest) =
            (product(weights, &transposed(&yx, p), p, d), product(&cross, &transposed(weights, p), p, d));
        second.iter_mut().zip(explained.iter().zip(&rest)).for_each(|(s, (a, b))| *s -= a + b);
        let at_mean = product(weights, &m.mean[..p], p, 1);
        let offset: Vec<f64> = (0..d).map(|i| m.mean[p + i] - at_mean[i] - bias[i]).collect();
        add_outer(&mut second, &offset, m.weight);
        for (row, e) in cross.chunks_exact_mut(p).zip(&offset) {
            row.iter_mut().zip(&m.mean).for_each(|(c, x)| *c += m.weight * e * x);
        }
        let symmetric = transposed(&second, d);
        second.iter_mut().zip(symmetric).for_each(|(s, t)| *s = 0.5 * (*s + t));
        Residuals { second, cross, first: offset.iter().map(|e| m.weight * e).collect() }
    }

    pub(super) fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        let d = self.emission_dim;
        let term = |(k, m): (usize, &Moments)| {
            let mut chol = params[2].row(k).to_vec();
            if cholesky(&mut chol, d).is_err() {
                return f64::NEG_INFINITY;
            }
            let mut precision = vec![0.0; d * d];
            inverse_chol(&chol, d, &mut precision);
            let residuals = self.residuals(m, params[0].row(k), params[1].row(k));
            let log_det = d as f64 * LN_TAU + log_det_chol(&chol, d);
            -0.5 * (m.weight * log_det + dot(&precision, &residuals.second))
        };
        self.read(stats).iter().enumerate().map(term).sum()
    }

    pub(super) fn expected_log_prob_gradient(
        &self,
        params: &[Array],
        stats: &[f64],
        gradient: &mut [Array],
    ) {
        let [g_weights, g_biases, g_covs] = gradient else { return };
        let (d, p) = (self.emission_dim, self.num_features);
        for (k, m) in self.read(stats).iter().enumerate() {
            let mut chol = params[2].row(k).to_vec();
            if cholesky(&mut chol, d).is_err() {
                continue;
            }
            let mut precision = vec![0.0; d * d];
            inverse_chol(&chol, d, &mut precision);
            let residuals = self.residuals(m, params[0].row(k), params[1].row(k));
            let slope = product(&precision, &residuals.cross, d, p);
            g_weights.row_mut(k).iter_mut().zip(slope).for_each(|(g, s)| *g += s);
            let slope = product(&precision, &residuals.first, d, 1);
            g_biases.row_mut(k).iter_mut().zip(slope).for_each(|(g, s)| *g += s);
            add_covariance_gradient(&precision, m.weight, &residuals.second, g_covs.row_mut(k));
        }
    }

    /// Weighted least squares, W = Syx Sxx⁻¹, b = ȳ − W x̄, Σ the mean residual product; with b
    /// fixed, moments about (0, b) instead of the means. A singular Sxx gets a ridge.
    pub(super) fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        let [weights, biases, covs] = params else { return Maximised::NoClosedForm };
        if !step.is_whole() {
            return Maximised::NoClosedForm;
        }
        let (p, d) = (self.num_features, self.emission_dim);
        let moments = self.read(step.stats);
        let floors = variance_floors(moments.iter(), p + d);
        let total: f64 = moments.iter().map(|m| m.weight).sum();
        let mut repairs = 0;
        for (k, m) in moments.iter().enumerate() {
            if has_no_weight(m.weight, total) {
                repairs += 1;
                continue;
            }
            let (w, b, cov) = (weights.row_mut(k), biases.row_mut(k), covs.row_mut(k));
            if step.moves(0) {
                let (mut xx, mut yx) = (self.block(m, 0..p, 0..p), self.block(m, p..p + d, 0..p));
                if !step.moves(1) {
                    add_outer(&mut xx, &m.mean[..p], m.weight);
                    for (i, row) in yx.chunks_exact_mut(p).enumerate() {
                        let offset = m.weight * (m.mean[p + i] - b[i]);
                        row.iter_mut().zip(&m.mean).for_each(|(s, x)| *s += offset * x);
                    }
                }
                let floors: Vec<f64> = floors[..p].iter().map(|f| f * m.weight).collect();
                repairs += usize::from(repair_covariance(&mut xx, &floors));
                if cholesky(&mut xx, p).is_ok() {
                    yx.chunks_exact_mut(p).for_each(|row| solve_chol(&xx, p, row));
                    w.copy_from_slice(&yx);
                }
            }
            if step.moves(1) {
                let at_mean = product(w, &m.mean[..p], p, 1);
                (0..d).for_each(|i| b[i] = m.mean[p + i] - at_mean[i]);
            }
            if step.moves(2) {
                let second = self.residuals(m, w, b).second;
                cov.iter_mut().zip(second).for_each(|(c, s)| *c = s / m.weight);
                repairs += usize::from(repair_covariance(cov, &floors[p..]));
            }
        }
        Maximised::Done { repairs }
    }
}

/// Where features come from.
pub(super) trait Features: Send + Sync {
    /// Writes x_t; NaN where it is not known.
    fn write(&self, sequence: &Sequence<'_>, t: usize, out: &mut [f64]);
}

/// A regression made ready.
pub(super) struct PreparedRegression<'a, F> {
    sizes: Regression,
    features: F,
    weights: &'a Array,
    biases: &'a Array,
    /// Densities of the residuals, one state each.
    noises: Vec<Gaussians<'a>>,
}

/// Rows that are worked on together.
const BLOCK: usize = 256;

impl<'a, F: Features> PreparedRegression<'a, F> {
    /// # Errors
    /// A covariance that is not positive definite.
    pub(super) fn new(sizes: Regression, features: F, params: &'a [Array]) -> Result<Self> {
        let d = sizes.emission_dim;
        let noise = |k: usize| {
            Gaussians::new(d, vec![0.0; d], params[2].row(k), &format!("emissions.covs, state {k}"))
        };
        let noises = (0..sizes.num_states).map(noise).collect::<Result<_>>()?;
        Ok(PreparedRegression { sizes, features, weights: &params[0], biases: &params[1], noises })
    }

    /// W_k x + b_k.
    fn predict(&self, k: usize, x: &[f64], out: &mut [f64]) {
        let rows = self.weights.row(k).chunks_exact(x.len());
        for ((o, w), b) in out.iter_mut().zip(rows).zip(self.biases.row(k)) {
            *o = b + dot(w, x);
        }
    }

    /// Writes y − W_k x − b_k for rows (x, y); NaN throughout where x is not known.
    fn residuals(&self, k: usize, joint: &[f64], out: &mut [f64]) {
        let (p, d) = (self.sizes.num_features, self.sizes.emission_dim);
        for (v, e) in joint.chunks_exact(p + d).zip(out.chunks_exact_mut(d)) {
            self.predict(k, &v[..p], e);
            e.iter_mut().zip(&v[p..]).for_each(|(e, y)| *e = y - *e);
        }
    }

    /// Writes (x_t, y_t).
    fn joint(&self, sequence: &Sequence<'_>, t: usize, out: &mut [f64]) {
        let (x, y) = out.split_at_mut(self.sizes.num_features);
        self.features.write(sequence, t, x);
        y.copy_from_slice(sequence.emission(t));
    }

    fn joints(&self, sequence: &Sequence<'_>, steps: Range<usize>) -> Vec<f64> {
        let width = self.sizes.num_features + self.sizes.emission_dim;
        let mut out = vec![0.0; steps.len() * width];
        steps.zip(out.chunks_exact_mut(width)).for_each(|(t, row)| self.joint(sequence, t, row));
        out
    }

    /// The last complete (x, y) of the sequence: a point among the data, so that their moments
    /// about it lose no digits.
    fn reference(&self, sequence: &Sequence<'_>) -> Vec<f64> {
        let mut v = vec![0.0; self.sizes.num_features + self.sizes.emission_dim];
        for t in (0..sequence.num_steps()).rev() {
            self.joint(sequence, t, &mut v);
            if !v.iter().any(|x| x.is_nan()) {
                return v;
            }
        }
        v.fill(0.0);
        v
    }
}

fn blocks(steps: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    steps.clone().step_by(BLOCK).map(move |start| start..(start + BLOCK).min(steps.end))
}

impl<F: Features> Prepared for PreparedRegression<'_, F> {
    fn log_likelihoods(&self, sequence: &Sequence<'_>, steps: Range<usize>, out: &mut [f64]) {
        let num_states = self.noises.len();
        for (steps, out) in blocks(steps).zip(out.chunks_mut(BLOCK * num_states)) {
            let joint = self.joints(sequence, steps.clone());
            let mut residuals = vec![0.0; steps.len() * self.sizes.emission_dim];
            let mut logs = vec![0.0; steps.len()];
            for (k, noise) in self.noises.iter().enumerate() {
                self.residuals(k, &joint, &mut residuals);
                noise.log_likelihoods(&residuals, &mut logs);
                out.iter_mut().skip(k).step_by(num_states).zip(&logs).for_each(|(o, l)| *o = *l);
            }
        }
    }

    fn accumulate(&self, sequence: &Sequence<'_>, steps: Range<usize>, gamma: &[f64], stats: &mut [f64]) {
        let (num_states, p, d) = (self.noises.len(), self.sizes.num_features, self.sizes.emission_dim);
        let (width, stride) = (p + d, 1 + p + d + packed_len(p + d));
        let reference = self.reference(sequence);
        let references = reference.repeat(num_states);
        let mut sums = vec![0.0; num_states * stride];
        let (mut v, mut e) = (vec![0.0; width], vec![0.0; d]);
        for (steps, gamma) in blocks(steps).zip(gamma.chunks(BLOCK * num_states)) {
            let joint = self.joints(sequence, steps.clone());
            add_gaussian_moments(&joint, width, gamma, &references, &mut sums);
            if !joint.iter().any(|x| x.is_nan()) {
                continue;
            }
            let mut residuals = vec![0.0; steps.len() * d];
            for (k, (noise, sums)) in self.noises.iter().zip(sums.chunks_exact_mut(stride)).enumerate() {
                self.residuals(k, &joint, &mut residuals);
                noise.for_incomplete_rows(&residuals, |t, row, pattern| {
                    let Some(pattern) = pattern else { return };
                    let weight = gamma[t * num_states + k];
                    pattern.complete(0, &noise.residual(0, row, pattern), &mut e);
                    let (x, y) = v.split_at_mut(p);
                    x.copy_from_slice(&joint[t * width..t * width + p]);
                    self.predict(k, x, y);
                    y.iter_mut().zip(&e).for_each(|(y, e)| *y += e);
                    v.iter_mut().zip(&reference).for_each(|(v, r)| *v -= r);
                    add_row(sums, &v, weight);
                    pattern.add_cov(0, weight, p, &mut sums[1 + width..]);
                });
            }
        }
        let all = stats.chunks_exact_mut(moments_len(width)).zip(sums.chunks_exact(stride));
        all.for_each(|(stats, sums)| add_moments(stats, &reference, sums));
    }

    fn sample(
        &self,
        state: usize,
        sequence: &Sequence<'_>,
        t: usize,
        rng: &mut ChaCha8Rng,
        out: &mut [f64],
    ) {
        let (mut x, mut mean) = (vec![0.0; self.sizes.num_features], vec![0.0; self.sizes.emission_dim]);
        self.features.write(sequence, t, &mut x);
        self.predict(state, &x, &mut mean);
        sample_gaussian(&mean, self.noises[state].chol(0), rng, out);
    }

    fn moments(&self, state: usize, sequence: &Sequence<'_>, t: usize, mean: &mut [f64], cov: &mut [f64]) {
        let mut x = vec![0.0; self.sizes.num_features];
        self.features.write(sequence, t, &mut x);
        self.predict(state, &x, mean);
        cov.copy_from_slice(self.noises[state].cov(0));
    }
}
