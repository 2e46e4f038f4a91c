//! Equations of the Gamma function that maximum likelihood solves for a shape.

use statewise_kernels::math::{digamma, ln_gamma, trigamma};

/// Shapes above this are not told apart; the answer is capped there.
pub(super) const LARGEST_SHAPE: f64 = 1e8;

/// From here on the asymptotic series below are exact to rounding.
const ASYMPTOTIC: f64 = 30.0;

/// ln a − ψ(a), which falls from ∞ to 0, without cancellation at large a.
///
/// # Source
/// Abramowitz and Stegun (1964), 6.3.18.
pub(super) fn ln_minus_digamma(a: f64) -> f64 {
    if a < ASYMPTOTIC {
        return a.ln() - digamma(a);
    }
    let r = 1.0 / (a * a);
    0.5 / a + r * (1.0 / 12.0 - r * (1.0 / 120.0 - r * (1.0 / 252.0 - r / 240.0)))
}

/// Solves ln a − ψ(a) = s for the shape of a Gamma density; `None` if s says that a is above
/// [`LARGEST_SHAPE`].
///
/// # Source
/// Minka (2002), Estimating a Gamma distribution: Newton's method in 1/a, four or five steps from a
/// start that is right to 1.5 %.
pub(super) fn solve_shape(s: f64) -> Option<f64> {
    if s.is_nan() || s <= 0.5 / LARGEST_SHAPE {
        return None;
    }
    let mut a = (3.0 - s + ((s - 3.0) * (s - 3.0) + 24.0 * s).sqrt()) / (12.0 * s);
    for _ in 0..50 {
        let slope = a - a * a * trigamma(a);
        let inverse = 1.0 / a + (ln_minus_digamma(a) - s) / slope;
        let next = if inverse > 0.0 { 1.0 / inverse } else { 2.0 * a };
        let change = (next - a).abs();
        a = next;
        if change <= 4.0 * f64::EPSILON * a {
            break;
        }
    }
    Some(a.min(LARGEST_SHAPE))
}

/// Solves ψ(a) = x; `None` if a is above [`LARGEST_SHAPE`].
///
/// # Source
/// Minka (2000), Estimating a Dirichlet distribution, appendix C: Newton's method converges from
/// this start for every x, as ψ is concave.
pub(super) fn inverse_digamma(x: f64) -> Option<f64> {
    if x >= LARGEST_SHAPE.ln() {
        return None;
    }
    let mut a = if x >= -2.22 { x.exp() + 0.5 } else { -1.0 / (x - digamma(1.0)) };
    for _ in 0..50 {
        let change = (digamma(a) - x) / trigamma(a);
        a = if change < a { a - change } else { 0.5 * a };
        if change.abs() <= 4.0 * f64::EPSILON * a {
            break;
        }
    }
    Some(a)
}

/// ln [Γ(r + y) / (Γ(r) r^y)], which falls to 0 as r grows, without cancellation at large r.
///
/// # Source
/// Abramowitz and Stegun (1964), 6.1.41, term by term.
pub(super) fn ln_rising_ratio(r: f64, y: f64) -> f64 {
    if r < ASYMPTOTIC {
        return ln_gamma(r + y) - ln_gamma(r) - y * r.ln();
    }
    let series = |x: f64| {
        let q = 1.0 / (x * x);
        (1.0 / 12.0 - q * (1.0 / 360.0 - q * (1.0 / 1260.0 - q / 1680.0))) / x
    };
    (r + y - 0.5) * (y / r).ln_1p() - y + (series(r + y) - series(r))
}

/// r (ψ(r + y) − ψ(r)) = Σ_{j<y} r / (r + j), the expected number of tables at which y customers of
/// a Chinese restaurant of concentration r sit.
pub(super) fn expected_tables(r: f64, y: f64) -> f64 {
    if y <= 16.0 {
        return (0..y as usize).map(|j| r / (r + j as f64)).sum();
    }
    if r < ASYMPTOTIC {
        return r * (digamma(r + y) - digamma(r));
    }
    r * ((y / r).ln_1p() - (ln_minus_digamma(r + y) - ln_minus_digamma(r)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solutions_solve_their_equations() {
        for a in [1e-3, 0.02, 0.5, 1.0, 3.7, 29.0, 31.0, 1e3, 1e6] {
            let shape = solve_shape(ln_minus_digamma(a)).unwrap();
            assert!((shape - a).abs() < 1e-9 * a, "shape {shape} against {a}");
            let inverse = inverse_digamma(digamma(a)).unwrap();
            assert!((inverse - a).abs() < 1e-9 * a, "inverse {inverse} against {a}");
        }
        assert_eq!(solve_shape(0.0), None);
        assert_eq!(solve_shape(f64::NAN), None);
    }

    #[test]
    fn series_join_the_sums_they_replace() {
        for r in [0.3, 5.0, 29.9, 30.1, 400.0, 1e7] {
            for y in [1.0, 7.0, 17.0, 60.0, 500.0] {
                let terms = || (0..y as usize).map(|j| j as f64);
                let log: f64 = terms().map(|j| (j / r).ln_1p()).sum();
                let tables: f64 = terms().map(|j| r / (r + j)).sum();
                let (got_log, got_tables) = (ln_rising_ratio(r, y), expected_tables(r, y));
                // Rounding of terms of size y ln(y / r) and y.
                assert!((got_log - log).abs() < 1e-13 * (10.0 * y + log), "{r} {y}: {got_log} {log}");
                assert!((got_tables - tables).abs() < 1e-12 * y, "{r} {y}: {got_tables} {tables}");
            }
        }
    }
}
