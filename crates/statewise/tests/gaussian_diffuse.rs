//! Diffuse starts through the library's verbs, against the dense joint Gaussian.

mod gaussian_common;

use gaussian_common::{assert_close, data, params};
use statewise::data::Dataset;
use statewise::infer::gaussian::{GaussianFiltered, GaussianOptions};
use statewise::params::Array;
use statewise_testkit::{
    GaussianProblem, GaussianSteps, diffuse_gaussian_corpus, further_diffuse_problems, joint_gaussian,
    slow_season,
};

fn corpus() -> impl Iterator<Item = GaussianProblem> {
    diffuse_gaussian_corpus().into_iter().chain(further_diffuse_problems())
}

fn options() -> GaussianOptions {
    GaussianOptions::default()
}

fn is_identified(problem: &GaussianProblem) -> bool {
    joint_gaussian(problem).smoothed_diffuse.iter().all(|x| x.abs() < 1e-9)
}

#[test]
fn smoothed_moments_equal_those_of_the_joint_gaussian_or_say_what_stays_open() {
    for problem in corpus().chain([slow_season(52.0, 2, 60)]) {
        let (want, name) = (joint_gaussian(&problem), &problem.name);
        let smoothed = params(&problem).smoother(&data(&problem), &options());
        if !is_identified(&problem) {
            let error = smoothed.unwrap_err().to_string();
            assert!(error.contains("not identified"), "{name}: {error}");
            continue;
        }
        let smoothed = smoothed.unwrap();
        assert_close(name, "evidence", &smoothed.marginal_loglik, &[want.marginal_loglik], 1e-11);
        assert_close(name, "means", &smoothed.smoothed.means, &want.smoothed_means, 1e-9);
        assert_close(name, "covs", &smoothed.smoothed.covs.values, &want.smoothed_covs, 1e-9);
        let lag = &smoothed.lag_one_covs.values[..want.lag_one_covs.len()];
        assert_close(name, "lag-one covs", lag, &want.lag_one_covs, 1e-9);
    }
}

/// Innovations of observed entries; NaN where the prediction is open.
#[test]
fn innovations_are_ordinary_where_no_open_direction_moves_them() {
    for problem in corpus().chain([slow_season(52.0, 2, 60)]) {
        let (want, name, m) = (joint_gaussian(&problem), &problem.name, problem.emission_dim);
        let got = params(&problem).innovations(&data(&problem), &options()).unwrap();
        let scale = 1.0 + want.predicted_emission_covs.iter().fold(0.0f64, |a, x| a.max(x.abs()));
        for (i, y) in problem.emissions.iter().enumerate().filter(|(_, y)| !y.is_nan()) {
            let (t, j) = (i / m, i % m);
            let variance = open_variance(&problem, &want.predicted_diffuse, t, j);
            if variance > 1e-12 {
                assert!(got.values[i].is_nan() && got.standardised[i].is_nan(), "{name} {t} {j}");
                continue;
            }
            let innovation = y - want.predicted_emission_means[i];
            assert!((got.values[i] - innovation).abs() < 1e-9 * scale, "{name} {t} {j}: {innovation}");
            let (found, expected) = (got.covs[i * m + j], want.predicted_emission_covs[i * m + j]);
            assert!((found - expected).abs() < 1e-9 * scale, "{name} {t} {j}: {found} for {expected}");
        }
    }
}

/// h P∞ hᵀ.
fn open_variance(problem: &GaussianProblem, diffuse: &[f64], t: usize, j: usize) -> f64 {
    let d = problem.state_dim;
    let (h, p) = (&problem.emission.at(t)[j * d..(j + 1) * d], &diffuse[t * d * d..(t + 1) * d * d]);
    (0..d * d).map(|kl| h[kl / d] * p[kl] * h[kl % d]).sum()
}

#[test]
fn chunks_groups_and_requests_leave_every_bit_alone() {
    for problem in [slow_season(52.0, 2, 1100), slow_season(12.0, 1, 700).missing_rows(&[3, 600])] {
        let (params, data) = (params(&problem), data(&problem));
        let GaussianFiltered { marginal_loglik, filtered, predicted } =
            params.filter(&data, &options()).unwrap();
        assert_eq!(params.marginal_log_prob(&data, &options()).unwrap(), marginal_loglik);
        assert_eq!(params.smoother(&data, &options()).unwrap().filtered, filtered);
        let twice = [&problem.emissions[..], &problem.emissions].concat();
        let twice = Dataset::batch(twice, 2, 1).unwrap();
        let both = params.filter(&twice, &options()).unwrap();
        assert_eq!(both.marginal_loglik, [marginal_loglik[0]; 2]);
        assert_eq!(both.filtered.means[..filtered.means.len()], filtered.means);
        assert_eq!(both.predicted.covs.of(1, 5), predicted.covs.of(0, 5));
    }
}

