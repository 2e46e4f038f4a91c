//! A linear Gaussian model is three regressions, y = W x + N(0, Σ), with a common mechanism.
//!
//! | part | y | x | W |
//! |---|---|---|---|
//! | initial | z_1 | 1 | m |
//! | dynamics | z_t | z_{t-1}, u_t, 1 | F, B, b |
//! | emissions | y_t | z_t, u_t, 1 | H, D, d |
//!
//! Expected sufficient statistics, which add up over steps and sequences: n, Σ E y xᵀ, Σ E x xᵀ and
//! Σ E y yᵀ (its diagonal where Σ is diagonal).
//!
//! E log p = −½ n log |2πΣ| − ½ tr Σ⁻¹ S(W),  S(W) = Σ E (y − W x)(y − W x)ᵀ

use std::ops::Range;

use super::conjugate::MatrixNormalInverseWishart;
use super::covariance::{CovarianceForm, Precision};
use super::covariance_blocks::Group;
use super::inverse_wishart::InverseWishart;
use super::matrix::{add_outer, dot, product, product_transposed, symmetrise};
use crate::params::Array;

/// An array that holds some columns of W.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    /// Its place in the schema.
    pub(super) array: usize,
    /// Columns of W that it holds.
    pub(super) width: usize,
}

/// One of the three regressions.
#[derive(Clone, Debug)]
pub(super) struct Regression {
    /// N.
    pub(super) outputs: usize,
    /// The arrays of W, from left to right.
    pub(super) columns: Vec<Columns>,
    /// The place of Σ in the schema.
    pub(super) cov: usize,
    pub(super) form: CovarianceForm,
    pub(super) prior: Option<MatrixNormalInverseWishart>,
    /// Where its statistics lie.
    pub(super) stats: Range<usize>,
}

/// n, Σ y xᵀ \[N, p\], Σ x xᵀ \[p, p\] and Σ y yᵀ (\[N, N\] or its diagonal), of data, a prior or both.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    /// n of each output; a prior may count more in one block of Σ than in another.
    pub(super) counts: Vec<f64>,
    pub(super) yx: Vec<f64>,
    pub(super) xx: Vec<f64>,
    pub(super) yy: Vec<f64>,
}

/// The same as slices of the statistics, to be added to.
pub(super) struct SumsMut<'a> {
    pub(super) count: &'a mut f64,
    pub(super) yx: &'a mut [f64],
    pub(super) xx: &'a mut [f64],
    pub(super) yy: &'a mut [f64],
}

impl Regression {
    /// p, the columns of W.
    pub(super) fn regressors(&self) -> usize {
        self.columns.iter().map(|c| c.width).sum()
    }

    fn yy_len(&self) -> usize {
        if self.form.is_diagonal() { self.outputs } else { self.outputs * self.outputs }
    }

    /// Values in its statistics.
    pub(super) fn num_stats(&self) -> usize {
        let p = self.regressors();
        1 + self.outputs * p + p * p + self.yy_len()
    }

