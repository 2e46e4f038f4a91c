//! Weighted first and second moments as additive statistics that survive large offsets.
//!
//! Statistics of one component are those of e = y − r about a reference r that the E-step chose
//! (the current mean), with what is needed to move them elsewhere:
//!
//! Σγ,  Σγ h,  Σγ h²,  Σγ r,  Σγ e,  Σγ e eᵀ,  Σγ (y yᵀ − e eᵀ)
//!
//! with h = h(r) ∈ [1, 2) a fingerprint of the reference. All are sums over rows, so they add up,
//! scale and blend like any statistics. If the fingerprint is constant, one reference was used
//! throughout, and the scatter follows from e alone: nothing cancels, however far the data are
//! from zero. If statistics of several E-steps were blended (online and stochastic EM), the last
//! sum corrects the scatter exactly, at the precision of raw second moments.

use statewise_kernels::linalg::{cholesky, inverse_chol, log_det_chol};
use statewise_kernels::math::packed_len;

/// ln(2π).
pub(super) const LN_TAU: f64 = 1.837877066409345483560659472811235;

/// Number of statistics of one component.
pub(super) const fn moments_len(dim: usize) -> usize {
    3 + 2 * dim + 2 * packed_len(dim)
}

/// Adds Σγ, Σγ e, Σγ e eᵀ about `reference`; `sums` has shape \[1 + D + D (D + 1) / 2\].
pub(super) fn add_moments(stats: &mut [f64], reference: &[f64], sums: &[f64]) {
    let dim = reference.len();
    let (weight, first) = (sums[0], &sums[1..1 + dim]);
    let h = fingerprint(reference);
    let (head, tail) = stats.split_at_mut(3 + 2 * dim);
    head[0] += weight;
    head[1] += weight * h;
    head[2] += weight * h * h;
    head[3..3 + dim].iter_mut().zip(reference).for_each(|(s, r)| *s += weight * r);
    head[3 + dim..].iter_mut().zip(first).for_each(|(s, e)| *s += e);
    let (second, moved) = tail.split_at_mut(packed_len(dim));
    second.iter_mut().zip(&sums[1 + dim..]).for_each(|(s, e)| *s += e);
    for i in 0..dim {
        for j in 0..=i {
            let (ri, rj) = (reference[i], reference[j]);
            moved[packed_len(i) + j] += ri * first[j] + first[i] * rj + weight * ri * rj;
        }
    }
}

/// A number in [1, 2) that differs, practically surely, between two references.
fn fingerprint(reference: &[f64]) -> f64 {
    let mix = |h: u64, x: &f64| (h ^ x.to_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let h = reference.iter().fold(0xcbf2_9ce4_8422_2325, mix);
    f64::from_bits(0x3ff0_0000_0000_0000 | (h >> 12))
}

/// Weight, mean and scatter about the mean of one component.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    /// Σγ.
    pub(super) weight: f64,
    /// Σγ y / Σγ, shape [D]; zero without weight.
    pub(super) mean: Vec<f64>,
    /// Σγ (y − mean)(y − mean)ᵀ, shape [D, D].
    pub(super) scatter: Vec<f64>,
}

impl Moments {
    /// Reads the statistics of one component.
    pub(super) fn read(stats: &[f64], dim: usize) -> Moments {
        let weight = stats[0];
        let mut moments = Moments { weight, mean: vec![0.0; dim], scatter: vec![0.0; dim * dim] };
        if weight.is_nan() || weight <= 0.0 {
            moments.weight = 0.0;
            return moments;
        }
        let (head, tail) = stats.split_at(3 + 2 * dim);
        let (references, first) = head[3..].split_at(dim);
        let (second, moved) = tail.split_at(packed_len(dim));
        // Rounding leaves less than 1e-12 where all references are the same.
        let blended = weight * head[2] - head[1] * head[1] > 1e-9 * head[1] * head[1];
        for i in 0..dim {
            moments.mean[i] = (references[i] + first[i]) / weight;
            for j in 0..=i {
                let p = packed_len(i) + j;
                let mut value = second[p] - first[i] * first[j] / weight;
                if blended {
                    let (ri, rj) = (references[i], references[j]);
                    value += moved[p] - (ri * first[j] + first[i] * rj + ri * rj) / weight;
                }
                let value = if i == j { value.max(0.0) } else { value };
                moments.scatter[i * dim + j] = value;
                moments.scatter[j * dim + i] = value;
            }
        }
        moments
    }

