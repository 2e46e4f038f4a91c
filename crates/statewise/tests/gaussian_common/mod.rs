//! Problems of the test kit as parameters and data, and comparisons.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use statewise::data::Dataset;
use statewise::model::linear_gaussian::LgssmParams;
use statewise::params::Array;
use statewise_testkit::{GaussianProblem, GaussianSteps};

fn array(steps: &GaussianSteps, shape: &[usize]) -> Array {
    let mut full = shape.to_vec();
    if steps.per_step {
        full.insert(0, steps.values.len() / steps.len);
    }
    Array::new(&full, steps.values.clone())
}

/// The parameters of a problem; its offsets become biases.
pub fn params(problem: &GaussianProblem) -> LgssmParams {
    let (d, m) = (problem.state_dim, problem.emission_dim);
    let full = [m, m];
    let noise = if problem.diagonal_noise { &full[..1] } else { &full[..] };
    LgssmParams {
        initial_mean: Array::new(&[d], problem.initial_mean.clone()),
        initial_cov: Array::new(&[d, d], problem.initial_cov.clone()),
        initial_diffuse: problem.initial_diffuse.clone().map(|values| Array::new(&[d, d], values)),
        dynamics_weights: array(&problem.transition, &[d, d]),
        dynamics_bias: Some(array(&problem.transition_offset, &[d])),
        dynamics_input_weights: None,
        dynamics_cov: array(&problem.transition_cov, &[d, d]),
        emissions_weights: array(&problem.emission, &[m, d]),
        emissions_bias: Some(array(&problem.emission_offset, &[m])),
        emissions_input_weights: None,
        emissions_cov: array(&problem.emission_cov, noise),
        diagonal_emissions_cov: problem.diagonal_noise,
    }
}

/// The data of a problem.
pub fn data(problem: &GaussianProblem) -> Dataset<'_> {
    Dataset::single(&problem.emissions[..], problem.emission_dim).unwrap()
}

/// Asserts |got − want| ≤ tolerance (1 + largest |want|).
pub fn assert_close(problem: &str, what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{problem}: {what}");
    let scale = 1.0 + want.iter().fold(0.0f64, |a, x| a.max(x.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * scale, "{problem}: {what}[{i}]: {g} against {w}");
    }
}
