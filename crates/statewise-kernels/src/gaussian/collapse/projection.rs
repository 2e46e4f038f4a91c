//! The collapse of one step.

use super::thin_qr::thin_qr;
use crate::gaussian::small::{inner, times, transposed};
use crate::gaussian::system::{Noise, System};
use crate::linalg::{cholesky, log_det_chol, solve_lower};

/// R = L Lᵀ and L⁻¹ H = Q H* over the entries observed.
#[derive(Clone, Debug)]
pub(super) struct Projection {
    /// The entries observed; n of them.
    pub(super) observed: Vec<usize>,
    /// p = min(n, D).
    pub(super) rank: usize,
    pub(super) whitening: Whitening,
    /// Q, \[n, p\].
    pub(super) q: Vec<f64>,
    /// Qᵀ, \[p, n\].
    pub(super) q_transposed: Vec<f64>,
    /// H*, \[D, D\]; rows from p on are zero.
    pub(super) emission: Vec<f64>,
    /// −log det L − ½ (n − p) log 2π.
    pub(super) log_norm: f64,
}

/// L⁻¹.
#[derive(Clone, Debug)]
pub(super) enum Whitening {
    /// Its diagonal, \[n\].
    Diagonal(Vec<f64>),
    /// The matrix and its transpose, \[n, n\].
    Full { inverse: Vec<f64>, transposed: Vec<f64> },
}

impl Projection {
    /// That of step t; `None` if R is not positive definite.
    pub(super) fn of(system: &System<'_>, t: usize, observed: &[usize]) -> Option<Self> {
        let (d, m, n) = (system.state_dim, system.emission_dim, observed.len());
        if n == 0 {
            return Some(Projection {
                observed: vec![],
                rank: 0,
                whitening: Whitening::Diagonal(vec![]),
                q: vec![],
                q_transposed: vec![],
                emission: vec![0.0; d * d],
                log_norm: 0.0,
            });
        }
        let h = system.emission.at(t);
        let rows = observed.iter().flat_map(|i| &h[i * d..(i + 1) * d]).copied().collect::<Vec<f64>>();
        let (whitening, mut white, log_det) = match system.emission_cov {
            Noise::Diagonal(r) => diagonal(observed.iter().map(|i| r.at(t)[*i]).collect(), rows, d)?,
            Noise::Full(r) => {
                let r = r.at(t);
                let cells = observed.iter().flat_map(|i| observed.iter().map(move |j| r[i * m + j]));
                full(cells.collect(), &rows, [n, d])?
            }
        };
        let rank = n.min(d);
        let (q, mut emission) = thin_qr([n, d], &mut white);
        emission.resize(d * d, 0.0);
        let log_norm = -log_det - 0.5 * (n - rank) as f64 * (2.0 * std::f64::consts::PI).ln();
        let q_transposed = transposed([n, rank], &q);
        Some(Projection {
            observed: observed.to_vec(),
            rank,
            whitening,
            q,
            q_transposed,
            emission,
            log_norm,
        })
    }

    /// L⁻ᵀ Q, \[n, p\].
    pub(super) fn weights(&self) -> Vec<f64> {
        let n = self.observed.len();
        match &self.whitening {
            Whitening::Diagonal(scale) => {
                let rows = self.q.chunks_exact(self.rank.max(1)).zip(scale);
                rows.flat_map(|(row, s)| row.iter().map(move |x| x * s)).collect()
            }
            Whitening::Full { transposed, .. } => times([n, n, self.rank], transposed, &self.q),
        }
    }

    /// L⁻ᵀ L⁻¹ − W Wᵀ, \[n, n\] or its diagonal, with W = [`Self::weights`].
    pub(super) fn unexplained(&self, weights: &[f64]) -> Vec<f64> {
        let (n, p) = (self.observed.len(), self.rank.max(1));
        match &self.whitening {
            Whitening::Diagonal(scale) => {
                let rows = weights.chunks_exact(p).zip(scale);
                rows.map(|(row, s)| s * s - inner(row, row)).collect()
            }
            Whitening::Full { inverse, transposed } => {
                let mut out = times([n; 3], transposed, inverse);
                for (row, left) in out.chunks_exact_mut(n).zip(weights.chunks_exact(p)) {
                    row.iter_mut()
                        .zip(weights.chunks_exact(p))
                        .for_each(|(x, right)| *x -= inner(left, right));
                }
                out
            }
        }
    }
}

/// L⁻¹, L⁻¹ H and log det L of a diagonal R.
fn diagonal(variances: Vec<f64>, mut rows: Vec<f64>, d: usize) -> Option<(Whitening, Vec<f64>, f64)> {
    if !variances.iter().all(|r| *r > 0.0 && r.is_finite()) {
        return None;
    }
    let log_det = 0.5 * variances.iter().map(|r| r.ln()).sum::<f64>();
    let scale: Vec<f64> = variances.iter().map(|r| 1.0 / r.sqrt()).collect();
    for (row, s) in rows.chunks_exact_mut(d).zip(&scale) {
        row.iter_mut().for_each(|x| *x *= s);
    }
    Some((Whitening::Diagonal(scale), rows, log_det))
}

/// L⁻¹, L⁻¹ H and log det L of a full R.
fn full(mut r: Vec<f64>, rows: &[f64], [n, d]: [usize; 2]) -> Option<(Whitening, Vec<f64>, f64)> {
    cholesky(&mut r, n).ok()?;
    let mut columns = vec![0.0; n * n];
    for (i, column) in columns.chunks_exact_mut(n).enumerate() {
        column[i] = 1.0;
        solve_lower(&r, n, column);
    }
    // Row i of `columns` is L⁻¹ e_i.
    let inverse = transposed([n, n], &columns);
    let white = times([n, n, d], &inverse, rows);
    let log_det = 0.5 * log_det_chol(&r, n);
    Some((Whitening::Full { inverse, transposed: columns }, white, log_det))
}
