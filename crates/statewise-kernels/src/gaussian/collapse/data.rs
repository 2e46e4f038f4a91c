//! The collapse of data: matrix products over runs of steps that share a projection.

use std::ops::Range;

use super::Collapse;
use super::projection::{Projection, Whitening};
use crate::gaussian::dense::{Into, Left, product};
use crate::gaussian::system::{GaussianError, Series};
use crate::math::dispatch::vectorised;

/// Rows that go through a product at a time.
const BLOCK: usize = 64;
/// Below this share of |w|², |w|² − |y*|² has lost digits, and |w − Q y*|² is computed as such.
const CANCELLED: f64 = 1e-2;

/// Where the collapse of a series writes, one row per step.
#[derive(Debug)]
pub struct CollapsedRows<'a> {
    /// y*, \[T, D\]; NaN where there are fewer observations than states.
    pub emissions: &'a mut [f64],
    /// w − Q y* at the entries observed, 0 elsewhere, \[T, M\]: what [`Collapse::expand_adjoints`] needs; or
    /// empty.
    pub residuals: &'a mut [f64],
}

/// Buffers of one block.
#[derive(Default)]
struct Block {
    /// y − d over the entries observed, then w, \[rows, n\].
    white: Vec<f64>,
    other: Vec<f64>,
    /// \[rows, p\].
    collapsed: Vec<f64>,
}

impl Collapse {
    /// Writes y* of `steps` (`series.emissions` are the rows of these steps, offsets count by the absolute
    /// step) and answers what is to be added to the evidence of y* to give that of y.
    ///
    /// # Errors
    /// An observation or offset that is infinite.
    pub fn emissions(
        &self,
        series: &Series<'_>,
        steps: Range<usize>,
        rows: CollapsedRows<'_>,
    ) -> Result<f64, GaussianError> {
        collapse_rows(self, series, steps, rows)
    }

    /// The adjoints of d (and, negated, of y) from those of the collapsed system, `collapsed` of shape
    /// \[T, D\]: u = L⁻ᵀ (Q u* + w − Q y*), \[T, M\], 0 where missing.
    pub fn expand_adjoints(
        &self,
        steps: Range<usize>,
        collapsed: &[f64],
        residuals: &[f64],
        adjoints: &mut [f64],
    ) {
        expand_rows(self, steps, collapsed, residuals, adjoints);
    }

    /// Runs of `steps` that share a projection, counted from the first step, of [`BLOCK`] steps at most.
    fn runs(&self, steps: Range<usize>) -> impl Iterator<Item = (Range<usize>, &Projection)> {
        let first = steps.start;
        let mut start = steps.start;
        std::iter::from_fn(move || {
            let index = *self.index[..steps.end].get(start)?;
            let alike =
                self.index[start..steps.end].iter().take(BLOCK).take_while(|i| **i == index).count();
            let run = start - first..start - first + alike;
            start += alike;
            Some((run, &self.projections[index]))
        })
    }
}

vectorised! {
    fn collapse_rows(
        collapse: &Collapse,
        series: &Series<'_>,
        steps: Range<usize>,
        rows: CollapsedRows<'_>,
    ) -> Result<f64, GaussianError> = collapse_body
}

