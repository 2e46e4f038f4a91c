//! Gradients of the square-root engines against differences of the dense oracle.

mod gaussian_common;

use gaussian_common::{assert_close, series, system};
use statewise_kernels::gaussian::*;
use statewise_testkit::*;

/// All derivatives of a problem, one set per step.
struct Derivatives {
    marginal_loglik: f64,
    initial_mean: Vec<f64>,
    initial_cov: Vec<f64>,
    steps: [Vec<f64>; 6],
    emissions: Vec<f64>,
}

const NAMES: [&str; 6] = ["F", "b", "Q", "H", "d", "R"];

fn array(problem: &mut GaussianProblem, index: usize) -> &mut GaussianSteps {
    match index {
        0 => &mut problem.transition,
        1 => &mut problem.transition_offset,
        2 => &mut problem.transition_cov,
        3 => &mut problem.emission,
        4 => &mut problem.emission_offset,
        _ => &mut problem.emission_cov,
    }
}

/// Derivatives in the layout of the problem: summed where an array is the same at all steps.
fn gradient(problem: &GaussianProblem, ws: &mut SquareRootWorkspace) -> Derivatives {
    let (system, series) = (system(problem), series(problem));
    let (n, d, m) = (problem.num_steps, problem.state_dim, problem.emission_dim);
    let mut shared = SystemGradient::zeros(&system);
    let [mut smoothed, mut states, mut emissions] = [vec![0.0; n * d], vec![0.0; n * d], vec![1.0; n * m]];
    let out = SquareRootAdjoints {
        smoothed: Some(&mut smoothed),
        states: Some(&mut states),
        emissions: Some(&mut emissions),
    };
    let report = square_root_gradient(&system, &series, 1.0, ws, &mut shared, out)
        .unwrap_or_else(|e| panic!("{}: {e}", problem.name));
    assert_close(&problem.name, "smoothed", &smoothed, &joint_gaussian(problem).smoothed_means, 1e-9);
    states[..d].fill(0.0);
    let sum = |values: &[f64], steps: &GaussianSteps| match steps.per_step {
        true => values.to_vec(),
        false => (0..steps.len).map(|i| values.iter().skip(i).step_by(steps.len).sum()).collect(),
    };
    let b = sum(&states, &problem.transition_offset);
    let offset = sum(&emissions, &problem.emission_offset);
    let SystemGradient { initial_mean, initial_cov, transition, transition_cov, emission, emission_cov } =
        shared;
    emissions.iter_mut().for_each(|u| *u = -*u);
    Derivatives {
        marginal_loglik: report.marginal_loglik,
        initial_mean,
        initial_cov,
        steps: [transition, b, transition_cov, emission, offset, emission_cov],
        emissions,
    }
}

/// f'(0) by central differences of order eight; the oracle's evidence has 16 digits.
fn slope(f: impl Fn(f64) -> f64) -> f64 {
    const WEIGHTS: [f64; 4] = [4.0 / 5.0, -1.0 / 5.0, 4.0 / 105.0, -1.0 / 280.0];
    let h = 2e-3;
    (1..=4).map(|k| WEIGHTS[k - 1] * (f(k as f64 * h) - f(-(k as f64) * h))).sum::<f64>() / h
}

/// Compares every entry with differences; entries (i, j) and (j, i) of blocks of \[size, size\] move together.
fn check_entries(
    problem: &GaussianProblem,
    what: &str,
    got: &[f64],
    size: usize,
    values: impl Fn(&mut GaussianProblem) -> &mut [f64],
) {
    for index in 0..got.len() {
        let inside = index % (size * size);
        let mirror = index - inside + inside % size * size + inside / size;
        if mirror < index {
            assert!(
                (got[index] - got[mirror]).abs() < 1e-12 * (1.0 + got[index].abs()),
                "{what} symmetric"
            );
            continue;
        }
        if values(&mut problem.clone())[index].is_nan() {
            assert_eq!(got[index], 0.0, "{}: {what} of a missing entry", problem.name);
            continue;
        }
        let want = slope(|h| {
            let mut moved = problem.clone();
            let array = values(&mut moved);
            array[index] += h;
            if mirror != index {
                array[mirror] += h;
            }
            joint_gaussian(&moved).marginal_loglik
        });
        let total = if mirror == index { got[index] } else { got[index] + got[mirror] };
        // NUMERICS: 1e-15 of the evidence over the step, and the ninth derivative.
        let tolerance = 1e-8 * (1.0 + want.abs());
        assert!(
            (total - want).abs() < tolerance,
            "{}: {what}[{index}]: {total:e}, differences {want:e}",
            problem.name
        );
    }
}

