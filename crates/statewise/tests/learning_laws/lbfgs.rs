//! The minimiser on functions with known minima.

use statewise::learn::Lbfgs;

fn rosenbrock(x: &[f64], gradient: &mut [f64]) -> f64 {
    gradient.fill(0.0);
    let mut value = 0.0;
    for i in 0..x.len() - 1 {
        let (a, b) = (x[i + 1] - x[i] * x[i], 1.0 - x[i]);
        value += 100.0 * a * a + b * b;
        gradient[i] += -400.0 * x[i] * a - 2.0 * b;
        gradient[i + 1] += 200.0 * a;
    }
    value
}

#[test]
fn rosenbrocks_valley_is_followed_to_its_end() {
    for strong_wolfe in [false, true] {
        let settings =
            Lbfgs { max_iterations: 200, value_tolerance: 0.0, strong_wolfe, ..Lbfgs::default() };
        let mut calls = 0;
        let count = |x: &[f64], g: &mut [f64]| {
            calls += 1;
            rosenbrock(x, g)
        };
        let got = settings.minimise(&[-1.2, 1.0, -1.2, 1.0], count, |_, _| true);
        assert!(got.converged && got.value < 1e-14, "{got:?}");
        assert!(got.point.iter().all(|x| (x - 1.0).abs() < 1e-6), "{got:?}");
        assert!(calls < 2 * got.iterations + 10, "{calls} evaluations, {} iterations", got.iterations);
    }
}

#[test]
fn quadratics_with_condition_number_a_million_are_solved() {
    let scales: Vec<f64> = (0..12).map(|i| 10f64.powf(i as f64 * 6.0 / 11.0)).collect();
    let settings = Lbfgs { max_iterations: 1000, value_tolerance: 0.0, memory: 20, ..Lbfgs::default() };
    let f = |x: &[f64], g: &mut [f64]| {
        g.iter_mut().zip(x).zip(&scales).for_each(|((g, x), s)| *g = s * (x - 1.0));
        0.5 * x.iter().zip(&scales).map(|(x, s)| s * (x - 1.0) * (x - 1.0)).sum::<f64>()
    };
    let got = settings.minimise(&[0.0; 12], f, |_, _| true);
    assert!(got.converged && got.point.iter().all(|x| (x - 1.0).abs() < 1e-7), "{got:?}");
}

#[test]
fn values_only_fall_and_the_observer_sees_them_all() {
    let mut values = Vec::new();
    let got = Lbfgs::default().minimise(&[-1.2, 1.0], rosenbrock, |_, value| {
        values.push(value);
        values.len() < 6
    });
    assert!(got.interrupted && values.windows(2).all(|pair| pair[1] < pair[0]), "{values:?}");
    assert_eq!((got.value, got.iterations), (values[5], 5));
}

#[test]
fn steps_out_of_the_domain_are_taken_back() {
    // x − ln x is defined for x > 0 only; the first steps from 1e-3 and 50 leave the domain.
    for outside in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for start in [1e-3, 0.5, 50.0] {
            let f = |x: &[f64], g: &mut [f64]| {
                if x[0] <= 0.0 {
                    g[0] = f64::NAN;
                    return outside;
                }
                g[0] = 1.0 - 1.0 / x[0];
                x[0] - x[0].ln()
            };
            let got = Lbfgs::default().minimise(&[start], f, |_, _| true);
            assert!((got.point[0] - 1.0).abs() < 1e-6, "from {start}: {got:?}");
        }
    }
}

#[test]
fn a_start_without_a_finite_value_is_given_back() {
    for value in [f64::NAN, f64::INFINITY] {
        let got = Lbfgs::default().minimise(&[2.0], |_, _| value, |_, _| true);
        assert!(!got.converged && got.point == [2.0] && got.iterations == 0);
    }
}

#[test]
fn unbounded_kinked_and_noisy_functions_end() {
    // Falls for ever.
    let falling = Lbfgs::default().minimise(
        &[0.0],
        |x, g| {
            g[0] = -1.0;
            -x[0]
        },
        |_, _| true,
    );
    assert!(falling.value < -1.0 && falling.value.is_finite());
    // |x|: no step meets the curvature condition next to the kink.
    let kinked = Lbfgs { value_tolerance: 0.0, ..Lbfgs::default() }.minimise(
        &[1.3, -0.7],
        |x, g| {
            g.iter_mut().zip(x).for_each(|(g, x)| *g = x.signum());
            x.iter().map(|x| x.abs()).sum()
        },
        |_, _| true,
    );
    assert!(kinked.value < 0.1, "{kinked:?}");
    // A gradient that points the wrong way: nothing is gained and nothing lost.
    let wrong = Lbfgs::default().minimise(
        &[1.0],
        |x, g| {
            g[0] = -2.0 * x[0];
            x[0] * x[0]
        },
        |_, _| true,
    );
    assert_eq!((wrong.value, wrong.point[0]), (1.0, 1.0));
}

#[test]
fn no_coordinates_are_a_minimum() {
    let got = Lbfgs::default().minimise(&[], |_, _| 3.0, |_, _| true);
    assert!(got.converged && got.value == 3.0);
}
