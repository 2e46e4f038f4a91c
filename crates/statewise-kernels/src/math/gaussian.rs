//! Gaussian log-densities and weighted moments of many rows, with time in the SIMD lanes.
//!
//! Rows are transposed in blocks, so that one vector holds one dimension of eight rows; the
//! coefficients of a state are broadcast.

use super::dispatch::{fma, vectorised};

const LANES: usize = 8;
/// Rows of a block: its transpose stays in the first-level cache up to some twenty dimensions.
const BLOCK: usize = 128;
const GROUPS: usize = BLOCK / LANES;

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
    let mut centred = vec![[0.0; LANES]; dim];
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
                8 => fixed_quadratics::<ISA, 8>(&columns, mean, whitener, c, logs),
                _ => quadratics::<ISA>(&columns, mean, whitener, c, &mut centred, logs),
            }
            let values = logs.as_flattened();
            out.iter_mut().skip(k).step_by(num_states).zip(values).for_each(|(o, x)| *o = *x);
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
            (0..LANES).for_each(|l| centred[i][l] = column[l] - mean[i]);
        }
        let mut sum = [c; LANES];
        for i in 0..D {
            let mut z = [0.0; LANES];
            for j in 0..=i {
                let w = whitener[i * (i + 1) / 2 + j];
                (0..LANES).for_each(|l| z[l] = fma::<ISA>(w, centred[j][l], z[l]));
            }
            (0..LANES).for_each(|l| sum[l] = fma::<ISA>(-z[l], z[l], sum[l]));
        }
        *out = sum;
    }
}

/// c − |W (y − μ)|², four rows of W at a time.
#[inline(always)]
fn quadratics<const ISA: u8>(
    columns: &[Lane],
    mean: &[f64],
    whitener: &[f64],
    c: f64,
    centred: &mut [Lane],
    out: &mut [Lane],
) {
    let dim = mean.len();
    for (g, out) in out.iter_mut().enumerate() {
        for (i, e) in centred.iter_mut().enumerate() {
            let column = &columns[i * GROUPS + g];
            (0..LANES).for_each(|l| e[l] = column[l] - mean[i]);
        }
        let mut sum = [c; LANES];
        let mut i = 0;
        while i + 4 <= dim {
            let row = |r: usize| &whitener[packed_len(i + r)..packed_len(i + r + 1)];
            let (w0, w1, w2, w3) = (row(0), row(1), row(2), row(3));
            let mut z = [[0.0; LANES]; 4];
            for (j, e) in centred[..=i].iter().enumerate() {
                for l in 0..LANES {
                    z[0][l] = fma::<ISA>(w0[j], e[l], z[0][l]);
                    z[1][l] = fma::<ISA>(w1[j], e[l], z[1][l]);
                    z[2][l] = fma::<ISA>(w2[j], e[l], z[2][l]);
                    z[3][l] = fma::<ISA>(w3[j], e[l], z[3][l]);
                }
            }
            for l in 0..LANES {
                let (a, b, c) = (centred[i + 1][l], centred[i + 2][l], centred[i + 3][l]);
                z[1][l] = fma::<ISA>(w1[i + 1], a, z[1][l]);
                z[2][l] = fma::<ISA>(w2[i + 2], b, fma::<ISA>(w2[i + 1], a, z[2][l]));
                let last = fma::<ISA>(w3[i + 2], b, fma::<ISA>(w3[i + 1], a, z[3][l]));
                z[3][l] = fma::<ISA>(w3[i + 3], c, last);
            }
            for z in z {
                (0..LANES).for_each(|l| sum[l] = fma::<ISA>(-z[l], z[l], sum[l]));
            }
            i += 4;
        }
        for i in i..dim {
            let mut z = [0.0; LANES];
            for (w, e) in whitener[packed_len(i)..packed_len(i + 1)].iter().zip(&*centred) {
                (0..LANES).for_each(|l| z[l] = fma::<ISA>(*w, e[l], z[l]));
            }
            (0..LANES).for_each(|l| sum[l] = fma::<ISA>(-z[l], z[l], sum[l]));
        }
        *out = sum;
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
            let column = gamma.iter().skip(k).step_by(num_states);
            weights.as_flattened_mut().iter_mut().zip(column).for_each(|(w, g)| *w = *g);
            for (w, p) in weights.iter_mut().zip(&present) {
                (0..LANES).for_each(|l| w[l] *= p[l]);
            }
            let reference = &references[k * dim..(k + 1) * dim];
            match dim {
                1 => fixed_moments::<ISA, 1, 1>(&columns, weights, reference, out),
                2 => fixed_moments::<ISA, 2, 3>(&columns, weights, reference, out),
                3 => fixed_moments::<ISA, 3, 6>(&columns, weights, reference, out),
                4 => fixed_moments::<ISA, 4, 10>(&columns, weights, reference, out),
                _ => moments::<ISA>(&columns, weights, reference, &mut centred, out),
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
            (0..LANES).for_each(|l| e[i][l] = column[l] - reference[i]);
        }
        (0..LANES).for_each(|l| zeroth[l] += w[l]);
        for i in 0..D {
            let mut we = [0.0; LANES];
            (0..LANES).for_each(|l| we[l] = w[l] * e[i][l]);
            (0..LANES).for_each(|l| first[i][l] += we[l]);
            for j in 0..=i {
                let sum = &mut second[i * (i + 1) / 2 + j];
                (0..LANES).for_each(|l| sum[l] = fma::<ISA>(we[l], e[j][l], sum[l]));
            }
        }
    }
    out[0] += total(&zeroth);
    out[1..].iter_mut().zip(first.iter().chain(&second)).for_each(|(o, s)| *o += total(s));
}

