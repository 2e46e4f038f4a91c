//! Collapsed observations against the dense joint Gaussian and the covariance form on all observations.

mod gaussian_common;

use gaussian_common::{assert_close, series, system};
use statewise_kernels::gaussian::{
    Adjoints, Collapse, CollapsedRows, Gains, MeanRows, MeanScratch, MeanState, Riccati, Series,
    SmoothedRows, Smoothing, System, SystemGradient, advance_means, smooth_means,
};
use statewise_testkit::{
    GaussianProblem, GaussianShape, diffuse_gaussian_corpus, gaussian_corpus, joint_gaussian,
    random_gaussian_problem,
};

struct Answer {
    marginal_loglik: f64,
    filtered_means: Vec<f64>,
    filtered_covs: Vec<f64>,
    smoothed_means: Vec<f64>,
    smoothed_covs: Vec<f64>,
    lag_one_covs: Vec<f64>,
    state_adjoints: Vec<f64>,
    emission_adjoints: Vec<f64>,
    /// Terms of covariances alone.
    gradient: SystemGradient,
    num_entries: usize,
}

fn run(system: &System<'_>, series: &Series<'_>) -> Answer {
    let (d, m, n) = (system.state_dim, system.emission_dim, series.num_steps(system));
    let (mut riccati, mut gains, mut smoothing) =
        (Riccati::default(), Gains::default(), Smoothing::default());
    riccati.start(system, system.initial_cov, true);
    riccati.advance(system, series.emissions, 0..n, &mut gains).unwrap();
    let mut state = MeanState::start(system.initial_mean);
    let (mut filtered, mut innovations) = (vec![0.0; n * d], vec![0.0; n * m]);
    let rows = MeanRows { predicted: &mut [], filtered: &mut filtered, innovations: &mut innovations };
    advance_means(system, series, 0..n, &gains, &mut state, rows, &mut MeanScratch::default()).unwrap();
    smoothing.compute(system, &gains, true);
    let (mut smoothed, mut states, mut emissions) = (vec![0.0; n * d], vec![0.0; n * d], vec![0.0; n * m]);
    let rows = SmoothedRows {
        filtered: &filtered,
        innovations: &innovations,
        smoothed: &mut smoothed,
        state_adjoints: &mut states,
        emission_adjoints: &mut emissions,
    };
    smooth_means(system, &gains, rows, &mut Vec::new());
    let mut gradient = SystemGradient::zeros(system);
    gradient.add_covariances(system, series, &gains, &smoothing, 2.0);
    let all = |of: &dyn Fn(usize) -> Vec<f64>, len: usize| (0..len).flat_map(of).collect::<Vec<f64>>();
    Answer {
        marginal_loglik: state.marginal_loglik(),
        filtered_means: filtered,
        filtered_covs: all(&|t| gains.filtered_cov(t).to_vec(), n),
        smoothed_means: smoothed,
        smoothed_covs: all(&|t| smoothing.cov(t).to_vec(), n),
        lag_one_covs: all(&|t| smoothing.lag_one_cov(t).to_vec(), n - 1),
        state_adjoints: states,
        emission_adjoints: emissions,
        gradient,
        num_entries: gains.num_entries(),
    }
}

/// The same by way of the collapsed system; `None` if there is none.
fn run_collapsed(system: &System<'_>, series: &Series<'_>) -> Option<Answer> {
    let (d, n) = (system.state_dim, series.num_steps(system));
    let mut collapse = Collapse::default();
    if !collapse.compute(system, series.emissions) {
        return None;
    }
    let small = collapse.system(system);
    let (mut emissions, mut residuals) = (vec![0.0; n * d], vec![0.0; series.emissions.len()]);
    let rows = CollapsedRows { emissions: &mut emissions, residuals: &mut residuals };
    let correction = collapse.emissions(series, 0..n, rows).unwrap();
    let nans = |x: &[f64]| x.iter().map(|x| x.is_nan()).collect::<Vec<_>>();
    assert_eq!(nans(collapse.pattern()), nans(&emissions));
    let other = &mut vec![0.0; n * d];
    let alone = CollapsedRows { emissions: other, residuals: &mut [] };
    let quick = collapse.emissions(series, 0..n, alone).unwrap();
    assert!((quick - correction).abs() <= 1e-12 * (1.0 + correction.abs()), "{quick} against {correction}");
    let offset = series.transition_offset;
    let mut got =
        run(&small, &Series { emissions: &emissions, transition_offset: offset, emission_offset: None });
    got.marginal_loglik += correction;
    let mut adjoints = vec![0.0; series.emissions.len()];
    collapse.expand_adjoints(0..n, &got.emission_adjoints, &residuals, &mut adjoints);
    got.emission_adjoints = adjoints;
    let mut gradient = SystemGradient::zeros(system);
    collapse.expand_gradient(system, &got.gradient, 2.0, &mut gradient);
    got.gradient = gradient;
    Some(got)
}

