//! The square-root engines against dense elimination, and where conditioning is worst.

mod gaussian_common;
mod gaussian_records;

use gaussian_common::{assert_close, series, system};
use gaussian_records::*;
use statewise_kernels::gaussian::*;
use statewise_testkit::*;

#[global_allocator]
static COUNTER: CountingAllocator = CountingAllocator;

/// All outputs of the smoother.
struct Outputs {
    report: SquareRootReport,
    /// Of p(z_t | y_{1:T}), p(z_t | y_{1:t}) and p(z_t | y_{1:t-1}): means, covariances, factors.
    moments: [[Vec<f64>; 3]; 3],
    lag_one_covs: Vec<f64>,
}

fn smooth(problem: &GaussianProblem, ws: &mut SquareRootWorkspace) -> Result<Outputs, GaussianError> {
    let (system, series) = (system(problem), series(problem));
    let (n, d) = (problem.num_steps, problem.state_dim);
    let empty = || [vec![0.0; n * d], vec![0.0; n * d * d], vec![0.0; n * d * d]];
    let mut moments = [empty(), empty(), empty()];
    let mut lag_one_covs = vec![0.0; (n - 1) * d * d];
    let [smoothed, filtered, predicted] = moments.each_mut().map(|[means, covs, chol_covs]| Estimates {
        means: Some(means),
        covs: Some(covs),
        chol_covs: Some(chol_covs),
    });
    let out = SquareRootSmoothed { smoothed, lag_one_covs: Some(&mut lag_one_covs), filtered, predicted };
    let report = square_root_smoother(&system, &series, ws, out)?;
    Ok(Outputs { report, moments, lag_one_covs })
}

#[test]
fn filter_and_smoother_equal_dense_elimination() {
    let mut ws = SquareRootWorkspace::default();
    for problem in gaussian_corpus() {
        let want = joint_gaussian(&problem);
        let got = smooth(&problem, &mut ws).unwrap_or_else(|e| panic!("{}: {e}", problem.name));
        // NUMERICS: with R = 1e-12 beside R = 1 the mean itself is known to about 1e-16/1e-6 of its scale.
        let tolerance = if problem.name.contains("1e-12") { 1e-8 } else { 1e-11 };
        assert_close(
            &problem.name,
            "evidence",
            &[got.report.marginal_loglik],
            &[want.marginal_loglik],
            tolerance,
        );
        let [smoothed, filtered, predicted] = &got.moments;
        assert_close(&problem.name, "predicted means", &predicted[0], &want.predicted_means, tolerance);
        assert_close(&problem.name, "predicted covs", &predicted[1], &want.predicted_covs, tolerance);
        assert_close(&problem.name, "filtered means", &filtered[0], &want.filtered_means, tolerance);
        assert_close(&problem.name, "filtered covs", &filtered[1], &want.filtered_covs, tolerance);
        assert_close(&problem.name, "smoothed means", &smoothed[0], &want.smoothed_means, tolerance);
        assert_close(&problem.name, "smoothed covs", &smoothed[1], &want.smoothed_covs, tolerance);
        assert_close(&problem.name, "lag-one covs", &got.lag_one_covs, &want.lag_one_covs, tolerance);
    }
}

#[test]
fn factors_are_lower_triangular_roots_of_symmetric_covariances() {
    let mut ws = SquareRootWorkspace::default();
    for problem in gaussian_corpus() {
        let d = problem.state_dim;
        for [_, covs, factors] in smooth(&problem, &mut ws).unwrap().moments {
            for (cov, l) in covs.chunks(d * d).zip(factors.chunks(d * d)) {
                let scale = cov.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
                for i in 0..d {
                    for j in 0..d {
                        let square: f64 = (0..d).map(|k| l[i * d + k] * l[j * d + k]).sum();
                        assert!((square - cov[i * d + j]).abs() <= 1e-14 * scale, "{}", problem.name);
                        assert_eq!(cov[i * d + j].to_bits(), cov[j * d + i].to_bits(), "{}", problem.name);
                        assert!(j <= i || l[i * d + j] == 0.0, "{}", problem.name);
                    }
                }
            }
        }
    }
}