#[inline(always)]
fn collapse_body<const ISA: u8>(
    collapse: &Collapse,
    series: &Series<'_>,
    steps: Range<usize>,
    rows: CollapsedRows<'_>,
) -> Result<f64, GaussianError> {
    let (d, m) = (collapse.d, collapse.m);
    let mut block = Block::default();
    let mut correction = 0.0;
    let first = steps.start;
    for (run, projection) in collapse.runs(steps) {
        let (len, n, p) = (run.len(), projection.observed.len(), projection.rank);
        let Block { white, other, collapsed } = &mut block;
        white.clear();
        for s in run.clone() {
            let y = &series.emissions[s * m..(s + 1) * m];
            match &series.emission_offset {
                Some(offset) => {
                    let offset = offset.at(first + s);
                    white.extend(projection.observed.iter().map(|i| y[*i] - offset[*i]));
                }
                None => white.extend(projection.observed.iter().map(|i| y[*i])),
            }
        }
        match &projection.whitening {
            Whitening::Diagonal(scale) => {
                for row in white.chunks_exact_mut(n.max(1)) {
                    row.iter_mut().zip(scale).for_each(|(x, s)| *x *= s);
                }
            }
            Whitening::Full { transposed, .. } => {
                other.resize(len * n, 0.0);
                product::<ISA, 0>([len, n, n], Left::plain(white, n), transposed, other, Into::Set);
                std::mem::swap(white, other);
            }
        }
        white.truncate(len * n);
        collapsed.resize(len * p, 0.0);
        product::<ISA, 0>([len, n, p], Left::plain(white, n), &projection.q, collapsed, Into::Set);
        let square = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
        let (whole, explained) = (square(white), square(collapsed));
        if !whole.is_finite() {
            return Err(GaussianError::NotFinite { t: first + run.start });
        }
        let mut rest = whole - explained;
        if !rows.residuals.is_empty() || rest < CANCELLED * whole {
            product::<ISA, 0>(
                [len, p, n],
                Left::plain(collapsed, p),
                &projection.q_transposed,
                white,
                Into::Subtract,
            );
            rest = square(white);
        }
        correction += len as f64 * projection.log_norm - 0.5 * rest;
        for (i, s) in run.enumerate() {
            let out = &mut rows.emissions[s * d..(s + 1) * d];
            out[..p].copy_from_slice(&collapsed[i * p..(i + 1) * p]);
            out[p..].fill(f64::NAN);
            if !rows.residuals.is_empty() {
                let out = &mut rows.residuals[s * m..(s + 1) * m];
                out.fill(0.0);
                let residual = &white[i * n..(i + 1) * n];
                projection.observed.iter().zip(residual).for_each(|(entry, x)| out[*entry] = *x);
            }
        }
    }
    Ok(correction)
}

vectorised! {
    fn expand_rows(
        collapse: &Collapse,
        steps: Range<usize>,
        collapsed: &[f64],
        residuals: &[f64],
        adjoints: &mut [f64],
    ) = expand_body
}

#[inline(always)]
fn expand_body<const ISA: u8>(
    collapse: &Collapse,
    steps: Range<usize>,
    collapsed: &[f64],
    residuals: &[f64],
    adjoints: &mut [f64],
) {
    let (d, m) = (collapse.d, collapse.m);
    let (mut white, mut other) = (Vec::new(), Vec::new());
    for (run, projection) in collapse.runs(steps) {
        let (len, n, p) = (run.len(), projection.observed.len(), projection.rank);
        white.clear();
        for s in run.clone() {
            white.extend(projection.observed.iter().map(|i| residuals[s * m + i]));
        }
        let own = Left::plain(&collapsed[run.start * d..], d);
        product::<ISA, 0>([len, p, n], own, &projection.q_transposed, &mut white, Into::Add);
        match &projection.whitening {
            Whitening::Diagonal(scale) => {
                for row in white.chunks_exact_mut(n.max(1)) {
                    row.iter_mut().zip(scale).for_each(|(x, s)| *x *= s);
                }
            }
            Whitening::Full { inverse, .. } => {
                other.resize(len * n, 0.0);
                product::<ISA, 0>([len, n, n], Left::plain(&white, n), inverse, &mut other, Into::Set);
                std::mem::swap(&mut white, &mut other);
            }
        }
        for (i, s) in run.enumerate() {
            let out = &mut adjoints[s * m..(s + 1) * m];
            out.fill(0.0);
            let row = &white[i * n..(i + 1) * n];
            projection.observed.iter().zip(row).for_each(|(entry, x)| out[*entry] = *x);
        }
    }
}
