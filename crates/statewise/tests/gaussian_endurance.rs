//! Long and ill-conditioned series: P_1 = 1e8 I, R = 1e-8 I, transitions near the unit root.
//!
//! Covariances stay symmetric and definite, and all forms answer the same evidence. Only the smoothed
//! covariances of [`Form::Covariance`], which is kept whatever the conditioning, are not held to it.

mod gaussian_common;

use gaussian_common::assert_close;
use statewise::data::Dataset;
use statewise::infer::gaussian::{Covariances, Form, GaussianOptions};
use statewise::model::linear_gaussian::LgssmParams;
use statewise::params::Array;
use statewise_kernels::linalg::symmetric_eigen;

const D: usize = 3;
const M: usize = 2;

/// Level and slope near the unit root and a slowly fading third state, noise seven orders below the signal.
fn params() -> LgssmParams {
    let root = 1.0 - 1e-7;
    let dynamics = vec![root, 1e-3, 0.0, 0.0, root, 0.0, 0.0, 0.0, 0.999];
    let noise = vec![1e-8, 2e-9, 0.0, 2e-9, 1e-9, 0.0, 0.0, 0.0, 1e-2];
    LgssmParams::new(
        Array::zeros(&[D]),
        Array::new(&[D, D], Array::identities(1, D, 1e8).values().to_vec()),
        Array::new(&[D, D], dynamics),
        Array::new(&[D, D], noise),
        Array::new(&[M, D], vec![1.0, 0.0, 0.3, 0.5, 0.0, 1.0]),
        Array::new(&[M], vec![1e-8; M]),
    )
}

/// Deterministic rows of order one with a wandering level.
fn rows(num_steps: usize) -> Vec<f64> {
    let wave = |t: f64| {
        [(1e-4 * t).sin() + 0.02 * (0.3 * t).cos(), 0.7 * (1e-4 * t).sin() + 0.1 * (0.17 * t).sin()]
    };
    (0..num_steps).flat_map(|t| wave(t as f64)).collect()
}

/// Every different covariance is finite, symmetric to the bit and without a negative eigenvalue beyond
/// rounding of its largest.
fn assert_definite(what: &str, covs: &Covariances) {
    let mut last: &[f64] = &[];
    for (row, cov) in covs.values.chunks_exact(D * D).enumerate() {
        if cov == last {
            continue;
        }
        last = cov;
        assert!(cov.iter().all(|x| x.is_finite()), "{what}, row {row}: {cov:?}");
        for i in 0..D {
            for j in 0..i {
                assert_eq!(cov[i * D + j], cov[j * D + i], "{what}, row {row} is symmetric");
            }
        }
        // Scaled to a unit diagonal, so that small variances count as much as large ones.
        let sd: Vec<f64> = (0..D).map(|i| cov[i * D + i].sqrt()).collect();
        assert!(sd.iter().all(|s| *s > 0.0), "{what}, row {row}: {cov:?}");
        let correlations: Vec<f64> = (0..D * D).map(|at| cov[at] / (sd[at / D] * sd[at % D])).collect();
        let eigen = symmetric_eigen(&correlations, D).unwrap();
        let least = eigen.values.iter().fold(f64::INFINITY, |a, x| a.min(*x));
        assert!(least > -1e-12, "{what}, row {row}: eigenvalue {least:e} of the correlations");
    }
}

/// Evidence and covariances of both passes.
fn check(num_steps: usize, options: &GaussianOptions) -> f64 {
    let (params, rows) = (params(), rows(num_steps));
    let data = Dataset::single(&rows[..], M).unwrap();
    let what = format!("{num_steps} steps, {options:?}");
    let filtered = params.filter(&data, options).unwrap();
    assert_definite(&format!("{what}, predicted"), &filtered.predicted.covs);
    assert_definite(&format!("{what}, filtered"), &filtered.filtered.covs);
    let smoothed = params.smoother(&data, options).unwrap();
    if options.form == Form::Covariance {
        // P − P N P cancels eight digits and more here, and the form is kept whatever the conditioning.
        let covs = &smoothed.smoothed.covs.values;
        assert!(covs.iter().all(|x| x.is_finite()), "{what}");
        assert!(covs.chunks_exact(D * D).all(|cov| (0..D).all(|i| cov[i * (D + 1)] >= 0.0)), "{what}");
    } else {
        assert_definite(&format!("{what}, smoothed"), &smoothed.smoothed.covs);
    }
    assert!(smoothed.smoothed.means.iter().all(|z| z.is_finite()), "{what}");
    let evidences = [filtered.marginal_loglik[0], smoothed.marginal_loglik[0]];
    assert_close(&what, "evidence of the smoother", &evidences[1..], &evidences[..1], 1e-9);
    evidences[0]
}

#[test]
fn a_million_steps_keep_definite_covariances_and_the_evidence() {
    let settled = check(1_000_000, &GaussianOptions::default());
    let (params, rows) = (params(), rows(1_000_000));
    let data = Dataset::single(&rows[..], M).unwrap();
    let every = GaussianOptions { steady_state: false, ..GaussianOptions::default() };
    let every = params.marginal_log_prob(&data, &every).unwrap();
    assert_close("10^6", "evidence with a steady state", &[settled], &every, 1e-9);
}

#[test]
fn all_forms_agree_on_an_ill_conditioned_series() {
    let options = |form, steady_state| GaussianOptions { form, steady_state, share: true };
    let want = check(20_000, &options(Form::SquareRoot, false));
    for form in [Form::Auto, Form::Covariance, Form::SquareRoot] {
        for steady_state in [true, false] {
            let got = check(20_000, &options(form, steady_state));
            assert_close(&format!("{form:?}, {steady_state}"), "evidence", &[got], &[want], 1e-9);
        }
    }
}