#[test]
fn the_filter_alone_equals_the_smoothers_forward_pass() {
    let mut ws = SquareRootWorkspace::default();
    for problem in gaussian_corpus() {
        let (system, series) = (system(&problem), series(&problem));
        let want = smooth(&problem, &mut ws).unwrap();
        let mut means = vec![0.0; want.moments[1][0].len()];
        let filtered = Estimates { means: Some(&mut means), ..Default::default() };
        let out = SquareRootFiltered { filtered, ..Default::default() };
        let report = square_root_filter(&system, &series, &mut ws, out).unwrap();
        assert_eq!(report, want.report, "{}", problem.name);
        assert_eq!(means, want.moments[1][0], "{}", problem.name);
    }
}

#[test]
fn determined_observations_are_counted_and_contradictions_named() {
    let mut ws = SquareRootWorkspace::default();
    for problem in gaussian_corpus() {
        let lost = smooth(&problem, &mut ws).unwrap().report.rank_lost;
        let want = match problem.name.as_str() {
            "determined by the start" => 8,
            "P of rank one, determined by y_1" => 7,
            _ => 0,
        };
        assert_eq!(lost, want, "{}", problem.name);
    }
    for (problem, step) in gaussian_contradictions().into_iter().zip([0, 3]) {
        match smooth(&problem, &mut ws).err() {
            Some(GaussianError::ImpossibleObservation { t, .. }) => assert_eq!(t, step, "{}", problem.name),
            other => panic!("{}: {other:?}", problem.name),
        }
    }
}

/// Two exact sensors of one sum and a noisy one: the second exact one adds nothing.
#[test]
fn a_duplicate_noise_free_sensor_changes_nothing() {
    let base = random_gaussian_problem(3, 1, 8, GaussianShape::default(), 7);
    let dynamics: (&[f64], &[f64]) = (&base.transition.values, &base.transition_cov.values);
    let initial: (&[f64], &[f64]) = (&base.initial_mean, &base.initial_cov);
    let (once, twice): (Vec<f64>, Vec<f64>) =
        (vec![1.0, 1.0, 1.0, 0.5, 0.0, 1.0], vec![1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 0.5, 0.0, 1.0]);
    let noise = diagonal(&[0.0, 0.0, 0.3]);
    let y: Vec<f64> = (0..8).flat_map(|t| [(t as f64).sin(), 2.0 * (t as f64).sin(), 0.2]).collect();
    let y_once: Vec<f64> = y.chunks(3).flat_map(|y| [y[0], y[2]]).collect();
    let twice = GaussianProblem::fixed("twice", initial, dynamics, (&twice, &noise), &y);
    let once = GaussianProblem::fixed("once", initial, dynamics, (&once, &[0.0, 0.0, 0.0, 0.3]), &y_once);
    let mut ws = SquareRootWorkspace::default();
    let (got, want) = (smooth(&twice, &mut ws).unwrap(), smooth(&once, &mut ws).unwrap());
    assert_eq!(got.report.rank_lost, 8);
    assert_close(
        "record",
        "evidence",
        &[got.report.marginal_loglik],
        &[want.report.marginal_loglik],
        1e-12,
    );
    for (got, want) in got.moments.as_flattened().iter().zip(want.moments.as_flattened()) {
        assert_close("twice", "moments", got, want, 1e-12);
    }
    assert_close("twice", "lag-one covs", &got.lag_one_covs, &want.lag_one_covs, 1e-12);
}

