//! Diffuse starts: moments of states and emissions at every step, and the evidence, against the dense joint
//! Gaussian, and known values of the Nile series.

mod gaussian_common;

use gaussian_common::{assert_close, series, system};
use statewise_kernels::gaussian::{
    DiffuseRows, DiffuseStart, DiffuseTable, Gains, GaussianError, MeanRows, MeanScratch, MeanState,
    Riccati, Series, System, advance_means,
};
use statewise_testkit::{
    GaussianProblem, diffuse_gaussian_corpus, further_diffuse_problems, joint_gaussian, slow_season,
};

#[derive(Default)]
struct Answer {
    marginal_loglik: f64,
    /// Steps until δ is forgotten.
    num_steps: usize,
    num_unseen: usize,
    predicted_means: Vec<f64>,
    predicted_covs: Vec<f64>,
    filtered_means: Vec<f64>,
    filtered_covs: Vec<f64>,
    emissions: Vec<f64>,
    emission_covs: Vec<f64>,
}

/// The filter, whose covariance recursion goes by pieces of `chunk` steps.
fn run(problem: &GaussianProblem, chunk: usize) -> Result<Answer, GaussianError> {
    let (whole, series) = (system(problem), series(problem));
    let (d, m, n) = (problem.state_dim, problem.emission_dim, problem.num_steps);
    let start = DiffuseStart::of(&whole)?.unwrap();
    let system = System { initial_cov: start.cov(), initial_diffuse: None, ..whole };
    let mut directions = start.directions();
    let (mut riccati, mut gains, mut table) =
        (Riccati::default(), Gains::default(), DiffuseTable::default());
    riccati.start(&system, system.initial_cov, true);
    let (mut state, mut estimate) = (MeanState::start(system.initial_mean), Vec::new());
    let mut out = Answer {
        predicted_means: vec![0.0; n * d],
        predicted_covs: vec![0.0; n * d * d],
        filtered_means: vec![0.0; n * d],
        filtered_covs: vec![0.0; n * d * d],
        emissions: vec![0.0; n * m],
        emission_covs: vec![0.0; n * m * m],
        ..Default::default()
    };
    for first in (0..n).step_by(chunk) {
        let steps = first..n.min(first + chunk);
        riccati.advance(
            &system,
            &series.emissions[steps.start * m..steps.end * m],
            steps.clone(),
            &mut gains,
        )?;
        directions.advance(&system, steps.clone(), &gains, true, &mut table)?;
        let (diffuse, ordinary) = (table.range(), table.range().end..steps.end);
        let of = |steps: std::ops::Range<usize>| Series {
            emissions: &series.emissions[steps.start * m..steps.end * m],
            ..series
        };
        let rows = DiffuseRows {
            predicted: &mut out.predicted_means[diffuse.start * d..diffuse.end * d],
            filtered: &mut out.filtered_means[diffuse.start * d..diffuse.end * d],
            emissions: &mut out.emissions[diffuse.start * m..diffuse.end * m],
            given_zero: &mut [],
        };
        let (own, belief) = (of(diffuse.clone()), (&mut state, &mut estimate));
        let scratch = &mut MeanScratch::default();
        table.advance_means(&system, &own, &gains, belief, directions.is_forgotten(), rows, scratch)?;
        let rows = MeanRows {
            predicted: &mut out.predicted_means[ordinary.start * d..ordinary.end * d],
            filtered: &mut out.filtered_means[ordinary.start * d..ordinary.end * d],
            innovations: &mut [],
        };
        advance_means(&system, &of(ordinary.clone()), ordinary.clone(), &gains, &mut state, rows, scratch)?;
        out.num_steps += diffuse.len();
        for t in steps {
            let predicted = &mut out.predicted_covs[t * d * d..(t + 1) * d * d];
            let filtered = &mut out.filtered_covs[t * d * d..(t + 1) * d * d];
            let emission = &mut out.emission_covs[t * m * m..(t + 1) * m * m];
            emission.copy_from_slice(&emission_cov(problem, t, gains.predicted_cov(t)));
            if diffuse.contains(&t) {
                table.predicted_cov(&gains, t, predicted);
                table.filtered_cov(&gains, t, filtered);
                table.add_emission_cov(t, emission);
                continue;
            }
            predicted.copy_from_slice(gains.predicted_cov(t));
            filtered.copy_from_slice(gains.filtered_cov(t));
            let mean = &out.predicted_means[t * d..(t + 1) * d];
            series.emission_mean(&system, t, mean, &mut out.emissions[t * m..(t + 1) * m]);
        }
    }
    out.num_unseen = directions.num_unseen();
    out.marginal_loglik = state.marginal_loglik();
    Ok(out)
}