fn many_sensors() -> Vec<GaussianProblem> {
    let shapes = |diagonal_noise, per_step, missing| GaussianShape {
        per_step,
        offsets: true,
        diagonal_noise,
        missing,
    };
    let mut all: Vec<_> = gaussian_corpus().into_iter().filter(|p| p.emission_dim > p.state_dim).collect();
    for diagonal in [false, true] {
        for per_step in [false, true] {
            for (d, m) in [(1, 3), (2, 7), (3, 12)] {
                let seed = 400 + m as u64;
                let full = random_gaussian_problem(d, m, 7, shapes(diagonal, per_step, 0.0), seed);
                all.push(full.clone());
                all.push(full.clone().missing_rows(&[0, 2, 3, 6]));
                all.push(full.missing_rows(&[0, 1, 2, 3, 4, 5, 6]));
                all.push(random_gaussian_problem(d, m, 7, shapes(diagonal, per_step, 0.6), seed));
            }
        }
    }
    let mut alike = random_gaussian_problem(3, 6, 6, shapes(true, false, 0.0), 420);
    for row in alike.emission.values.chunks_exact_mut(3) {
        row.copy_from_slice(&[row[0], 2.0 * row[0], 0.0]);
    }
    all.push(alike.named("H of rank one"));
    let mut precise = random_gaussian_problem(2, 5, 6, shapes(true, false, 0.0), 421);
    precise.emission_cov.values.fill(1e-8);
    all.push(precise.named("R = 1e-8"));
    all
}

#[test]
fn a_collapse_changes_no_moment_no_evidence_and_no_gradient() {
    for problem in many_sensors() {
        let (system, series, name) = (system(&problem), series(&problem), &problem.name);
        let Some(got) = run_collapsed(&system, &series) else {
            panic!("{name}: no collapse");
        };
        let want = run(&system, &series);
        let dense = joint_gaussian(&problem);
        assert_close(name, "evidence", &[got.marginal_loglik], &[dense.marginal_loglik], 1e-9);
        assert_close(name, "filtered means", &got.filtered_means, &dense.filtered_means, 1e-9);
        assert_close(name, "filtered covs", &got.filtered_covs, &dense.filtered_covs, 1e-9);
        assert_close(name, "smoothed means", &got.smoothed_means, &dense.smoothed_means, 1e-9);
        assert_close(name, "smoothed covs", &got.smoothed_covs, &dense.smoothed_covs, 1e-9);
        assert_close(name, "lag-one covs", &got.lag_one_covs, &dense.lag_one_covs, 1e-9);
        // With all observations S has a condition number of 1e8 there: it is the reference that loses digits.
        let tolerance = if name == "R = 1e-8" { 1e-6 } else { 1e-9 };
        assert_close(name, "state adjoints", &got.state_adjoints, &want.state_adjoints, tolerance);
        assert_close(name, "emission adjoints", &got.emission_adjoints, &want.emission_adjoints, tolerance);
        for (what, got, want) in [
            ("∂m", &got.gradient.initial_mean, &want.gradient.initial_mean),
            ("∂P", &got.gradient.initial_cov, &want.gradient.initial_cov),
            ("∂A", &got.gradient.transition, &want.gradient.transition),
            ("∂Q", &got.gradient.transition_cov, &want.gradient.transition_cov),
            ("∂H", &got.gradient.emission, &want.gradient.emission),
            ("∂R", &got.gradient.emission_cov, &want.gradient.emission_cov),
        ] {
            assert_close(name, what, got, want, tolerance);
        }
        // The sum of both kinds of terms is what a caller has in the end.
        let (mut a, mut b) = (got.gradient.clone(), want.gradient.clone());
        for (gradient, of) in [(&mut a, &got), (&mut b, &want)] {
            let adjoints = Adjoints {
                smoothed: &of.smoothed_means,
                states: &of.state_adjoints,
                emissions: &of.emission_adjoints,
            };
            gradient.add_means(&system, adjoints, 2.0);
        }
        assert_close(name, "whole ∂H", &a.emission, &b.emission, tolerance);
        assert_close(name, "whole ∂R", &a.emission_cov, &b.emission_cov, tolerance);
    }
}

#[test]
fn the_collapse_of_a_fixed_system_still_settles() {
    let shape = GaussianShape { diagonal_noise: true, ..Default::default() };
    let problem = random_gaussian_problem(2, 6, 200, shape, 430).missing_rows(&[100]);
    let got = run_collapsed(&system(&problem), &series(&problem)).unwrap();
    assert!(got.num_entries < 150, "{} entries", got.num_entries);
    let one = random_gaussian_problem(2, 6, 200, shape, 430).missing(&[(100, 1)]);
    let mut collapse = Collapse::default();
    assert!(collapse.compute(&system(&one), &one.emissions));
    assert!(!collapse.system(&system(&one)).is_fixed());
}

