//! Residuals against the dense joint Gaussian of all states and observations.

use statewise::data::Dataset;
use statewise::diagnose::nees;
use statewise::infer::gaussian::GaussianOptions;
use statewise_testkit::{GaussianProblem, gaussian_corpus, joint_gaussian};

use crate::gaussian_common::{assert_close, data, params};

/// NaN to a number that no residual has, so that places of NaN are compared too.
fn marked(values: &[f64]) -> Vec<f64> {
    values.iter().map(|x| if x.is_nan() { 12345.0 } else { *x }).collect()
}

/// A X B for [n, k], [k, l] and [l, p].
fn product(a: &[f64], b: &[f64], [n, k, l]: [usize; 3]) -> Vec<f64> {
    (0..n * l).map(|ij| (0..k).map(|p| a[ij / l * k + p] * b[p * l + ij % l]).sum()).collect()
}

fn transpose(a: &[f64], [n, m]: [usize; 2]) -> Vec<f64> {
    (0..n * m).map(|ij| a[ij % n * m + ij / n]).collect()
}

#[test]
fn innovations_and_nis_are_those_of_the_joint_gaussian() {
    for problem in gaussian_corpus() {
        let (name, m) = (&problem.name, problem.emission_dim);
        let want = joint_gaussian(&problem);
        let got = params(&problem).innovations(&data(&problem), &GaussianOptions::default()).unwrap();
        let values: Vec<f64> =
            problem.emissions.iter().zip(&want.predicted_emission_means).map(|(y, m)| y - m).collect();
        assert_close(name, "values", &marked(&got.values), &marked(&values), 1e-9);
        let mut log_density = 0.0;
        for t in 0..problem.num_steps {
            for ij in 0..m * m {
                let missing = values[t * m + ij / m].is_nan() || values[t * m + ij % m].is_nan();
                let (got, want) = (got.covs[t * m * m + ij], want.predicted_emission_covs[t * m * m + ij]);
                assert!(if missing {
                    got.is_nan()
                } else {
                    (got - want).abs() < 1e-9 * (1.0 + want.abs())
                });
            }
            let e = &got.standardised[t * m..(t + 1) * m];
            let square: f64 = e.iter().filter(|e| !e.is_nan()).map(|e| e * e).sum();
            let seen = e.iter().filter(|e| !e.is_nan()).count();
            assert_eq!(seen, got.dofs[t], "{name}");
            assert!(if seen > 0 {
                (square - got.nis[t]).abs() < 1e-12 * (1.0 + square)
            } else {
                got.nis[t].is_nan()
            });
            log_density += gaussian_log_density(&got.covs[t * m * m..(t + 1) * m * m], m, square);
        }
        // What standardised innovations and covariances say together is the evidence.
        if want.marginal_loglik.is_finite() {
            assert_close(name, "evidence", &[log_density], &[want.marginal_loglik], 1e-9);
        }
    }
}

/// −½ (log |2π S| + square) of the entries of S that are not NaN, by elimination; pivots of rounding don't count.
fn gaussian_log_density(cov: &[f64], m: usize, square: f64) -> f64 {
    let seen: Vec<usize> = (0..m).filter(|i| !cov[i * m + i].is_nan()).collect();
    let n = seen.len();
    let mut a: Vec<f64> = (0..n * n).map(|ij| cov[seen[ij / n] * m + seen[ij % n]]).collect();
    let scale = (0..n).map(|i| a[i * n + i]).fold(0.0, f64::max);
    let mut sum = square;
    for k in 0..n {
        let pivot = a[k * n + k];
        if pivot <= 1e-13 * scale {
            continue;
        }
        sum += (2.0 * std::f64::consts::PI * pivot).ln();
        for i in k + 1..n {
            let factor = a[i * n + k] / pivot;
            (k..n).for_each(|j| a[i * n + j] -= factor * a[k * n + j]);
        }
    }
    -0.5 * sum
}

