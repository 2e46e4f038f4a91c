//! The covariance form against the dense joint Gaussian, over the corpus.

mod gaussian_common;

use gaussian_common::{assert_close, series, system};
use statewise_kernels::gaussian::{
    Gains, MeanRows, MeanScratch, MeanState, Riccati, RiccatiReport, SmoothedRows, Smoothing,
    advance_means, smooth_means,
};
use statewise_testkit::{GaussianProblem, gaussian_contradictions, gaussian_corpus, joint_gaussian};

struct Answer {
    marginal_loglik: f64,
    predicted_means: Vec<f64>,
    predicted_covs: Vec<f64>,
    filtered_means: Vec<f64>,
    filtered_covs: Vec<f64>,
    smoothed_means: Vec<f64>,
    smoothed_covs: Vec<f64>,
    lag_one_covs: Vec<f64>,
    report: RiccatiReport,
}

fn run(problem: &GaussianProblem, steady_state: bool) -> Result<Answer, String> {
    let (system, series) = (system(problem), series(problem));
    let (d, m, n) = (problem.state_dim, problem.emission_dim, problem.num_steps);
    let mut riccati = Riccati::default();
    let mut gains = Gains::default();
    riccati.start(&system, system.initial_cov, steady_state);
    riccati.advance(&system, series.emissions, 0..n, &mut gains).map_err(|e| e.to_string())?;
    let mut state = MeanState::start(system.initial_mean);
    let mut answer = Answer {
        marginal_loglik: 0.0,
        predicted_means: vec![0.0; n * d],
        predicted_covs: Vec::new(),
        filtered_means: vec![0.0; n * d],
        filtered_covs: Vec::new(),
        smoothed_means: vec![0.0; n * d],
        smoothed_covs: Vec::new(),
        lag_one_covs: Vec::new(),
        report: riccati.report(),
    };
    let mut innovations = vec![0.0; n * m];
    let rows = MeanRows {
        predicted: &mut answer.predicted_means,
        filtered: &mut answer.filtered_means,
        innovations: &mut innovations,
    };
    advance_means(&system, &series, 0..n, &gains, &mut state, rows, &mut MeanScratch::default())
        .map_err(|e| e.to_string())?;
    answer.marginal_loglik = state.marginal_loglik();
    let mut smoothing = Smoothing::default();
    smoothing.compute(&system, &gains, true);
    let rows = SmoothedRows {
        filtered: &answer.filtered_means,
        innovations: &innovations,
        smoothed: &mut answer.smoothed_means,
        state_adjoints: &mut [],
        emission_adjoints: &mut [],
    };
    smooth_means(&system, &gains, rows, &mut Vec::new());
    for t in 0..n {
        answer.predicted_covs.extend(gains.predicted_cov(t));
        answer.filtered_covs.extend(gains.filtered_cov(t));
        answer.smoothed_covs.extend(smoothing.cov(t));
        if t + 1 < n {
            answer.lag_one_covs.extend(smoothing.lag_one_cov(t));
        }
    }
    Ok(answer)
}

#[test]
fn all_moments_and_the_evidence_equal_those_of_the_joint_gaussian() {
    for problem in gaussian_corpus() {
        let want = joint_gaussian(&problem);
        for steady_state in [false, true] {
            let got = run(&problem, steady_state).unwrap_or_else(|e| panic!("{}: {e}", problem.name));
            if let Some(t) = got.report.ill_conditioned {
                println!("{} is ill-conditioned at {t}", problem.name);
            }
            let name = &problem.name;
            assert_close(name, "evidence", &[got.marginal_loglik], &[want.marginal_loglik], 1e-9);
            assert_close(name, "predicted means", &got.predicted_means, &want.predicted_means, 1e-9);
            assert_close(name, "predicted covs", &got.predicted_covs, &want.predicted_covs, 1e-9);
            assert_close(name, "filtered means", &got.filtered_means, &want.filtered_means, 1e-9);
            assert_close(name, "filtered covs", &got.filtered_covs, &want.filtered_covs, 1e-9);
            assert_close(name, "smoothed means", &got.smoothed_means, &want.smoothed_means, 1e-9);
            assert_close(name, "smoothed covs", &got.smoothed_covs, &want.smoothed_covs, 1e-9);
            assert_close(name, "lag-one covs", &got.lag_one_covs, &want.lag_one_covs, 1e-9);
        }
    }
}

#[test]
fn observations_that_contradict_a_noise_free_state_are_errors() {
    for problem in gaussian_contradictions() {
        assert!(run(&problem, true).is_err_and(|e| e.contains("noise-free")), "{}", problem.name);
    }
}
