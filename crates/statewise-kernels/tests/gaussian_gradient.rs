//! The gradient of the evidence against finite differences of the dense joint Gaussian's evidence.

mod gaussian_common;

use gaussian_common::{assert_close, series, system};
use statewise_kernels::gaussian::{
    Adjoints, Gains, MeanRows, MeanScratch, MeanState, Riccati, SmoothedRows, Smoothing, SystemGradient,
    advance_means, smooth_means,
};
use statewise_testkit::{GaussianProblem, gaussian_corpus, joint_gaussian};

struct Whole {
    system: SystemGradient,
    transition_offset: Vec<f64>,
    emission_offset: Vec<f64>,
}

fn gradient(problem: &GaussianProblem, steady_state: bool) -> Whole {
    let (system, series) = (system(problem), series(problem));
    let (d, m, n) = (problem.state_dim, problem.emission_dim, problem.num_steps);
    let mut riccati = Riccati::default();
    let mut gains = Gains::default();
    riccati.start(&system, system.initial_cov, steady_state);
    riccati.advance(&system, series.emissions, 0..n, &mut gains).unwrap();
    let mut state = MeanState::start(system.initial_mean);
    let (mut filtered, mut innovations) = (vec![0.0; n * d], vec![0.0; n * m]);
    let rows = MeanRows { predicted: &mut [], filtered: &mut filtered, innovations: &mut innovations };
    advance_means(&system, &series, 0..n, &gains, &mut state, rows, &mut MeanScratch::default()).unwrap();
    let mut smoothing = Smoothing::default();
    smoothing.compute(&system, &gains, false);
    let (mut smoothed, mut r, mut u) = (vec![0.0; n * d], vec![0.0; n * d], vec![0.0; n * m]);
    let rows = SmoothedRows {
        filtered: &filtered,
        innovations: &innovations,
        smoothed: &mut smoothed,
        state_adjoints: &mut r,
        emission_adjoints: &mut u,
    };
    smooth_means(&system, &gains, rows, &mut Vec::new());
    let mut total = SystemGradient::zeros(&system);
    total.add_covariances(&system, &series, &gains, &smoothing, 1.0);
    total.add_means(&system, Adjoints { smoothed: &smoothed, states: &r, emissions: &u }, 1.0);
    Whole { system: total, transition_offset: r, emission_offset: u }
}

/// d evidence / d x_i by the difference of fourth order, for the values that `of` names. Symmetric
/// matrices are moved symmetrically: (i, j) and (j, i) each by half.
fn slope(
    problem: &GaussianProblem,
    of: fn(&mut GaussianProblem) -> &mut Vec<f64>,
    index: usize,
    twin: usize,
) -> f64 {
    let value = of(&mut problem.clone())[index];
    let step = 1e-3 * value.abs().max(0.1);
    let at = |h: f64| {
        let mut moved = problem.clone();
        let values = of(&mut moved);
        values[index] += 0.5 * h;
        values[twin] += 0.5 * h;
        joint_gaussian(&moved).marginal_loglik
    };
    (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * step)
}

fn compare(
    problem: &GaussianProblem,
    what: &str,
    got: &[f64],
    of: fn(&mut GaussianProblem) -> &mut Vec<f64>,
    side: Option<usize>,
    skip: usize,
) {
    let scale = 1.0 + got.iter().fold(0.0f64, |a, x| a.max(x.abs()));
    for i in skip..got.len() {
        let twin = side.map_or(i, |n| i / (n * n) * n * n + (i % n) * n + (i / n) % n);
        let want = slope(problem, of, i, twin);
        // The differences have errors of order h⁴ and ε / h.
        assert!(
            (got[i] - want).abs() < 3e-6 * scale,
            "{}: ∂{what}[{i}] is {}, differences say {want}",
            problem.name,
            got[i]
        );
    }
}

#[test]
fn every_gradient_equals_finite_differences_of_the_dense_evidence() {
    let mut checked = 0;
    for problem in gaussian_corpus() {
        let noise_free = (0..problem.num_steps).any(|t| {
            let m = problem.emission_dim;
            (0..m).any(|i| problem.noise(t)[i * m + i] < 1e-3)
        });
        // A boundary has no two-sided difference; large problems take long.
        if noise_free || problem.num_steps * problem.state_dim > 16 {
            continue;
        }
        checked += 1;
        let got = gradient(&problem, true);
        let reference = gradient(&problem, false);
        assert_close(&problem.name, "∂A", &got.system.transition, &reference.system.transition, 1e-10);
        assert_close(&problem.name, "∂R", &got.system.emission_cov, &reference.system.emission_cov, 1e-10);
        let (d, m) = (problem.state_dim, problem.emission_dim);
        let later = |steps: &statewise_testkit::GaussianSteps| if steps.per_step { steps.len } else { 0 };
        let system = &got.system;
        compare(&problem, "m", &system.initial_mean, |p| &mut p.initial_mean, None, 0);
        compare(&problem, "P", &system.initial_cov, |p| &mut p.initial_cov, Some(d), 0);
        let skip = later(&problem.transition);
        compare(&problem, "A", &system.transition, |p| &mut p.transition.values, None, skip);
        let skip = later(&problem.transition_cov);
        compare(&problem, "Q", &system.transition_cov, |p| &mut p.transition_cov.values, Some(d), skip);
        compare(&problem, "H", &system.emission, |p| &mut p.emission.values, None, 0);
        let side = (!problem.diagonal_noise).then_some(m);
        compare(&problem, "R", &system.emission_cov, |p| &mut p.emission_cov.values, side, 0);
        let observed: Vec<f64> = (0..problem.emissions.len())
            .map(|i| if problem.emissions[i].is_nan() { 0.0 } else { -got.emission_offset[i] })
            .collect();
        compare(&problem, "y", &observed, |p| &mut p.emissions, None, 0);
        if problem.transition_offset.per_step {
            compare(&problem, "b", &got.transition_offset, |p| &mut p.transition_offset.values, None, d);
        }
    }
    assert!(checked > 10, "only {checked} problems were checked");
}
