//! The whitened update against a filter that takes one entry after another.

mod gaussian_common;

use gaussian_common::{assert_close, series, system};
use statewise_kernels::gaussian::{Gains, MeanRows, MeanScratch, MeanState, Riccati, advance_means};
use statewise_testkit::{GaussianProblem, gaussian_corpus};

/// What a filter finds, all steps one after another.
#[derive(Default)]
struct Answer {
    marginal_loglik: f64,
    /// w_t, \[M\]; 0 where an entry is missing or has no variance.
    innovations: Vec<f64>,
    /// W_t, \[M, D\]; rows of 0 there too.
    gains: Vec<f64>,
    predicted_means: Vec<f64>,
    predicted_covs: Vec<f64>,
    filtered_means: Vec<f64>,
    filtered_covs: Vec<f64>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The sequential filter: y_ti updates (a, P) by itself, with v = y_ti − d_i − h a, f = h P hᵀ + r_i, k = P hᵀ / f.
///
/// Durbin and Koopman (2012), §6.4.
fn univariate(problem: &GaussianProblem) -> Answer {
    let (d, m) = (problem.state_dim, problem.emission_dim);
    let mut answer = Answer::default();
    let (mut mean, mut cov) = (problem.initial_mean.clone(), problem.initial_cov.clone());
    for t in 0..problem.num_steps {
        if t > 0 {
            let f = problem.transition.at(t);
            let (b, q) = (problem.transition_offset.at(t), problem.transition_cov.at(t));
            mean = (0..d).map(|i| dot(&f[i * d..(i + 1) * d], &mean) + b[i]).collect();
            let moved: Vec<f64> = (0..d * d)
                .map(|at| (0..d).map(|k| f[at / d * d + k] * cov[k * d + at % d]).sum())
                .collect();
            cov = (0..d * d)
                .map(|at| dot(&moved[at / d * d..][..d], &f[at % d * d..][..d]) + q[at])
                .collect();
        }
        answer.predicted_means.extend(&mean);
        answer.predicted_covs.extend(&cov);
        let (h, r) = (problem.emission.at(t), problem.noise(t));
        for i in 0..m {
            let (y, h) = (problem.emissions[t * m + i], &h[i * d..(i + 1) * d]);
            let cross: Vec<f64> = (0..d).map(|k| dot(&cov[k * d..(k + 1) * d], h)).collect();
            let variance = dot(h, &cross) + r[i * m + i];
            let scale: f64 = (0..d).map(|k| h[k].abs() * problem.scale_of(k)).sum();
            if y.is_nan() || variance <= 1e-13 * scale * scale {
                answer.innovations.push(0.0);
                answer.gains.extend(vec![0.0; d]);
                continue;
            }
            let v = y - problem.emission_offset.at(t)[i] - dot(h, &mean);
            let root = variance.sqrt();
            answer.innovations.push(v / root);
            answer.gains.extend(cross.iter().map(|c| c / root));
            answer.marginal_loglik -=
                0.5 * ((2.0 * std::f64::consts::PI * variance).ln() + v * v / variance);
            (0..d).for_each(|k| mean[k] += cross[k] * v / variance);
            (0..d * d).for_each(|at| cov[at] -= cross[at / d] * cross[at % d] / variance);
        }
        answer.filtered_means.extend(&mean);
        answer.filtered_covs.extend(&cov);
    }
    answer
}

trait ScaleOf {
    fn scale_of(&self, k: usize) -> f64;
}

impl ScaleOf for GaussianProblem {
    /// The standard deviation that state k starts with, at least 1: what rounding is measured by.
    fn scale_of(&self, k: usize) -> f64 {
        self.initial_cov[k * self.state_dim + k].sqrt().max(1.0)
    }
}

fn whitened(problem: &GaussianProblem) -> Answer {
    let (system, series) = (system(problem), series(problem));
    let (d, m, n) = (problem.state_dim, problem.emission_dim, problem.num_steps);
    let (mut riccati, mut gains) = (Riccati::default(), Gains::default());
    riccati.start(&system, system.initial_cov, false);
    riccati.advance(&system, series.emissions, 0..n, &mut gains).unwrap();
    let mut state = MeanState::start(system.initial_mean);
    let mut answer = Answer {
        innovations: vec![0.0; n * m],
        predicted_means: vec![0.0; n * d],
        filtered_means: vec![0.0; n * d],
        ..Answer::default()
    };
    let rows = MeanRows {
        predicted: &mut answer.predicted_means,
        filtered: &mut answer.filtered_means,
        innovations: &mut answer.innovations,
    };
    advance_means(&system, &series, 0..n, &gains, &mut state, rows, &mut MeanScratch::default()).unwrap();
    answer.marginal_loglik = state.marginal_loglik();
    for t in 0..n {
        answer.gains.extend(gains.whitened_gain(t));
        answer.predicted_covs.extend(gains.predicted_cov(t));
        answer.filtered_covs.extend(gains.filtered_cov(t));
    }
    answer
}

fn is_diagonal(problem: &GaussianProblem) -> bool {
    let m = problem.emission_dim;
    let diagonal = |r: Vec<f64>| (0..m * m).all(|at| at / m == at % m || r[at] == 0.0);
    (0..problem.num_steps).all(|t| diagonal(problem.noise(t)))
}

/// The problem with its first sensor free of noise.
fn exact(problem: &GaussianProblem) -> GaussianProblem {
    let mut problem = problem.clone().named(&format!("{}, first sensor exact", problem.name));
    problem.emission_cov.values.iter_mut().step_by(problem.emission_dim).for_each(|r| *r = 0.0);
    problem
}

#[test]
fn where_noise_is_diagonal_the_whitened_update_is_the_sequential_one() {
    let mut problems: Vec<_> = gaussian_corpus().into_iter().filter(is_diagonal).collect();
    let exact: Vec<_> =
        problems.iter().filter(|p| p.diagonal_noise && p.emission_dim > 1).map(exact).collect();
    problems.extend(exact);
    assert!(problems.len() > 20);
    assert!(problems.iter().any(|p| p.emissions.iter().any(|y| y.is_nan())));
    for problem in problems {
        let (got, want) = (whitened(&problem), univariate(&problem));
        let close =
            |what: &str, got: &[f64], want: &[f64]| assert_close(&problem.name, what, got, want, 1e-12);
        close("evidence", &[got.marginal_loglik], &[want.marginal_loglik]);
        close("innovations", &got.innovations, &want.innovations);
        close("gains", &got.gains, &want.gains);
        close("predicted means", &got.predicted_means, &want.predicted_means);
        close("predicted covariances", &got.predicted_covs, &want.predicted_covs);
        close("filtered means", &got.filtered_means, &want.filtered_means);
        close("filtered covariances", &got.filtered_covs, &want.filtered_covs);
    }
}
