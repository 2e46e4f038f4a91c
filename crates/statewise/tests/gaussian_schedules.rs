//! Long sequences in blocks of time, through the verbs of the model.

mod gaussian_common;

use gaussian_common::{assert_close, params};
use statewise::Seed;
use statewise::data::Dataset;
use statewise::infer::Schedule;
use statewise::infer::gaussian::GaussianOptions;
use statewise::model::linear_gaussian::LgssmParams;
use statewise::params::Array;
use statewise_testkit::{GaussianShape, random_gaussian_problem};

#[test]
fn parallel_verbs_equal_the_ordinary_ones_for_sequences_of_any_length_with_inputs() {
    let shape = GaussianShape { missing: 0.02, offsets: true, ..GaussianShape::default() };
    let problem = random_gaussian_problem(3, 2, 5200, shape, 21);
    let params = LgssmParams {
        dynamics_input_weights: Some(Array::new(&[3, 1], vec![0.5, -1.0, 2.0])),
        emissions_input_weights: Some(Array::new(&[2, 1], vec![1.0, 0.25])),
        ..params(&problem)
    };
    let inputs: Vec<f64> = (0..5200).map(|t| (t as f64 / 9.0).sin()).collect();
    let data = Dataset::ragged(&problem.emissions[..], &[100, 5000, 100], 2).unwrap();
    let data = data.with_inputs(&inputs[..], 1).unwrap();
    let options = GaussianOptions { share: false, ..Default::default() };
    let filter = params.filter(&data, &options).unwrap();
    let smoother = params.smoother(&data, &options).unwrap();
    for schedule in [Schedule::Sequential, Schedule::Scan, Schedule::Auto] {
        let got = params.parallel_filter(&data, &options, schedule).unwrap();
        assert_close("", "evidence", &got.marginal_loglik, &filter.marginal_loglik, 1e-12);
        assert_close("", "predicted", &got.predicted.means, &filter.predicted.means, 1e-11);
        assert_close("", "predicted", &got.predicted.covs.values, &filter.predicted.covs.values, 1e-11);
        assert_close("", "filtered", &got.filtered.means, &filter.filtered.means, 1e-11);
        assert_close("", "filtered", &got.filtered.covs.values, &filter.filtered.covs.values, 1e-11);
        let got = params.parallel_smoother(&data, &options, schedule).unwrap();
        assert_close("", "evidence", &got.marginal_loglik, &smoother.marginal_loglik, 1e-12);
        assert_close("", "filtered", &got.filtered.means, &smoother.filtered.means, 1e-11);
        assert_close("", "smoothed", &got.smoothed.means, &smoother.smoothed.means, 1e-11);
        assert_close("", "smoothed", &got.smoothed.covs.values, &smoother.smoothed.covs.values, 1e-11);
        assert_close("", "lag one", &got.lag_one_covs.values, &smoother.lag_one_covs.values, 1e-11);
        if schedule == Schedule::Sequential {
            assert_eq!(got, smoother, "step by step is the ordinary smoother");
        }
    }
}

#[test]
fn parallel_draws_average_to_the_smoothed_means_on_every_schedule() {
    let shape = GaussianShape { missing: 0.1, offsets: true, ..GaussianShape::default() };
    let problem = random_gaussian_problem(2, 2, 3060, shape, 22);
    let (params, options) = (params(&problem), GaussianOptions::default());
    let data = Dataset::ragged(&problem.emissions[..], &[60, 3000], 2).unwrap();
    let smoothed = params.smoother(&data, &options).unwrap().smoothed;
    let draw =
        |schedule| params.parallel_posterior_sample(&data, &options, schedule, Seed(5), 200).unwrap();
    let samples = draw(Schedule::Scan);
    assert_close("", "draws", &samples, &draw(Schedule::Sequential), 1e-10);
    // Squared z-scores of 6120 averages: one on average, with a standard error of about 0.02.
    let score = |i: usize| {
        let mean = samples.chunks_exact(6120).map(|path| path[i]).sum::<f64>() / 200.0;
        let (row, k) = (i / 2, i % 2);
        let (n, t) = if row < 60 { (0, row) } else { (1, row - 60) };
        let variance = smoothed.covs.of(n, t)[k * 3] / 200.0;
        (mean - smoothed.means[i]).powi(2) / variance
    };
    let average = (0..6120).map(score).sum::<f64>() / 6120.0;
    assert!((average - 1.0).abs() < 0.1, "{average}");
}

#[test]
fn a_sequence_that_does_not_fit_names_the_argument() {
    let problem = random_gaussian_problem(2, 2, 10, GaussianShape::default(), 1);
    let data = Dataset::single(vec![0.0; 9], 3).unwrap();
    let options = GaussianOptions::default();
    let error = params(&problem).parallel_smoother(&data, &options, Schedule::Scan).unwrap_err();
    assert!(error.to_string().starts_with("emissions: found 3 columns"), "{error}");
}