/// H P Hᵀ + R.
fn emission_cov(problem: &GaussianProblem, t: usize, cov: &[f64]) -> Vec<f64> {
    let (d, m, h) = (problem.state_dim, problem.emission_dim, problem.emission.at(t));
    let mut out = problem.noise(t);
    for (ij, out) in out.iter_mut().enumerate() {
        let (a, b) = (&h[ij / m * d..][..d], &h[ij % m * d..][..d]);
        *out += (0..d * d).map(|kl| a[kl / d] * cov[kl] * b[kl % d]).sum::<f64>();
    }
    out
}

/// Entries that are open must be infinite, others close.
fn assert_finite_parts(what: &str, got: &[f64], want: &[f64], open: &[f64], tolerance: f64) {
    let finite = |values: &[f64]| {
        let pairs = values.iter().zip(open).filter(|(_, open)| **open == 0.0);
        pairs.map(|(x, _)| *x).collect::<Vec<f64>>()
    };
    assert_close("", what, &finite(got), &finite(want), tolerance);
    for (got, open) in got.iter().zip(open).filter(|(_, open)| **open != 0.0) {
        assert!(*got == f64::INFINITY.copysign(*open), "{what}: {got} with κ {open}");
    }
}

fn check(problem: &GaussianProblem, tolerance: f64) {
    let (got, want, name) = (run(problem, 3).unwrap(), joint_gaussian(problem), &problem.name);
    let (d, m) = (problem.state_dim, problem.emission_dim);
    let mut open = Vec::new();
    for (t, cov) in want.predicted_diffuse.chunks_exact(d * d).enumerate() {
        let noise = problem.noise(t);
        let cov: Vec<f64> = emission_cov(problem, t, cov).iter().zip(noise).map(|(x, r)| x - r).collect();
        let scale = cov.iter().fold(0.0f64, |a, x| a.max(x.abs()));
        let is_open = |x: &f64| if x.abs() > 1e-12 * (1.0 + scale) { *x } else { 0.0 };
        open.extend(cov.iter().map(is_open));
    }
    assert_eq!(open.len(), problem.num_steps * m * m);
    assert_close(name, "evidence", &[got.marginal_loglik], &[want.marginal_loglik], 0.01 * tolerance);
    assert_close(name, "predicted means", &got.predicted_means, &want.predicted_means, tolerance);
    assert_close(name, "filtered means", &got.filtered_means, &want.filtered_means, tolerance);
    assert_close(name, "emissions", &got.emissions, &want.predicted_emission_means, tolerance);
    for (what, got, want, open) in [
        ("predicted covs", &got.predicted_covs, &want.predicted_covs, &want.predicted_diffuse),
        ("filtered covs", &got.filtered_covs, &want.filtered_covs, &want.filtered_diffuse),
        ("emission covs", &got.emission_covs, &want.predicted_emission_covs, &open),
    ] {
        assert_finite_parts(&format!("{name}: {what}"), got, want, open, tolerance);
    }
}

#[test]
fn moments_and_the_evidence_equal_those_of_the_joint_gaussian() {
    for problem in diffuse_gaussian_corpus().into_iter().chain(further_diffuse_problems()) {
        check(&problem, 1e-9);
    }
}

