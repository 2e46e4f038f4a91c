//! The dense oracle itself, against numbers worked out by hand and limits taken with numbers.

use statewise_testkit::{
    GaussianProblem, diffuse_gaussian_corpus, gaussian_contradictions, gaussian_corpus, joint_gaussian,
    joint_log_prob,
};

const LOG_2_PI: f64 = 1.837_877_066_409_345_5;

fn close(got: f64, want: f64, tolerance: f64, what: &str) {
    assert!((got - want).abs() <= tolerance * want.abs().max(1.0), "{what}: {got}, expected {want}");
}

/// z_1 ~ N(1, 2), z_2 = z_1/2 + N(0, 1), y = z + N(0, 1) at 2 and 0.
///
/// By hand: y_1 ~ N(1, 3), so m = 1 + 2/3 and P = 2/3; then z_2 ~ N(5/6, 7/6), y_2 ~ N(5/6, 13/6), gain 7/13, so
/// m = 5/6 − 35/78 = 5/13 and P = 7/13; smoothing gain (2/3)(1/2)/(7/6) = 2/7, so m_1 = 5/3 + (2/7)(5/13 − 5/6)
/// = 20/13, P_1 = 2/3 + (4/49)(7/13 − 7/6) = 8/13, Cov(z_1, z_2) = (2/7)(7/13) = 2/13.
fn two_steps() -> GaussianProblem {
    let (initial, dynamics, emission) =
        ((&[1.0][..], &[2.0][..]), (&[0.5][..], &[1.0][..]), (&[1.0][..], &[1.0][..]));
    GaussianProblem::fixed("two steps", initial, dynamics, emission, &[2.0, 0.0])
}

#[test]
fn two_steps_have_the_moments_worked_out_by_hand() {
    let got = joint_gaussian(&two_steps());
    let log_p =
        -0.5 * (2.0 * LOG_2_PI + 3f64.ln() + 1.0 / 3.0 + (13f64 / 6.0).ln() + (25.0 / 36.0) / (13.0 / 6.0));
    close(got.marginal_loglik, log_p, 1e-15, "log p");
    for (got, want, what) in [
        (&got.predicted_means, [1.0, 5.0 / 6.0], "predicted means"),
        (&got.predicted_covs, [2.0, 7.0 / 6.0], "predicted covariances"),
        (&got.predicted_emission_covs, [3.0, 13.0 / 6.0], "predicted covariances of y"),
        (&got.filtered_means, [5.0 / 3.0, 5.0 / 13.0], "filtered means"),
        (&got.filtered_covs, [2.0 / 3.0, 7.0 / 13.0], "filtered covariances"),
        (&got.smoothed_means, [20.0 / 13.0, 5.0 / 13.0], "smoothed means"),
        (&got.smoothed_covs, [8.0 / 13.0, 7.0 / 13.0], "smoothed covariances"),
        (&got.emission_means, [2.0, 0.0], "means of y"),
        (&got.emission_covs, [0.0, 0.0], "covariances of y"),
    ] {
        (0..2).for_each(|t| close(got[t], want[t], 1e-15, what));
    }
    close(got.lag_one_covs[0], 2.0 / 13.0, 1e-15, "lag one");
    close(got.path_cov[1], 2.0 / 13.0, 1e-15, "path");
}

#[test]
fn an_unobserved_step_is_interpolated() {
    let got = joint_gaussian(&two_steps().missing_rows(&[1]).extended(1));
    close(got.marginal_loglik, -0.5 * (LOG_2_PI + 3f64.ln() + 1.0 / 3.0), 1e-15, "log p");
    close(got.emission_means[2], 5.0 / 12.0, 1e-15, "forecast"); // (5/3) / 4
    close(got.emission_covs[2], 2.0 / 3.0 / 16.0 + 0.25 + 1.0 + 1.0, 1e-15, "variance of the forecast");
}

