//! The records of `dynamax.md`, appendix A, that concern hidden Markov models, to their ten printed
//! digits where Dynamax is right (`testdata/golden/dynamax_records.json`).
//!
//! Elsewhere: `casino`, `hmm_generic` and `hmm_generic_tv` with the engines
//! (`statewise-kernels/tests/discrete_golden.rs`), the two `*_sgd_adam1e-3` with the gradient learner
//! (`learning_laws/gradient.rs`). End points of `*_adam` runs are those of 50 Adam steps an M-step,
//! which exact M-steps do not share.

use serde_json::{Value, json};
use statewise::data::Dataset;
use statewise::learn::Em;
use statewise::model::hmm::emission::EmissionSpec;
use statewise::model::hmm::{Hmm, HmmSpec};
use statewise::params::{Array, Constraint, FreeSpace, ParamSpec, Params, Properties};

/// Relative, of ten printed digits.
const PRINTED: f64 = 1e-9;

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn records() -> Value {
    json_of(include_str!("../../../testdata/golden/dynamax_records.json"))
}

fn array(value: &Value) -> Array {
    Array::from_nested(value).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (got, want) in got.iter().zip(want) {
        let error = (got - want).abs();
        assert!(error <= tolerance + PRINTED * (1e-3 + want.abs()), "{what}: {got} for {want}");
    }
}

/// Record, model in `dynamax_hmm.json` with the same start and data, and the error of the record's
/// log prior (the Dynamax that made it evaluated some priors in single precision).
const RUNS: [(&str, &str, f64); 19] = [
    ("categorical_em", "categorical", 0.0),
    ("gaussian_em", "gaussian", 0.0),
    ("gaussian_em_batch2", "gaussian_batch", 0.0),
    ("diag_gaussian_em", "diagonal_gaussian", 0.0),
    ("spherical_gaussian_em_adam", "spherical_gaussian", 0.0),
    ("shared_gaussian_em", "shared_covariance_gaussian", 0.0),
    ("lowrank_gaussian_em_adam", "low_rank_gaussian", 1e-5),
    ("gmm_em", "gaussian_mixture", 0.0),
    ("diag_gmm_em", "diagonal_gaussian_mixture", 1e-5),
    ("poisson_em_quakes30", "poisson", 1e-5),
    ("bernoulli_em", "bernoulli", 1e-5),
    ("multinomial_em", "multinomial", 0.0),
    ("gamma_em_adam", "gamma", 0.0),
    ("linreg_em", "linear_regression", 0.0),
    ("logreg_em_adam", "logistic_regression", 0.0),
    ("catreg_em_adam", "categorical_regression", 0.0),
    ("arhmm_em", "linear_autoregressive", 0.0),
    // The same runs under the name of what else is recorded of them.
    ("categorical_sgd_adam1e-3", "categorical", 0.0),
    ("gaussian_sgd_adam1e-3", "gaussian", 0.0),
];