/// The first weeks say next to nothing of a year: the fifth pins the last direction down, to ±1e4 or so.
#[test]
fn a_slow_season_keeps_its_digits_from_the_first_step_on() {
    check(&slow_season(52.0, 2, 60), 1e-9);
    check(&slow_season(52.0, 1, 12), 1e-11);
}

#[test]
fn directions_that_no_observation_sees_are_counted() {
    for problem in diffuse_gaussian_corpus().iter().chain(&further_diffuse_problems()) {
        let (got, want, d) = (run(problem, 100).unwrap(), joint_gaussian(problem), problem.state_dim);
        let unseen = want.smoothed_diffuse[..d * d].iter().any(|x| x.abs() > 1e-12);
        assert_eq!(got.num_unseen, usize::from(unseen), "{}", problem.name);
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
    let got = run(&nile().diffuse(&[1.0]), 100).unwrap();
    assert!((got.marginal_loglik + 633.465).abs() < 1e-3, "{}", got.marginal_loglik);
    assert!((got.filtered_means[0] - 1120.0).abs() < 1e-12, "{}", got.filtered_means[0]);
    assert!((got.filtered_covs[0] - 15099.0).abs() < 1e-10, "{}", got.filtered_covs[0]);
    // The level forgets where it came from.
    assert!(got.num_steps < 100, "{}", got.num_steps);
}

#[test]
fn large_variances_come_near_the_diffuse_start() {
    let limit = run(&nile().diffuse(&[1.0]), 100).unwrap();
    let mut before = f64::INFINITY;
    for kappa in [1e7, 1e9, 1e11] {
        let mut problem = nile();
        problem.initial_cov = vec![kappa];
        let (system, series) = (system(&problem), series(&problem));
        let (mut riccati, mut gains) = (Riccati::default(), Gains::default());
        riccati.start(&system, system.initial_cov, true);
        riccati.advance(&system, series.emissions, 0..100, &mut gains).unwrap();
        let mut state = MeanState::start(system.initial_mean);
        let scratch = &mut MeanScratch::default();
        advance_means(&system, &series, 0..100, &gains, &mut state, MeanRows::default(), scratch).unwrap();
        let error = (state.marginal_loglik() + 0.5 * kappa.ln() - limit.marginal_loglik).abs();
        // The error is of order 1/κ.
        assert!(error < 0.02 * before, "κ = {kappa:e}: {error:e} after {before:e}");
        before = error;
    }
}

#[test]
fn an_observation_that_contradicts_a_state_without_noise_is_impossible() {
    let still: (&[f64], &[f64]) = (&[1.0], &[0.0]);
    let problem = GaussianProblem::fixed("", (&[0.0], &[0.0]), still, (&[1.0], &[0.0]), &[1.5, 1.5, 1.75]);
    let error = run(&problem.diffuse(&[1.0]), 100).err();
    assert!(matches!(error, Some(GaussianError::ImpossibleObservation { t: 2, .. })), "{error:?}");
}

/// Thirteen states, the last of which step 12 pins down to a variance of 1e17: more than the 32 digits of the
/// dense oracle bear. Variances and means of emissions by generalised least squares in 80 digits.
#[test]
fn six_waves_lose_no_more_than_their_conditioning_takes() {
    let problem = slow_season(52.0, 6, 60);
    let got = run(&problem, 60).unwrap();
    for (t, variance, mean, tolerance) in [
        (14, 170110.2342294964, -183.29153808867514, 1e-8),
        (16, 12939.118887686082, -30.09890444019024, 1e-8),
        (20, 635.6316399295933, 19.00317172191654, 1e-9),
        (30, 14.742635833596873, -1.9841251866150622, 1e-11),
        (59, 0.36143128101207195, 1.0045839104218588, 1e-13),
    ] {
        let error = (got.emission_covs[t] - variance).abs() / variance;
        assert!(error < tolerance, "variance at {t}: {} for {variance}", got.emission_covs[t]);
        let error = (got.emissions[t] - mean).abs() / variance.sqrt();
        assert!(error < tolerance, "mean at {t}: {} for {mean}", got.emissions[t]);
    }
}