    /// Its statistics among those of the model, to be added to.
    pub(super) fn sums_mut<'a>(&self, stats: &'a mut [f64]) -> SumsMut<'a> {
        let p = self.regressors();
        let (count, rest) = stats[self.stats.clone()].split_at_mut(1);
        let (yx, rest) = rest.split_at_mut(self.outputs * p);
        let (xx, yy) = rest.split_at_mut(p * p);
        SumsMut { count: &mut count[0], yx, xx, yy }
    }

    /// Its statistics among those of the model.
    pub(super) fn sums(&self, stats: &[f64]) -> Sums {
        let p = self.regressors();
        let (count, rest) = stats[self.stats.clone()].split_at(1);
        let (yx, rest) = rest.split_at(self.outputs * p);
        let (xx, yy) = rest.split_at(p * p);
        Sums { counts: vec![count[0]; self.outputs], yx: yx.to_vec(), xx: xx.to_vec(), yy: yy.to_vec() }
    }

    /// The sums that make a conjugate prior look like data: with them −½ n log |Σ| − ½ tr Σ⁻¹ S(W) is
    /// its log density, up to a constant.
    ///
    /// A block of b dimensions has the marginal InverseWishart(ν − N + b, Ψ_bb), so a variance the inverse gamma of
    /// b = 1; k copies of one value have that of the mean of their scales, in k equal shares.
    pub(super) fn prior_sums(&self) -> Option<Sums> {
        let prior = self.prior.as_ref()?;
        let (n, p) = (self.outputs, self.regressors());
        let yx = product(prior.loc.values(), prior.col_precision.values(), n, p, p);
        let mut yy = product_transposed(&yx, prior.loc.values(), n, p, n);
        let mut counts = vec![p as f64; n];
        for group in self.form.groups(n, &[]) {
            let (size, share) = (group.size(), 1.0 / group.copies.len() as f64);
            let marginal = self.prior_of(prior, &group);
            for copy in &group.copies {
                copy.iter().for_each(|i| counts[*i] += share * (marginal.df + size as f64 + 1.0));
                for (at, scale) in marginal.scale.values().iter().enumerate() {
                    yy[copy[at / size] * n + copy[at % size]] += share * scale;
                }
            }
        }
        if self.form.is_diagonal() {
            yy = (0..n).map(|i| yy[i * n + i]).collect();
        }
        Some(Sums { counts, yx, xx: prior.col_precision.values().to_vec(), yy })
    }

    /// The prior of a group's value.
    fn prior_of(&self, prior: &MatrixNormalInverseWishart, group: &Group) -> InverseWishart {
        let (n, size) = (self.outputs, group.size());
        let scale = Array::new(&[size, size], group.mean_of(prior.scale.values(), n));
        InverseWishart { df: prior.df - n as f64 + size as f64, scale }
    }

    /// The statistics, with the prior's where it counts.
    pub(super) fn sums_with_prior(&self, stats: &[f64], prior: bool) -> Sums {
        let mut sums = self.sums(stats);
        if let Some(more) = self.prior_sums().filter(|_| prior) {
            sums.counts.iter_mut().zip(&more.counts).for_each(|(a, b)| *a += b);
            sums.yx.iter_mut().zip(&more.yx).for_each(|(a, b)| *a += b);
            sums.xx.iter_mut().zip(&more.xx).for_each(|(a, b)| *a += b);
            sums.yy.iter_mut().zip(&more.yy).for_each(|(a, b)| *a += b);
        }
        sums
    }

    /// W, shape \[N, p\].
    pub(super) fn weights(&self, params: &[Array]) -> Vec<f64> {
        let p = self.regressors();
        let mut weights = vec![0.0; self.outputs * p];
        let mut start = 0;
        for columns in &self.columns {
            let rows = params[columns.array].values().chunks_exact(columns.width.max(1));
            for (i, row) in rows.enumerate() {
                weights[i * p + start..i * p + start + columns.width].copy_from_slice(row);
            }
            start += columns.width;
        }
        weights
    }

    /// Writes W into its arrays.
    pub(super) fn set_weights(&self, weights: &[f64], params: &mut [Array]) {
        let p = self.regressors();
        let mut start = 0;
        for columns in &self.columns {
            let rows = params[columns.array].values_mut().chunks_exact_mut(columns.width.max(1));
            for (i, row) in rows.enumerate() {
                row.copy_from_slice(&weights[i * p + start..i * p + start + columns.width]);
            }
            start += columns.width;
        }
    }

    /// Σ⁻¹; `None` where its noisy part is singular.
    pub(super) fn precision(&self, params: &[Array]) -> Option<Precision> {
        Precision::new(&self.form, params[self.cov].values(), self.outputs)
    }

    /// Σ y xᵀ − W Σ x xᵀ, shape \[N, p\].
    pub(super) fn slope(&self, sums: &Sums, weights: &[f64]) -> Vec<f64> {
        let p = self.regressors();
        let mut slope = product(weights, &sums.xx, self.outputs, p, p);
        slope.iter_mut().zip(&sums.yx).for_each(|(s, yx)| *s = yx - *s);
        slope
    }

    /// S(W) in the form of Σ y yᵀ.
    pub(super) fn residual(&self, sums: &Sums, weights: &[f64]) -> Vec<f64> {
        let (n, p) = (self.outputs, self.regressors());
        let slope = self.slope(sums, weights);
        let mut residual = sums.yy.clone();
        if !self.form.is_diagonal() {
            let fitted = product_transposed(weights, &sums.yx, n, p, n);
            let crossed = product_transposed(&slope, weights, n, p, n);
            for (r, (f, c)) in residual.iter_mut().zip(fitted.iter().zip(&crossed)) {
                *r -= f + c;
            }
            symmetrise(&mut residual, n);
        } else {
            for (i, r) in residual.iter_mut().enumerate() {
                let row = i * p..(i + 1) * p;
                *r -= dot(&weights[row.clone()], &sums.yx[row.clone()])
                    + dot(&slope[row.clone()], &weights[row]);
            }
        }
        residual
    }

    /// −½ n log |Σ| − ½ tr Σ⁻¹ S(W), over the dimensions with noise.
    pub(super) fn objective(&self, sums: &Sums, weights: &[f64], precision: &Precision) -> f64 {
        -0.5 * (dot(&sums.counts, &precision.log_dets)
            + precision.trace_with(&self.residual(sums, weights)))
    }

    /// Adds the gradient of [`Regression::objective`]; NaN in dimensions without noise, where the
    /// statistics do not tell it.
    pub(super) fn add_gradient(&self, params: &[Array], sums: &Sums, gradient: &mut [Array]) {
        let (n, p) = (self.outputs, self.regressors());
        let Some(precision) = self.precision(params) else {
            let arrays = self.columns.iter().map(|c| c.array).chain([self.cov]);
            arrays.for_each(|array| gradient[array].values_mut().fill(f64::NAN));
            return;
        };
        let weights = self.weights(params);
        let mut slope = precision.times(&self.slope(sums, &weights), p);
        let residual = self.residual(sums, &weights);
        let residual =
            if residual.len() == n { CovarianceForm::Full.array_of_diagonal(&residual) } else { residual };
        let whitened = precision.times(&residual, n);
        let mut cov = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                let around: f64 = (0..n).map(|k| whitened[i * n + k] * precision.at(k, j)).sum();
                cov[i * n + j] = 0.5 * (around - sums.counts[i] * precision.at(i, j));
            }
        }
        for i in (0..n).filter(|i| !precision.noisy.contains(i)) {
            slope[i * p..(i + 1) * p].fill(f64::NAN);
            (0..n).for_each(|j| (cov[i * n + j], cov[j * n + i]) = (f64::NAN, f64::NAN));
        }
        let cov = self.form.pull_back(&cov, n);
        gradient[self.cov].values_mut().iter_mut().zip(&cov).for_each(|(g, c)| *g += c);
        let mut sum = self.weights(gradient);
        sum.iter_mut().zip(&slope).for_each(|(a, b)| *a += b);
        self.set_weights(&sum, gradient);
    }

    /// log p(W, Σ) under the prior, 0 without one; −∞ at a singular Σ.
    pub(super) fn log_prior(&self, params: &[Array]) -> f64 {
        let (Some(prior), Some(sums)) = (&self.prior, self.prior_sums()) else { return 0.0 };
        let Some(precision) = self.precision(params).filter(|p| p.noisy.len() == self.outputs) else {
            return f64::NEG_INFINITY;
        };
        let groups = self.form.groups(self.outputs, &[]);
        let constant = prior.weights_log_normaliser()
            + groups.iter().map(|g| self.prior_of(prior, g).log_normaliser()).sum::<f64>();
        constant + self.objective(&sums, &self.weights(params), &precision)
    }

    /// Adds w (y xᵀ, x xᵀ, y yᵀ) of one observation of known y and x.
    pub(super) fn add_row(&self, sums: &mut SumsMut<'_>, y: &[f64], x: &[f64], w: f64) {
        *sums.count += w;
        add_outer(sums.yx, y, x, w);
        add_outer(sums.xx, x, x, w);
        if !self.form.is_diagonal() {
            add_outer(sums.yy, y, y, w);
        } else {
            sums.yy.iter_mut().zip(y).for_each(|(s, y)| *s += w * y * y);
        }
    }

    /// Adds w times the (co)variance of y to Σ y yᵀ.
    pub(super) fn add_cov_of_outputs(&self, sums: &mut SumsMut<'_>, cov: &[f64], w: f64) {
        let n = self.outputs;
        if !self.form.is_diagonal() {
            sums.yy.iter_mut().zip(cov).for_each(|(s, c)| *s += w * c);
        } else {
            sums.yy.iter_mut().enumerate().for_each(|(i, s)| *s += w * cov[i * n + i]);
        }
    }
}