#[test]
fn runs_of_em_have_the_recorded_objectives_and_parameters() {
    let (records, golden) = (records(), json_of(include_str!("../../../testdata/golden/dynamax_hmm.json")));
    for (name, model, prior_error) in RUNS {
        let record = &records[name];
        let start = golden["models"].as_array().unwrap().iter().find(|m| m["name"] == model).unwrap();
        let mut spec = start["constructor"].clone();
        spec["family"] = Value::from(model.trim_end_matches("_batch"));
        let spec: EmissionSpec = serde_json::from_value(spec).unwrap();
        let hmm = Hmm::new(HmmSpec::new(spec)).unwrap();
        let params = Params::new(hmm.schema().iter().map(|s| array(&start["params"][&s.path])).collect());
        let (rows, width) = (array(&start["emissions"]), hmm.emission_width());
        let num_sequences = if model.ends_with("_batch") { rows.shape()[0] } else { 1 };
        let data = Dataset::batch(rows.values(), num_sequences, width).unwrap();
        let inputs = (hmm.input_dim() > 0).then(|| array(&start["inputs"]));
        let data = match &inputs {
            Some(inputs) => data.with_inputs(inputs.values(), hmm.input_dim()).unwrap(),
            None => data,
        };
        // A log prior of single precision errs in another way at every iteration.
        let known = number(&start["log_prior_error"]);
        let error = prior_error + 1.01 * known + if known > 0.0 { 3e-6 } else { 0.0 };
        if !record["loglik_init"].is_null() {
            let loglik: f64 = hmm.marginal_log_prob(&params, &data).unwrap().iter().sum();
            close(name, &[loglik], &[number(&record["loglik_init"])], 0.0);
        }
        if !record["logprior_init"].is_null() {
            close(name, &[hmm.log_prior(&params)], &[number(&record["logprior_init"])], error);
        }
        if record["lps"].is_null() {
            continue;
        }
        let log_probs = array(&record["lps"]);
        let em = Em { num_iters: log_probs.values().len(), tolerance: None, prior: true };
        let properties = Properties::trainable(hmm.schema());
        let report = em.fit(&hmm, &params, &properties, &data, &mut |_| true).unwrap();
        let exact = if name.ends_with("_adam") { 1 } else { log_probs.values().len() };
        close(name, &report.log_probs[..exact], &log_probs.values()[..exact], error);
        if name.ends_with("_adam") {
            continue;
        }
        let mut compared = 0;
        for (spec, got) in hmm.schema().iter().zip(report.params.arrays()) {
            let last = spec.path.rsplit('.').next().unwrap();
            let key = match (spec.path.as_str(), model) {
                ("initial.probs", _) => "pi",
                ("transitions.transition_matrix", _) => "A",
                (_, "categorical") => "B",
                _ => last,
            };
            if !record[key].is_null() {
                let what = format!("{name} {}", spec.path);
                close(&what, got.values(), array(&record[key]).values(), 0.0);
                compared += 1;
            }
        }
        assert!(compared > 0, "{name}");
    }
}

/// One state on data: its M-step is the mode of the posterior.
fn mode(emission: Value, start: Vec<Array>, rows: &[f64]) -> Vec<Array> {
    let spec: EmissionSpec = serde_json::from_value(emission).unwrap();
    let hmm = Hmm::new(HmmSpec::new(spec)).unwrap();
    let mut arrays = vec![Array::full(&[1], 1.0), Array::full(&[1, 1], 1.0)];
    arrays.extend(start);
    let data = Dataset::single(rows, hmm.emission_width()).unwrap();
    let em = Em { num_iters: 1, tolerance: None, prior: true };
    let properties = Properties::trainable(hmm.schema());
    let report = em.fit(&hmm, &Params::new(arrays), &properties, &data, &mut |_| true).unwrap();
    report.params.arrays()[2..].to_vec()
}

fn log_prior(emission: Value, params: &[Array]) -> f64 {
    serde_json::from_value::<EmissionSpec>(emission).unwrap().build().unwrap().log_prior(params)
}

