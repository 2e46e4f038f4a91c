//! The thin orthogonal factorisation, by Householder's reflections.

/// Factors A = Q U with p = min(n, d): Q, \[n, p\], has orthonormal columns and U, \[p, d\], is upper
/// triangular. A of shape \[n, d\] is overwritten. Dependent columns need no care.
///
/// Source: Golub and Van Loan (2013), algorithm 5.2.1.
pub(super) fn thin_qr([n, d]: [usize; 2], a: &mut [f64]) -> (Vec<f64>, Vec<f64>) {
    let p = n.min(d);
    let mut reflections: Vec<(Vec<f64>, f64)> = Vec::with_capacity(p);
    for k in 0..p {
        let mut v: Vec<f64> = (k..n).map(|i| a[i * d + k]).collect();
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        v[0] += norm.copysign(v[0]);
        let square: f64 = v.iter().map(|x| x * x).sum();
        let factor = if square > 0.0 { 2.0 / square } else { 0.0 };
        reflect(&v, factor, &mut a[k * d..], d, k);
        reflections.push((v, factor));
    }
    let mut u = vec![0.0; p * d];
    for i in 0..p {
        u[i * d + i..(i + 1) * d].copy_from_slice(&a[i * d + i..(i + 1) * d]);
    }
    let mut q = vec![0.0; n * p];
    (0..p).for_each(|i| q[i * p + i] = 1.0);
    for (k, (v, factor)) in reflections.iter().enumerate().rev() {
        reflect(v, *factor, &mut q[k * p..], p, k);
    }
    (q, u)
}

/// B −= factor v vᵀ B over the columns from `first` on of B with `width` columns.
fn reflect(v: &[f64], factor: f64, b: &mut [f64], width: usize, first: usize) {
    let mut sums = vec![0.0; width - first];
    for (row, v) in b.chunks_exact(width).zip(v) {
        sums.iter_mut().zip(&row[first..]).for_each(|(s, x)| *s += v * x);
    }
    for (row, v) in b.chunks_exact_mut(width).zip(v) {
        row[first..].iter_mut().zip(&sums).for_each(|(x, s)| *x -= factor * v * s);
    }
}