#[test]
fn golden_records_of_dynamax() {
    let mut ws = SquareRootWorkspace::default();
    // NUMERICS: Dynamax adds 1e-9 to what it inverts: 1e-7 where Q = 1e-3, 1e-8 where Q = 0.1.
    let got = smooth(&tracking(), &mut ws).unwrap();
    assert_close("record", "loglik", &[got.report.marginal_loglik], &[-42.76509674], 1e-9);
    let last = &got.moments[1][0][14 * 4..];
    assert_close(
        "record",
        "filtered",
        last,
        &[7.880994652, 9.399301475, -0.07239059094, -0.08310190752],
        1e-9,
    );
    let first = &got.moments[0][0][..4];
    assert_close(
        "record",
        "smoothed",
        first,
        &[8.171817421, 10.29695788, 0.05639172228, -0.03442358795],
        1e-7,
    );
    let covs = &got.moments[0][1];
    assert_close(
        "record",
        "cov",
        &[covs[0], covs[2], covs[10]],
        &[0.07165644659, -0.008808534715, 0.004669575007],
        1e-7,
    );
    // Dynamax's cross moment is E z_t z_{t+1}ᵀ.
    let means = &got.moments[0][0];
    let cross: Vec<f64> =
        (0..16).map(|ij| got.lag_one_covs[ij] + means[ij / 4] * means[4 + ij % 4]).collect();
    assert_close(
        "record",
        "cross",
        &cross[..4],
        &[67.31341772, 83.88207829, 0.3636692267, -0.3026380541],
        1e-7,
    );

    let got = smooth(&with_inputs(), &mut ws).unwrap();
    assert_close("record", "loglik", &[got.report.marginal_loglik], &[-41.180256], 1e-8);
    assert_close("record", "filtered", &got.moments[1][0][38..], &[-0.7874903669, -0.6891654728], 1e-9);
    assert_close("record", "smoothed", &got.moments[0][0][..2], &[-0.273887032, 0.6230944875], 1e-8);
    let cov = [0.1964186817, -0.002700620867, -0.002700620867, 0.1822615561];
    assert_close("record", "smoothed cov", &got.moments[0][1][..4], &cov, 1e-8);
}

/// P_1 = 1e12 I, R = 1e-9, a rotation that keeps what it knows and Q of rank one at 1e-16; nine out of ten
/// times without the second entry.
fn endurance(num_steps: usize) -> GaussianProblem {
    let (sin, cos) = 0.01f64.sin_cos();
    let f = [cos, sin, 0.0, -sin, cos, 0.0, 1e-3, 0.0, 1.0 - 1e-9];
    let second = |t| if t % 10 == 0 { 1.0 } else { f64::NAN };
    let y: Vec<f64> = (0..num_steps).flat_map(|t| [(0.01 * t as f64).sin(), second(t)]).collect();
    GaussianProblem::fixed(
        "endurance",
        (&[0.0; 3], &diagonal(&[1e12; 3])),
        (&f, &diagonal(&[1e-16, 0.0, 0.0])),
        (&[1.0, 1e-3, 0.0, 0.0, 1e-3, 1.0], &diagonal(&[1e-9; 2])),
        &y,
    )
}

/// Asserts that covariances are finite, symmetric to the bit and definite as far as their entries show it,
/// and that their roots have lost no pivot.
fn assert_definite(covs: &[f64], roots: &[f64]) {
    for (t, (p, l)) in covs.chunks(9).zip(roots.chunks(9)).enumerate() {
        assert!(p.iter().all(|x| x.is_finite()), "step {t}: {p:?}");
        assert!((0..3).all(|i| l[i * 3 + i] > 0.0), "step {t}: a pivot of {l:?} is lost");
        for (i, j) in [(0, 1), (0, 2), (1, 2)] {
            assert_eq!(p[i * 3 + j].to_bits(), p[j * 3 + i].to_bits(), "step {t}");
            assert!(p[i * 3 + j].powi(2) <= p[i * 4] * p[j * 4] * (1.0 + 1e-12), "step {t}: {p:?}");
        }
    }
}

