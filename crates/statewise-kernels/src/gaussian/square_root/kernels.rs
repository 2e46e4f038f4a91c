//! The two halves of a step on square roots of covariances, and small products.
//!
//! A root L of a covariance P = L Lᵀ is stored by columns (Lᵀ, row-major), see
//! [`triangularise`](crate::linalg::triangularise).

use crate::linalg::{Stacked, reflect};
use crate::math::dispatch::{fma, vectorised};

vectorised! {
    /// \[A L, L_Q; I, 0\] Θ = \[L', 0; Φ_1, Φ_2\]; answers the rank of L'.
    ///
    /// * `transition` – Aᵀ, shape \[D, D\]; `root`, `noise` – L and L_Q by columns, shape \[D, D\].
    /// * `top` – out, L' by columns, shape \[2D, D\].
    /// * `identity` – out, Φ by columns, shape \[2D, D\]; or empty.
    pub(super) fn predict_root[const K](
        dim: usize,
        transition: &[f64],
        root: &[f64],
        noise: &[f64],
        floors: &[f64],
        top: &mut [f64],
        identity: &mut [f64],
        scratch: &mut [f64],
    ) -> usize = predict_body
}

vectorised! {
    /// \[H L, L_R; L, 0; I, 0\] Θ = \[L_S, 0; K̄, L_f; Θ_1, Θ_2\]; answers the rank of L_S.
    ///
    /// * `emission` – H, shape \[m, D\]; `root` – L by columns.
    /// * `top` – in (columns from D on) L_R, out L_S by columns, shape \[D + m, m\].
    /// * `state`, `identity` – out, by columns, shape \[D + m, D\]; `identity` may be empty.
    pub(super) fn update_root[const K](
        dim: usize,
        m: usize,
        emission: &[f64],
        root: &[f64],
        floors: &[f64],
        top: &mut [f64],
        state: &mut [f64],
        identity: &mut [f64],
        scratch: &mut [f64],
    ) -> usize = update_body
}

vectorised! {
    /// Overwrites out, shape \[rows, q\], with A B of row-major A \[rows, p\] and B \[p, q\].
    pub(in super::super) fn multiply(a: &[f64], p: usize, b: &[f64], q: usize, out: &mut [f64]) = multiply_body
}

vectorised! {
    /// Overwrites P, shape \[D, D\], with L Lᵀ; L by columns.
    pub(in super::super) fn square(root: &[f64], dim: usize, cov: &mut [f64]) = square_body
}

vectorised! {
    /// Overwrites out, shape \[n, m\], with C Dᵀ of matrices by columns with n and m rows.
    pub(in super::super) fn multiply_columns(
        c: &[f64],
        n: usize,
        d: &[f64],
        m: usize,
        out: &mut [f64],
    ) = multiply_columns_body
}

#[inline(always)]
fn predict_body<const ISA: u8, const K: usize>(
    dim: usize,
    transition: &[f64],
    root: &[f64],
    noise: &[f64],
    floors: &[f64],
    top: &mut [f64],
    identity: &mut [f64],
    scratch: &mut [f64],
) -> usize {
    let d = if K == 0 { dim } else { K };
    let (predicted, added) = top[..2 * d * d].split_at_mut(d * d);
    product::<ISA, K>(root, d, transition, d, predicted);
    added.copy_from_slice(&noise[..d * d]);
    let sizes = Stacked { top: d, bottom: d, cols: 2 * d, band: d };
    if identity.is_empty() {
        return reflect::<ISA, K, K>(sizes, top, &mut [], floors, scratch);
    }
    fill_identity(identity, d);
    reflect::<ISA, K, K>(sizes, top, &mut [identity], floors, scratch)
}

#[inline(always)]
fn update_body<const ISA: u8, const K: usize>(
    dim: usize,
    m: usize,
    emission: &[f64],
    root: &[f64],
    floors: &[f64],
    top: &mut [f64],
    state: &mut [f64],
    identity: &mut [f64],
    scratch: &mut [f64],
) -> usize {
    let d = if K == 0 { dim } else { K };
    for (column, out) in root.chunks_exact(d).zip(top.chunks_exact_mut(m)) {
        for (h, out) in emission.chunks_exact(d).zip(out) {
            *out = (0..d).fold(0.0, |sum, i| fma::<ISA>(h[i], column[i], sum));
        }
    }
    state[..d * d].copy_from_slice(root);
    state[d * d..].fill(0.0);
    let sizes = Stacked { top: m, bottom: d, cols: d + m, band: d };
    if identity.is_empty() {
        return reflect::<ISA, 0, K>(sizes, top, &mut [state], floors, scratch);
    }
    fill_identity(identity, d);
    reflect::<ISA, 0, K>(sizes, top, &mut [state, identity], floors, scratch)
}

