//! The dense oracle against values recorded from other libraries (`testdata/golden`).

use serde_json::Value;
use statewise_testkit::{GaussianProblem, GaussianSteps, JointGaussian, joint_gaussian, joint_log_prob};

fn golden(name: &str) -> Value {
    let path = format!("{}/../../testdata/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// All numbers of nested lists, `null` as NaN.
fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(entries) => entries.iter().flat_map(flat).collect(),
        Value::Null => vec![f64::NAN],
        number => vec![number.as_f64().unwrap()],
    }
}

/// A parameter of `size` values per step; absent: zeros.
fn steps(value: &Value, size: usize) -> GaussianSteps {
    if value.is_null() {
        return GaussianSteps::fixed(&vec![0.0; size]);
    }
    let values = flat(value);
    GaussianSteps { per_step: values.len() != size, len: size, values }
}

/// bias + weights · input, per step.
fn with_inputs(bias: GaussianSteps, weights: &Value, inputs: &Value, num_steps: usize) -> GaussianSteps {
    if weights.is_null() || inputs.is_null() {
        return bias;
    }
    let (weights, inputs) = (flat(weights), flat(inputs));
    let width = inputs.len() / num_steps;
    let one = |t: usize| -> Vec<f64> {
        let u = &inputs[t * width..(t + 1) * width];
        let product = weights.chunks(width).map(|row| row.iter().zip(u).map(|(w, x)| w * x).sum::<f64>());
        product.zip(bias.at(t)).map(|(x, b)| x + b).collect()
    };
    GaussianSteps::per_step(&(0..num_steps).map(one).collect::<Vec<_>>())
}

fn problem(case: &Value) -> GaussianProblem {
    let (p, rows) = (&case["params"], case["emissions"].as_array().unwrap());
    let (d, num_steps) = (p["initial_mean"].as_array().unwrap().len(), rows.len());
    let emissions = flat(&case["emissions"]);
    let m = emissions.len() / num_steps;
    let diagonal_noise = m > 1 && flat(&p["emissions_cov"]).len() == m;
    let bias = |name: &str, size| steps(&p[format!("{name}_bias")], size);
    let inputs = |name: &str, bias| {
        with_inputs(bias, &p[format!("{name}_input_weights")], &case["inputs"], num_steps)
    };
    GaussianProblem {
        name: case["name"].as_str().unwrap().to_string(),
        state_dim: d,
        emission_dim: m,
        num_steps,
        initial_mean: flat(&p["initial_mean"]),
        initial_cov: flat(&p["initial_cov"]),
        initial_diffuse: (!p["initial_diffuse"].is_null()).then(|| flat(&p["initial_diffuse"])),
        transition: steps(&p["dynamics_weights"], d * d),
        transition_offset: inputs("dynamics", bias("dynamics", d)),
        transition_cov: steps(&p["dynamics_cov"], d * d),
        emission: steps(&p["emissions_weights"], m * d),
        emission_offset: inputs("emissions", bias("emissions", m)),
        emission_cov: steps(&p["emissions_cov"], if diagonal_noise { m } else { m * m }),
        diagonal_noise,
        emissions,
    }
}

/// Compares whatever `case` has with the oracle, relative to the largest entry.
fn compare(case: &Value, got: &JointGaussian, tolerance: f64) {
    let loglik = [got.marginal_loglik];
    let pairs: [(&str, &[f64]); 9] = [
        ("marginal_loglik", &loglik),
        ("llf", &loglik),
        ("predicted_means", &got.predicted_means),
        ("predicted_covs", &got.predicted_covs),
        ("filtered_means", &got.filtered_means),
        ("filtered_covs", &got.filtered_covs),
        ("smoothed_means", &got.smoothed_means),
        ("smoothed_covs", &got.smoothed_covs),
        ("lag_one_covs", &got.lag_one_covs),
    ];
    for (name, got) in pairs.into_iter().filter(|(name, _)| !case[name].is_null()) {
        let want = flat(&case[name]);
        let scale = want.iter().fold(1.0, |largest: f64, x| largest.max(x.abs()));
        assert_eq!(got.len(), want.len(), "{} {name}", case["name"]);
        for (i, (x, y)) in got.iter().zip(&want).enumerate() {
            assert!((x - y).abs() <= tolerance * scale, "{} {name}[{i}]: {x}, recorded {y}", case["name"]);
        }
    }
}

#[test]
fn posteriors_equal_those_of_dynamax() {
    for case in golden("dynamax_lgssm.json")["posteriors"].as_array().unwrap() {
        let problem = problem(case);
        compare(case, &joint_gaussian(&problem), 1e-11);
        if !case["states"].is_null() {
            let (got, want) =
                (joint_log_prob(&problem, &flat(&case["states"])), case["joint_log_prob"].as_f64());
            assert!(
                (got / want.unwrap() - 1.0).abs() < 1e-12,
                "{}: {got}, recorded {want:?}",
                problem.name
            );
        }
    }
}

#[test]
fn missing_entries_count_as_in_statsmodels() {
    for case in golden("statsmodels_lgssm.json")["missing"].as_array().unwrap() {
        if case["name"] != "blood" {
            compare(case, &joint_gaussian(&problem(case)), 1e-11); // the blood counts are long for a dense route
        }
    }
}

#[test]
fn diffuse_starts_count_as_in_statsmodels() {
    for case in golden("statsmodels_lgssm.json")["diffuse"].as_array().unwrap() {
        let problem = problem(case);
        let got = joint_gaussian(&problem);
        compare(case, &got, 1e-9);
        let want = flat(&case["predicted_diffuse_covs"]);
        for (x, y) in got.predicted_diffuse.iter().zip(&want) {
            assert!((x - y).abs() < 1e-10, "{}: factor of κ {x}, recorded {y}", problem.name);
        }
    }
}
