//! The three products of a linear layer, row-major: y = x W, dx = dy Wᵀ, dW += xᵀ dy.

use super::Real;

/// y (rows × n) = x (rows × k) w (k × n), or y += x w.
pub(crate) fn multiply<R: Real>(x: &[R], w: &[R], k: usize, n: usize, y: &mut [R], accumulate: bool) {
    let rows = y.len() / n;
    assert!(y.len() == rows * n && x.len() == rows * k && w.len() == k * n, "product of mismatched sizes");
    // SAFETY: the assertion bounds every element; y is borrowed exclusively.
    unsafe { product([rows, n, k], y, x, [1, k], w, [1, n], accumulate) }
}

/// dx (rows × k) = dy (rows × n) wᵀ with w (k × n), or dx += dy wᵀ.
pub(crate) fn multiply_transposed<R: Real>(
    dy: &[R],
    w: &[R],
    k: usize,
    n: usize,
    dx: &mut [R],
    accumulate: bool,
) {
    let rows = dx.len() / k;
    assert!(
        dx.len() == rows * k && dy.len() == rows * n && w.len() == k * n,
        "product of mismatched sizes"
    );
    // SAFETY: the assertion bounds every element; dx is borrowed exclusively.
    unsafe { product([rows, k, n], dx, dy, [1, n], w, [n, 1], accumulate) }
}

/// dw (k × n) += xᵀ dy with x (rows × k), dy (rows × n).
pub(crate) fn add_outer<R: Real>(x: &[R], dy: &[R], k: usize, n: usize, dw: &mut [R]) {
    let rows = x.len() / k;
    assert!(
        x.len() == rows * k && dy.len() == rows * n && dw.len() == k * n,
        "product of mismatched sizes"
    );
    // SAFETY: the assertion bounds every element; dw is borrowed exclusively.
    unsafe { product([k, n, rows], dw, x, [k, 1], dy, [1, n], true) }
}

/// C (m × n, row-major) = A B; strides of A and B are (column, row).
///
/// # Safety
/// As [`Real::gemm`].
unsafe fn product<R: Real>(
    [m, n, k]: [usize; 3],
    c: &mut [R],
    a: &[R],
    [a_column, a_row]: [usize; 2],
    b: &[R],
    [b_column, b_row]: [usize; 2],
    accumulate: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    let strides = |column: usize, row: usize| [column as isize, row as isize];
    // SAFETY: the caller's.
    unsafe {
        R::gemm(
            [m, n, k],
            c.as_mut_ptr(),
            strides(1, n),
            a.as_ptr(),
            strides(a_column, a_row),
            b.as_ptr(),
            strides(b_column, b_row),
            accumulate,
        )
    }
}
