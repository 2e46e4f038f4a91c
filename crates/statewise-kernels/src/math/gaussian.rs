//! Gaussian log-densities and weighted moments of many rows, with time in the SIMD lanes.
//!
//! Rows are transposed in blocks; the coefficients of a state are broadcast.

use super::dispatch::{fma, vectorised};
use super::transpose::{BLOCK, GROUPS, LANES, Lane, TILES, gather, scatter, total, transpose};

/// n (n + 1) / 2, the entries of a lower triangle packed by rows.
pub const fn packed_len(n: usize) -> usize {
    n * (n + 1) / 2
}

vectorised! {
    /// Writes log N(y_t | μ_k, Σ_k) for all rows and states; NaN for a row with a NaN.
    ///
    /// log p = c_k − |W_k (y_t − μ_k)|²  with W_k = L_k⁻¹ / √2, Σ_k = L_k L_kᵀ
    ///
    /// * `rows` – y, shape [T, D]; `means` – μ, shape [K, D].
    /// * `whiteners` – W, packed lower triangles, shape [K, D (D + 1) / 2].
    /// * `log_norms` – c, shape [K].
    /// * `out` – out, shape [T, K].
    ///
    /// # Source
    /// T K (D + 1)(D + 2) / 2 multiply-adds.
    pub fn gaussian_log_densities(
        rows: &[f64],
        dim: usize,
        means: &[f64],
        whiteners: &[f64],
        log_norms: &[f64],
        out: &mut [f64],
    ) = dense_densities
}

vectorised! {
    /// Adds Σ_t γ_t(k), Σ_t γ_t(k) e and Σ_t γ_t(k) e eᵀ with e = y_t − r_k; rows with a NaN are
    /// left out.
    ///
    /// * `gamma` – γ, shape [T, K]; `references` – r, shape [K, D].
    /// * `out` – in and out, shape [K, 1 + D + D (D + 1) / 2], triangles packed by rows.
    ///
    /// # Source
    /// T K (D + 1)(D + 2) / 2 multiply-adds.
    pub fn add_gaussian_moments(
        rows: &[f64],
        dim: usize,
        gamma: &[f64],
        references: &[f64],
        out: &mut [f64],
    ) = dense_moments
}

#[inline(always)]
fn dense_densities<const ISA: u8>(
    rows: &[f64],
    dim: usize,
    means: &[f64],
    whiteners: &[f64],
    log_norms: &[f64],
    out: &mut [f64],
) {
    let num_states = log_norms.len();
    let mut columns = vec![[0.0; LANES]; dim * GROUPS];
    let mut centred = vec![[[0.0; LANES]; TILES]; dim];
    let mut logs = [[0.0; LANES]; GROUPS];
    for (rows, out) in rows.chunks(BLOCK * dim).zip(out.chunks_mut(BLOCK * num_states)) {
        transpose(rows, dim, &mut columns);
        let groups = (rows.len() / dim).div_ceil(LANES);
        for k in 0..num_states {
            let mean = &means[k * dim..(k + 1) * dim];
            let whitener = &whiteners[k * packed_len(dim)..(k + 1) * packed_len(dim)];
            let (logs, c) = (&mut logs[..groups], log_norms[k]);
            match dim {
                1 => fixed_quadratics::<ISA, 1>(&columns, mean, whitener, c, logs),
                2 => fixed_quadratics::<ISA, 2>(&columns, mean, whitener, c, logs),
                3 => fixed_quadratics::<ISA, 3>(&columns, mean, whitener, c, logs),
                4 => fixed_quadratics::<ISA, 4>(&columns, mean, whitener, c, logs),
                _ => quadratics::<ISA>(&columns, mean, whitener, c, &mut centred, logs),
            }
            scatter(logs, k, num_states, out);
        }
    }
}

