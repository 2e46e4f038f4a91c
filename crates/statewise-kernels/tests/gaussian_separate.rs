//! Series that share no covariances in lanes against each of them alone.

mod gaussian_common;

use gaussian_common::{assert_close, series, system};
use statewise_kernels::gaussian::{
    Gains, MeanRows, MeanScratch, MeanState, Riccati, SEPARATE_LANES, SeparateRows, SeparateScratch,
    Series, SmoothedRows, Smoothing, Steps, System, advance_means, has_separate_lanes, separate_lanes,
    smooth_means,
};
use statewise_testkit::{
    GaussianProblem, GaussianShape, diffuse_gaussian_corpus, gaussian_corpus, joint_gaussian,
    random_gaussian_problem,
};

/// Predicted, filtered and smoothed means; predicted, filtered, smoothed and lag-one covariances.
type Moments = [Vec<f64>; 7];

/// The passes over one series; also whether they had to look closer.
fn alone(system: &System<'_>, series: &Series<'_>, steady_state: bool) -> (f64, Moments, bool) {
    let (d, m) = (system.state_dim, system.emission_dim);
    let n = series.emissions.len() / m;
    let (mut riccati, mut gains, mut smoothing) =
        (Riccati::default(), Gains::default(), Smoothing::default());
    riccati.start(system, system.initial_cov, steady_state);
    riccati.advance(system, series.emissions, 0..n, &mut gains).unwrap();
    smoothing.compute(system, &gains, true);
    let mut state = MeanState::start(system.initial_mean);
    let mut means = [0, 1, 2].map(|_| vec![0.0; n * d]);
    let [predicted, filtered, smoothed] = &mut means;
    let mut innovations = vec![0.0; n * m];
    let rows = MeanRows { predicted, filtered, innovations: &mut innovations };
    advance_means(system, series, 0..n, &gains, &mut state, rows, &mut MeanScratch::default()).unwrap();
    let rows = SmoothedRows {
        filtered,
        innovations: &innovations,
        smoothed,
        state_adjoints: &mut [],
        emission_adjoints: &mut [],
    };
    smooth_means(system, &gains, rows, &mut Vec::new());
    let [predicted, filtered, smoothed] = means;
    let lag_one = |t: usize| if t + 1 < n { smoothing.lag_one_cov(t).to_vec() } else { vec![0.0; d * d] };
    let covs = [
        (0..n).flat_map(|t| gains.predicted_cov(t).to_vec()).collect(),
        (0..n).flat_map(|t| gains.filtered_cov(t).to_vec()).collect(),
        (0..n).flat_map(|t| smoothing.cov(t).to_vec()).collect(),
        (0..n).flat_map(lag_one).collect(),
    ];
    let [predicted_covs, filtered_covs, smoothed_covs, lag_one_covs] = covs;
    let moments =
        [predicted, filtered, smoothed, predicted_covs, filtered_covs, smoothed_covs, lag_one_covs];
    let report = riccati.report();
    let ill_conditioned = report.ill_conditioned.is_some() || smoothing.is_ill_conditioned();
    (state.marginal_loglik(), moments, ill_conditioned || report.joseph_updates > 0)
}

/// All series in lanes.
fn together(
    system: &System<'_>,
    all: &[Series<'_>],
    steady_state: bool,
    scratch: &mut SeparateScratch,
) -> Vec<(Option<f64>, Moments)> {
    let (d, m) = (system.state_dim, system.emission_dim);
    let room = |series: &Series<'_>| {
        let n = series.emissions.len() / m;
        [d, d, d, d * d, d * d, d * d, d * d].map(|width| vec![f64::NAN; n * width])
    };
    let mut moments: Vec<Moments> = all.iter().map(room).collect();
    let mut rows = SeparateRows::default();
    for (l, moments) in moments.iter_mut().enumerate() {
        let [predicted, filtered, smoothed, predicted_covs, filtered_covs, smoothed_covs, lag_one_covs] =
            moments;
        rows.predicted_means[l] = predicted;
        rows.filtered_means[l] = filtered;
        rows.smoothed_means[l] = smoothed;
        rows.predicted_covs[l] = predicted_covs;
        rows.filtered_covs[l] = filtered_covs;
        rows.smoothed_covs[l] = smoothed_covs;
        rows.lag_one_covs[l] = lag_one_covs;
    }
    let found = separate_lanes(system, all, steady_state, true, &mut rows, scratch);
    found.into_iter().zip(moments).collect()
}

/// Emissions of eight series: lengths from T down, gaps of their own, one with nothing observed.
fn variants(problem: &GaussianProblem) -> Vec<Vec<f64>> {
    let (m, n) = (problem.emission_dim, problem.num_steps);
    let variant = |l: usize| {
        let steps = if l < 2 { n } else { (n - (l * n) / 9).max(1) };
        let mut y = problem.emissions[..steps * m].to_vec();
        for (i, y) in y.iter_mut().enumerate() {
            let gap = match l {
                0 => false,
                1 => i % 7 == 3,
                2 => true,
                3 => i / m == steps / 2,
                4 => i / m < steps / 3,
                5 => i % (m + 1) == 0 && i / m > steps / 2,
                6 => i / m + 1 == steps,
                _ => (i * 2_654_435_761) % 5 == 0,
            };
            *y = if gap { f64::NAN } else { *y + 0.1 * l as f64 };
        }
        y
    };
    (0..SEPARATE_LANES).map(variant).collect()
}

/// A series with b_t of its own, one per step.
fn with_inputs<'a>(problem: &'a GaussianProblem, y: &'a [f64], b: &'a [f64]) -> Series<'a> {
    let transition_offset = Some(Steps::per_step(b, problem.state_dim));
    Series { emissions: y, transition_offset, ..series(problem) }
}

