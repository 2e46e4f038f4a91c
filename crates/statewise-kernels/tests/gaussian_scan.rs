//! Blocks of time in parallel against one pass over time.

mod gaussian_common;

use gaussian_common::{assert_close, series, system};
use proptest::prelude::*;
use statewise_kernels::discrete::Schedule;
use statewise_kernels::gaussian::{
    FilterRows, GaussianError, Scheduled, SmootherRows, filter_scheduled, sample_scheduled,
    smooth_scheduled,
};
use statewise_kernels::random::Seed;
use statewise_testkit::{GaussianProblem, GaussianShape, GaussianSteps, random_gaussian_problem};

#[derive(Debug, PartialEq)]
struct Answer {
    filter: Scheduled,
    smoother: Scheduled,
    /// Predicted, filtered and smoothed means; the same and lag-one covariances.
    means: [Vec<f64>; 3],
    covs: [Vec<f64>; 4],
}

fn run(problem: &GaussianProblem, schedule: Schedule, steady: bool) -> Result<Answer, GaussianError> {
    let (system, series) = (system(problem), series(problem));
    let (n, d) = (problem.num_steps, problem.state_dim);
    let [mut predicted, mut filtered, mut smoothed, mut again] = [(); 4].map(|()| vec![0.0; n * d]);
    let [mut predicted_covs, mut filtered_covs, mut smoothed_covs, mut lag_one] =
        [(); 4].map(|()| vec![0.0; n * d * d]);
    let rows = FilterRows {
        predicted_means: &mut predicted,
        predicted_covs: &mut predicted_covs,
        filtered_means: &mut filtered,
        filtered_covs: &mut filtered_covs,
    };
    let filter = filter_scheduled(&system, &series, schedule, steady, rows)?;
    let rows = SmootherRows {
        filtered_means: &mut again,
        filtered_covs: &mut [],
        smoothed_means: &mut smoothed,
        smoothed_covs: &mut smoothed_covs,
        lag_one_covs: &mut lag_one,
    };
    let smoother = smooth_scheduled(&system, &series, schedule, steady, rows)?;
    assert_eq!(again, filtered, "both verbs filter alike");
    let means = [predicted, filtered, smoothed];
    Ok(Answer { filter, smoother, means, covs: [predicted_covs, filtered_covs, smoothed_covs, lag_one] })
}

/// Compares entries to the standard deviation of a state: errors well below it mean nothing.
fn assert_blocks_equal_one_pass(problem: &GaussianProblem, steady: bool, tolerance: f64) {
    let name = &problem.name;
    let want = run(problem, Schedule::Sequential, false).unwrap();
    let got = run(problem, Schedule::Scan, steady).unwrap();
    assert_eq!(want.filter.num_blocks, 1, "{name}");
    assert!(got.filter.num_blocks > 2 && got.smoother.num_blocks > 2, "{name}: {:?}", got.filter);
    let evidence = want.filter.marginal_loglik;
    for found in [got.filter.marginal_loglik, got.smoother.marginal_loglik] {
        assert!((found - evidence).abs() <= tolerance * evidence.abs(), "{name}: {found}, not {evidence}");
    }
    for (what, (got, want)) in
        ["predicted", "filtered", "smoothed"].iter().zip(got.means.iter().zip(&want.means))
    {
        assert_close(name, what, got, want, tolerance);
    }
    for (what, (got, want)) in
        ["predicted", "filtered", "smoothed", "lag one"].iter().zip(got.covs.iter().zip(&want.covs))
    {
        assert_close(name, what, got, want, tolerance);
    }
}

/// y = z + noise for one observed state; emissions from `level`.
fn problem(name: &str, d: usize, [f, q, h, r]: [&[f64]; 4], p: f64, y: Vec<f64>) -> GaussianProblem {
    let mut cov = vec![0.0; d * d];
    (0..d).for_each(|i| cov[i * d + i] = p);
    GaussianProblem {
        name: name.to_string(),
        state_dim: d,
        emission_dim: 1,
        num_steps: y.len(),
        initial_mean: vec![0.0; d],
        initial_cov: cov,
        initial_diffuse: None,
        transition: GaussianSteps::fixed(f),
        transition_offset: GaussianSteps::fixed(&vec![0.0; d]),
        transition_cov: GaussianSteps::fixed(q),
        emission: GaussianSteps::fixed(h),
        emission_offset: GaussianSteps::fixed(&[0.0]),
        emission_cov: GaussianSteps::fixed(r),
        diagonal_noise: false,
        emissions: y,
    }
}

fn noise(t: usize) -> f64 {
    (t as f64 * 12.9898).sin() + (t as f64 * 78.233).cos()
}

