//! Diffuse starts: all moments, the evidence and its gradient against the dense joint Gaussian, and known
//! values of the Nile series.

mod gaussian_common;

use gaussian_common::{assert_close, series, system};
use statewise_kernels::gaussian::{
    Adjoints, DiffuseGains, DiffuseSmoothing, Gains, GaussianError, MeanRows, MeanScratch, Riccati,
    SmoothedRows, Smoothing, SystemGradient, advance_means, smooth_means,
};
use statewise_testkit::{
    GaussianProblem, GaussianShape, GaussianSteps, diffuse_gaussian_corpus, joint_gaussian,
    random_gaussian_problem,
};

#[derive(Default)]
struct Answer {
    marginal_loglik: f64,
    /// What is left without the entries that pin the start down.
    later_loglik: f64,
    num_diffuse_entries: usize,
    num_diffuse_steps: usize,
    predicted_means: Vec<f64>,
    predicted_covs: Vec<f64>,
    predicted_diffuse: Vec<f64>,
    filtered_means: Vec<f64>,
    filtered_covs: Vec<f64>,
    filtered_diffuse: Vec<f64>,
    smoothed_means: Vec<f64>,
    smoothed_covs: Vec<f64>,
    smoothed_diffuse: Vec<f64>,
    lag_one_covs: Vec<f64>,
    state_adjoints: Vec<f64>,
    emission_adjoints: Vec<f64>,
    gradient: SystemGradient,
}

/// Filter, smoother and gradient: the diffuse phase, then the covariance form.
fn run(problem: &GaussianProblem) -> Answer {
    let (system, series) = (system(problem), series(problem));
    let (d, m, n) = (problem.state_dim, problem.emission_dim, problem.num_steps);
    let diffuse = DiffuseGains::compute(&system, series.emissions).unwrap();
    let s = diffuse.num_steps();
    let mut out = Answer {
        predicted_means: vec![0.0; n * d],
        filtered_means: vec![0.0; n * d],
        smoothed_means: vec![0.0; n * d],
        state_adjoints: vec![0.0; n * d],
        emission_adjoints: vec![0.0; n * m],
        gradient: SystemGradient::zeros(&system),
        num_diffuse_steps: s,
        num_diffuse_entries: diffuse.num_diffuse_entries(),
        ..Default::default()
    };
    let mut innovations = vec![0.0; n * m];

    let (early, late) = out.predicted_means.split_at_mut(s * d);
    let (early_filtered, late_filtered) = out.filtered_means.split_at_mut(s * d);
    let (early_innovations, late_innovations) = innovations.split_at_mut(s * m);
    let rows = MeanRows { predicted: early, filtered: early_filtered, innovations: early_innovations };
    let mut state = diffuse.advance_means(&system, &series, rows).unwrap();
    let (mut gains, mut smoothing) = (Gains::default(), Smoothing::default());
    if let Some(cov) = diffuse.predicted_cov_after() {
        let mut riccati = Riccati::default();
        riccati.start(&system, cov, true);
        riccati.advance(&system, &series.emissions[s * m..], s..n, &mut gains).unwrap();
        let rows = MeanRows { predicted: late, filtered: late_filtered, innovations: late_innovations };
        let rest = statewise_kernels::gaussian::Series { emissions: &series.emissions[s * m..], ..series };
        advance_means(&system, &rest, s..n, &gains, &mut state, rows, &mut MeanScratch::default()).unwrap();
        smoothing.compute(&system, &gains, true);
        let rows = SmoothedRows {
            filtered: late_filtered,
            innovations: late_innovations,
            smoothed: &mut out.smoothed_means[s * d..],
            state_adjoints: &mut out.state_adjoints[s * d..],
            emission_adjoints: &mut out.emission_adjoints[s * m..],
        };
        smooth_means(&system, &gains, rows, &mut Vec::new());
        out.gradient.add_covariances(&system, &series, &gains, &smoothing, 1.0);
    }
    out.marginal_loglik = state.marginal_loglik();
    out.later_loglik = out.marginal_loglik - diffuse.diffuse_log_norm();

    let (early, late) = out.state_adjoints.split_at_mut(s * d);
    let rows = SmoothedRows {
        filtered: early_filtered,
        innovations: early_innovations,
        smoothed: &mut out.smoothed_means[..s * d],
        state_adjoints: early,
        emission_adjoints: &mut out.emission_adjoints[..s * m],
    };
    diffuse.smooth_means(&system, (s < n).then(|| &late[..d]), rows);
    let after = (s < n).then(|| smoothing.predicted_precision(s));
    let backward = DiffuseSmoothing::compute(&system, &diffuse, after);
    backward.add_covariances(&mut out.gradient, &system, &diffuse, 1.0);
    let adjoints = Adjoints {
        smoothed: &out.smoothed_means,
        states: &out.state_adjoints,
        emissions: &out.emission_adjoints,
    };
    out.gradient.add_means(&system, adjoints, 1.0);
    for t in 0..n {
        if t < s {
            out.predicted_covs.extend(diffuse.predicted_cov(t));
            out.predicted_diffuse.extend(diffuse.predicted_diffuse(t));
            out.filtered_covs.extend(diffuse.filtered_cov(t));
            out.filtered_diffuse.extend(diffuse.filtered_diffuse(t));
            out.smoothed_covs.extend(backward.cov(t));
            out.smoothed_diffuse.extend(backward.diffuse_cov(t));
        } else {
            out.predicted_covs.extend(gains.predicted_cov(t));
            out.predicted_diffuse.extend(vec![0.0; d * d]);
            out.filtered_covs.extend(gains.filtered_cov(t));
            out.filtered_diffuse.extend(vec![0.0; d * d]);
            out.smoothed_covs.extend(smoothing.cov(t));
            out.smoothed_diffuse.extend(vec![0.0; d * d]);
        }
        if t + 1 < n {
            out.lag_one_covs.extend(if t < s { backward.lag_one_cov(t) } else { smoothing.lag_one_cov(t) });
        }
    }
    out
}

