//! What the observations so far tell of δ: the part that series share.

use std::ops::Range;

use super::rounding::Rounding;
use super::table::{DiffuseTable, Row, Step};
use crate::gaussian::gains::{Gains, Parts};
use crate::gaussian::small::{add, inner, times, transposed_times};
use crate::gaussian::system::{GaussianError, System};

/// Where Σ_j B_ij² is below this share of P_ii for all i, δ is forgotten. So small a share leaves room for
/// directions in which P is small.
const FORGOTTEN: f64 = 1.0 / (1u128 << 80) as f64;
/// Steps between two looks at whether δ is forgotten.
const LOOK: usize = 8;

/// δ = V (a, b) given y_{1:t}: R a = z + N(0, I), and b open, seen by no observation.
///
/// An observation sees b where its row exceeds what the rounding of earlier steps, each 64 units in the
/// last place, can have made of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Directions {
    pub(super) d: usize,
    /// Columns left: q less those that the dynamics forgot before they were seen.
    pub(super) width: usize,
    /// Columns of a.
    pub(super) rank: usize,
    /// A_t V, \[D, width\].
    pub(super) columns: Vec<f64>,
    /// V, \[q, width\].
    pub(super) basis: Vec<f64>,
    /// R, upper triangular with a positive diagonal, \[q, q\].
    pub(super) root: Vec<f64>,
    pub(super) rounding: Rounding,
    pub(super) is_forgotten: bool,
}

impl Directions {
    /// Before any observation; `factor` is A, \[D, q\].
    pub(super) fn new(factor: &[f64], d: usize) -> Self {
        let q = factor.len() / d;
        let mut basis = vec![0.0; q * q];
        (0..q).for_each(|j| basis[j * q + j] = 1.0);
        Directions {
            d,
            width: q,
            rank: 0,
            columns: factor.to_vec(),
            basis,
            root: vec![0.0; q * q],
            rounding: Rounding::none(d),
            is_forgotten: q == 0,
        }
    }

    /// Directions that observations have seen.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Whether the ordinary recursions go on from here.
    pub fn is_forgotten(&self) -> bool {
        self.is_forgotten
    }

    /// Directions of δ that no observation has seen, those that the dynamics forgot among them.
    pub fn num_unseen(&self) -> usize {
        self.stride() - self.rank
    }

    /// Fills `table` for `steps`, or as many of them as come before δ is forgotten. `gains` are those of
    /// the proper start; with `moments` the table can tell moments, else the evidence only.
    ///
    /// # Errors
    /// Columns that are not finite.
    pub fn advance(
        &mut self,
        system: &System<'_>,
        steps: Range<usize>,
        gains: &Gains,
        moments: bool,
        table: &mut DiffuseTable,
    ) -> Result<(), GaussianError> {
        table.clear([self.d, system.emission_dim], steps.start);
        for t in steps {
            if self.is_forgotten {
                break;
            }
            if t > 0 {
                self.predict(system.transition.at(t));
            }
            table.push(self.step(system, t, gains, moments));
            if self.columns.iter().any(|x| !x.is_finite()) {
                return Err(GaussianError::NotFinite { t });
            }
        }
        Ok(())
    }

    /// A ← F A.
    fn predict(&mut self, transition: &[f64]) {
        if self.width == 0 {
            return;
        }
        if self.rank < self.width {
            let norms = self.open_norms();
            self.rounding.carry(transition, &norms);
        }
        self.columns = times([self.d, self.d, self.width], transition, &self.columns);
        self.drop_rounding();
    }

    fn step(&mut self, system: &System<'_>, t: usize, gains: &Gains, moments: bool) -> Step {
        let (d, m, entry) = (self.d, system.emission_dim, gains.entry_of(t));
        let (parts, h) = (gains.parts(entry), system.emission.at(t));
        let mut step = Step { log_norm: parts.log_norm, ..Step::default() };
        if self.width == 0 {
            step.rows.resize_with(m, Row::default);
            self.is_forgotten = true;
            return step;
        }
        if moments {
            step.predicted = self.moved();
            step.emission = self.moved_emission(h);
        }
        let mut white = times([m, d, self.width], parts.u, &self.columns);
        for (_, row) in gains.lost_rows(entry) {
            // What has no variance given δ does not depend on it.
            white[*row as usize * self.width..][..self.width].fill(0.0);
        }
        for i in 0..m {
            let (rank, width) = (self.rank, self.width);
            let open = &mut white[i * width + rank..(i + 1) * width];
            let size: f64 = open.iter().map(|x| x * x).sum();
            let pins = size > 0.0 && size > self.rounding_of(i, &parts, h);
            if pins {
                self.pin(i, &mut white, &parts, h);
            } else {
                open.fill(0.0);
            }
            let row = self.rotate(&mut white[i * width..(i + 1) * width].to_vec(), pins);
            step.log_norm -= row.log_growth;
            step.rows.push(row);
        }
        let learnt = transposed_times([d, m, self.width], parts.w, &white);
        add(&mut self.columns, -1.0, &learnt);
        self.drop_rounding();
        self.is_forgotten = self.forgets(t, parts.filtered);
        if moments || self.is_forgotten {
            step.filtered = self.moved();
        }
        if moments {
            step.white = white;
        }
        step
    }