#[test]
fn forecasts_are_infinite_where_a_direction_stays_open() {
    // A level, and a shift that begins at step 6.
    let h: Vec<f64> = (0..9).flat_map(|t| [1.0, f64::from(u8::from(t >= 6))]).collect();
    let (start, still) =
        ((&[0.0, 0.0][..], &[0.0; 4][..]), (&[1.0, 0.0, 0.0, 1.0][..], &[0.25, 0.0, 0.0, 0.0][..]));
    let y = [1.0, 2.0, 0.5, 1.5];
    let problem =
        GaussianProblem::fixed("shift", start, still, (&h[..2], &[1.0]), &y).diffuse(&[1.0, 0.0, 0.0, 1.0]);
    let mut params = params(&problem);
    params.emissions_weights = Array::new(&[9, 1, 2], h);
    let data = data(&problem);
    let forecast = &params.forecast(&data, 5, &[], &options()).unwrap()[0];
    let level = GaussianProblem::fixed("", (&[0.0], &[0.0]), (&[1.0], &[0.25]), (&[1.0], &[1.0]), &y)
        .diffuse(&[1.0]);
    let alone = &gaussian_common::params(&level).forecast(&data, 5, &[], &options()).unwrap()[0];
    assert_close("", "means", &forecast.emission_means, &alone.emission_means, 1e-12);
    assert_close("", "covs", &forecast.emission_covs[..2], &alone.emission_covs[..2], 1e-12);
    assert_eq!(forecast.emission_covs[2..], [f64::INFINITY; 3]);
    assert_eq!(forecast.state_covs[3], f64::INFINITY);
    let innovations = params.innovations(&data, &options()).unwrap();
    assert_eq!(innovations.num_diffuse_steps, [4]);
    assert!(innovations.values[0].is_nan() && innovations.values[1..].iter().all(|v| v.is_finite()));
}

#[test]
fn a_diffuse_part_of_zero_is_a_proper_start() {
    let problem = slow_season(12.0, 1, 30);
    let proper = GaussianProblem { initial_diffuse: None, initial_cov: vec![1.0; 9], ..problem };
    let zero = proper.clone().diffuse(&[0.0; 9]);
    let [want, got] =
        [&proper, &zero].map(|problem| params(problem).smoother(&data(problem), &options()).unwrap());
    assert_eq!(got.marginal_loglik, want.marginal_loglik);
    assert_eq!(got.filtered, want.filtered);
    assert_close("", "smoothed", &got.smoothed.means, &want.smoothed.means, 1e-12);
    let [want, got] = [&proper, &zero]
        .map(|problem| params(problem).forecast(&data(problem), 2, &[], &options()).unwrap());
    assert_eq!(got, want);
}

/// d evidence / d x_i by the difference of fourth order.
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
    for problem in corpus() {
        let (d, m) = (problem.state_dim, problem.emission_dim);
        // At singular R and A and at unseen directions the evidence has no two-sided derivative.
        let edge = ["R = 0", "R of rank one", "A forgets"].iter().any(|n| problem.name.starts_with(n));
        if !is_identified(&problem) || edge {
            continue;
        }
        checked += 1;
        let got = params(&problem).gradient(&data(&problem), &options()).unwrap();
        let later = |steps: &GaussianSteps| if steps.per_step { steps.len } else { 0 };
        let matrix = (!problem.diagonal_noise).then_some(m);
        let own = &got.params;
        let biases = [&own.dynamics_bias, &own.emissions_bias].map(|bias| bias.as_ref().unwrap().values());
        let all: [Case<'_>; 9] = [
            ("m", own.initial_mean.values(), |p| &mut p.initial_mean, None, 0),
            ("P", own.initial_cov.values(), |p| &mut p.initial_cov, Some(d), 0),
            (
                "A",
                own.dynamics_weights.values(),
                |p| &mut p.transition.values,
                None,
                later(&problem.transition),
            ),
            (
                "Q",
                own.dynamics_cov.values(),
                |p| &mut p.transition_cov.values,
                Some(d),
                later(&problem.transition_cov),
            ),
            ("H", own.emissions_weights.values(), |p| &mut p.emission.values, None, 0),
            ("R", own.emissions_cov.values(), |p| &mut p.emission_cov.values, matrix, 0),
            ("b", biases[0], |p| &mut p.transition_offset.values, None, later(&problem.transition_offset)),
            ("d", biases[1], |p| &mut p.emission_offset.values, None, 0),
            ("y", &got.emissions, |p| &mut p.emissions, None, 0),
        ];
        for (what, got, of, side, skip) in all {
            let scale = 1.0 + got.iter().fold(0.0f64, |a, x| a.max(x.abs()));
            for i in skip..got.len() {
                if of(&mut problem.clone())[i].is_nan() {
                    continue;
                }
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