#[test]
fn a_singular_noise_has_no_collapse() {
    let walk: (&[f64], &[f64]) = (&[0.75], &[1.0]);
    let exact: (&[f64], &[f64]) = (&[1.0, 1.0], &[0.0, 0.0, 0.0, 1.0]);
    let problem = GaussianProblem::fixed("", (&[0.0], &[1.0]), walk, exact, &[1.0, 2.0, 0.5, 1.5]);
    assert!(run_collapsed(&system(&problem), &series(&problem)).is_none());
    // Where the sensor without noise is never read, there is one.
    let problem = problem.missing(&[(0, 0), (1, 0)]);
    assert!(run_collapsed(&system(&problem), &series(&problem)).is_some());
}

#[test]
fn infinite_observations_are_errors() {
    let shape = GaussianShape { diagonal_noise: true, ..Default::default() };
    let mut problem = random_gaussian_problem(2, 4, 3, shape, 431);
    problem.emissions[5] = f64::INFINITY;
    let (system, series) = (system(&problem), series(&problem));
    let mut collapse = Collapse::default();
    assert!(collapse.compute(&system, series.emissions));
    let rows = CollapsedRows { emissions: &mut [0.0; 6], residuals: &mut [] };
    assert!(collapse.emissions(&series, 0..3, rows).is_err());
}

#[test]
fn a_diffuse_start_collapses_too() {
    use statewise_kernels::gaussian::{DiffuseRows, DiffuseStart, DiffuseTable};
    let mut checked = 0;
    for problem in diffuse_gaussian_corpus() {
        let (system, series) = (system(&problem), series(&problem));
        let positive = (0..problem.num_steps).all(|t| problem.noise(t)[0] > 0.0);
        if !positive {
            continue;
        }
        checked += 1;
        let (d, n) = (problem.state_dim, problem.num_steps);
        let mut collapse = Collapse::default();
        assert!(collapse.compute(&system, series.emissions), "{}", problem.name);
        let mut emissions = vec![0.0; n * d];
        let rows = CollapsedRows { emissions: &mut emissions, residuals: &mut [] };
        let correction = collapse.emissions(&series, 0..n, rows).unwrap();
        let small = collapse.system(&system);
        let offset = series.transition_offset;
        let own = Series { emissions: &emissions, transition_offset: offset, emission_offset: None };
        let start = DiffuseStart::of(&small).unwrap().unwrap();
        let small = System { initial_cov: start.cov(), initial_diffuse: None, ..small };
        let (mut riccati, mut gains) = (Riccati::default(), Gains::default());
        riccati.start(&small, start.cov(), true);
        riccati.advance(&small, &emissions, 0..n, &mut gains).unwrap();
        let (mut directions, mut table) = (start.directions(), DiffuseTable::default());
        directions.advance(&small, 0..n, &gains, false, &mut table).unwrap();
        let s = table.range().end;
        let (mut state, mut estimate) = (MeanState::start(small.initial_mean), Vec::new());
        let (belief, scratch) = ((&mut state, &mut estimate), &mut MeanScratch::default());
        let early = Series { emissions: &emissions[..s * d], ..own };
        let rows = DiffuseRows::default();
        let is_last = directions.is_forgotten();
        table.advance_means(&small, &early, &gains, belief, is_last, rows, scratch).unwrap();
        let rest = Series { emissions: &emissions[s * d..], ..own };
        let rows = MeanRows::default();
        advance_means(&small, &rest, s..n, &gains, &mut state, rows, scratch).unwrap();
        let got = state.marginal_loglik() + correction;
        let want = joint_gaussian(&problem).marginal_loglik;
        assert_close(&problem.name, "evidence", &[got], &[want], 1e-9);
    }
    assert!(checked > 10);
}

#[test]
fn many_sensors_pay_unless_their_correlated_noise_meets_gaps() {
    let shape = GaussianShape { diagonal_noise: true, ..Default::default() };
    let few = random_gaussian_problem(4, 8, 4, shape, 432);
    assert!(!Collapse::pays(&system(&few), &few.emissions));
    for diagonal_noise in [true, false] {
        let many = random_gaussian_problem(4, 16, 4, GaussianShape { diagonal_noise, ..shape }, 433);
        assert!(Collapse::pays(&system(&many), &many.emissions));
        let rows = many.clone().missing_rows(&[1, 2]);
        assert!(Collapse::pays(&system(&rows), &rows.emissions));
        let entries = many.missing(&[(1, 2), (2, 3)]);
        assert_eq!(Collapse::pays(&system(&entries), &entries.emissions), diagonal_noise);
    }
}