/// Writes \[I; 0\].
#[inline(always)]
fn fill_identity(out: &mut [f64], d: usize) {
    out.fill(0.0);
    out.iter_mut().step_by(d + 1).take(d).for_each(|x| *x = 1.0);
}

/// A B, row by row; q is K where that is not 0.
#[inline(always)]
fn product<const ISA: u8, const K: usize>(a: &[f64], p: usize, b: &[f64], q: usize, out: &mut [f64]) {
    let q = if K == 0 { q } else { K };
    for (a, out) in a.chunks_exact(p).zip(out.chunks_exact_mut(q)) {
        out.fill(0.0);
        for (x, b) in a.iter().zip(b.chunks_exact(q)) {
            for j in 0..q {
                out[j] = fma::<ISA>(*x, b[j], out[j]);
            }
        }
    }
}

#[inline(always)]
fn multiply_body<const ISA: u8>(a: &[f64], p: usize, b: &[f64], q: usize, out: &mut [f64]) {
    if p == 0 {
        return out.fill(0.0);
    }
    match q {
        2 => product::<ISA, 2>(a, p, b, q, out),
        4 => product::<ISA, 4>(a, p, b, q, out),
        8 => product::<ISA, 8>(a, p, b, q, out),
        _ => product::<ISA, 0>(a, p, b, q, out),
    }
}

#[inline(always)]
fn square_body<const ISA: u8>(root: &[f64], dim: usize, cov: &mut [f64]) {
    multiply_columns_body::<ISA>(root, dim, root, dim, cov);
}

#[inline(always)]
fn multiply_columns_body<const ISA: u8>(c: &[f64], n: usize, d: &[f64], m: usize, out: &mut [f64]) {
    out.fill(0.0);
    for (c, d) in c.chunks_exact(n).zip(d.chunks_exact(m)) {
        for (x, out) in c.iter().zip(out.chunks_exact_mut(m)) {
            for j in 0..m {
                out[j] = fma::<ISA>(*x, d[j], out[j]);
            }
        }
    }
}

/// Norms of the rows of a root by columns.
pub(super) fn row_norms(root: &[f64], d: usize, norms: &mut [f64]) {
    norms.fill(0.0);
    for column in root.chunks_exact(d) {
        norms.iter_mut().zip(column).for_each(|(n, x)| *n += x * x);
    }
    norms.iter_mut().for_each(|n| *n = n.sqrt());
}

/// Σ a_i b_i.
pub(in super::super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Writes Aᵀ of a square matrix.
pub(in super::super) fn transpose(a: &[f64], n: usize, out: &mut [f64]) {
    for (i, row) in a.chunks_exact(n).enumerate() {
        row.iter().enumerate().for_each(|(j, x)| out[j * n + i] = *x);
    }
}

/// Overwrites B, shape \[n, q\], with L⁻¹ B; L by columns.
pub(super) fn solve_rows(l: &[f64], n: usize, b: &mut [f64], q: usize) {
    for i in 0..n {
        let (done, row) = b.split_at_mut(i * q);
        let row = &mut row[..q];
        for (j, done) in done.chunks_exact(q).enumerate() {
            let x = l[j * n + i];
            row.iter_mut().zip(done).for_each(|(r, d)| *r -= x * d);
        }
        row.iter_mut().for_each(|r| *r /= l[i * n + i]);
    }
}

/// Overwrites B, shape \[n, q\], with L⁻ᵀ B; L by columns.
pub(super) fn solve_rows_transposed(l: &[f64], n: usize, b: &mut [f64], q: usize) {
    for i in (0..n).rev() {
        let (row, done) = b[i * q..].split_at_mut(q);
        for (j, done) in done.chunks_exact(q).enumerate() {
            let x = l[i * n + i + 1 + j];
            row.iter_mut().zip(done).for_each(|(r, d)| *r -= x * d);
        }
        row.iter_mut().for_each(|r| *r /= l[i * n + i]);
    }
}
