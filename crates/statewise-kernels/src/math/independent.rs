//! Densities and moments of vectors of independent Gaussians, with time in the SIMD lanes.
//!
//! A missing entry gets weight zero by multiplication, so that loops have no branches.

use super::dispatch::{fma, vectorised};
use super::transpose::{BLOCK, GROUPS, LANES, Lane, gather, scatter, total, transpose};

vectorised! {
    /// Writes Σ_d log N(y_td | μ_kd, σ_kd²) over the entries that are not NaN.
    ///
    /// * `means`, `precisions` – μ and 1 / σ, shape [K, D].
    /// * `log_norms` – −log(σ √2π), shape [K, D].
    /// * `out` – out, shape [T, K].
    pub fn independent_log_densities(
        rows: &[f64],
        dim: usize,
        means: &[f64],
        precisions: &[f64],
        log_norms: &[f64],
        out: &mut [f64],
    ) = independent_densities
}

vectorised! {
    /// Adds Σ_t γ_t(k), Σ_t γ_t(k) e and Σ_t γ_t(k) e² with e = y_td − r_kd, over the entries that
    /// are not NaN, for each state and dimension.
    ///
    /// * `gamma` – γ, shape [T, K]; `references` – r, shape [K, D].
    /// * `out` – in and out, shape [K, D, 3].
    pub fn add_independent_moments(
        rows: &[f64],
        dim: usize,
        gamma: &[f64],
        references: &[f64],
        out: &mut [f64],
    ) = independent_moments
}

#[inline(always)]
fn independent_densities<const ISA: u8>(
    rows: &[f64],
    dim: usize,
    means: &[f64],
    precisions: &[f64],
    log_norms: &[f64],
    out: &mut [f64],
) {
    let num_states = means.len() / dim;
    let mut columns = vec![[0.0; LANES]; dim * GROUPS];
    let mut present = vec![[0.0; LANES]; dim * GROUPS];
    let mut logs = [[0.0; LANES]; GROUPS];
    for (rows, out) in rows.chunks(BLOCK * dim).zip(out.chunks_mut(BLOCK * num_states)) {
        transpose(rows, dim, &mut columns);
        blank(&mut columns, &mut present);
        let groups = (rows.len() / dim).div_ceil(LANES);
        for k in 0..num_states {
            let logs = &mut logs[..groups];
            for (g, log) in logs.iter_mut().enumerate() {
                let mut sum = [0.0; LANES];
                for i in 0..dim {
                    let at = k * dim + i;
                    let (mean, precision, c) = (means[at], precisions[at], log_norms[at]);
                    let (y, p) = (&columns[i * GROUPS + g], &present[i * GROUPS + g]);
                    for l in 0..LANES {
                        let z = (y[l] - mean) * precision;
                        sum[l] = fma::<ISA>(p[l], fma::<ISA>(-0.5 * z, z, c), sum[l]);
                    }
                }
                *log = sum;
            }
            scatter(logs, k, num_states, out);
        }
    }
}

#[inline(always)]
fn independent_moments<const ISA: u8>(
    rows: &[f64],
    dim: usize,
    gamma: &[f64],
    references: &[f64],
    out: &mut [f64],
) {
    let num_states = references.len() / dim;
    let mut columns = vec![[0.0; LANES]; dim * GROUPS];
    let mut present = vec![[0.0; LANES]; dim * GROUPS];
    for (rows, gamma) in rows.chunks(BLOCK * dim).zip(gamma.chunks(BLOCK * num_states)) {
        let groups = (rows.len() / dim).div_ceil(LANES);
        transpose(rows, dim, &mut columns);
        blank(&mut columns, &mut present);
        for k in 0..num_states {
            let mut weights = [[0.0; LANES]; GROUPS];
            let weights = &mut weights[..groups];
            gather(gamma, k, num_states, weights);
            for i in 0..dim {
                let at = k * dim + i;
                let reference = references[at];
                let column = &columns[i * GROUPS..][..groups];
                let present = &present[i * GROUPS..][..groups];
                let (mut zeroth, mut first, mut second) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
                for g in 0..groups {
                    for l in 0..LANES {
                        let w = weights[g][l] * present[g][l];
                        let we = w * (column[g][l] - reference);
                        zeroth[l] += w;
                        first[l] += we;
                        second[l] = fma::<ISA>(we, column[g][l] - reference, second[l]);
                    }
                }
                out[3 * at] += total(&zeroth);
                out[3 * at + 1] += total(&first);
                out[3 * at + 2] += total(&second);
            }
        }
    }
}

/// Marks what is there by 1 and what is missing by 0; a missing entry becomes 0, as 0 · NaN is NaN.
#[inline(always)]
fn blank(columns: &mut [Lane], present: &mut [Lane]) {
    for (y, p) in columns.as_flattened_mut().iter_mut().zip(present.as_flattened_mut()) {
        *p = if y.is_nan() { 0.0 } else { 1.0 };
        *y = if y.is_nan() { 0.0 } else { *y };
    }
}