/// c − |W (y − μ)|² with all of y − μ in registers.
#[inline(always)]
fn fixed_quadratics<const ISA: u8, const D: usize>(
    columns: &[Lane],
    mean: &[f64],
    whitener: &[f64],
    c: f64,
    out: &mut [Lane],
) {
    let (mean, whitener) = (&mean[..D], &whitener[..D * (D + 1) / 2]);
    for (g, out) in out.iter_mut().enumerate() {
        let mut centred = [[0.0; LANES]; D];
        for i in 0..D {
            let column = &columns[i * GROUPS + g];
            for l in 0..LANES {
                centred[i][l] = column[l] - mean[i];
            }
        }
        let mut sum = [c; LANES];
        for i in 0..D {
            let mut z = [0.0; LANES];
            for j in 0..=i {
                let w = whitener[i * (i + 1) / 2 + j];
                for l in 0..LANES {
                    z[l] = fma::<ISA>(w, centred[j][l], z[l]);
                }
            }
            for l in 0..LANES {
                sum[l] = fma::<ISA>(-z[l], z[l], sum[l]);
            }
        }
        *out = sum;
    }
}

/// c − |W (y − μ)|², 32 rows at a time.
#[inline(always)]
fn quadratics<const ISA: u8>(
    columns: &[Lane],
    mean: &[f64],
    whitener: &[f64],
    c: f64,
    centred: &mut [[Lane; TILES]],
    out: &mut [Lane],
) {
    for (first, out) in out.chunks_mut(TILES).enumerate() {
        for (i, e) in centred.iter_mut().enumerate() {
            let column = &columns[i * GROUPS + first * TILES..][..TILES];
            for n in 0..TILES {
                for l in 0..LANES {
                    e[n][l] = column[n][l] - mean[i];
                }
            }
        }
        let mut sum = [[c; LANES]; TILES];
        for i in 0..mean.len() {
            let row = &whitener[packed_len(i)..packed_len(i + 1)];
            let mut z = [[0.0; LANES]; TILES];
            for (w, e) in row.iter().zip(&*centred) {
                for n in 0..TILES {
                    for l in 0..LANES {
                        z[n][l] = fma::<ISA>(*w, e[n][l], z[n][l]);
                    }
                }
            }
            for n in 0..TILES {
                for l in 0..LANES {
                    sum[n][l] = fma::<ISA>(-z[n][l], z[n][l], sum[n][l]);
                }
            }
        }
        out.copy_from_slice(&sum[..out.len()]);
    }
}

#[inline(always)]
fn dense_moments<const ISA: u8>(
    rows: &[f64],
    dim: usize,
    gamma: &[f64],
    references: &[f64],
    out: &mut [f64],
) {
    let num_states = references.len() / dim;
    let stride = 1 + dim + packed_len(dim);
    let mut columns = vec![[0.0; LANES]; dim * GROUPS];
    let mut centred = vec![[0.0; LANES]; dim * GROUPS];
    let mut sums = vec![[0.0; LANES]; stride];
    for (rows, gamma) in rows.chunks(BLOCK * dim).zip(gamma.chunks(BLOCK * num_states)) {
        let len = rows.len() / dim;
        let groups = len.div_ceil(LANES);
        transpose(rows, dim, &mut columns);
        let mut present = [[0.0; LANES]; GROUPS];
        present.as_flattened_mut()[..len].fill(1.0);
        if any_nan(rows) {
            for (t, row) in rows.chunks_exact(dim).enumerate().filter(|(_, row)| any_nan(row)) {
                present[t / LANES][t % LANES] = 0.0;
                // 0 · NaN is NaN, so the row goes, not only its weight.
                (0..row.len()).for_each(|i| columns[i * GROUPS + t / LANES][t % LANES] = 0.0);
            }
        }
        for (k, out) in out.chunks_exact_mut(stride).enumerate() {
            let mut weights = [[0.0; LANES]; GROUPS];
            let weights = &mut weights[..groups];
            gather(gamma, k, num_states, weights);
            for (w, p) in weights.iter_mut().zip(&present) {
                for l in 0..LANES {
                    w[l] *= p[l];
                }
            }
            let reference = &references[k * dim..(k + 1) * dim];
            match dim {
                1 => fixed_moments::<ISA, 1, 1>(&columns, weights, reference, out),
                2 => fixed_moments::<ISA, 2, 3>(&columns, weights, reference, out),
                3 => fixed_moments::<ISA, 3, 6>(&columns, weights, reference, out),
                4 => fixed_moments::<ISA, 4, 10>(&columns, weights, reference, out),
                _ => moments::<ISA>(&columns, weights, reference, &mut centred, &mut sums, out),
            }
        }
    }
}

