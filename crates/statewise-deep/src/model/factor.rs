//! Gaussian factors of q(z_t): from a head's output, multiplied, and back.

use std::ops::Range;

use crate::array::{Grid, Real};

/// A mean-field factor, one row a time step.
#[derive(Clone, Debug)]
pub(super) struct HeadTape<R> {
    pub(super) out: Grid<R>,
    pub(super) d_out: Grid<R>,
    pub(super) mean: Grid<R>,
    pub(super) raw: Grid<R>,
    pub(super) variance: Grid<R>,
    pub(super) d_mean: Grid<R>,
    pub(super) d_variance: Grid<R>,
    pub(super) d_raw: Grid<R>,
}

impl<R: Real> HeadTape<R> {
    pub(super) fn new(latent_dim: usize) -> Self {
        let (both, latent) = (Grid::new(2 * latent_dim), Grid::new(latent_dim));
        HeadTape {
            d_out: both.clone(),
            out: both,
            mean: latent.clone(),
            raw: latent.clone(),
            variance: latent.clone(),
            d_mean: latent.clone(),
            d_variance: latent.clone(),
            d_raw: latent,
        }
    }

    pub(super) fn resize(&mut self, steps: usize) {
        let HeadTape { out, d_out, mean, raw, variance, d_mean, d_variance, d_raw } = self;
        for grid in [out, d_out, mean, raw, variance, d_mean, d_variance, d_raw] {
            grid.resize(steps);
        }
    }
}

/// The first and second halves of every row, apart.
pub(super) fn split<R: Real>(out: &Grid<R>, rows: Range<usize>, mean: &mut Grid<R>, raw: &mut Grid<R>) {
    let half = mean.width();
    for row in rows {
        let (first, second) = out.row(row).split_at(half);
        mean.row_mut(row).copy_from_slice(first);
        raw.row_mut(row).copy_from_slice(second);
    }
}

/// Puts the deltas of both halves side by side.
pub(super) fn unsplit<R: Real>(d_mean: &Grid<R>, d_raw: &Grid<R>, rows: Range<usize>, d_out: &mut Grid<R>) {
    let half = d_mean.width();
    for row in rows {
        let (first, second) = d_out.row_mut(row).split_at_mut(half);
        first.copy_from_slice(d_mean.row(row));
        second.copy_from_slice(d_raw.row(row));
    }
}

/// N(mean, variance) ∝ N(mean, variance) N(m, v): with w = v / (variance + v) the mean moves to
/// mean w + m (1 − w), the variance shrinks to variance w.
pub(super) fn join<R: Real>(m: &[R], v: &[R], mean: &mut [R], variance: &mut [R]) {
    for ((m, v), (mean, variance)) in m.iter().zip(v).zip(mean.iter_mut().zip(variance)) {
        let w = *v / (*variance + *v);
        *mean = *m + w * (*mean - *m);
        *variance *= w;
    }
}

/// Backward of [`join`]: the deltas of the joined moments become those of `before`; the factor's are added to.
pub(super) fn unjoin<R: Real>(
    [m, v]: [&[R]; 2],
    before: [&[R]; 2],
    [d_m, d_v]: [&mut [R]; 2],
    [d_mean, d_variance]: [&mut [R]; 2],
) {
    for j in 0..m.len() {
        let (mean, variance) = (before[0][j], before[1][j]);
        let total = variance + v[j];
        let w = v[j] / total;
        let d_w = d_mean[j] * (mean - m[j]) + d_variance[j] * variance;
        d_m[j] += d_mean[j] * (R::ONE - w);
        d_v[j] += d_w * (R::ONE - w) / total;
        d_variance[j] = d_variance[j] * w - d_w * w / total;
        d_mean[j] *= w;
    }
}

/// The product of all heads' factors at a time step.
pub(super) fn joined<R: Real>(heads: &[HeadTape<R>], row: usize, mean: &mut [R], variance: &mut [R]) {
    mean.copy_from_slice(heads[0].mean.row(row));
    variance.copy_from_slice(heads[0].variance.row(row));
    for head in &heads[1..] {
        join(head.mean.row(row), head.variance.row(row), mean, variance);
    }
}
