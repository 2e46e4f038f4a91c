//! Weights of a regression given its noise, with fixed and tied entries.
//!
//! W = W₀ + Σ_g δ_g E_g, where E_g marks the entries of a group that move together. The δ solve
//!
//! Σ_h ⟨E_g, Λ E_h Sxx⟩ δ_h = ⟨E_g, Λ (Syx − W₀ Sxx)⟩,  Λ = Σ⁻¹
//!
//! # Source
//! Holmes, Ward and Scheuerell (2012), MARSS, derives it for vec W = f + D β. As increments it moves
//! nothing along directions of which the data say nothing.

use statewise_kernels::linalg::{semidefinite_cholesky, solve_chol};

use super::covariance::Precision;
use super::regression::{Regression, Sums};
use crate::params::ParamProperties;

/// What may move in the weights of a regression.
#[derive(Clone, Debug)]
pub(super) enum Movement {
    /// Every entry, by itself.
    All,
    /// These groups of entries (places in W, row-major), each as one.
    Groups(Vec<Vec<usize>>),
}

impl Movement {
    /// Reads the properties of the arrays of W.
    pub(super) fn new(regression: &Regression, properties: &[ParamProperties]) -> Self {
        if regression.columns.iter().all(|c| properties[c.array].is_plain()) {
            return Movement::All;
        }
        let p = regression.regressors();
        let mut groups = Vec::new();
        let mut start = 0;
        for columns in &regression.columns {
            let property = &properties[columns.array];
            let place = |entry: usize| (entry / columns.width) * p + start + entry % columns.width;
            for entry in (0..regression.outputs * columns.width).filter(|e| property.may_move(*e)) {
                match property.equal.iter().find(|group| group.contains(&entry)) {
                    Some(group) if group[0] != entry => {}
                    Some(group) => groups.push(group.iter().map(|e| place(*e)).collect()),
                    None => groups.push(vec![place(entry)]),
                }
            }
            start += columns.width;
        }
        Movement::Groups(groups)
    }

    /// Whether nothing moves.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Movement::Groups(groups) if groups.is_empty())
    }

    /// Leaves out what touches a row that `keeps` still.
    pub(super) fn without_rows(self, keeps: impl Fn(usize) -> bool, n: usize, p: usize) -> Self {
        if !(0..n).any(&keeps) {
            return self;
        }
        let groups = match self {
            Movement::All => (0..n * p).map(|at| vec![at]).collect(),
            Movement::Groups(groups) => groups,
        };
        let moves = |group: &Vec<usize>| !group.iter().any(|at| keeps(at / p));
        Movement::Groups(groups.into_iter().filter(moves).collect())
    }
}

/// The increment of W, shape \[N, p\], at the maximum of −½ tr Λ S(W).
///
/// `precision` is not read where every entry of W moves by itself. O(N p²) there, and where Σ is
/// diagonal and no group spans two rows; else O(g³) for g groups.
pub(super) fn increment(
    regression: &Regression,
    sums: &Sums,
    weights: &[f64],
    movement: &Movement,
    precision: Option<&Precision>,
) -> Vec<f64> {
    let (n, p) = (regression.outputs, regression.regressors());
    let mut slope = regression.slope(sums, weights);
    let groups = match (movement, precision) {
        (Movement::All, _) => {
            let solver = Semidefinite::new(sums.xx.clone(), p);
            slope.chunks_exact_mut(p).for_each(|row| solver.solve(row));
            return slope;
        }
        (Movement::Groups(groups), Some(precision)) => Grouped { groups, precision, xx: &sums.xx, p },
        (Movement::Groups(_), None) => return vec![0.0; n * p],
    };
    let pull = groups.precision.times(&slope, p);
    let mut increment = vec![0.0; n * p];
    for part in groups.parts(n) {
        let solver = Semidefinite::new(groups.normal_matrix(&part), part.len());
        let mut delta: Vec<f64> =
            part.iter().map(|g| groups.groups[*g].iter().map(|at| pull[*at]).sum()).collect();
        solver.solve(&mut delta);
        for (g, delta) in part.iter().zip(delta) {
            groups.groups[*g].iter().for_each(|at| increment[*at] = delta);
        }
    }
    increment
}

