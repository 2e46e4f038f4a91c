//! Vectorised exp and ln against the standard library.

use statewise_kernels::math::{exp_shifted_rows, exp_slice, ln_slice};

/// Distance in units of the last place of `want`.
fn ulps(got: f64, want: f64) -> f64 {
    let ulp = f64::from_bits(want.abs().to_bits() + 1) - want.abs();
    (got - want).abs() / ulp
}

#[test]
fn exp_is_within_two_ulps_of_the_standard_library() {
    let x: Vec<f64> = (0..200_000).map(|i| -707.9 + i as f64 * 1417.6 / 200_000.0).collect();
    let mut y = x.clone();
    exp_slice(&mut y);
    let worst = x.iter().zip(&y).map(|(x, y)| ulps(*y, x.exp())).fold(0.0, f64::max);
    assert!(worst <= 2.0, "{worst} ulp");
}

#[test]
fn exp_keeps_special_values() {
    let mut x = [0.0, -0.0, f64::NEG_INFINITY, f64::INFINITY, -708.1, 709.79, 709.78, 1e-320, -1e300];
    exp_slice(&mut x);
    assert_eq!(x[..6], [1.0, 1.0, 0.0, f64::INFINITY, 0.0, f64::INFINITY]);
    assert!(x[6].is_finite());
    assert_eq!(x[7..], [1.0, 0.0]);
    let mut nan = [f64::NAN; 11];
    exp_slice(&mut nan);
    assert!(nan.iter().all(|x| x.is_nan()));
}

#[test]
fn ln_is_within_two_ulps_of_the_standard_library() {
    let x: Vec<f64> = (0..200_000).map(|i| (-740.0 + i as f64 * 1449.0 / 200_000.0).exp()).collect();
    let near_one = (0..20_000).map(|i| 0.5 + i as f64 / 10_000.0);
    let x: Vec<f64> = x.into_iter().chain(near_one).collect();
    let mut y = x.clone();
    ln_slice(&mut y);
    for (x, y) in x.iter().zip(&y) {
        assert!(ulps(*y, x.ln()) <= 2.0, "ln {x:e} = {y:e}, expected {:e}", x.ln());
    }
}

#[test]
fn ln_keeps_special_values() {
    let mut x = [1.0, 0.0, -0.0, f64::INFINITY, 5e-324, -1.0, f64::NAN, f64::NEG_INFINITY];
    ln_slice(&mut x);
    assert_eq!(x[..4], [0.0, f64::NEG_INFINITY, f64::NEG_INFINITY, f64::INFINITY]);
    assert!((x[4] - 5e-324_f64.ln()).abs() < 1e-12);
    assert!(x[5..].iter().all(|x| x.is_nan()));
}

#[test]
fn shifted_rows_have_a_largest_entry_of_one() {
    for width in [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 40] {
        let log: Vec<f64> = (0..29 * width).map(|i| 1000.0 * (i as f64).sin()).collect();
        let mut rows = log.clone();
        let mut shift = vec![f64::NAN; 29];
        exp_shifted_rows(&mut rows, &mut shift);
        for ((row, log), shift) in rows.chunks(width).zip(log.chunks(width)).zip(&shift) {
            assert_eq!(*shift, log.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            for (x, log) in row.iter().zip(log) {
                let want = (log - shift).exp();
                assert!((x - want).abs() <= 4e-16 * want || want < 1e-307, "{x:e} {want:e}");
            }
        }
    }
}

#[test]
fn a_row_without_a_finite_maximum_gets_a_shift_that_is_not_finite() {
    let none = f64::NEG_INFINITY;
    let mut rows = [0.0, -1.0, none, none, f64::NAN, 0.0, 0.0, f64::NAN, f64::INFINITY, 0.0, none, -3.0];
    let mut shift = [0.0; 6];
    exp_shifted_rows(&mut rows, &mut shift);
    assert_eq!(shift.map(f64::is_finite), [true, false, false, false, false, true]);
    assert_eq!(rows[10..], [0.0, 1.0]);
}