/// A local linear trend whose level climbs to 10⁵.
fn climbing() -> GaussianProblem {
    let y = (0..5000).map(|t| 20.0 * t as f64 + 30.0 * (t as f64 / 200.0).sin() + noise(t)).collect();
    let arrays: [&[f64]; 4] = [&[1.0, 1.0, 0.0, 1.0], &[0.1, 0.0, 0.0, 0.001], &[1.0, 0.0], &[2.0]];
    problem("climbing trend", 2, arrays, 1e7, y)
}

/// Regression with constant coefficients: nothing is ever forgotten.
fn regression() -> GaussianProblem {
    let y = (0..4000).map(|t| 3.0 + 0.01 * t as f64 + noise(t)).collect();
    let rows: Vec<Vec<f64>> =
        (0..4000).map(|t| vec![1.0, (t as f64 / 700.0).cos(), t as f64 / 100.0]).collect();
    let mut identity = vec![0.0; 9];
    (0..3).for_each(|i| identity[i * 4] = 1.0);
    let arrays: [&[f64]; 4] = [&identity, &[0.0; 9], &[1.0, 0.0, 0.0], &[1.5]];
    GaussianProblem {
        emission: GaussianSteps::per_step(&rows),
        ..problem("regression", 3, arrays, 100.0, y)
    }
}

/// ARMA(2, 1) observed without noise: Q of rank one, R = 0.
fn noise_free() -> GaussianProblem {
    let y = (0..4000).map(noise).collect();
    let arrays: [&[f64]; 4] = [&[0.5, 1.0, 0.2, 0.0], &[1.0, 0.4, 0.4, 0.16], &[1.0, 0.0], &[0.0]];
    problem("ARMA without noise", 2, arrays, 2.0, y)
}

#[test]
fn blocks_equal_one_pass_for_every_kind_of_system() {
    for (d, m) in [(1, 1), (2, 1), (4, 2), (3, 5), (8, 2), (11, 3)] {
        for (per_step, missing) in [(false, 0.0), (false, 0.02), (true, 0.0), (true, 0.3)] {
            let shape = GaussianShape { per_step, offsets: true, diagonal_noise: d % 2 == 0, missing };
            let problem = random_gaussian_problem(d, m, 3500, shape, (d + m) as u64);
            assert_blocks_equal_one_pass(&problem, true, 1e-11);
            assert_blocks_equal_one_pass(&problem, false, 1e-11);
        }
    }
}

#[test]
fn states_far_from_zero_cost_no_digits_of_the_evidence() {
    assert_blocks_equal_one_pass(&climbing(), true, 1e-9);
    assert_blocks_equal_one_pass(&climbing(), false, 1e-9);
}

#[test]
fn filters_that_never_forget_are_composed_exactly() {
    assert_blocks_equal_one_pass(&regression(), true, 1e-9);
}

#[test]
fn singular_noise_and_noise_free_observations_work_in_blocks() {
    assert_blocks_equal_one_pass(&noise_free(), true, 1e-11);
}

#[test]
fn long_gaps_are_bridged() {
    let mut problem = climbing().named("climbing trend with gaps");
    (900..2300).for_each(|t| problem.emissions[t] = f64::NAN);
    (3070..3080).for_each(|t| problem.emissions[t] = f64::NAN);
    assert_blocks_equal_one_pass(&problem, true, 1e-9);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let shape = GaussianShape { missing: 0.01, ..GaussianShape::default() };
    for problem in [random_gaussian_problem(3, 2, 9000, shape, 4), regression()] {
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&problem, Schedule::Scan, true).unwrap())
        };
        let one = with(1);
        assert!(one == with(2) && one == with(5), "{}", problem.name);
    }
}

#[test]
fn a_noise_free_system_whose_rank_falls_goes_step_by_step() {
    let y = vec![3.0; 4000];
    let still = problem("still", 1, [&[1.0], &[0.0], &[1.0], &[0.0]], 1.0, y);
    let got = run(&still, Schedule::Scan, true).unwrap();
    assert_eq!(got.filter.num_blocks, 1);
    assert_eq!(got, run(&still, Schedule::Sequential, true).unwrap());
}

#[test]
fn auto_takes_blocks_where_a_long_filter_forgets() {
    let long = random_gaussian_problem(4, 2, 20_000, GaussianShape::default(), 4);
    assert!(run(&long, Schedule::Auto, true).unwrap().filter.num_blocks > 2);
    let short = random_gaussian_problem(4, 2, 2000, GaussianShape::default(), 4);
    assert_eq!(run(&short, Schedule::Auto, true).unwrap().filter.num_blocks, 1);
    let rows: Vec<Vec<f64>> = (0..40_000).map(|t| vec![1.0, (t as f64 / 70.0).cos(), 1.0]).collect();
    let stubborn = GaussianProblem {
        emission: GaussianSteps::per_step(&rows),
        num_steps: 40_000,
        emissions: (0..40_000).map(noise).collect(),
        ..regression()
    };
    assert_eq!(run(&stubborn, Schedule::Auto, true).unwrap().filter.num_blocks, 1);
}