/// NormalInverseWishart(m₀, κ = 2, ν = 5, Ψ) and NormalInverseGamma(½, 2, 3, 3/2) as the priors of
/// Gaussian emissions; statistics as in `testdata/golden/README.md`.
#[test]
fn conjugate_priors_have_the_recorded_densities_and_modes() {
    let record = &records()["distributions"];
    let emission = json!({
        "family": "gaussian", "num_states": 1, "emission_dim": 2,
        "emission_prior_mean": [0.0, 0.5], "emission_prior_concentration": 2.0,
        "emission_prior_scale": [[1.5, 0.2], [0.2, 0.8]], "emission_prior_extra_df": 3.0,
    });
    let at = vec![Array::new(&[1, 2], vec![0.4, -0.1]), Array::new(&[1, 2, 2], vec![2.0, 0.3, 0.3, 1.0])];
    close("niw_lp", &[log_prior(emission.clone(), &at)], &[number(&record["niw_lp"])], 0.0);
    let none = mode(emission.clone(), at.clone(), &[f64::NAN, f64::NAN]);
    close("niw mode", none[1].values(), array(&record["niw_mode_cov"]).values(), 0.0);
    close("niw mode", none[0].values(), &[0.0, 0.5], 1e-15);
    // Four rows with Σy = (3, 1) and Σyyᵀ = [[6, .5], [.5, 4]]: their mean and two contrasts.
    let a = 3.75_f64.sqrt();
    let b = -0.25 / a;
    let c = (3.75 - b * b).sqrt();
    let rows: Vec<f64> = [(0.5, 0.5), (0.5, -0.5), (-0.5, 0.5), (-0.5, -0.5)]
        .iter()
        .flat_map(|(u, v)| [0.75 + u * a, 0.25 + u * b + v * c])
        .collect();
    let posterior = mode(emission, at, &rows);
    close("niw_post", posterior[0].values(), &array(&record["niw_post"]).values()[..2], 1e-10);
    close("niw_post mode", posterior[1].values(), array(&record["niw_post_mode_cov"]).values(), 1e-10);

    let emission = json!({
        "family": "diagonal_gaussian", "num_states": 1, "emission_dim": 1,
        "emission_prior_mean": 0.5, "emission_prior_mean_concentration": 2.0,
        "emission_prior_concentration": 3.0, "emission_prior_scale": 1.5,
    });
    let at = vec![Array::full(&[1, 1], 0.3), Array::full(&[1, 1], 0.8_f64.sqrt())];
    // Recorded in single precision; SciPy gives −0.9699708182.
    close("nig_lp", &[log_prior(emission.clone(), &at)], &[number(&record["nig_lp"])], 1e-6);
    let spread = (3.75_f64 / 4.0).sqrt();
    let rows = [0.75 - spread, 0.75 + spread, 0.75 - spread, 0.75 + spread];
    let posterior = mode(emission, at, &rows);
    close("nig_post", posterior[0].values(), &array(&record["nig_post"]).values()[..1], 1e-10);
    let variance = posterior[1].values()[0].powi(2);
    close("nig_post mode", &[variance], &[number(&record["nig_post_mode_var"])], 1e-10);
}

#[test]
fn constraints_are_the_recorded_bijections() {
    let record = &records()["bijectors"];
    let through = |constraint, base: Array, x: &[f64]| {
        let schema = [ParamSpec::new("x", "x", base.shape(), constraint)];
        let base = Params::new(vec![base]);
        let space = FreeSpace::new(&schema, &Properties::trainable(&schema), &base);
        let params = space.from_free(x);
        close("and back", &space.to_free(&params), x, 1e-12);
        (params.arrays()[0].values().to_vec(), space.log_det_jacobian(&params))
    };
    let matrix = |n| Array::new(&[n, n], Array::identities(1, n, 1.0).values().to_vec());
    let (psd, _) = through(Constraint::PositiveDefinite, matrix(2), &[0.1, 0.2, 0.3]);
    close("psd2", &psd, array(&record["psd2"]).values(), 0.0);
    let (psd, _) = through(Constraint::PositiveDefinite, matrix(3), &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
    close("psd3", &psd, array(&record["psd3"]).values(), 0.0);
    let thirds = Array::full(&[3], 1.0 / 3.0);
    let (simplex, ldj) = through(Constraint::Simplex, thirds.clone(), &[0.5, -0.3]);
    close("softmaxc", &simplex, array(&record["softmaxc"]).values(), 0.0);
    close("softmaxc_ldj", &[ldj], &[number(&record["softmaxc_ldj"])], 0.0);
    let inverse = array(&record["softmaxc_inv"]);
    let (simplex, _) = through(Constraint::Simplex, thirds, inverse.values());
    close("softmaxc_inv", &simplex, &[0.2, 0.3, 0.5], 1e-10);
    let (positive, ldj) = through(Constraint::Positive, Array::full(&[2], 1.0), &[0.5, -0.3]);
    close("softplus", &positive, array(&record["softplus"]).values(), 0.0);
    close("softplus_ldj", &[ldj], &[array(&record["softplus_ldj"]).values().iter().sum()], 0.0);
}