/// Row by row of the triangle, eight, four, two and one sums at a time.
#[inline(always)]
fn moments<const ISA: u8>(
    columns: &[Lane],
    weights: &[Lane],
    reference: &[f64],
    centred: &mut [Lane],
    out: &mut [f64],
) {
    let (dim, groups) = (reference.len(), weights.len());
    let mut zeroth = [0.0; LANES];
    weights.iter().for_each(|w| (0..LANES).for_each(|l| zeroth[l] += w[l]));
    out[0] += total(&zeroth);
    for (i, r) in reference.iter().enumerate() {
        let range = i * GROUPS..i * GROUPS + groups;
        for (e, column) in centred[range.clone()].iter_mut().zip(&columns[range]) {
            (0..LANES).for_each(|l| e[l] = column[l] - r);
        }
    }
    let mut weighted = [[0.0; LANES]; GROUPS];
    for i in 0..dim {
        let mut sum = [0.0; LANES];
        let weighted = &mut weighted[..groups];
        for ((we, w), e) in weighted.iter_mut().zip(weights).zip(&centred[i * GROUPS..]) {
            (0..LANES).for_each(|l| we[l] = w[l] * e[l]);
            (0..LANES).for_each(|l| sum[l] += we[l]);
        }
        out[1 + i] += total(&sum);
        let row = &mut out[1 + dim + packed_len(i)..][..=i];
        let mut j = 0;
        while j + 8 <= row.len() {
            products::<ISA, 8>(weighted, &centred[j * GROUPS..], &mut row[j..j + 8]);
            j += 8;
        }
        if j + 4 <= row.len() {
            products::<ISA, 4>(weighted, &centred[j * GROUPS..], &mut row[j..j + 4]);
            j += 4;
        }
        if j + 2 <= row.len() {
            products::<ISA, 2>(weighted, &centred[j * GROUPS..], &mut row[j..j + 2]);
            j += 2;
        }
        if j < row.len() {
            products::<ISA, 1>(weighted, &centred[j * GROUPS..], &mut row[j..]);
        }
    }
}

/// Adds Σ_t w_t e_tj for N consecutive dimensions j.
#[inline(always)]
fn products<const ISA: u8, const N: usize>(weighted: &[Lane], centred: &[Lane], out: &mut [f64]) {
    let centred = &centred[..(N - 1) * GROUPS + weighted.len()];
    let mut sums = [[0.0; LANES]; N];
    for (g, we) in weighted.iter().enumerate() {
        for (n, sum) in sums.iter_mut().enumerate() {
            let e = &centred[n * GROUPS + g];
            (0..LANES).for_each(|l| sum[l] = fma::<ISA>(we[l], e[l], sum[l]));
        }
    }
    out.iter_mut().zip(&sums).for_each(|(o, s)| *o += total(s));
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
    let mut logs = [[0.0; LANES]; GROUPS];
    for (rows, out) in rows.chunks(BLOCK * dim).zip(out.chunks_mut(BLOCK * num_states)) {
        transpose(rows, dim, &mut columns);
        let groups = (rows.len() / dim).div_ceil(LANES);
        for k in 0..num_states {
            let logs = &mut logs[..groups];
            logs.fill([0.0; LANES]);
            for i in 0..dim {
                let at = k * dim + i;
                let (mean, precision, c) = (means[at], precisions[at], log_norms[at]);
                for (log, y) in logs.iter_mut().zip(&columns[i * GROUPS..]) {
                    for l in 0..LANES {
                        let z = (y[l] - mean) * precision;
                        let term = fma::<ISA>(-0.5 * z, z, c);
                        log[l] += if y[l].is_nan() { 0.0 } else { term };
                    }
                }
            }
            let values = logs.as_flattened();
            out.iter_mut().skip(k).step_by(num_states).zip(values).for_each(|(o, x)| *o = *x);
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
    for (rows, gamma) in rows.chunks(BLOCK * dim).zip(gamma.chunks(BLOCK * num_states)) {
        let groups = (rows.len() / dim).div_ceil(LANES);
        transpose(rows, dim, &mut columns);
        for k in 0..num_states {
            let mut weights = [[0.0; LANES]; GROUPS];
            let weights = &mut weights[..groups];
            let column = gamma.iter().skip(k).step_by(num_states);
            weights.as_flattened_mut().iter_mut().zip(column).for_each(|(w, g)| *w = *g);
            for i in 0..dim {
                let at = k * dim + i;
                let mut sums = [[0.0; LANES]; 3];
                for (w, y) in weights.iter().zip(&columns[i * GROUPS..]) {
                    for l in 0..LANES {
                        let missing = y[l].is_nan();
                        let w = if missing { 0.0 } else { w[l] };
                        let e = if missing { 0.0 } else { y[l] - references[at] };
                        sums[0][l] += w;
                        sums[1][l] = fma::<ISA>(w, e, sums[1][l]);
                        sums[2][l] = fma::<ISA>(w * e, e, sums[2][l]);
                    }
                }
                out[3 * at..][..3].iter_mut().zip(&sums).for_each(|(o, s)| *o += total(s));
            }
        }
    }
}

/// Writes dimension i of row t into lane t % 8 of `columns[i * GROUPS + t / 8]`.
#[inline(always)]
fn transpose(rows: &[f64], dim: usize, columns: &mut [Lane]) {
    for (i, column) in columns.chunks_exact_mut(GROUPS).enumerate() {
        let values = rows.iter().skip(i).step_by(dim);
        column.as_flattened_mut().iter_mut().zip(values).for_each(|(c, y)| *c = *y);
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
