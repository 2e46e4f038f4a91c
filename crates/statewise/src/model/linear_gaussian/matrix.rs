//! Products of small row-major matrices for M-steps and starts.

/// Σ a_i b_i.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// A B, shapes \[m, k\] and \[k, n\].
pub(super) fn product(a: &[f64], b: &[f64], m: usize, k: usize, n: usize) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    for i in 0..m {
        let row = &mut out[i * n..(i + 1) * n];
        for (l, x) in a[i * k..(i + 1) * k].iter().enumerate() {
            row.iter_mut().zip(&b[l * n..(l + 1) * n]).for_each(|(o, y)| *o += x * y);
        }
    }
    out
}

/// A Bᵀ, shapes \[m, k\] and \[n, k\].
pub(super) fn product_transposed(a: &[f64], b: &[f64], m: usize, k: usize, n: usize) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            out[i * n + j] = dot(&a[i * k..(i + 1) * k], &b[j * k..(j + 1) * k]);
        }
    }
    out
}

/// Aᵀ, shape \[m, n\] to \[n, m\].
pub(super) fn transpose(a: &[f64], m: usize, n: usize) -> Vec<f64> {
    (0..m * n).map(|at| a[(at % m) * n + at / m]).collect()
}

/// Makes a square matrix symmetric to the last bit.
pub(super) fn symmetrise(a: &mut [f64], n: usize) {
    for i in 0..n {
        for j in 0..i {
            let mean = 0.5 * (a[i * n + j] + a[j * n + i]);
            (a[i * n + j], a[j * n + i]) = (mean, mean);
        }
    }
}

/// Adds w a bᵀ.
pub(super) fn add_outer(out: &mut [f64], a: &[f64], b: &[f64], w: f64) {
    for (row, x) in out.chunks_exact_mut(b.len()).zip(a) {
        let x = w * x;
        row.iter_mut().zip(b).for_each(|(o, y)| *o += x * y);
    }
}

/// Adds w B to the block of A, \[.., width\], that starts at (row, column); B has `columns` columns.
pub(super) fn add_block(
    a: &mut [f64],
    width: usize,
    (row, column): (usize, usize),
    b: &[f64],
    columns: usize,
    w: f64,
) {
    for (i, from) in b.chunks_exact(columns).enumerate() {
        let start = (row + i) * width + column;
        a[start..start + columns].iter_mut().zip(from).for_each(|(o, x)| *o += w * x);
    }
}