#[test]
fn evidence_is_joint_density_over_posterior_density() {
    // log p(y) = log p(z, y) − log p(z | y), for any path.
    let path = [0.3, -0.7];
    let posterior = joint_gaussian(&two_steps());
    let (a, b, c) = (posterior.path_cov[0], posterior.path_cov[1], posterior.path_cov[3]);
    let (x, y) = (path[0] - posterior.smoothed_means[0], path[1] - posterior.smoothed_means[1]);
    let det = a * c - b * b;
    let conditional = -0.5 * (2.0 * LOG_2_PI + det.ln() + (c * x * x - 2.0 * b * x * y + a * y * y) / det);
    let want = joint_log_prob(&two_steps(), &path) - conditional;
    close(posterior.marginal_loglik, want, 1e-14, "log p");
}

#[test]
fn a_local_level_with_a_diffuse_start_begins_at_the_first_observation() {
    // y_1 gives m = y_1, P = R = 1 and −log(2π)/2; then y_2 ~ N(y_1, 1 + Q + 1).
    let problem =
        GaussianProblem::fixed("", (&[0.0], &[0.0]), (&[1.0], &[0.5]), (&[1.0], &[1.0]), &[3.0, 1.0]);
    let got = joint_gaussian(&problem.clone().diffuse(&[1.0]));
    let want = -0.5 * (2.0 * LOG_2_PI + 2.5f64.ln() + 4.0 / 2.5);
    close(got.marginal_loglik, want, 1e-15, "log p");
    close(got.filtered_means[0], 3.0, 1e-15, "mean");
    close(got.filtered_covs[0], 1.0, 1e-15, "covariance");
    close(got.predicted_diffuse[0], 1.0, 0.0, "factor of κ before");
    close(got.filtered_diffuse[0], 0.0, 0.0, "factor of κ after");
    let scaled = joint_gaussian(&problem.diffuse(&[4.0]));
    close(scaled.marginal_loglik, want - 0.5 * 4f64.ln(), 1e-15, "log p with P∞ = 4");
}

#[test]
fn diffuse_moments_are_the_limits_of_large_variances() {
    // The error is of order 1/κ = 2⁻⁴⁰.
    let kappa = 2f64.powi(40);
    for problem in diffuse_gaussian_corpus() {
        let (name, limit) = (problem.name.clone(), joint_gaussian(&problem));
        let mut large = problem.clone();
        let diffuse = large.initial_diffuse.take().unwrap();
        large.initial_cov.iter_mut().zip(&diffuse).for_each(|(p, x)| *p += kappa * x);
        let large = joint_gaussian(&large);
        if limit.smoothed_diffuse.iter().any(|&x| x != 0.0) {
            continue;
        }
        let d = problem.state_dim;
        let rank = if d == 1 || diffuse == [1.0, 0.5, 0.5, 0.25] || diffuse == [1.0, 0.0, 0.0, 0.0] {
            1
        } else {
            d
        };
        let corrected = large.marginal_loglik + 0.5 * rank as f64 * kappa.ln();
        close(limit.marginal_loglik, corrected, 1e-8, &name);
        let pairs = limit.smoothed_means.iter().zip(&large.smoothed_means);
        pairs.for_each(|(&a, &b)| close(a, b, 1e-8, &name));
        let pairs = limit.path_cov.iter().zip(&large.path_cov);
        pairs.for_each(|(&a, &b)| close(a, b, 1e-8, &name));
    }
}

#[test]
fn only_contradictions_have_probability_zero() {
    for problem in gaussian_corpus().iter().chain(&diffuse_gaussian_corpus()) {
        let got = joint_gaussian(problem);
        assert!(got.marginal_loglik.is_finite(), "{}", problem.name);
        assert!(got.path_cov.iter().all(|x| x.is_finite()), "{}", problem.name);
    }
    for problem in gaussian_contradictions() {
        assert_eq!(joint_gaussian(&problem).marginal_loglik, f64::NEG_INFINITY, "{}", problem.name);
    }
}

#[test]
fn remaining_diffuseness_is_reported_where_observations_leave_it() {
    let corpus = diffuse_gaussian_corpus();
    let left = |p: &GaussianProblem| joint_gaussian(p).smoothed_diffuse.iter().any(|&x| x != 0.0);
    let undetermined: Vec<&str> = corpus.iter().filter(|p| left(p)).map(|p| p.name.as_str()).collect();
    assert_eq!(undetermined, ["an unseen diffuse state", "nothing observed"]);
}