#[test]
fn a_million_ill_conditioned_steps_never_lose_definiteness() {
    let num_steps = 1_000_000;
    let problem = endurance(num_steps);
    let (system, series) = (system(&problem), series(&problem));
    let [mut covs, mut roots] = [vec![0.0; num_steps * 9], vec![0.0; num_steps * 9]];
    let filtered = Estimates { covs: Some(&mut covs), chol_covs: Some(&mut roots), ..Default::default() };
    let out = SquareRootFiltered { filtered, ..Default::default() };
    let report = square_root_filter(&system, &series, &mut SquareRootWorkspace::default(), out).unwrap();
    assert!(report.marginal_loglik.is_finite() && report.rank_lost == 0);
    assert_definite(&covs, &roots);
    let last = covs[(num_steps - 1) * 9];
    assert!(last > 0.0 && last < 1e-9, "the state that is seen is known to its sensor's noise");
}

#[test]
fn smoother_and_gradient_endure_what_the_filter_does() {
    let num_steps = 100_000;
    let problem = endurance(num_steps);
    let mut ws = SquareRootWorkspace::default();
    let got = smooth(&problem, &mut ws).unwrap();
    assert_definite(&got.moments[0][1], &got.moments[0][2]);
    for (smoothed, filtered) in got.moments[0][1].chunks(9).zip(got.moments[1][1].chunks(9)) {
        assert!((0..3).all(|i| smoothed[i * 4] <= filtered[i * 4] * (1.0 + 1e-9)));
    }
    let (system, series) = (system(&problem), series(&problem));
    let mut gradient = SystemGradient::zeros(&system);
    let out = SquareRootAdjoints::default();
    square_root_gradient(&system, &series, 1.0, &mut ws, &mut gradient, out).unwrap();
    let SystemGradient { initial_cov, transition, transition_cov, emission, emission_cov, .. } = gradient;
    for values in [initial_cov, transition, transition_cov, emission, emission_cov] {
        assert!(values.iter().all(|x| x.is_finite()));
    }
}

/// The textbook recursion P − K S Kᵀ on the same problem: what the two tests above are up against.
#[test]
fn differences_of_covariances_do_not_endure() {
    let problem = endurance(1000);
    let (f, h) = (&problem.transition.values, &problem.emission.values);
    let mut p = problem.initial_cov.clone();
    let indefinite = (0..problem.num_steps).find(|t| {
        if *t > 0 {
            let moved = |i: usize, j: usize| -> f64 {
                (0..9).map(|kl| f[i * 3 + kl / 3] * p[kl] * f[j * 3 + kl % 3]).sum()
            };
            p = (0..9).map(|ij| moved(ij / 3, ij % 3) + problem.transition_cov.values[ij]).collect();
        }
        for (h, y) in h.chunks(3).zip(&problem.emissions[t * 2..t * 2 + 2]) {
            if y.is_nan() {
                continue;
            }
            let ph: Vec<f64> = p.chunks(3).map(|row| (0..3).map(|k| row[k] * h[k]).sum()).collect();
            let variance = (0..3).map(|k| h[k] * ph[k]).sum::<f64>() + 1e-9;
            (0..9).for_each(|ij| p[ij] -= ph[ij / 3] * ph[ij % 3] / variance);
        }
        let pairs = [(0, 1), (0, 2), (1, 2)];
        (0..3).any(|i| p[i * 4] <= 0.0)
            || pairs.iter().any(|(i, j)| p[i * 3 + j].powi(2) > p[i * 4] * p[j * 4])
    });
    assert!(indefinite.is_some_and(|t| t < 100), "{indefinite:?}");
}

