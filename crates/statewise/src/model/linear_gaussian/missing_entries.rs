//! Emissions observed in part: what is expected of the rest, given the state and what is there.
//!
//! With o observed and m missing, y_m = B x + G y_o + N(0, C), where
//!
//! G = R_mo R_oo⁻¹,  B = W_m − G W_o,  C = R_mm − G R_om,  x = (z, u, 1)
//!
//! so that EM is exact for any pattern of missing entries. A row missing as a whole says nothing about
//! the emissions, and is left out.
//!
//! # Source
//! Holmes (2013), Derivation of the EM algorithm for constrained and unconstrained MARSS models, §5.

use std::collections::HashMap;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use statewise_kernels::linalg::semidefinite_cholesky;

use super::least_squares::Semidefinite;
use super::matrix::{dot, product, product_transposed};

/// What an observation pattern makes of y.
#[derive(Clone, Debug)]
pub(super) struct Partial {
    pub(super) observed: Vec<usize>,
    pub(super) missing: Vec<usize>,
    /// B, shape \[|m|, q\].
    pub(super) regression: Vec<f64>,
    /// G, shape \[|m|, |o|\].
    pub(super) gain: Vec<f64>,
    /// C, shape \[|m|, |m|\].
    pub(super) cov: Vec<f64>,
}

/// The patterns met so far, under one set of parameters.
pub(super) struct MissingEntries<'a> {
    /// W = (H, D, d), shape \[M, q\].
    weights: &'a [f64],
    /// R, shape \[M, M\].
    cov: &'a [f64],
    m: usize,
    q: usize,
    known: HashMap<Vec<bool>, Partial>,
}

impl<'a> MissingEntries<'a> {
    pub(super) fn new(weights: &'a [f64], cov: &'a [f64], m: usize) -> Self {
        MissingEntries { weights, cov, m, q: weights.len() / m, known: HashMap::new() }
    }

    /// The regression of what is missing in `y`, a row observed in part.
    pub(super) fn of(&mut self, y: &[f64]) -> &Partial {
        let mask: Vec<bool> = y.iter().map(|y| y.is_nan()).collect();
        if !self.known.contains_key(&mask) {
            let partial = self.derive(&mask);
            self.known.insert(mask.clone(), partial);
        }
        &self.known[&mask]
    }

    fn derive(&self, mask: &[bool]) -> Partial {
        let (m, q) = (self.m, self.q);
        let observed: Vec<usize> = (0..m).filter(|i| !mask[*i]).collect();
        let missing: Vec<usize> = (0..m).filter(|i| mask[*i]).collect();
        let (o, n) = (observed.len(), missing.len());
        let block = |rows: &[usize], columns: &[usize]| -> Vec<f64> {
            rows.iter().flat_map(|i| columns.iter().map(move |j| self.cov[i * m + j])).collect()
        };
        let rows = |of: &[usize]| -> Vec<f64> {
            of.iter().flat_map(|i| self.weights[i * q..(i + 1) * q].iter().copied()).collect()
        };
        let solver = Semidefinite::new(block(&observed, &observed), o);
        let crossed = block(&missing, &observed);
        let mut gain = crossed.clone();
        gain.chunks_exact_mut(o.max(1)).for_each(|row| solver.solve(row));
        let explained = product(&gain, &rows(&observed), n, o, q);
        let regression = rows(&missing).iter().zip(&explained).map(|(w, e)| w - e).collect();
        let known = product_transposed(&gain, &crossed, n, o, n);
        let cov = block(&missing, &missing).iter().zip(&known).map(|(r, k)| r - k).collect();
        Partial { observed, missing, regression, gain, cov }
    }
}

impl Partial {
    /// E(y | y_o, x): what is observed, and B x + G y_o elsewhere.
    pub(super) fn fill(&self, y: &[f64], x: &[f64], out: &mut [f64]) {
        out.copy_from_slice(y);
        let seen: Vec<f64> = self.observed.iter().map(|i| y[*i]).collect();
        let (q, o) = (x.len(), seen.len());
        for (a, i) in self.missing.iter().enumerate() {
            out[*i] =
                dot(&self.regression[a * q..(a + 1) * q], x) + dot(&self.gain[a * o..(a + 1) * o], &seen);
        }
    }

    /// Adds a draw of N(0, C) to the missing entries.
    pub(super) fn add_noise(&self, y: &mut [f64], rng: &mut ChaCha8Rng) {
        let n = self.missing.len();
        let mut chol = self.cov.clone();
        // C is the difference of two covariances that rounding can leave indefinite by a hair.
        let _ = semidefinite_cholesky(&mut chol, n);
        for b in 0..n {
            let z: f64 = StandardNormal.sample(rng);
            (b..n).for_each(|a| y[self.missing[a]] += chol[a * n + b] * z);
        }
    }
}