/// Problems of the corpus, and longer ones on which covariances settle, that lanes can take.
fn problems() -> Vec<GaussianProblem> {
    let mut all = gaussian_corpus();
    for (case, (d, m)) in
        [(2, 1), (2, 2), (4, 1), (4, 2), (1, 1), (1, 3), (3, 2), (5, 3), (6, 3)].into_iter().enumerate()
    {
        for (per_step, missing, num_steps) in
            [(false, 0.0, 150), (false, 0.02, 150), (true, 0.3, 37), (false, 0.5, 17), (false, 0.0, 1)]
        {
            let diagonal_noise = case % 2 == 0;
            let shape = GaussianShape { per_step, offsets: true, diagonal_noise, missing };
            all.push(random_gaussian_problem(d, m, num_steps, shape, 300 + case as u64));
        }
    }
    all.retain(|problem| has_separate_lanes(&system(problem)));
    all
}

#[test]
fn each_lane_has_the_bits_of_its_series_alone() {
    let mut scratch = SeparateScratch::default();
    let (mut taken, mut left) = (0, 0);
    for problem in problems() {
        let system = system(&problem);
        let emissions = variants(&problem);
        // Offsets of inputs end with the series.
        let (d, m) = (problem.state_dim, problem.emission_dim);
        let own = |y: &Vec<f64>| (0..y.len() / m * d).map(|i| (i as f64).sin()).collect::<Vec<_>>();
        let inputs: Vec<_> = emissions.iter().map(own).collect();
        let lanes = emissions.iter().zip(&inputs);
        let all: Vec<_> = lanes.map(|(y, b)| with_inputs(&problem, y, b)).collect();
        for (steady_state, count) in [(true, 8), (false, 8), (true, 3), (true, 1)] {
            let found = together(&system, &all[..count], steady_state, &mut scratch);
            for (l, (loglik, moments)) in found.into_iter().enumerate().take(count) {
                let name = format!("{}, lane {l} of {count}, steady state {steady_state}", problem.name);
                let (want, want_moments, looked_closer) = alone(&system, &all[l], steady_state);
                if looked_closer {
                    assert_eq!(loglik, None, "{name}");
                    left += 1;
                    continue;
                }
                taken += 1;
                assert_eq!(loglik, Some(want), "{name}");
                for (kind, (got, want)) in moments.iter().zip(&want_moments).enumerate() {
                    assert!(got == want, "{name}: moments {kind} differ");
                }
            }
        }
    }
    assert!(taken > 500, "{taken} lanes");
    assert!(left < taken / 4, "{left} left");
}

#[test]
fn lanes_equal_the_joint_gaussian() {
    let mut scratch = SeparateScratch::default();
    for problem in problems().into_iter().filter(|problem| problem.num_steps < 20) {
        let want = joint_gaussian(&problem);
        let all = [series(&problem); 2];
        for (loglik, moments) in together(&system(&problem), &all, true, &mut scratch) {
            let name = &problem.name;
            let [predicted, filtered, smoothed, _, filtered_covs, smoothed_covs, lag_one_covs] = moments;
            let Some(loglik) = loglik else { continue };
            assert_close(name, "evidence", &[loglik], &[want.marginal_loglik], 1e-9);
            assert_close(name, "predicted means", &predicted, &want.predicted_means, 1e-9);
            assert_close(name, "filtered means", &filtered, &want.filtered_means, 1e-9);
            assert_close(name, "filtered covs", &filtered_covs, &want.filtered_covs, 1e-9);
            assert_close(name, "smoothed means", &smoothed, &want.smoothed_means, 1e-9);
            assert_close(name, "smoothed covs", &smoothed_covs, &want.smoothed_covs, 1e-9);
            let lag_one_covs = &lag_one_covs[..want.lag_one_covs.len()];
            assert_close(name, "lag-one covs", lag_one_covs, &want.lag_one_covs, 1e-9);
        }
    }
}

#[test]
fn lanes_leave_series_that_need_a_closer_look_and_take_the_rest() {
    let shape = GaussianShape { per_step: false, offsets: false, diagonal_noise: true, missing: 0.0 };
    let mut problem = random_gaussian_problem(2, 2, 9, shape, 8);
    // Precise where it is seen at all; only the second series sees it.
    problem.emission_cov.values[1] = 1e-9;
    let mut blind = problem.emissions.clone();
    blind.iter_mut().skip(1).step_by(2).for_each(|y| *y = f64::NAN);
    let mut far = blind.clone();
    far[4] = 1e300;
    let all = [&blind, &problem.emissions, &far].map(|y| Series { emissions: y, ..series(&problem) });
    let found = together(&system(&problem), &all, true, &mut SeparateScratch::default());
    let (want, moments, _) = alone(&system(&problem), &all[0], true);
    assert_eq!(found[0].0, Some(want));
    assert!(found[0].1 == moments);
    assert_eq!(found[1].0, None, "Joseph's form");
    assert_eq!(found[2].0, None, "|w|² overflows");
}

#[test]
fn lanes_take_no_system_without_noise_or_with_a_diffuse_start() {
    for problem in diffuse_gaussian_corpus() {
        assert!(!has_separate_lanes(&system(&problem)), "{}", problem.name);
    }
    let shape = GaussianShape { per_step: false, offsets: false, diagonal_noise: true, missing: 0.0 };
    let mut problem = random_gaussian_problem(2, 2, 9, shape, 8);
    assert!(has_separate_lanes(&system(&problem)));
    problem.emission_cov.values[0] = 0.0;
    assert!(!has_separate_lanes(&system(&problem)));
}
