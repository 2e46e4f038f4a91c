//! log q(z_t) − log p(z_t), in expectation or at the drawn z_t, and its derivatives.

use crate::array::{Grid, Real, vectorised};

/// Means and variances of q and of p, row by row.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a, R> {
    pub(super) q_mean: &'a [R],
    pub(super) q_variance: &'a [R],
    pub(super) p_mean: &'a [R],
    pub(super) p_variance: &'a [R],
}

impl<'a, R: Real> Pair<'a, R> {
    /// Of a row of the grids of q's means and variances and of p's.
    pub(super) fn at([q_mean, q_variance, p_mean, p_variance]: [&'a Grid<R>; 4], row: usize) -> Self {
        Pair {
            q_mean: q_mean.row(row),
            q_variance: q_variance.row(row),
            p_mean: p_mean.row(row),
            p_variance: p_variance.row(row),
        }
    }
}

/// Derivatives with respect to the members of a [`Pair`], which are set (not added to).
pub(super) struct PairDeltas<'a, R> {
    pub(super) q_mean: &'a mut [R],
    pub(super) q_variance: &'a mut [R],
    pub(super) p_mean: &'a mut [R],
    pub(super) p_variance: &'a mut [R],
}

/// KL(q ‖ p) = ½ Σ [ln p_v − ln q_v − 1 + q_v / p_v + (p_m − q_m)² / p_v] of one row.
pub(super) fn expected<R: Real>(pair: Pair<'_, R>) -> R {
    expected_sum(pair.q_mean, pair.q_variance, pair.p_mean, pair.p_variance)
}

vectorised! { fn expected_sum(qm: &[R], qv: &[R], pm: &[R], pv: &[R]) -> R = expected_sum_body }
#[inline(always)]
fn expected_sum_body<R: Real>(qm: &[R], qv: &[R], pm: &[R], pv: &[R]) -> R {
    // PERF: sixteen partial sums, so that the sum runs in lanes; one logarithm of the ratio.
    const LANES: usize = 16;
    let mut sums = [R::ZERO; LANES];
    let term = |qm: R, qv: R, pm: R, pv: R| {
        let precision = R::ONE / pv;
        let ratio = qv * precision;
        let gap = pm - qm;
        ratio - R::ONE - ratio.ln() + gap * gap * precision
    };
    let whole = qm.len() / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        let block = |x: &[R]| -> [R; LANES] { std::array::from_fn(|j| x[at + j]) };
        let (a, b, c, d) = (block(qm), block(qv), block(pm), block(pv));
        for j in 0..LANES {
            sums[j] += term(a[j], b[j], c[j], d[j]);
        }
    }
    let rest: R = (whole..qm.len()).map(|j| term(qm[j], qv[j], pm[j], pv[j])).sum();
    (sums.into_iter().sum::<R>() + rest) * R::from_f64(0.5)
}

/// Sets `weight` times the derivatives of [`expected`].
pub(super) fn expected_back<R: Real>(weight: R, pair: Pair<'_, R>, deltas: PairDeltas<'_, R>) {
    let Pair { q_mean, q_variance, p_mean, p_variance } = pair;
    expected_slopes(
        weight,
        q_mean,
        q_variance,
        p_mean,
        p_variance,
        deltas.q_mean,
        deltas.q_variance,
        deltas.p_mean,
        deltas.p_variance,
    );
}

vectorised! {
    fn expected_slopes(weight: R, qm: &[R], qv: &[R], pm: &[R], pv: &[R], d_qm: &mut [R], d_qv: &mut [R], d_pm: &mut [R], d_pv: &mut [R]) = expected_slopes_body
}
#[inline(always)]
fn expected_slopes_body<R: Real>(
    weight: R,
    qm: &[R],
    qv: &[R],
    pm: &[R],
    pv: &[R],
    d_qm: &mut [R],
    d_qv: &mut [R],
    d_pm: &mut [R],
    d_pv: &mut [R],
) {
    let half = R::from_f64(0.5) * weight;
    let values = qm.iter().zip(qv).zip(pm.iter().zip(pv));
    let deltas = d_qm.iter_mut().zip(d_qv).zip(d_pm.iter_mut().zip(d_pv));
    for (((qm, qv), (pm, pv)), ((d_qm, d_qv), (d_pm, d_pv))) in values.zip(deltas) {
        let precision = R::ONE / *pv;
        let pull = (*pm - *qm) * precision;
        *d_pm = weight * pull;
        *d_qm = -*d_pm;
        *d_qv = half * (precision - R::ONE / *qv);
        *d_pv = half * (precision * (R::ONE - *qv * precision) - pull * pull);
    }
}

/// log q(z) − log p(z) of one row, with z = q_m + √q_v ε.
pub(super) fn sampled<R: Real>(pair: Pair<'_, R>, noise: &[R], z: &[R]) -> R {
    let mut sum = R::ZERO;
    for j in 0..z.len() {
        let precision = R::ONE / pair.p_variance[j];
        let residual = z[j] - pair.p_mean[j];
        sum +=
            residual * residual * precision - noise[j] * noise[j] - (pair.q_variance[j] * precision).ln();
    }
    sum * R::from_f64(0.5)
}

/// Sets `weight` times the derivatives of [`sampled`]; those with respect to z are added to `d_z`, and
/// reach q's moments by way of the draw.
pub(super) fn sampled_back<R: Real>(
    weight: R,
    pair: Pair<'_, R>,
    z: &[R],
    deltas: PairDeltas<'_, R>,
    d_z: &mut [R],
) {
    let half = R::from_f64(0.5) * weight;
    for j in 0..z.len() {
        let precision = R::ONE / pair.p_variance[j];
        let pull = (z[j] - pair.p_mean[j]) * precision;
        d_z[j] += weight * pull;
        deltas.p_mean[j] = -weight * pull;
        deltas.p_variance[j] = half * (precision - pull * pull);
        deltas.q_mean[j] = R::ZERO;
        deltas.q_variance[j] = -half / pair.q_variance[j];
    }
}