#[test]
fn all_moments_and_the_evidence_equal_those_of_the_joint_gaussian() {
    for problem in diffuse_gaussian_corpus().into_iter().chain(more()) {
        let (got, want, name) = (run(&problem), joint_gaussian(&problem), &problem.name);
        assert_close(name, "evidence", &[got.marginal_loglik], &[want.marginal_loglik], 1e-11);
        for (what, got, want) in [
            ("predicted means", &got.predicted_means, &want.predicted_means),
            ("predicted covs", &got.predicted_covs, &want.predicted_covs),
            ("predicted diffuse", &got.predicted_diffuse, &want.predicted_diffuse),
            ("filtered means", &got.filtered_means, &want.filtered_means),
            ("filtered covs", &got.filtered_covs, &want.filtered_covs),
            ("filtered diffuse", &got.filtered_diffuse, &want.filtered_diffuse),
            ("smoothed means", &got.smoothed_means, &want.smoothed_means),
            ("smoothed covs", &got.smoothed_covs, &want.smoothed_covs),
            ("smoothed diffuse", &got.smoothed_diffuse, &want.smoothed_diffuse),
            ("lag-one covs", &got.lag_one_covs, &want.lag_one_covs),
        ] {
            assert_close(name, what, got, want, 1e-9);
        }
    }
}

