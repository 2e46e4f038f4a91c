//! The information form of whole datasets against the moment form.

mod gaussian_common;

use gaussian_common::{assert_close, params};
use statewise::data::Dataset;
use statewise::infer::gaussian::{GaussianOptions, info_to_moment_form};
use statewise::model::linear_gaussian::{LgssmInfoParams, LgssmParams};
use statewise::params::Array;
use statewise_testkit::{GaussianShape, random_gaussian_problem};

/// The inverse of every matrix [n, n].
fn inverses(covs: &Array, n: usize) -> Array {
    let count = covs.values().len() / (n * n);
    let (_, inverses) = info_to_moment_form(&vec![0.0; count * n], covs.values(), n, &[count]).unwrap();
    Array::new(covs.shape(), inverses)
}

fn by_precisions(params: &LgssmParams) -> LgssmInfoParams {
    let (d, m) = (params.state_dim(), params.emission_dim());
    let noise = &params.emissions_cov;
    LgssmInfoParams {
        initial_mean: params.initial_mean.clone(),
        dynamics_weights: params.dynamics_weights.clone(),
        emission_weights: params.emissions_weights.clone(),
        initial_precision: inverses(&params.initial_cov, d),
        dynamics_precision: inverses(&params.dynamics_cov, d),
        emission_precision: if params.diagonal_emissions_cov {
            Array::new(noise.shape(), noise.values().iter().map(|r| 1.0 / r).collect())
        } else {
            inverses(noise, m)
        },
        dynamics_input_weights: params.dynamics_input_weights.clone(),
        dynamics_bias: params.dynamics_bias.clone(),
        emission_input_weights: params.emissions_input_weights.clone(),
        emission_bias: params.emissions_bias.clone(),
        diagonal_emission_precision: params.diagonal_emissions_cov,
    }
}

#[test]
fn information_form_equals_moment_form_for_sequences_of_any_length_with_inputs() {
    for (per_step, diagonal_noise) in [(false, false), (true, true)] {
        let shape = GaussianShape { missing: 0.1, offsets: true, per_step, diagonal_noise };
        let problem = random_gaussian_problem(3, 2, 60, shape, 41);
        let mut params = LgssmParams {
            dynamics_input_weights: Some(Array::new(&[3, 1], vec![0.5, -1.0, 2.0])),
            emissions_input_weights: Some(Array::new(&[2, 1], vec![1.0, 0.25])),
            ..params(&problem)
        };
        if per_step {
            // Entries that are not read, but that must be finite numbers for an inverse.
            let mut cov = params.dynamics_cov.values().to_vec();
            cov.copy_within(9..18, 0);
            params.dynamics_cov = Array::new(params.dynamics_cov.shape(), cov);
        }
        let inputs: Vec<f64> = (0..60).map(|t| (t as f64 / 9.0).sin()).collect();
        let lengths = [20, 1, 39];
        let data = Dataset::ragged(&problem.emissions[..], &lengths, 2).unwrap();
        let data = data.with_inputs(&inputs[..], 1).unwrap();
        let options = GaussianOptions { share: false, ..Default::default() };
        let want = params.smoother(&data, &options).unwrap();
        let info = by_precisions(&params);
        let got = info.smoother(&data).unwrap();
        assert_eq!(got.filtered, info.filter(&data).unwrap());
        assert_eq!(got.filtered.flat_directions, [0; 3]);
        assert_close("", "evidence", &got.filtered.marginal_loglik, &want.marginal_loglik, 1e-11);
        let tables = [
            (&got.filtered.filtered_etas, &got.filtered.filtered_precisions, &want.filtered),
            (&got.smoothed_etas, &got.smoothed_precisions, &want.smoothed),
        ];
        for (etas, precisions, want) in tables {
            let (means, covs) = info_to_moment_form(etas, precisions, 3, &lengths).unwrap();
            assert_close("", "means", &means, &want.means, 1e-10);
            assert_close("", "covariances", &covs, &want.covs.values, 1e-10);
        }
    }
}

#[test]
fn wrong_precisions_are_errors_that_name_them() {
    let problem = random_gaussian_problem(2, 2, 5, GaussianShape::default(), 42);
    let (info, data) = (by_precisions(&params(&problem)), gaussian_common::data(&problem));
    let message = |info: LgssmInfoParams| info.filter(&data).unwrap_err().to_string();
    let negative = Array::new(&[2, 2], vec![1.0, 0.0, 0.0, -1.0]);
    let found = message(LgssmInfoParams { dynamics_precision: negative.clone(), ..info.clone() });
    assert!(found.contains("params.dynamics_precision"), "{found}");
    let found = message(LgssmInfoParams { initial_precision: negative, ..info.clone() });
    assert!(found.contains("params.initial_precision"), "{found}");
    let bias = Some(Array::new(&[3, 2], vec![0.0; 6]));
    let found = message(LgssmInfoParams { emission_bias: bias, ..info });
    assert!(found.contains("params.emission_bias") && found.contains("at least 5"), "{found}");
    let error = info_to_moment_form(&[0.0; 4], &[0.0; 8], 2, &[1, 1]).unwrap_err().to_string();
    assert!(error.contains("sequence 0") && error.contains("precisions"), "{error}");
    let error = info_to_moment_form(&[0.0; 4], &[0.0; 7], 2, &[2]).unwrap_err().to_string();
    assert!(error.contains("precisions"), "{error}");
}