#[test]
fn errors_are_those_of_one_pass() {
    let mut still = problem("still", 1, [&[1.0], &[0.0], &[1.0], &[0.0]], 1.0, vec![3.0; 4000]);
    still.emissions[2500] = 4.0;
    for schedule in [Schedule::Sequential, Schedule::Scan, Schedule::Auto] {
        let error = run(&still, schedule, true).unwrap_err();
        assert!(matches!(error, GaussianError::ImpossibleObservation { t: 2500, .. }), "{error}");
    }
    let problem = climbing();
    let mut short = vec![0.0; 7];
    let rows = FilterRows { filtered_means: &mut short, ..FilterRows::default() };
    let error = filter_scheduled(&system(&problem), &series(&problem), Schedule::Scan, true, rows);
    let found = error.unwrap_err().to_string();
    assert!(found.starts_with("filtered_means has 7 entries, expected 10000"), "{found}");
}

fn draws(
    problem: &GaussianProblem,
    schedule: Schedule,
    steady: bool,
    num_samples: usize,
) -> (Vec<f64>, usize) {
    let mut out = vec![0.0; num_samples * problem.num_steps * problem.state_dim];
    let (system, series) = (system(problem), series(problem));
    let scheduled =
        sample_scheduled(&system, &series, schedule, steady, Seed(3), num_samples, &mut out).unwrap();
    (out, scheduled.num_blocks)
}

#[test]
fn posterior_draws_are_the_same_on_every_schedule() {
    let varying = GaussianShape { per_step: true, offsets: true, missing: 0.1, ..Default::default() };
    let problems = [
        random_gaussian_problem(3, 2, 3500, GaussianShape { missing: 0.05, ..Default::default() }, 2),
        random_gaussian_problem(2, 3, 3500, varying, 2),
        climbing(),
        regression(),
        noise_free(),
    ];
    for problem in problems {
        let (want, one) = draws(&problem, Schedule::Sequential, false, 2);
        let (got, blocks) = draws(&problem, Schedule::Scan, true, 2);
        assert!(one == 1 && blocks > 2, "{}", problem.name);
        assert_close(&problem.name, "draws", &got, &want, 1e-9);
    }
}

#[test]
fn posterior_draws_have_the_moments_of_the_smoother() {
    let n = 20_000;
    for (per_step, missing) in [(false, 0.0), (true, 0.4)] {
        let shape = GaussianShape { per_step, offsets: true, diagonal_noise: per_step, missing };
        let problem = random_gaussian_problem(2, 2, 6, shape, 17);
        let want = run(&problem, Schedule::Sequential, true).unwrap();
        let (paths, _) = draws(&problem, Schedule::Sequential, true, n);
        let mean = |t: usize, i: usize| want.means[2][t * 2 + i];
        let moment = |t: usize, i: usize, u: usize, j: usize| {
            let term = |path: &[f64]| (path[t * 2 + i] - mean(t, i)) * (path[u * 2 + j] - mean(u, j));
            paths.chunks_exact(12).map(term).sum::<f64>() / n as f64
        };
        // Five standard errors of a mean and of a second moment.
        let bound = 5.0 / (n as f64).sqrt();
        for t in 0..6 {
            for i in 0..2 {
                let variance = |t: usize, i: usize| want.covs[2][t * 4 + i * 3];
                let found = paths.chunks_exact(12).map(|path| path[t * 2 + i]).sum::<f64>() / n as f64;
                assert!((found - mean(t, i)).abs() < bound * variance(t, i).sqrt(), "{t} {i}");
                for j in 0..2 {
                    let scale = (2.0 * variance(t, i) * variance(t, j)).sqrt();
                    let cov = want.covs[2][t * 4 + i * 2 + j];
                    assert!((moment(t, i, t, j) - cov).abs() < bound * scale, "{t} {i} {j}");
                    if t < 5 {
                        let scale = (2.0 * variance(t, i) * variance(t + 1, j)).sqrt();
                        let cov = want.covs[3][t * 4 + i * 2 + j];
                        assert!(
                            (moment(t, i, t + 1, j) - cov).abs() < bound * scale,
                            "lag one {t} {i} {j}"
                        );
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_system_with_any_gaps_gives_the_same_in_blocks(
        seed in 0u64..10_000,
        d in 1usize..6,
        m in 1usize..4,
        per_step: bool,
        steady: bool,
        missing in 0.0f64..0.9,
    ) {
        let shape = GaussianShape { per_step, offsets: true, diagonal_noise: seed % 2 == 0, missing };
        assert_blocks_equal_one_pass(&random_gaussian_problem(d, m, 3100, shape, seed), steady, 1e-10);
    }
}
