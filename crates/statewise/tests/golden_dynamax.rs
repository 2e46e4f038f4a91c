//! All sixteen families of Dynamax 1.0.3 against its recorded answers (`testdata/golden`).

use serde_json::Value;
use statewise::data::Dataset;
use statewise::learn::Em;
use statewise::model::hmm::emission::EmissionSpec;
use statewise::model::hmm::{Hmm, HmmSpec};
use statewise::params::{Array, Params, Properties};

const GOLDEN: &str = include_str!("../../../testdata/golden/dynamax_hmm.json");

struct Case {
    name: String,
    record: Value,
    hmm: Hmm,
    params: Params,
    emissions: Array,
    inputs: Option<Array>,
}

fn cases() -> Vec<Case> {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    golden["models"].as_array().unwrap().iter().map(case).collect()
}

fn case(record: &Value) -> Case {
    let name = record["name"].as_str().unwrap().to_owned();
    let mut emission = record["constructor"].clone();
    emission["family"] = Value::from(name.trim_end_matches("_batch"));
    let spec: EmissionSpec = serde_json::from_value(emission).unwrap_or_else(|e| panic!("{name}: {e}"));
    let hmm = Hmm::new(HmmSpec::new(spec)).unwrap();
    let params = params_of(&hmm, &record["params"]);
    // Dynamax's autoregression wants its lags as inputs; here they are read from the sequence.
    let inputs = (hmm.input_dim() > 0).then(|| Array::from_nested(&record["inputs"]).unwrap());
    let emissions = Array::from_nested(&record["emissions"]).unwrap();
    Case { name, record: record.clone(), hmm, params, emissions, inputs }
}

fn params_of(hmm: &Hmm, values: &Value) -> Params {
    let array = |spec: &statewise::params::ParamSpec| Array::from_nested(&values[&spec.path]).unwrap();
    Params::new(hmm.schema().iter().map(array).collect())
}

impl Case {
    fn data(&self) -> Dataset<'_> {
        let width = self.hmm.emission_width();
        let rows = self.emissions.values();
        let data = if self.name.ends_with("_batch") {
            Dataset::batch(rows, self.emissions.shape()[0], width).unwrap()
        } else {
            Dataset::single(rows, width).unwrap()
        };
        match &self.inputs {
            Some(inputs) => data.with_inputs(inputs.values(), self.hmm.input_dim()).unwrap(),
            None => data,
        }
    }

    fn compare(&self, what: &str, got: &[f64], tolerance: f64) {
        let want = Array::from_nested(&self.record[what]).unwrap();
        self.close(what, got, want.values(), tolerance);
    }

    fn close(&self, what: &str, got: &[f64], want: &[f64], tolerance: f64) {
        assert_eq!(got.len(), want.len(), "{} {what}", self.name);
        for (got, want) in got.iter().zip(want) {
            let error = (got - want).abs();
            assert!(error <= tolerance * (1.0 + want.abs()), "{} {what}: {got} for {want}", self.name);
        }
    }
}

#[test]
fn log_likelihoods_and_posteriors_equal_dynamax() {
    for case in cases() {
        let data = case.data();
        let posterior = case.hmm.smoother(&case.params, &data).unwrap();
        case.compare("marginal_log_prob", &posterior.marginal_loglik, 1e-12);
        case.compare("marginal_log_prob", &case.hmm.marginal_log_prob(&case.params, &data).unwrap(), 1e-12);
        // Dynamax lifts probabilities below 1e-15 to 1e-15, so these are compared absolutely.
        case.compare("smoothed_probs", &posterior.smoothed_probs, 1e-12);
        case.compare("filtered_probs", &posterior.filtered_probs, 1e-12);
        case.compare("predicted_probs", &posterior.predicted_probs, 1e-12);
        case.compare("trans_probs", &posterior.trans_probs, 1e-11);
        let (path, _) = case.hmm.most_likely_states(&case.params, &data).unwrap();
        case.compare("most_likely_states", &path.iter().map(|z| f64::from(*z)).collect::<Vec<_>>(), 0.0);
    }
}

#[test]
fn log_priors_equal_dynamax() {
    for case in cases() {
        // What Dynamax itself errs by (single precision, a ridge in its inverse Wishart) is recorded.
        let error = case.record["log_prior_error"].as_f64().unwrap();
        let want = case.record["log_prior"].as_f64().unwrap();
        let got = case.hmm.log_prior(&case.params);
        assert!((got - want).abs() <= 1.01 * error + 1e-12 * want.abs(), "{}: {got} for {want}", case.name);
    }
}

#[test]
fn em_equals_dynamax_where_its_m_step_is_exact() {
    for case in cases() {
        let golden = &case.record["em"];
        let want = Array::from_nested(&golden["log_probs"]).unwrap();
        let em = Em { num_iters: want.values().len(), tolerance: None, prior: true };
        let properties = Properties::trainable(case.hmm.schema());
        let report = em.fit(&case.hmm, &case.params, &properties, &case.data(), &mut |_| true).unwrap();
        let error = case.record["log_prior_error"].as_f64().unwrap();
        for (got, want) in report.log_probs.iter().zip(want.values()) {
            // Where Dynamax's priors are in single precision, EM rounds them another way again.
            let rounding = if error > 1e-9 { 3e-6 } else { 0.0 };
            let tolerance = 1.01 * error + rounding + 1e-9 * (1.0 + want.abs());
            assert!((got - want).abs() <= tolerance, "{} em: {:?} for {want}", case.name, report.log_probs);
        }
        if golden["params"].is_object() {
            let want = params_of(&case.hmm, &golden["params"]);
            for ((got, want), spec) in
                report.params.arrays().iter().zip(want.arrays()).zip(case.hmm.schema())
            {
                case.close(&spec.path, got.values(), want.values(), 1e-9);
            }
        }
    }
}