/// Variances of 1e11 and 1e-9 in one model; dense elimination has 32 digits for them.
#[test]
fn ill_conditioned_steps_keep_their_digits() {
    let mut ws = SquareRootWorkspace::default();
    let y: Vec<f64> = (0..12).map(|t| (0.7 * t as f64).cos()).collect();
    for scale in [1e6, 1e9, 1e11] {
        let problem = GaussianProblem::fixed(
            "short",
            (&[0.0; 2], &diagonal(&[scale; 2])),
            (&[1.0, 1.0, 0.0, 1.0], &[1e-10, 0.0, 0.0, 0.0]),
            (&[1.0, 0.0], &[1e-9]),
            &y,
        );
        let (got, want) = (smooth(&problem, &mut ws).unwrap(), joint_gaussian(&problem));
        let [smoothed, filtered, _] = &got.moments;
        // NUMERICS: of 20 digits between the variances a recursion on covariances has 16; on roots 10 go.
        for t in 2..12 {
            for i in [t * 4, t * 4 + 3] {
                for (got, want) in [(filtered, &want.filtered_covs), (smoothed, &want.smoothed_covs)] {
                    let error = got[1][i] / want[i] - 1.0;
                    assert!(error.abs() < 1e-7, "P = {scale:e}, step {t}: relative error {error:e}");
                }
            }
        }
        let evidence = [got.report.marginal_loglik, want.marginal_loglik];
        assert!((evidence[0] / evidence[1] - 1.0).abs() < 1e-9, "P = {scale:e}: {evidence:?}");
    }
}

#[test]
fn a_second_call_allocates_nothing() {
    for (d, m) in [(1, 1), (4, 2), (5, 3), (9, 4), (2, 5)] {
        let shape = GaussianShape { missing: 0.2, offsets: true, ..Default::default() };
        let problem = random_gaussian_problem(d, m, 50, shape, 3);
        let (system, series) = (system(&problem), series(&problem));
        let mut ws = SquareRootWorkspace::default();
        let [mut means, mut covs, mut roots, mut lag, mut dy] = [
            vec![0.0; 50 * d],
            vec![0.0; 50 * d * d],
            vec![0.0; 50 * d * d],
            vec![0.0; 49 * d * d],
            vec![0.0; 50 * m],
        ];
        let mut gradient = SystemGradient::zeros(&system);
        let mut all = || {
            let smoothed =
                Estimates { means: Some(&mut means), covs: Some(&mut covs), chol_covs: Some(&mut roots) };
            let out = SquareRootSmoothed { smoothed, lag_one_covs: Some(&mut lag), ..Default::default() };
            square_root_smoother(&system, &series, &mut ws, out).unwrap();
            square_root_filter(&system, &series, &mut ws, SquareRootFiltered::default()).unwrap();
            let out = SquareRootAdjoints { emissions: Some(&mut dy), ..Default::default() };
            square_root_gradient(&system, &series, 1.0, &mut ws, &mut gradient, out).unwrap();
        };
        all();
        assert_eq!(allocations(all), 0, "D = {d}, M = {m}");
    }
}

#[test]
fn a_diffuse_start_and_wrong_sizes_are_refused_by_name() {
    let problem =
        random_gaussian_problem(2, 1, 4, GaussianShape::default(), 1).diffuse(&[1.0, 0.0, 0.0, 0.0]);
    let (system, series) = (system(&problem), series(&problem));
    let mut ws = SquareRootWorkspace::default();
    let error = square_root_filter(&system, &series, &mut ws, SquareRootFiltered::default()).unwrap_err();
    assert_eq!(error, GaussianError::Shape { argument: "initial_diffuse", found: 4, expected: 0 });
    let system = System { initial_diffuse: None, ..system };
    let means = &mut [0.0; 3][..];
    let filtered = Estimates { means: Some(means), ..Default::default() };
    let out = SquareRootFiltered { filtered, ..Default::default() };
    let error = square_root_filter(&system, &series, &mut ws, out).unwrap_err();
    assert_eq!(error, GaussianError::Shape { argument: "filtered means", found: 3, expected: 8 });
    let system = System { transition_cov: Steps::fixed(&[1.0, 0.0, 0.0, -1.0]), ..system };
    let error = square_root_filter(&system, &series, &mut ws, SquareRootFiltered::default()).unwrap_err();
    assert_eq!(error, GaussianError::Indefinite { argument: "transition_cov", t: 0, pivot: -1.0 });
}