/// Conditional moments of disturbances by algebra on the smoothed states: ε = y − H z − d and
/// η_t = z_t − F z_{t-1} − b, hence Var ε̂ = R − H P Hᵀ and Var η̂ = Q − Cov(η_t | y).
#[test]
fn auxiliary_residuals_are_the_conditional_moments_of_disturbances() {
    for problem in gaussian_corpus() {
        let GaussianProblem { name, state_dim: d, emission_dim: m, num_steps, .. } = &problem;
        let (d, m) = (*d, *m);
        let dense = joint_gaussian(&problem);
        let options = GaussianOptions::default();
        let got = params(&problem).auxiliary_residuals(&data(&problem), &options).unwrap();
        for t in 0..*num_steps {
            let mean = &dense.smoothed_means[t * d..(t + 1) * d];
            let cov = &dense.smoothed_covs[t * d * d..(t + 1) * d * d];
            let h = problem.emission.at(t);
            let fitted = product(h, mean, [m, d, 1]);
            let spread = product(&product(h, cov, [m, d, d]), &transpose(h, [m, d]), [m, d, m]);
            let noise = problem.noise(t);
            let y = &problem.emissions[t * m..(t + 1) * m];
            let offset = problem.emission_offset.at(t);
            let want: Vec<f64> = (0..m).map(|i| y[i] - fitted[i] - offset[i]).collect();
            assert_close(
                name,
                "observation",
                &marked(&got.observation[t * m..(t + 1) * m]),
                &marked(&want),
                1e-8,
            );
            let scale = 1.0 + noise.iter().chain(&spread).fold(0.0f64, |a, x| a.max(x.abs()));
            for ij in 0..m * m {
                let got = got.observation_covs[t * m * m + ij];
                let missing = y[ij / m].is_nan() || y[ij % m].is_nan();
                let want = noise[ij] - spread[ij];
                assert!(
                    if missing { got.is_nan() } else { (got - want).abs() < 1e-8 * scale },
                    "{name}: Var ε̂ at {t}: {got} against {want}"
                );
            }
            if t == 0 {
                assert!(got.state[..d].iter().all(|x| x.is_nan()));
                continue;
            }
            let (f, q) = (problem.transition.at(t), problem.transition_cov.at(t));
            let before = &dense.smoothed_means[(t - 1) * d..t * d];
            let moved = product(f, before, [d, d, 1]);
            let b = problem.transition_offset.at(t);
            let want: Vec<f64> = (0..d).map(|i| mean[i] - moved[i] - b[i]).collect();
            assert_close(name, "state", &got.state[t * d..(t + 1) * d], &want, 1e-8);
            let lag = &dense.lag_one_covs[(t - 1) * d * d..t * d * d];
            let past = &dense.smoothed_covs[(t - 1) * d * d..t * d * d];
            let cross = product(f, lag, [d, d, d]);
            let carried = product(&product(f, past, [d, d, d]), &transpose(f, [d, d]), [d, d, d]);
            let want: Vec<f64> = (0..d * d)
                .map(|ij| q[ij] - cov[ij] + cross[ij] + cross[ij % d * d + ij / d] - carried[ij])
                .collect();
            // Differences of covariances of the states lose what these are larger by.
            assert_close(name, "Var η̂", &got.state_covs[t * d * d..(t + 1) * d * d], &want, 1e-8);
        }
        let deviations = got.observation.iter().zip(&got.observation_standardised);
        for (i, (x, standardised)) in deviations.enumerate().filter(|(_, (_, s))| !s.is_nan()) {
            let variance = got.observation_covs[i / m * m * m + i % m * (m + 1)];
            assert!((standardised * variance.sqrt() - x).abs() < 1e-12 * (1.0 + x.abs()));
        }
    }
}

#[test]
fn residuals_of_a_dataset_are_those_of_its_sequences() {
    let problem = gaussian_corpus().into_iter().find(|p| p.num_steps > 5).unwrap();
    let (m, options) = (problem.emission_dim, GaussianOptions::default());
    let (y, lgssm) = (&problem.emissions, params(&problem));
    let both = [&y[..], &y[..3 * m]].concat();
    let data =
        Dataset::ragged(both, &[problem.num_steps, 3], m).unwrap().with_weights(vec![2.0, 0.5]).unwrap();
    let all = lgssm.innovations(&data, &options).unwrap();
    let aux = lgssm.auxiliary_residuals(&data, &options).unwrap();
    let start = Dataset::single(&y[..3 * m], m).unwrap();
    let one = lgssm.innovations(&start, &options).unwrap();
    let aux_one = lgssm.auxiliary_residuals(&start, &options).unwrap();
    let rows = problem.num_steps * m;
    assert_eq!(marked(&all.standardised[rows..]), marked(&one.standardised));
    assert_eq!(marked(&aux.observation[rows..]), marked(&aux_one.observation));
}

#[test]
fn nees_is_the_squared_distance_in_standard_deviations() {
    let covs = [4.0, 2.0, 2.0, 5.0, 9.0, 0.0, 0.0, 0.0];
    let got = nees(&[1.0, 2.0, 3.0, 0.0], &[0.0; 4], &covs, 2).unwrap();
    // By hand: P⁻¹ = [[5, −2], [−2, 4]] / 16; the second covariance has rank one.
    assert!((got.values[0] - (5.0 - 8.0 + 16.0) / 16.0).abs() < 1e-14);
    assert_eq!(got.dofs, [2, 1]);
    assert!((got.values[1] - 1.0).abs() < 1e-14);
    assert!(nees(&[1.0], &[1.0], &[1.0, 2.0], 1).is_err());
}