    /// Reads the statistics of all components.
    pub(super) fn read_all(stats: &[f64], dim: usize) -> Vec<Moments> {
        stats.chunks_exact(moments_len(dim)).map(|s| Moments::read(s, dim)).collect()
    }

    /// Σγ (y − μ)(y − μ)ᵀ.
    pub(super) fn second_about(&self, mean: &[f64]) -> Vec<f64> {
        let mut second = self.scatter.clone();
        let offset: Vec<f64> = self.mean.iter().zip(mean).map(|(a, b)| a - b).collect();
        add_outer(&mut second, &offset, self.weight);
        second
    }

    /// E log N(y | μ, Σ), with `count` = Σγ of the determinant (that of `self`, unless rows carry
    /// weights within the quadratic form); −∞ where Σ is singular.
    pub(super) fn expected_log_prob(&self, count: f64, mean: &[f64], cov: &[f64]) -> f64 {
        let dim = mean.len();
        let mut chol = cov.to_vec();
        if cholesky(&mut chol, dim).is_err() {
            return f64::NEG_INFINITY;
        }
        let mut precision = vec![0.0; dim * dim];
        inverse_chol(&chol, dim, &mut precision);
        let quadratic = dot(&precision, &self.second_about(mean));
        -0.5 * (count * (dim as f64 * LN_TAU + log_det_chol(&chol, dim)) + quadratic)
    }

    /// Adds the gradient of [`Moments::expected_log_prob`], all entries of Σ independent.
    pub(super) fn add_gradient(
        &self,
        count: f64,
        mean: &[f64],
        cov: &[f64],
        mean_gradient: &mut [f64],
        cov_gradient: &mut [f64],
    ) {
        let dim = mean.len();
        let mut chol = cov.to_vec();
        if cholesky(&mut chol, dim).is_err() {
            return;
        }
        let mut precision = vec![0.0; dim * dim];
        inverse_chol(&chol, dim, &mut precision);
        for i in 0..dim {
            let row = &precision[i * dim..(i + 1) * dim];
            let offsets = self.mean.iter().zip(mean).map(|(a, b)| a - b);
            mean_gradient[i] += self.weight * row.iter().zip(offsets).map(|(p, d)| p * d).sum::<f64>();
        }
        add_covariance_gradient(&precision, count, &self.second_about(mean), cov_gradient);
    }
}

/// Adds ∂/∂Σ of −½ (n log |Σ| + tr Σ⁻¹ S) = ½ (Σ⁻¹ S Σ⁻¹ − n Σ⁻¹).
pub(super) fn add_covariance_gradient(precision: &[f64], n: f64, second: &[f64], gradient: &mut [f64]) {
    let dim = precision.len().isqrt();
    let sandwich = product(&product(precision, second, dim, dim), precision, dim, dim);
    for ((g, s), p) in gradient.iter_mut().zip(&sandwich).zip(precision) {
        *g += 0.5 * (s - n * p);
    }
}

/// A += w v vᵀ.
pub(super) fn add_outer(a: &mut [f64], v: &[f64], w: f64) {
    for (row, x) in a.chunks_exact_mut(v.len()).zip(v) {
        row.iter_mut().zip(v).for_each(|(a, y)| *a += w * x * y);
    }
}

/// A B for A of shape \[., inner\] and B of shape \[inner, width\].
pub(super) fn product(a: &[f64], b: &[f64], inner: usize, width: usize) -> Vec<f64> {
    let mut out = vec![0.0; a.len() / inner * width];
    for (row, out) in a.chunks_exact(inner).zip(out.chunks_exact_mut(width)) {
        for (x, b) in row.iter().zip(b.chunks_exact(width)) {
            out.iter_mut().zip(b).for_each(|(o, y)| *o += x * y);
        }
    }
    out
}

/// Aᵀ for A of shape \[rows, width\].
pub(super) fn transposed(a: &[f64], width: usize) -> Vec<f64> {
    (0..width).flat_map(|j| a.iter().skip(j).step_by(width).copied()).collect()
}

/// Σ a b.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