/// Groups with what their normal equations are made of.
pub(super) struct Grouped<'a> {
    pub(super) groups: &'a [Vec<usize>],
    pub(super) precision: &'a Precision,
    pub(super) xx: &'a [f64],
    pub(super) p: usize,
}

impl Grouped<'_> {
    /// Groups whose equations hang together: those of one row where rows do not interact, else all.
    pub(super) fn parts(&self, n: usize) -> Vec<Vec<usize>> {
        let row = |group: &Vec<usize>| group[0] / self.p;
        let in_one_row = |group: &Vec<usize>| group.iter().all(|at| at / self.p == row(group));
        if !self.precision.diagonal || !self.groups.iter().all(in_one_row) {
            return vec![(0..self.groups.len()).collect()];
        }
        let mut parts = vec![Vec::new(); n];
        self.groups.iter().enumerate().for_each(|(g, group)| parts[row(group)].push(g));
        parts
    }

    /// ⟨E_g, Λ E_h Sxx⟩ over the groups of a part.
    pub(super) fn normal_matrix(&self, part: &[usize]) -> Vec<f64> {
        let p = self.p;
        let entry = |g: usize, h: usize| -> f64 {
            let pairs = self.groups[g].iter().flat_map(|a| self.groups[h].iter().map(move |b| (a, b)));
            pairs.map(|(a, b)| self.precision.at(a / p, b / p) * self.xx[(a % p) * p + b % p]).sum()
        };
        part.iter().flat_map(|g| part.iter().map(|h| entry(*g, *h)).collect::<Vec<f64>>()).collect()
    }
}

/// A factor of a semi-definite matrix, scaled to a unit diagonal; directions without weight get 0.
pub(super) struct Semidefinite {
    scales: Vec<f64>,
    kept: Vec<usize>,
    chol: Vec<f64>,
}

/// A column counts as a combination of those before it below this share of its own square.
const DEPENDENT: f64 = 1e-13;

impl Semidefinite {
    pub(super) fn new(a: Vec<f64>, n: usize) -> Self {
        let scales: Vec<f64> = (0..n).map(|i| a[i * n + i].max(0.0).sqrt()).collect();
        let some: Vec<usize> = (0..n).filter(|i| scales[*i] > 0.0).collect();
        let scaled = |rows: &[usize]| -> Vec<f64> {
            let entry = |i: usize, j: usize| a[i * n + j] / (scales[i] * scales[j]);
            rows.iter().flat_map(|i| rows.iter().map(move |j| entry(*i, *j))).collect()
        };
        let mut chol = scaled(&some);
        let mut kept = some.clone();
        let regular = semidefinite_cholesky(&mut chol, some.len()).is_ok();
        let pivot = |chol: &[f64], i: usize, n: usize| chol[i * n + i].powi(2);
        if !regular || (0..some.len()).any(|i| pivot(&chol, i, some.len()) < DEPENDENT) {
            kept = Vec::new();
            for i in some {
                kept.push(i);
                chol = scaled(&kept);
                let r = kept.len();
                if semidefinite_cholesky(&mut chol, r).is_err() || pivot(&chol, r - 1, r) < DEPENDENT {
                    kept.pop();
                }
            }
            chol = scaled(&kept);
            let _ = semidefinite_cholesky(&mut chol, kept.len());
        }
        Semidefinite { scales, kept, chol }
    }

    /// Overwrites b with A⁻ b.
    pub(super) fn solve(&self, b: &mut [f64]) {
        let mut x: Vec<f64> = self.kept.iter().map(|i| b[*i] / self.scales[*i]).collect();
        solve_chol(&self.chol, x.len(), &mut x);
        b.fill(0.0);
        self.kept.iter().zip(x).for_each(|(i, x)| b[*i] = x / self.scales[*i]);
    }

    /// Overwrites z of standard normals with a draw from N(0, A⁻); directions without weight get 0.
    pub(super) fn colour(&self, z: &mut [f64]) {
        let mut x: Vec<f64> = self.kept.iter().map(|i| z[*i]).collect();
        statewise_kernels::linalg::solve_upper_transposed(&self.chol, x.len(), &mut x);
        z.fill(0.0);
        self.kept.iter().zip(x).for_each(|(i, x)| z[*i] = x / self.scales[*i]);
    }
}
