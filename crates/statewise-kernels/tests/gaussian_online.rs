//! The online Kalman filter against the batch filter, over the corpus.

mod gaussian_common;

use gaussian_common::{assert_close, series, system};
use proptest::prelude::*;
use statewise_kernels::gaussian::{
    Gains, GaussianError, MeanRows, MeanScratch, MeanState, Noise, OnlineKalman, Riccati, Series, Steps,
    System, WindowStep, advance_means, smooth_window,
};
use statewise_testkit::{
    GaussianProblem, GaussianShape, gaussian_contradictions, gaussian_corpus, joint_gaussian,
    random_gaussian_problem,
};

/// Filtered means and covariances of all steps, and the evidence after each.
fn batch(problem: &GaussianProblem, steady_state: bool) -> (Vec<f64>, Vec<f64>, f64) {
    let (system, series) = (system(problem), series(problem));
    let n = problem.num_steps;
    let (mut riccati, mut gains) = (Riccati::default(), Gains::default());
    riccati.start(&system, system.initial_cov, steady_state);
    riccati.advance(&system, series.emissions, 0..n, &mut gains).unwrap();
    let mut state = MeanState::start(system.initial_mean);
    let mut means = vec![0.0; n * problem.state_dim];
    let rows = MeanRows { filtered: &mut means, ..MeanRows::default() };
    advance_means(&system, &series, 0..n, &gains, &mut state, rows, &mut MeanScratch::default()).unwrap();
    let covs = (0..n).flat_map(|t| gains.filtered_cov(t).to_vec()).collect();
    (means, covs, state.marginal_loglik())
}

fn row<'a>(series: &Series<'a>, m: usize, t: usize) -> Series<'a> {
    Series { emissions: &series.emissions[t * m..(t + 1) * m], ..*series }
}

/// Step t of a problem as a system and a series that hold for it alone.
fn alone<'a>(system: &System<'a>, series: &Series<'a>, t: usize) -> (System<'a>, Series<'a>) {
    let fixed = |steps: Steps<'a>| Steps::fixed(steps.at(t));
    let noise = match system.emission_cov {
        Noise::Full(r) => Noise::Full(fixed(r)),
        Noise::Diagonal(r) => Noise::Diagonal(fixed(r)),
    };
    let one = System {
        transition: fixed(system.transition),
        transition_cov: fixed(system.transition_cov),
        emission: fixed(system.emission),
        emission_cov: noise,
        ..*system
    };
    let series = Series {
        transition_offset: series.transition_offset.map(fixed),
        emission_offset: series.emission_offset.map(fixed),
        ..row(series, system.emission_dim, t)
    };
    (one, series)
}

fn assert_steps_equal_the_batch(problem: &GaussianProblem, steady_state: bool) {
    let (system, series) = (system(problem), series(problem));
    let (d, m) = (problem.state_dim, problem.emission_dim);
    let (means, covs, evidence) = batch(problem, steady_state);
    let mut online = OnlineKalman::new(&system, steady_state).unwrap();
    for t in 0..problem.num_steps {
        online.step(&system, &row(&series, m, t)).unwrap();
        assert_eq!(online.filtered_mean(), &means[t * d..(t + 1) * d], "{} at {t}", problem.name);
        assert_eq!(online.filtered_cov(), &covs[t * d * d..(t + 1) * d * d], "{} at {t}", problem.name);
    }
    assert_eq!(online.marginal_loglik(), evidence, "{}", problem.name);
}

#[test]
fn online_steps_equal_the_batch_filter_bit_for_bit() {
    for problem in gaussian_corpus() {
        assert_steps_equal_the_batch(&problem, false);
        assert_steps_equal_the_batch(&problem, true);
    }
    let long = random_gaussian_problem(3, 2, 600, GaussianShape { missing: 0.01, ..Default::default() }, 5);
    assert_steps_equal_the_batch(&long, true);
}

#[test]
fn systems_given_step_by_step_equal_a_batch_over_a_system_with_one_entry_per_step() {
    for problem in gaussian_corpus() {
        let (system, series) = (system(&problem), series(&problem));
        let (means, _, evidence) = batch(&problem, false);
        let mut online = OnlineKalman::new(&system, true).unwrap();
        for t in 0..problem.num_steps {
            let (one, row) = alone(&system, &series, t);
            online.step_with(&one, &row).unwrap();
        }
        let last = &means[means.len() - problem.state_dim..];
        assert_eq!(online.filtered_mean(), last, "{}", problem.name);
        assert_eq!(online.marginal_loglik(), evidence, "{}", problem.name);
    }
}

#[test]
fn log_probabilities_of_steps_add_up_to_the_evidence() {
    for problem in gaussian_corpus() {
        let (system, series) = (system(&problem), series(&problem));
        let mut online = OnlineKalman::new(&system, true).unwrap();
        let sum: f64 = (0..problem.num_steps)
            .map(|t| online.step(&system, &row(&series, problem.emission_dim, t)).unwrap())
            .sum();
        assert_close(&problem.name, "evidence", &[sum], &[online.marginal_loglik()], 1e-13);
    }
}

