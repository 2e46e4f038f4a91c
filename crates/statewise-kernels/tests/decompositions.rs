//! Eigenvalues and singular values: products of the factors give the matrix back.

use statewise_kernels::linalg::{NotConverged, svd, symmetric_eigen};

fn matrix(m: usize, n: usize) -> Vec<f64> {
    (0..m * n).map(|i| (1.7 * i as f64 + 0.3).sin() + 0.2 * (i % 5) as f64).collect()
}

/// Largest |Aᵀ A − I| over the columns of A, shape \[m, r\].
fn departure_from_orthonormal(a: &[f64], m: usize, r: usize) -> f64 {
    let mut worst: f64 = 0.0;
    for i in 0..r {
        for j in 0..r {
            let dot: f64 = (0..m).map(|k| a[k * r + i] * a[k * r + j]).sum();
            worst = worst.max((dot - f64::from(u8::from(i == j))).abs());
        }
    }
    worst
}

#[test]
fn singular_vectors_and_values_give_the_matrix_back() {
    for (m, n) in [(1, 1), (5, 3), (3, 5), (12, 12), (40, 7)] {
        let a = matrix(m, n);
        let r = m.min(n);
        let got = svd(&a, m, n).unwrap();
        assert!(got.values.windows(2).all(|w| w[0] >= w[1]) && got.values[r - 1] >= 0.0);
        assert!(departure_from_orthonormal(&got.left, m, r) < 1e-13);
        assert!(departure_from_orthonormal(&got.right, n, r) < 1e-13);
        for i in 0..m {
            for j in 0..n {
                let back: f64 =
                    (0..r).map(|k| got.left[i * r + k] * got.values[k] * got.right[j * r + k]).sum();
                assert!((back - a[i * n + j]).abs() < 1e-12, "{m} x {n}: {back} for {}", a[i * n + j]);
            }
        }
    }
}

#[test]
fn eigenvectors_and_eigenvalues_give_the_matrix_back() {
    for n in [1, 2, 5, 20] {
        let b = matrix(n, n);
        let a: Vec<f64> = (0..n * n).map(|i| b[i] + b[(i % n) * n + i / n]).collect();
        let got = symmetric_eigen(&a, n).unwrap();
        assert!(got.values.windows(2).all(|w| w[0] <= w[1]));
        assert!(departure_from_orthonormal(&got.vectors, n, n) < 1e-13);
        for i in 0..n {
            for j in 0..n {
                let back: f64 =
                    (0..n).map(|k| got.vectors[i * n + k] * got.values[k] * got.vectors[j * n + k]).sum();
                assert!((back - a[i * n + j]).abs() < 1e-12, "{n}: {back} for {}", a[i * n + j]);
            }
        }
    }
}

#[test]
fn a_matrix_that_is_not_finite_is_an_error() {
    assert_eq!(svd(&[1.0, f64::NAN], 1, 2), Err(NotConverged));
    assert_eq!(symmetric_eigen(&[f64::INFINITY], 1), Err(NotConverged));
}