/// All sums of a state in registers; P = D (D + 1) / 2.
#[inline(always)]
fn fixed_moments<const ISA: u8, const D: usize, const P: usize>(
    columns: &[Lane],
    weights: &[Lane],
    reference: &[f64],
    out: &mut [f64],
) {
    let reference = &reference[..D];
    let mut zeroth = [0.0; LANES];
    let mut first = [[0.0; LANES]; D];
    let mut second = [[0.0; LANES]; P];
    for (g, w) in weights.iter().enumerate() {
        let mut e = [[0.0; LANES]; D];
        for i in 0..D {
            let column = &columns[i * GROUPS + g];
            for l in 0..LANES {
                e[i][l] = column[l] - reference[i];
            }
        }
        for l in 0..LANES {
            zeroth[l] += w[l];
        }
        for i in 0..D {
            let mut we = [0.0; LANES];
            for l in 0..LANES {
                we[l] = w[l] * e[i][l];
            }
            for l in 0..LANES {
                first[i][l] += we[l];
            }
            for j in 0..=i {
                let sum = &mut second[i * (i + 1) / 2 + j];
                for l in 0..LANES {
                    sum[l] = fma::<ISA>(we[l], e[j][l], sum[l]);
                }
            }
        }
    }
    out[0] += total(&zeroth);
    for i in 0..D {
        out[1 + i] += total(&first[i]);
    }
    for i in 0..P {
        out[1 + D + i] += total(&second[i]);
    }
}

/// Three sums over time at once.
#[inline(always)]
fn moments<const ISA: u8>(
    columns: &[Lane],
    weights: &[Lane],
    reference: &[f64],
    centred: &mut [Lane],
    sums: &mut [Lane],
    out: &mut [f64],
) {
    let (dim, groups) = (reference.len(), weights.len());
    let ones = &[[1.0; LANES]; GROUPS][..groups];
    dot::<ISA>(weights, ones, &mut sums[0]);
    let mut weighted = [[0.0; LANES]; GROUPS];
    for i in 0..dim {
        let e = &mut centred[i * GROUPS..][..groups];
        let column = &columns[i * GROUPS..][..groups];
        // PERF: over flat slices; nested loops over lanes become gathers.
        let n = groups * LANES;
        let (e, y) = (&mut e.as_flattened_mut()[..n], &column.as_flattened()[..n]);
        let (we, w) = (&mut weighted.as_flattened_mut()[..n], &weights.as_flattened()[..n]);
        let r = reference[i];
        for t in 0..n {
            let d = y[t] - r;
            e[t] = d;
            we[t] = w[t] * d;
        }
        let weighted = &weighted[..groups];
        dot::<ISA>(weighted, ones, &mut sums[1 + i]);
        let row = &mut sums[1 + dim + packed_len(i)..][..=i];
        let mut j = 0;
        while j + 3 <= row.len() {
            three_dots::<ISA>(weighted, &centred[j * GROUPS..], &mut row[j..]);
            j += 3;
        }
        while j < row.len() {
            dot::<ISA>(weighted, &centred[j * GROUPS..], &mut row[j]);
            j += 1;
        }
    }
    add_totals(sums, out);
}