    /// Turns V so that the first open column is what row i of `white` sees, and makes it one of a.
    fn pin(&mut self, i: usize, white: &mut [f64], parts: &Parts<'_>, h: &[f64]) {
        let (rank, width) = (self.rank, self.width);
        let norms = self.open_norms();
        let open = rank..width;
        let row = i * width;
        let largest = open.clone().max_by(|j, k| white[row + j].abs().total_cmp(&white[row + k].abs()));
        let largest = largest.unwrap_or(rank);
        let mut all = [&mut *white, &mut self.columns, &mut self.basis];
        for matrix in &mut all {
            matrix.chunks_exact_mut(width).for_each(|row| row.swap(rank, largest));
        }
        // The reflection I − 2 v vᵀ / vᵀv with v = w + sign(w_1) |w| e_1 takes w to a multiple of e_1. Columns
        // that the row does not see stay as they are, to the bit.
        let mut v = all[0][row + rank..row + width].to_vec();
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let turned = if v.len() > 1 { -norm.copysign(v[0]) } else { v[0] };
        if v.len() > 1 {
            v[0] -= turned;
            let square: f64 = v.iter().map(|x| x * x).sum();
            for row in all.into_iter().flat_map(|matrix| matrix.chunks_exact_mut(width)) {
                let share = 2.0 * inner(&row[open.clone()], &v) / square;
                add(&mut row[open.clone()], -share, &v);
            }
        }
        white[row + rank..row + width].fill(0.0);
        white[row + rank] = turned;
        let gain: Vec<f64> = self.columns.chunks_exact(width).map(|row| row[rank] / turned).collect();
        let u = &parts.u[i * self.d..(i + 1) * self.d];
        self.rounding.take_out(&gain, u, &sizes(i, parts, h, self.d), &norms);
        self.rank += 1;
    }

    /// Takes a row into R.
    fn rotate(&mut self, row: &mut [f64], pins: bool) -> Row {
        let (q, rank) = (self.stride(), self.rank);
        let mut out = Row { pins: pins.then_some(1.0), ..Row::default() };
        if row.iter().all(|x| *x == 0.0) {
            return out;
        }
        let mut growth = 1.0;
        for j in 0..rank - usize::from(pins) {
            let own = &mut self.root[j * q..j * q + rank];
            if row[j] == 0.0 {
                out.turns.push([1.0, 0.0]);
                continue;
            }
            let radius = own[j].hypot(row[j]);
            let (c, s) = (own[j] / radius, row[j] / radius);
            growth /= c;
            if growth > 1e100 {
                out.log_growth += f64::ln(growth);
                growth = 1.0;
            }
            own[j] = radius;
            for (x, y) in own[j + 1..].iter_mut().zip(&mut row[j + 1..rank]) {
                (*x, *y) = (c * *x + s * *y, c * *y - s * *x);
            }
            out.turns.push([c, s]);
        }
        if pins {
            let last = row[rank - 1];
            out.pins = Some(1f64.copysign(last));
            self.root[(rank - 1) * (q + 1)] = last.abs();
            out.log_growth += last.abs().ln();
        }
        out.log_growth += f64::ln(growth);
        out
    }

    /// D.
    pub(in crate::gaussian) fn state_dim(&self) -> usize {
        self.d
    }

    /// The norms of the rows of the open columns.
    pub(super) fn open_norms(&self) -> Vec<f64> {
        let open = |row: &[f64]| row[self.rank..].iter().map(|x| x * x).sum::<f64>().sqrt();
        self.columns.chunks_exact(self.width).map(open).collect()
    }

    fn rounding_of(&self, i: usize, parts: &Parts<'_>, h: &[f64]) -> f64 {
        let u = &parts.u[i * self.d..(i + 1) * self.d];
        self.rounding.along(u, &sizes(i, parts, h, self.d), &self.open_norms())
    }

    /// Leaves out open columns of which rounding alone is left.
    fn drop_rounding(&mut self) {
        let (width, rank) = (self.width, self.rank);
        let genuine = |j: usize| {
            let column = self.columns.iter().skip(j).step_by(width).enumerate();
            column.into_iter().any(|(i, x)| x * x > self.rounding.of_row(i))
        };
        let kept: Vec<usize> = (0..width).filter(|j| *j < rank || genuine(*j)).collect();
        if kept.len() == width {
            return;
        }
        for matrix in [&mut self.columns, &mut self.basis] {
            *matrix = matrix.chunks_exact(width).flat_map(|row| kept.iter().map(|j| row[*j])).collect();
        }
        self.width = kept.len();
    }

    /// Whether step t, with this filtered covariance given δ, leaves nothing to learn of δ.
    fn forgets(&self, t: usize, filtered: &[f64]) -> bool {
        if self.width == 0 {
            return true;
        }
        if self.rank < self.width || !(t + 1).is_multiple_of(LOOK) {
            return false;
        }
        let small = |(i, row): (usize, &[f64])| {
            let own: f64 = row.iter().map(|x| x * x).sum();
            own <= FORGOTTEN * filtered[i * (self.d + 1)]
        };
        let fixed = |i: usize| filtered[i * (self.d + 1)] <= 0.0 && self.columns[i * self.width] != 0.0;
        !(0..self.d).any(fixed) && self.solve(&self.columns).chunks_exact(self.rank).enumerate().all(small)
    }

    pub(super) fn stride(&self) -> usize {
        self.root.len().isqrt()
    }
}

/// |L⁻¹| |H| of an innovation, \[D\]: the terms of its row without their signs.
fn sizes(i: usize, parts: &Parts<'_>, h: &[f64], d: usize) -> Vec<f64> {
    let m = h.len() / d;
    let mut out = vec![0.0; d];
    for (l, h) in parts.inverse[i * m..(i + 1) * m].iter().zip(h.chunks_exact(d)) {
        out.iter_mut().zip(h).for_each(|(x, h)| *x += (l * h).abs());
    }
    out
}
