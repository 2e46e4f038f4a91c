//! Long sequences in blocks of time, through the verbs of the model.

mod gaussian_common;

use gaussian_common::{assert_close, params};
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
    let options = GaussianOptions { steady_state: true, share: false };
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
fn a_sequence_that_does_not_fit_names_the_argument() {
    let problem = random_gaussian_problem(2, 2, 10, GaussianShape::default(), 1);
    let data = Dataset::single(vec![0.0; 9], 3).unwrap();
    let options = GaussianOptions::default();
    let error = params(&problem).parallel_smoother(&data, &options, Schedule::Scan).unwrap_err();
    assert!(error.to_string().starts_with("emissions: found 3 columns"), "{error}");
}
