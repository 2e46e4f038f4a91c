//! Gaussian log-densities and weighted moments of many rows, with time in the SIMD lanes.
//!
//! Rows are transposed in blocks, so that one vector holds one dimension of eight rows; the
//! coefficients of a state are broadcast.

use super::dispatch::{fma, vectorised};

const LANES: usize = 8;
/// Rows of a block: its transpose stays in the first-level cache up to some twenty dimensions.
const BLOCK: usize = 128;
const GROUPS: usize = BLOCK / LANES;
/// Lanes that are worked on together, to hide the latency of the multiply-add.
const TILES: usize = 4;

/// One number of each of eight rows.
type Lane = [f64; LANES];

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

/// One sum over time after the other.
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
        let flat = e.as_flattened_mut().iter_mut().zip(column.as_flattened());
        for (e, y) in flat {
            *e = y - reference[i];
        }
        let flat = weighted.as_flattened_mut().iter_mut().zip(weights.as_flattened());
        for ((we, w), e) in flat.zip(e.as_flattened()) {
            *we = w * e;
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

/// Writes dimension i of row t into lane t % 8 of `columns[i * GROUPS + t / 8]`.
#[inline(always)]
fn transpose(rows: &[f64], dim: usize, columns: &mut [Lane]) {
    for (i, column) in columns.chunks_exact_mut(GROUPS).enumerate() {
        gather(rows, i, dim, column);
    }
}

/// Writes column i of rows of `width` values into consecutive lanes.
#[inline(always)]
fn gather(rows: &[f64], i: usize, width: usize, out: &mut [Lane]) {
    let out = out.as_flattened_mut();
    let mut at = i;
    for t in 0..out.len().min(rows.len() / width) {
        out[t] = rows[at];
        at += width;
    }
}

/// Writes lanes into column k of rows of `width` values.
#[inline(always)]
fn scatter(lanes: &[Lane], k: usize, width: usize, out: &mut [f64]) {
    // PERF: plain index loops inline into the copies for each instruction set; closures need not.
    let lanes = lanes.as_flattened();
    let mut at = k;
    for t in 0..lanes.len().min(out.len() / width) {
        out[at] = lanes[t];
        at += width;
    }
}

/// The sum of a lane, in a fixed order.
#[inline(always)]
fn total(x: &Lane) -> f64 {
    let [a, b, c, d] = [x[0] + x[4], x[1] + x[5], x[2] + x[6], x[3] + x[7]];
    (a + c) + (b + d)
}

#[inline(always)]
fn any_nan(values: &[f64]) -> bool {
    values.iter().fold(false, |any, x| any | x.is_nan())
}