fn regular() -> Vec<GaussianProblem> {
    let mut all = Vec::new();
    for (d, m, per_step, diagonal_noise, missing) in [
        (1, 1, false, false, 0.0),
        (2, 1, true, false, 0.0),
        (3, 2, false, true, 0.3),
        (2, 3, true, true, 0.3),
        (2, 3, false, false, 0.4),
        (3, 2, true, false, 0.3),
    ] {
        let shape = GaussianShape { per_step, offsets: true, diagonal_noise, missing };
        all.push(random_gaussian_problem(d, m, 5, shape, 31 + d as u64));
    }
    all
}

#[test]
fn derivatives_equal_differences_of_dense_elimination() {
    let mut ws = SquareRootWorkspace::default();
    for problem in regular() {
        let got = gradient(&problem, &mut ws);
        let want = joint_gaussian(&problem).marginal_loglik;
        assert!((got.marginal_loglik - want).abs() < 1e-12 * want.abs());
        let d = problem.state_dim;
        check_entries(&problem, "m", &got.initial_mean, 1, |p| &mut p.initial_mean);
        check_entries(&problem, "P", &got.initial_cov, d, |p| &mut p.initial_cov);
        check_entries(&problem, "y", &got.emissions, 1, |p| &mut p.emissions);
        for (index, got) in got.steps.iter().enumerate() {
            let size = match index {
                2 => d,
                5 if !problem.diagonal_noise => problem.emission_dim,
                _ => 1,
            };
            check_entries(&problem, NAMES[index], got, size, |p| &mut array(p, index).values);
        }
    }
}

/// Where a covariance is singular its entries have no room; scaling it has.
#[test]
fn derivatives_of_singular_models_equal_differences() {
    let mut ws = SquareRootWorkspace::default();
    for problem in gaussian_corpus() {
        // NUMERICS: of a scale 1e-12 differences of size 1e-3 say nothing; a determined entry has no slope.
        if problem.name.contains("1e-12") || problem.name.contains("determined") {
            continue;
        }
        let got = gradient(&problem, &mut ws);
        let scaled = |what: &str, got: &[f64], values: &dyn Fn(&mut GaussianProblem) -> &mut Vec<f64>| {
            let have = values(&mut problem.clone()).clone();
            let along: f64 = got.iter().zip(&have).map(|(g, x)| g * x).sum();
            let want = slope(|h| {
                let mut moved = problem.clone();
                values(&mut moved).iter_mut().for_each(|x| *x *= 1.0 + h);
                joint_gaussian(&moved).marginal_loglik
            });
            let tolerance = 1e-8 * (1.0 + want.abs());
            assert!(
                (along - want).abs() < tolerance,
                "{}: {what}: {along:e}, differences {want:e}",
                problem.name
            );
        };
        scaled("m", &got.initial_mean, &|p| &mut p.initial_mean);
        scaled("P", &got.initial_cov, &|p| &mut p.initial_cov);
        for index in 0..6 {
            scaled(NAMES[index], &got.steps[index], &|p| match index {
                0 => &mut p.transition.values,
                1 => &mut p.transition_offset.values,
                2 => &mut p.transition_cov.values,
                3 => &mut p.emission.values,
                4 => &mut p.emission_offset.values,
                _ => &mut p.emission_cov.values,
            });
        }
    }
}

#[test]
fn gradients_add_to_what_is_there_and_unread_entries_stay() {
    let mut ws = SquareRootWorkspace::default();
    let shape = GaussianShape { per_step: true, offsets: true, ..Default::default() };
    let problem = random_gaussian_problem(2, 1, 4, shape, 5);
    let (system, series) = (system(&problem), series(&problem));
    let once = gradient(&problem, &mut ws);
    assert!(once.steps[0][..4].iter().chain(&once.steps[2][..4]).all(|x| *x == 0.0), "entry 0 is not read");
    let mut total = SystemGradient::zeros(&system);
    for weight in [2.0, 0.5] {
        let out = SquareRootAdjoints::default();
        square_root_gradient(&system, &series, weight, &mut ws, &mut total, out).unwrap();
    }
    let pairs = [
        (&total.initial_mean, &once.initial_mean),
        (&total.initial_cov, &once.initial_cov),
        (&total.transition, &once.steps[0]),
        (&total.transition_cov, &once.steps[2]),
        (&total.emission, &once.steps[3]),
        (&total.emission_cov, &once.steps[5]),
    ];
    for (total, once) in pairs {
        let want: Vec<f64> = once.iter().map(|x| 2.5 * x).collect();
        assert_close("2 + 1/2", "gradient", total, &want, 1e-14);
    }
    total.initial_cov.pop();
    let out = SquareRootAdjoints::default();
    let error = square_root_gradient(&system, &series, 1.0, &mut ws, &mut total, out).unwrap_err();
    assert_eq!(error, GaussianError::Shape { argument: "gradient initial_cov", found: 3, expected: 4 });
}
