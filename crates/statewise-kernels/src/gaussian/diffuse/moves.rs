//! How states, emissions and innovations move with δ, over the directions known today.
//!
//! X V R⁻¹ over a: one column per unit, in which a has variance 1; X V over b: open.

use super::directions::Directions;
use super::table::Moved;
use crate::gaussian::small::{add, inner, times, transposed_times};

impl Directions {
    /// How states move with δ.
    pub(super) fn moved(&self) -> Moved {
        let mut open = self.open_cov(&self.columns, self.d);
        if !open.is_empty() {
            let norms = self.open_norms();
            let noise: Vec<f64> = (0..self.d).map(|i| self.rounding.of_row(i)).collect();
            clean(&mut open, &norms, &noise);
        }
        Moved { units: self.solve(&self.columns), open }
    }

    /// How emissions move with δ.
    pub(super) fn moved_emission(&self, h: &[f64]) -> Moved {
        let m = h.len() / self.d;
        let rows = times([m, self.d, self.width], h, &self.columns);
        let mut open = self.open_cov(&rows, m);
        if !open.is_empty() {
            let norms = self.open_norms();
            let noise: Vec<f64> =
                h.chunks_exact(self.d).map(|row| self.rounding.along(row, row, &norms)).collect();
            let norms: Vec<f64> = (0..m).map(|i| open[i * (m + 1)].sqrt()).collect();
            clean(&mut open, &norms, &noise);
        }
        Moved { units: self.solve(&rows), open }
    }

    /// Moves a mean given δ = 0 and its covariance to those with what is known of δ.
    pub fn add_to(&self, estimate: &[f64], mean: &mut [f64], cov: &mut [f64]) {
        if self.width > 0 {
            let moved = self.moved();
            moved.add_mean(estimate, mean);
            moved.add_cov(self.d, cov);
        }
    }

    /// Rows of X V R⁻¹ over a, for X = `rows`, \[·, q\].
    pub(super) fn in_units(&self, rows: &[f64], num_rows: usize) -> Vec<f64> {
        if self.rank == 0 {
            return Vec::new();
        }
        self.solve(&times([num_rows, self.stride(), self.width], rows, &self.basis))
    }

    /// Rows of X V_t, of steps before, over the columns of today: a in units of R, and b.
    fn in_units_of_today(&self, rows: &[f64], then: &Directions) -> [Vec<f64>; 2] {
        if then.width == 0 || self.width == 0 {
            return [Vec::new(), Vec::new()];
        }
        let turned = times(
            [rows.len() / then.width, then.width, self.width],
            rows,
            &transposed_times([then.width, self.stride(), self.width], &then.basis, &self.basis),
        );
        let open = turned.chunks_exact(self.width).flat_map(|row| row[self.rank..].to_vec()).collect();
        [self.solve(&turned), open]
    }

    /// How filtered states of an earlier step move with what is known of δ now, \[D, rank\] and \[D, open\].
    pub(in crate::gaussian) fn states_of(&self, then: &Directions) -> [Vec<f64>; 2] {
        self.in_units_of_today(&then.columns, then)
    }

    /// What standardised innovations of an earlier step lose per unit, \[M, rank\].
    pub(in crate::gaussian) fn innovations_of(&self, then: &Directions, white: &[f64]) -> Vec<f64> {
        let [units, _] = self.in_units_of_today(white, then);
        units
    }

    /// The norm of row i of A V.
    pub(in crate::gaussian) fn row_norm(&self, i: usize) -> f64 {
        self.columns[i * self.width..(i + 1) * self.width].iter().map(|x| x * x).sum::<f64>().sqrt()
    }

    /// The columns of a of X R⁻¹, for X of shape \[·, width\].
    pub(super) fn solve(&self, rows: &[f64]) -> Vec<f64> {
        let (q, rank) = (self.stride(), self.rank);
        let mut out = Vec::with_capacity(rows.len());
        if rank == 0 {
            return out;
        }
        let scales: Vec<f64> = (0..rank).map(|j| 1.0 / self.root[j * (q + 1)]).collect();
        for row in rows.chunks_exact(self.width) {
            let start = out.len();
            out.extend_from_slice(&row[..rank]);
            let x = &mut out[start..];
            for j in 0..rank {
                let (own, rest) = x[j..].split_at_mut(1);
                own[0] *= scales[j];
                add(rest, -own[0], &self.root[j * q + j + 1..j * q + rank]);
            }
        }
        out
    }

    /// C Cᵀ over the open columns of \[n, width\]; empty if there are none.
    fn open_cov(&self, rows: &[f64], n: usize) -> Vec<f64> {
        if self.rank == self.width {
            return Vec::new();
        }
        let open = |i: usize| &rows[i * self.width + self.rank..(i + 1) * self.width];
        (0..n * n).map(|ij| inner(open(ij / n), open(ij % n))).collect()
    }
}

/// Sets entries of C Cᵀ that are rounding to zero; rows of C have these `norms` and variances of rounding.
fn clean(open: &mut [f64], norms: &[f64], noise: &[f64]) {
    let n = norms.len();
    let is_open = |i: usize| norms[i] * norms[i] > noise[i];
    for ij in 0..n * n {
        let (i, j) = (ij / n, ij % n);
        let rounding = noise[i].sqrt() * norms[j] + noise[j].sqrt() * norms[i];
        if !is_open(i) || !is_open(j) || open[ij].abs() <= rounding {
            open[ij] = 0.0;
        }
    }
}
