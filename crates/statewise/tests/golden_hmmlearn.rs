//! hmmlearn 0.3.3 on three ragged sequences: scores, posteriors, paths and maximum-likelihood EM
//! (`testdata/golden`).

use serde_json::{Value, json};
use statewise::data::Dataset;
use statewise::learn::Em;
use statewise::model::hmm::emission::EmissionSpec;
use statewise::model::hmm::{Hmm, HmmSpec, Start};
use statewise::params::{Array, Constraint, ParamSpec, Params, Properties};
use statewise_kernels::random::Seed;

const GOLDEN: &str = include_str!("../../../testdata/golden/hmmlearn.json");

fn array(value: &Value) -> Array {
    Array::from_nested(value).unwrap()
}

/// The family that is hmmlearn's model of this name.
fn model(record: &Value) -> Hmm {
    let (name, params) = (record["name"].as_str().unwrap(), &record["params"]);
    let k = array(&params["startprob"]).shape()[0];
    let width = array(&record["emissions"]).shape()[1];
    let mut spec = json!({"num_states": k, "emission_dim": width});
    spec["family"] = Value::from(match name {
        "gaussian_full" => "gaussian",
        "gaussian_diag" => "diagonal_gaussian",
        "gaussian_spherical" => "spherical_gaussian",
        "gaussian_tied" => "shared_covariance_gaussian",
        "gaussian_mixture_full" => "gaussian_mixture",
        "gaussian_mixture_diag" => "diagonal_gaussian_mixture",
        other => other,
    });
    if name == "categorical" {
        spec["num_classes"] = Value::from(array(&params["emissionprob"]).shape()[1]);
    }
    if name.starts_with("gaussian_mixture") {
        spec["num_components"] = Value::from(array(&params["weights"]).shape()[1]);
    }
    Hmm::new(HmmSpec::new(serde_json::from_value::<EmissionSpec>(spec).unwrap())).unwrap()
}

/// hmmlearn's value of a parameter of ours; standard deviations are the roots of its variances.
fn value_of(spec: &ParamSpec, params: &Value) -> Array {
    let last = spec.path.rsplit('.').next().unwrap();
    let (name, root) = match (spec.path.as_str(), last) {
        ("initial.probs", _) => ("startprob", false),
        ("transitions.transition_matrix", _) => ("transmat", false),
        (_, "probs") => ("emissionprob", false),
        (_, "rates") => ("lambdas", false),
        (_, "cov" | "covs") => ("covars", false),
        (_, "scale_diags" | "scales") => ("covars", true),
        _ => (last, false),
    };
    let values = array(&params[name]).values().iter().map(|x| if root { x.sqrt() } else { *x }).collect();
    Array::new(&spec.shape, values)
}

fn close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= tolerance * (1.0 + want.abs()), "{what}: {got} for {want}");
    }
}

fn for_each(mut check: impl FnMut(&str, &Value, &Hmm, &Params, &Dataset<'_>)) {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let records = golden["models"].as_array().unwrap();
    assert_eq!(records.len(), 8);
    for record in records {
        let hmm = model(record);
        let params = Params::new(hmm.schema().iter().map(|s| value_of(s, &record["params"])).collect());
        let emissions = array(&record["emissions"]);
        let lengths: Vec<usize> =
            array(&record["lengths"]).values().iter().map(|length| *length as usize).collect();
        let data = Dataset::ragged(emissions.values(), &lengths, hmm.emission_width()).unwrap();
        check(record["name"].as_str().unwrap(), record, &hmm, &params, &data);
    }
}

#[test]
fn scores_posteriors_and_paths_equal_hmmlearn() {
    for_each(|name, record, hmm, params, data| {
        let posterior = hmm.smoother(params, data).unwrap();
        let score = record["score"].as_f64().unwrap();
        close(name, &[posterior.marginal_loglik.iter().sum()], &[score], 1e-11);
        close(name, &posterior.smoothed_probs, array(&record["posteriors"]).values(), 1e-11);
        let (states, log_probs) = hmm.most_likely_states(params, data).unwrap();
        let states: Vec<f64> = states.into_iter().map(f64::from).collect();
        assert_eq!(states, array(&record["viterbi"]["states"]).values(), "{name}");
        let want = record["viterbi"]["log_prob"].as_f64().unwrap();
        close(name, &[log_probs.iter().sum()], &[want], 1e-11);
    });
}

#[test]
fn maximum_likelihood_em_equals_hmmlearn() {
    for_each(|name, record, hmm, params, data| {
        let golden = &record["em"];
        if golden.is_null() {
            return;
        }
        let num_iters = golden["num_iters"].as_u64().unwrap() as usize;
        let em = Em { num_iters, tolerance: None, prior: false };
        let properties = Properties::trainable(hmm.schema());
        let report = em.fit(hmm, params, &properties, data, &mut |_| true).unwrap();
        close(name, &report.log_probs, array(&golden["scores"]).values(), 1e-9);
        for (spec, got) in hmm.schema().iter().zip(report.params.arrays()) {
            let what = format!("{name} {}", spec.path);
            close(&what, got.values(), value_of(spec, &golden["params"]).values(), 1e-9);
        }
        let score: f64 = hmm.marginal_log_prob(&report.params, data).unwrap().iter().sum();
        close(name, &[score], &[golden["score"].as_f64().unwrap()], 1e-9);
    });
}

/// A variance read as a standard deviation would pass unseen where both are one.
#[test]
fn every_scale_of_the_goldens_differs_from_its_square() {
    for_each(|name, _, hmm, params, _| {
        let positive = |spec: &ParamSpec| spec.constraint == Constraint::Positive;
        for (_, array) in hmm.schema().iter().zip(params.arrays()).filter(|(spec, _)| positive(spec)) {
            assert!(array.values().iter().all(|s| (s - s * s).abs() > 0.1), "{name}");
        }
        assert!(hmm.initialize(Start::Prior, Seed(0), &[]).is_ok(), "{name}");
    });
}