#[test]
fn a_window_equals_the_joint_gaussian_given_the_prefix() {
    for problem in gaussian_corpus() {
        let (system, series) = (system(&problem), series(&problem));
        let (d, m, n) = (problem.state_dim, problem.emission_dim, problem.num_steps);
        let mut online = OnlineKalman::new(&system, true).unwrap();
        let mut kept = Vec::new();
        for t in 0..n {
            online.step(&system, &row(&series, m, t)).unwrap();
            kept.push((
                online.gains().clone(),
                online.filtered_mean().to_vec(),
                online.innovation().to_vec(),
            ));
        }
        let want = joint_gaussian(&problem);
        let first = n.saturating_sub(4);
        let steps: Vec<WindowStep<'_>> = (first..n)
            .map(|t| WindowStep {
                gains: &kept[t].0,
                transition: system.transition.at(t),
                filtered: &kept[t].1,
                innovation: &kept[t].2,
                diffuse: None,
            })
            .collect();
        let got = smooth_window(&system, &steps, None);
        let name = &problem.name;
        assert_close(name, "means", &got.means, &want.smoothed_means[first * d..], 1e-9);
        assert_close(name, "covs", &got.covs, &want.smoothed_covs[first * d * d..], 1e-9);
        assert_close(name, "lag one", &got.lag_one_covs, &want.lag_one_covs[first * d * d..], 1e-9);
    }
}

#[test]
fn a_restored_filter_goes_on_with_the_same_bits() {
    let shape = GaussianShape { missing: 0.05, ..Default::default() };
    let problem = random_gaussian_problem(3, 2, 400, shape, 8);
    let (system, series) = (system(&problem), series(&problem));
    for stop in [0, 1, 37, 399] {
        let mut whole = OnlineKalman::new(&system, true).unwrap();
        for t in 0..stop {
            whole.step(&system, &row(&series, 2, t)).unwrap();
        }
        let mut second = OnlineKalman::new(&system, true).unwrap();
        second.restore(&system, &whole.state()).unwrap();
        for t in stop..400 {
            let want = whole.step(&system, &row(&series, 2, t)).unwrap();
            assert_eq!(second.step(&system, &row(&series, 2, t)).unwrap(), want, "{stop}, step {t}");
        }
        assert_eq!(second.state(), whole.state());
    }
}

#[test]
fn a_failed_step_leaves_the_filter_as_it_was() {
    for problem in gaussian_contradictions() {
        let (system, series) = (system(&problem), series(&problem));
        let m = problem.emission_dim;
        let mut online = OnlineKalman::new(&system, true).unwrap();
        let failed = (0..problem.num_steps).find(|t| {
            let before = online.state();
            let answer = online.step(&system, &row(&series, m, *t));
            if answer.is_err() {
                assert_eq!(online.state(), before, "{}", problem.name);
                let nothing = vec![f64::NAN; m];
                online.step(&system, &Series { emissions: &nothing, ..series }).unwrap();
            }
            answer.is_err()
        });
        assert!(failed.is_some(), "{}", problem.name);
    }
}

#[test]
fn arrays_of_another_size_and_arrays_that_end_are_errors() {
    let problem =
        random_gaussian_problem(2, 2, 3, GaussianShape { per_step: true, ..Default::default() }, 1);
    let (system, series) = (system(&problem), series(&problem));
    let mut online = OnlineKalman::new(&system, true).unwrap();
    let short = online.step(&system, &Series { emissions: &[1.0], ..series });
    assert!(matches!(short, Err(GaussianError::Shape { argument: "emissions", found: 1, expected: 2 })));
    for t in 0..3 {
        online.step(&system, &row(&series, 2, t)).unwrap();
    }
    let end = online.step(&system, &Series::new(&[0.0, 0.0]));
    assert!(matches!(end, Err(GaussianError::Shape { argument: "transition", found: 12, expected: 16 })));
    let mut state = online.state();
    state.covariances.floor.push(0.0);
    let wrong = online.restore(&system, &state);
    assert!(matches!(wrong, Err(GaussianError::Shape { argument: "floor", found: 3, expected: 2 })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_pattern_of_gaps_gives_the_bits_of_the_batch(
        seed in 0u64..1000,
        d in 1usize..5,
        m in 1usize..4,
        per_step: bool,
        gaps in proptest::collection::vec(0usize..7, 120),
    ) {
        let shape = GaussianShape { per_step, offsets: true, diagonal_noise: seed % 2 == 0, missing: 0.0 };
        let mut problem = random_gaussian_problem(d, m, 120, shape, seed);
        for (t, gap) in gaps.iter().enumerate() {
            // Long stretches without gaps let the covariance settle.
            if *gap < m && t % 40 > 30 {
                problem.emissions[t * m + gap] = f64::NAN;
            }
        }
        assert_steps_equal_the_batch(&problem, true);
    }
}