/// Writes the lanes of Σ_t a_t b_t for three consecutive columns b.
// PERF: sums by name; the compiler vectorises an array of sums across the sums.
#[inline(always)]
fn three_dots<const ISA: u8>(a: &[Lane], b: &[Lane], out: &mut [Lane]) {
    let (b0, b1, b2) = (&b[..a.len()], &b[GROUPS..][..a.len()], &b[2 * GROUPS..][..a.len()]);
    let (mut s0, mut s1, mut s2) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    for g in 0..a.len() {
        for l in 0..LANES {
            s0[l] = fma::<ISA>(a[g][l], b0[g][l], s0[l]);
        }
        for l in 0..LANES {
            s1[l] = fma::<ISA>(a[g][l], b1[g][l], s1[l]);
        }
        for l in 0..LANES {
            s2[l] = fma::<ISA>(a[g][l], b2[g][l], s2[l]);
        }
    }
    out[0] = s0;
    out[1] = s1;
    out[2] = s2;
}

/// Writes the lanes of Σ_t a_t b_t.
#[inline(always)]
fn dot<const ISA: u8>(a: &[Lane], b: &[Lane], out: &mut Lane) {
    let mut sum = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for l in 0..LANES {
            sum[l] = fma::<ISA>(a[l], b[l], sum[l]);
        }
    }
    *out = sum;
}

/// Adds the sum of each lane.
// PERF: inlined, its shuffles spread into the loops before it and halve their width.
#[inline(never)]
fn add_totals(sums: &[Lane], out: &mut [f64]) {
    for (o, s) in out.iter_mut().zip(sums) {
        *o += total(s);
    }
}

#[inline(always)]
fn any_nan(values: &[f64]) -> bool {
    values.iter().fold(false, |any, x| any | x.is_nan())
}

#[cfg(test)]
mod tests {
    use super::super::dispatch::{AVX512, BASELINE};
    use super::*;

    /// Rows with a gap, weights and a whitener in general position.
    fn scene(dim: usize) -> [Vec<f64>; 4] {
        let wave = |n: usize, speed: f64| (0..n).map(|i| (speed * i as f64).sin()).collect::<Vec<_>>();
        let mut rows = wave(300 * dim, 0.9);
        rows[7 * dim] = f64::NAN;
        let gamma = wave(300 * 2, 0.3).iter().map(|g| g * g).collect();
        [rows, gamma, wave(2 * dim, 1.3), wave(2 * packed_len(dim), 0.7)]
    }

    #[test]
    fn copies_for_all_instruction_sets_agree() {
        for dim in [1, 2, 3, 4, 5, 8, 11] {
            let [rows, gamma, means, whiteners] = scene(dim);
            let mut logs = [vec![0.0; 600], vec![0.0; 600]];
            dense_densities::<BASELINE>(&rows, dim, &means, &whiteners, &[0.3, -0.2], &mut logs[0]);
            // The body with fused operations, compiled for whatever this test is compiled for.
            dense_densities::<AVX512>(&rows, dim, &means, &whiteners, &[0.3, -0.2], &mut logs[1]);
            let n = 2 * (1 + dim + packed_len(dim));
            let mut sums = [vec![0.0; n], vec![0.0; n]];
            dense_moments::<BASELINE>(&rows, dim, &gamma, &means, &mut sums[0]);
            dense_moments::<AVX512>(&rows, dim, &gamma, &means, &mut sums[1]);
            for (a, b) in logs[0].iter().zip(&logs[1]).chain(sums[0].iter().zip(&sums[1])) {
                // Fused or not, sums of some hundred terms of size one.
                assert!(a.is_nan() && b.is_nan() || (a - b).abs() < 1e-11, "D {dim}: {a}, {b}");
            }
            assert!(logs[0][14].is_nan() && !logs[0][16].is_nan(), "only the row with the gap");
        }
    }
}