/// Starts that the corpus of the test kit leaves out.
fn more() -> Vec<GaussianProblem> {
    let zero: (&[f64], &[f64]) = (&[0.0, 0.0], &[0.0; 4]);
    let known: (&[f64], &[f64]) = (&[0.5, 1.0], &[0.0, 0.0, 0.0, 2.0]);
    let unit = [1.0, 0.0, 0.0, 1.0];
    let first = [1.0, 0.0, 0.0, 0.0];
    let still: (&[f64], &[f64]) = (&unit, &[0.0; 4]);
    let nilpotent: (&[f64], &[f64]) = (&[0.0, 1.0, 0.0, 0.0], &unit);
    let singular: (&[f64], &[f64]) = (&unit, &[1.0, 0.5, 0.5, 0.25]);
    let skewed: (&[f64], &[f64]) =
        (&[1.0, 1.0, 1.0, 2.0, 2.0, -1.0], &[0.5, 0.0, 0.0, 0.0, 0.25, 0.0, 0.0, 0.0, 1.0]);
    let wave = |n: usize| (0..n).map(|t| (1.0 + t as f64).sin()).collect::<Vec<f64>>();
    let fixed = GaussianProblem::fixed;
    let shape = GaussianShape { per_step: true, offsets: true, missing: 0.4, ..Default::default() };
    let seasonal = [-1.0, -1.0, -1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let season_noise = [0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let season = (&[0.0; 3][..], &[0.0; 9][..]);
    let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    let seasons = (&seasonal[..], &season_noise[..]);
    vec![
        fixed("A forgets a diffuse direction", zero, nilpotent, (&[0.0, 1.0], &[0.5]), &wave(5))
            .diffuse(&unit),
        fixed("A forgets all", zero, (&[0.0; 4], &unit), (&[0.0, 1.0], &[0.5]), &wave(5)).diffuse(&first),
        fixed("R of rank one", zero, (&[1.0, 1.0, 0.0, 1.0], &unit), singular, &wave(10)).diffuse(&unit),
        fixed("M > D, rows alike", zero, still, skewed, &wave(15)).diffuse(&unit).missing(&[(0, 1)]),
        fixed("R = 0, determined again and again", known, still, (&[0.0, 1.0], &[0.0]), &[1.5; 4])
            .diffuse(&first)
            .named("R = 0, the known state is seen, the diffuse one never"),
        fixed("seasonal", season, seasons, (&[1.0, 0.0, 0.0], &[0.5]), &wave(10))
            .diffuse(&identity)
            .missing_rows(&[1, 4]),
        random_gaussian_problem(3, 4, 8, shape, 310).diffuse(&identity),
        random_gaussian_problem(5, 2, 9, GaussianShape { offsets: true, ..Default::default() }, 311)
            .diffuse(&(0..25).map(|i| if i % 6 == 0 { 1.0 } else { 0.0 }).collect::<Vec<f64>>()),
    ]
}

#[test]
fn directions_that_stay_diffuse_are_counted() {
    let corpus = diffuse_gaussian_corpus();
    for problem in corpus.iter().chain(&more()) {
        let system = system(problem);
        let gains = DiffuseGains::compute(&system, &problem.emissions).unwrap();
        let want = joint_gaussian(problem);
        let d = problem.state_dim;
        let last = &want.filtered_diffuse[(problem.num_steps - 1) * d * d..];
        let unpinned = last.iter().any(|x| x.abs() > 1e-12);
        assert_eq!(gains.identified().is_err(), unpinned, "{}", problem.name);
        assert_eq!(gains.remaining_rank(), usize::from(unpinned), "{}", problem.name);
        if unpinned {
            let error = GaussianError::NotIdentified { num_steps: problem.num_steps, rank: 1 };
            assert_eq!(gains.identified(), Err(error));
        }
    }
}

fn nile() -> GaussianProblem {
    let text = include_str!("../../../testdata/series/nile.csv");
    let flows: Vec<f64> = text.lines().filter_map(|l| l.split(',').nth(1)?.parse().ok()).collect();
    assert_eq!(flows.len(), 100);
    let fixed = GaussianProblem::fixed;
    fixed("Nile", (&[0.0], &[0.0]), (&[1.0], &[1469.0]), (&[1.0], &[15099.0]), &flows)
}

#[test]
fn the_nile_has_the_published_diffuse_likelihood() {
    // Durbin and Koopman (2012), §2.10: −633.465 with σ²_ε = 15099 and σ²_η = 1469 (with all constants).
    let got = run(&nile().diffuse(&[1.0]));
    assert!((got.marginal_loglik + 633.465).abs() < 1e-3, "{}", got.marginal_loglik);
    assert_eq!((got.num_diffuse_steps, got.num_diffuse_entries), (1, 1));
    let burnt = got.marginal_loglik + 0.5 * (2.0 * std::f64::consts::PI).ln();
    assert!((got.later_loglik - burnt).abs() < 1e-10);
    assert_eq!(got.filtered_means[0], 1120.0);
    assert_eq!(got.filtered_covs[0], 15099.0);
}

#[test]
fn large_variances_come_near_the_diffuse_start() {
    let limit = run(&nile().diffuse(&[1.0]));
    let mut before = f64::INFINITY;
    for kappa in [1e7, 1e9, 1e11] {
        let mut problem = nile();
        problem.initial_cov = vec![kappa];
        let got = run(&problem);
        assert_eq!(got.num_diffuse_steps, 0);
        let error = (got.marginal_loglik + 0.5 * kappa.ln() - limit.marginal_loglik).abs();
        // The error is of order 1/κ.
        assert!(error < 0.02 * before, "κ = {kappa:e}: {error:e} after {before:e}");
        before = error;
    }
}

/// d evidence / d x_i by the difference of fourth order; see `gaussian_gradient.rs`.
fn slope(
    problem: &GaussianProblem,
    of: fn(&mut GaussianProblem) -> &mut Vec<f64>,
    i: usize,
    twin: usize,
) -> f64 {
    let value = of(&mut problem.clone())[i];
    let step = 1e-3 * value.abs().max(0.1);
    let at = |h: f64| {
        let mut moved = problem.clone();
        let values = of(&mut moved);
        values[i] += 0.5 * h;
        values[twin] += 0.5 * h;
        joint_gaussian(&moved).marginal_loglik
    };
    (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * step)
}

#[test]
fn every_gradient_equals_finite_differences_of_the_dense_evidence() {
    type Field = fn(&mut GaussianProblem) -> &mut Vec<f64>;
    /// Name, gradient, where the values are, side of a symmetric matrix, entries not read.
    type Case<'a> = (&'a str, &'a [f64], Field, Option<usize>, usize);
    let mut checked = 0;
    for problem in diffuse_gaussian_corpus().into_iter().chain(more()) {
        let (d, m) = (problem.state_dim, problem.emission_dim);
        let undetermined = joint_gaussian(&problem).smoothed_diffuse.iter().any(|x| x.abs() > 1e-9);
        // At singular R and A and at unseen directions the evidence has no two-sided derivative.
        let edge = ["R = 0", "R of rank one", "A forgets"].iter().any(|n| problem.name.starts_with(n));
        if undetermined || edge {
            continue;
        }
        checked += 1;
        let got = run(&problem);
        let later = |steps: &GaussianSteps| if steps.per_step { steps.len } else { 0 };
        let matrix = (!problem.diagonal_noise).then_some(m);
        let offset = |per_step: bool, adjoints: &[f64], len: usize, skip: usize| -> Vec<f64> {
            if per_step {
                return adjoints.to_vec();
            }
            let mut sum = vec![0.0; len];
            adjoints[skip..].chunks_exact(len).for_each(|row| {
                sum.iter_mut().zip(row).for_each(|(s, x)| *s += x);
            });
            sum
        };
        let b = offset(problem.transition_offset.per_step, &got.state_adjoints, d, d);
        let c = offset(problem.emission_offset.per_step, &got.emission_adjoints, m, 0);
        let y: Vec<f64> = got
            .emission_adjoints
            .iter()
            .zip(&problem.emissions)
            .map(|(u, y)| if y.is_nan() { 0.0 } else { -u })
            .collect();
        let system = &got.gradient;
        let all: [Case<'_>; 9] = [
            ("m", &system.initial_mean, |p| &mut p.initial_mean, None, 0),
            ("P", &system.initial_cov, |p| &mut p.initial_cov, Some(d), 0),
            ("A", &system.transition, |p| &mut p.transition.values, None, later(&problem.transition)),
            (
                "Q",
                &system.transition_cov,
                |p| &mut p.transition_cov.values,
                Some(d),
                later(&problem.transition_cov),
            ),
            ("H", &system.emission, |p| &mut p.emission.values, None, 0),
            ("R", &system.emission_cov, |p| &mut p.emission_cov.values, matrix, 0),
            ("b", &b, |p| &mut p.transition_offset.values, None, later(&problem.transition_offset)),
            ("d", &c, |p| &mut p.emission_offset.values, None, 0),
            ("y", &y, |p| &mut p.emissions, None, 0),
        ];
        for (what, got, of, side, skip) in all {
            let scale = 1.0 + got.iter().fold(0.0f64, |a, x| a.max(x.abs()));
            for i in skip..got.len() {
                let twin = side.map_or(i, |n| i / (n * n) * n * n + (i % n) * n + (i / n) % n);
                let want = slope(&problem, of, i, twin);
                // The differences have errors of order h⁴ and ε / h.
                assert!(
                    (got[i] - want).abs() < 3e-6 * scale,
                    "{}: ∂{what}[{i}] is {}, differences say {want}",
                    problem.name,
                    got[i]
                );
            }
        }
    }
    assert!(checked >= 16, "only {checked} problems were checked");
}
