//! Learning of linear Gaussian models against the records of `dynamax.md`, appendix A
//! (`testdata/golden/dynamax_lgssm_learning.json`), to the printed digits.
//!
//! Dynamax's filter lets u_t drive the step from t to t + 1, its emissions read u_t. Here both read the
//! inputs of their own step, so the model is given (u_{t-1}, u_t), each part with zeros fixed on the half
//! that it does not read. Dynamax adds 1e-9 I to what it inverts; which moves what EM reaches by up to 1e-6.

use serde_json::Value;
use statewise::data::Dataset;
use statewise::learn::{Adam, Em, GradientDescent, Learnable, Learner, Optimizer, Rule, Statistics};
use statewise::model::linear_gaussian::{
    InverseWishart, LinearGaussianSpec, LinearGaussianSsm, MatrixNormalInverseWishart,
    NormalInverseWishart, RegressionSums,
};
use statewise::params::{Array, ParamProperties, Params, Properties};

const STEPS: usize = 20;

fn records() -> Value {
    serde_json::from_str(include_str!("../../../testdata/golden/dynamax_lgssm_learning.json")).unwrap()
}

fn array(value: &Value) -> Array {
    Array::from_nested(value).unwrap()
}

fn close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= tolerance * (1.0 + want.abs()), "{what}: {got} for {want}");
    }
}

fn model() -> LinearGaussianSsm {
    LinearGaussianSsm::new(LinearGaussianSpec { input_dim: 4, ..LinearGaussianSpec::new(2, 2) }).unwrap()
}

/// y_t = (sin .3t + .5 cos 1.1t, cos .2t − .3 sin .9t) and (u_{t-1}, u_t), u_t = (cos .5t, sin .7t).
fn data() -> Dataset<'static> {
    let times = (0..STEPS).map(|t| t as f64);
    let rows: Vec<f64> = times
        .clone()
        .flat_map(|t| [(0.3 * t).sin() + 0.5 * (1.1 * t).cos(), (0.2 * t).cos() - 0.3 * (0.9 * t).sin()])
        .collect();
    let input = |t: f64| [(0.5 * t).cos(), (0.7 * t).sin()];
    let inputs: Vec<f64> = times.flat_map(|t| [input(t - 1.0), input(t)].concat()).collect();
    Dataset::single(rows, 2).unwrap().with_inputs(inputs, 4).unwrap()
}

/// The start of Dynamax's `initialize`, with H = [[1, .3], [.2, 1]].
fn start(model: &LinearGaussianSsm) -> Params {
    let scaled = |c: f64| vec![c, 0.0, 0.0, c];
    let arrays = model.schema().iter().map(|spec| {
        let values = match spec.path.as_str() {
            "initial.cov" => scaled(1.0),
            "dynamics.weights" => scaled(0.99),
            "dynamics.cov" | "emissions.cov" => scaled(0.1),
            "emissions.weights" => vec![1.0, 0.3, 0.2, 1.0],
            _ => vec![0.0; spec.shape.iter().product()],
        };
        Array::new(&spec.shape, values)
    });
    Params::new(arrays.collect())
}

/// Dynamics read the first half of the inputs, emissions the second.
fn properties(model: &LinearGaussianSsm) -> Properties {
    let half = |first: bool| ParamProperties {
        free: Some((0..8).map(|i| (i % 4 < 2) == first).collect()),
        ..Default::default()
    };
    let property = |path: &str| match path {
        "dynamics.input_weights" => half(true),
        "emissions.input_weights" => half(false),
        _ => ParamProperties::default(),
    };
    Properties(model.schema().iter().map(|spec| property(&spec.path)).collect())
}

fn half(params: &Params, model: &LinearGaussianSsm, path: &str, first: bool) -> Vec<f64> {
    let values = params.get(model.schema(), path).unwrap().values();
    (0..8).filter(|i| (i % 4 < 2) == first).map(|i| values[i]).collect()
}

#[test]
fn five_iterations_of_em_are_those_of_dynamax() {
    let (model, record) = (model(), &records()["lgssm_em_mle_inputs"]);
    let em = Em { num_iters: 5, tolerance: None, prior: false };
    let report = em.fit(&model, &start(&model), &properties(&model), &data(), &mut |_| true).unwrap();
    close("log likelihoods", &report.log_probs, array(&record["lps"]).values(), 1e-6);
    for (key, path) in [
        ("F", "dynamics.weights"),
        ("b", "dynamics.bias"),
        ("Q", "dynamics.cov"),
        ("H", "emissions.weights"),
        ("d", "emissions.bias"),
        ("R", "emissions.cov"),
        ("m", "initial.mean"),
        ("S", "initial.cov"),
    ] {
        let got = report.params.get(model.schema(), path).unwrap();
        close(path, got.values(), array(&record[key]).values(), 1e-6);
    }
    let inputs = [("B", "dynamics.input_weights", true), ("D", "emissions.input_weights", false)];
    for (key, path, first) in inputs {
        close(path, &half(&report.params, &model, path, first), array(&record[key]).values(), 1e-6);
    }
}

#[test]
fn five_epochs_of_adam_have_the_losses_of_dynamax() {
    let (model, record) = (model(), &records()["lgssm_sgd_adam1e-3"]);
    let adam = GradientDescent {
        optimizer: Optimizer::constant(Rule::Adam(Adam::default()), 1e-3),
        num_epochs: 5,
        ..GradientDescent::default()
    };
    let report = adam.fit(&model, &start(&model), &properties(&model), &data(), &mut |_| true).unwrap();
    let losses: Vec<f64> = report.log_probs.iter().map(|l| -l / (2 * STEPS) as f64).collect();
    close("losses", &losses, array(&record["losses"]).values(), 1e-7);
    for (key, path) in [("F", "dynamics.weights"), ("Q", "dynamics.cov")] {
        let got = report.params.get(model.schema(), path).unwrap();
        close(path, got.values(), array(&record[key]).values(), 1e-7);
    }
}

/// The priors of Dynamax are those of weights on two inputs, so the M-step is done here, from the
/// library's statistics and posteriors, on the columns that each part reads.
#[test]
fn map_estimates_are_those_of_dynamax() {
    let (model, record) = (model(), &records()["lgssm_em_map_inputs"]);
    let initial = NormalInverseWishart::default_of(2).as_matrix_normal();
    let regression = MatrixNormalInverseWishart::default_of(2, 5);
    let mut params = start(&model);
    let place = |path: &str| model.schema().iter().position(|s| s.path == path).unwrap();
    let get = |params: &Params, path: &str| params.arrays()[place(path)].values().to_vec();
    let weights = |params: &Params, part: &str, first: bool| -> Vec<f64> {
        let (w, b) = (get(params, &format!("{part}.weights")), get(params, &format!("{part}.bias")));
        let u = half(params, &model, &format!("{part}.input_weights"), first);
        (0..2).flat_map(|i| [&w[2 * i..2 * i + 2], &u[2 * i..2 * i + 2], &b[i..=i]].concat()).collect()
    };
    let mut log_probs = Vec::new();
    for iteration in 0..=5 {
        let log_prior = initial.log_prob(&get(&params, "initial.mean"), &get(&params, "initial.cov"))
            + regression.log_prob(&weights(&params, "dynamics", true), &get(&params, "dynamics.cov"))
            + regression.log_prob(&weights(&params, "emissions", false), &get(&params, "emissions.cov"));
        if iteration == 0 {
            close("log prior", &[log_prior], &[record["logprior_init"].as_f64().unwrap()], 1e-9);
        }
        if iteration == 5 {
            break;
        }
        let Statistics { values, marginal_loglik, .. } = model.e_step(&params, &data()).unwrap();
        log_probs.push(marginal_loglik + log_prior);
        // n, Σ y xᵀ [2, p], Σ x xᵀ [p, p], Σ y yᵀ [2, 2] of each part.
        let mut rest = &values[..];
        let mut take = |p: usize, columns: &[usize]| {
            let (count, yx, xx, yy) = (
                rest[0],
                &rest[1..1 + 2 * p],
                &rest[1 + 2 * p..1 + 2 * p + p * p],
                &rest[1 + 2 * p + p * p..],
            );
            let yx: Vec<f64> = (0..2).flat_map(|i| columns.iter().map(move |j| yx[i * p + j])).collect();
            let xx: Vec<f64> =
                columns.iter().flat_map(|i| columns.iter().map(move |j| xx[i * p + j])).collect();
            let yy = yy[..4].to_vec();
            rest = &rest[1 + 2 * p + p * p + 4..];
            (count, yx, xx, yy)
        };
        let parts = [
            ("initial", take(1, &[0]), &initial, true),
            ("dynamics", take(7, &[0, 1, 2, 3, 6]), &regression, true),
            ("emissions", take(7, &[0, 1, 4, 5, 6]), &regression, false),
        ];
        for (part, (count, yx, xx, yy), prior, first) in parts {
            let sums = RegressionSums { count, yx: &yx, xx: &xx, yy: &yy };
            let (w, cov) = prior.posterior(&sums).unwrap().mode();
            let mut set = |path: &str, values: &[f64]| {
                params.arrays_mut()[place(path)].values_mut().copy_from_slice(values);
            };
            set(&format!("{part}.cov"), &cov);
            if part == "initial" {
                set("initial.mean", &w);
                continue;
            }
            let columns = |range: std::ops::Range<usize>| -> Vec<f64> {
                (0..2).flat_map(|i| w[5 * i + range.start..5 * i + range.end].to_vec()).collect()
            };
            set(&format!("{part}.weights"), &columns(0..2));
            set(&format!("{part}.bias"), &columns(4..5));
            let u = columns(2..4);
            let at = if first { 0 } else { 2 };
            let mut both = [0.0; 8];
            (0..4).for_each(|k| both[(k / 2) * 4 + at + k % 2] = u[k]);
            set(&format!("{part}.input_weights"), &both);
        }
    }
    close("log posteriors", &log_probs, array(&record["lps"]).values(), 1e-7);
    for (key, path) in [
        ("F", "dynamics.weights"),
        ("Q", "dynamics.cov"),
        ("H", "emissions.weights"),
        ("R", "emissions.cov"),
        ("m", "initial.mean"),
        ("S", "initial.cov"),
    ] {
        close(path, &get(&params, path), array(&record[key]).values(), 1e-7);
    }
}

fn matrix(shape: &[usize], values: &[f64]) -> Array {
    Array::new(shape, values.to_vec())
}

/// The inputs of the record `distributions` are in `testdata/golden/README.md`.
#[test]
fn conjugate_distributions_have_the_recorded_values() {
    let all: Value =
        serde_json::from_str(include_str!("../../../testdata/golden/dynamax_records.json")).unwrap();
    let record = &all["distributions"];
    let want = |key: &str| array(&record[key]).values().to_vec();
    let sigma = [2.0, 0.3, 0.3, 1.0];
    let psi = matrix(&[2, 2], &[1.5, 0.2, 0.2, 0.8]);
    let iw = |df: f64| InverseWishart { df, scale: psi.clone() };
    close("iw_lp", &[iw(5.0).log_prob(&sigma)], &want("iw_lp"), 1e-9);
    close("iw_mean", &iw(7.0).mean().unwrap(), &want("iw_mean"), 1e-9);
    close("iw_var", &iw(7.0).variance().unwrap(), &want("iw_var"), 1e-9);
    close("iw_mode", &iw(5.5).mode(), &want("iw_mode"), 1e-9);
    assert!(iw(3.0).mean().is_none() && iw(5.0).variance().is_none());

    let niw = NormalInverseWishart {
        loc: matrix(&[2], &[0.0, 0.5]),
        mean_concentration: 2.0,
        df: 5.0,
        scale: psi.clone(),
    };
    niw.check("niw", 2).unwrap();
    let niw = niw.as_matrix_normal();
    close("niw_lp", &[niw.log_prob(&[0.4, -0.1], &sigma)], &want("niw_lp"), 1e-9);
    close("niw_mode_cov", &niw.mode().1, &want("niw_mode_cov"), 1e-9);
    let sums = RegressionSums { count: 4.0, yx: &[3.0, 1.0], xx: &[4.0], yy: &[6.0, 0.5, 0.5, 4.0] };
    let posterior = niw.posterior(&sums).unwrap();
    let got = [
        posterior.loc.values(),
        posterior.col_precision.values(),
        &[posterior.df],
        posterior.scale.values(),
    ];
    close("niw_post", &got.concat(), &want("niw_post"), 1e-9);
    close("niw_post_mode_cov", &posterior.mode().1, &want("niw_post_mode_cov"), 1e-9);

    let mniw = MatrixNormalInverseWishart {
        loc: matrix(&[2, 3], &[0.5, 0.0, 0.1, 0.0, 0.5, -0.1]),
        col_precision: matrix(&[3, 3], &[2.0, 0.1, 0.0, 0.1, 1.5, 0.0, 0.0, 0.0, 1.0]),
        df: 4.0,
        scale: psi,
    };
    mniw.check("mniw", 2, 3).unwrap();
    let at = [0.7, 0.1, 0.0, 0.2, 0.3, 0.1];
    close("mniw_lp", &[mniw.log_prob(&at, &sigma)], &want("mniw_lp"), 1e-9);
    close("mnp_lp", &[mniw.weights_log_prob(&at, &sigma)], &want("mnp_lp"), 1e-9);
    close("mniw_mode_cov", &mniw.mode().1, &want("mniw_mode_cov"), 1e-9);
    let xx = [5.0, 0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0, 5.0];
    let sums = RegressionSums {
        count: 5.0,
        yx: &[2.0, 0.3, 0.5, 0.1, 1.0, 0.2],
        xx: &xx,
        yy: &[4.0, 0.2, 0.2, 3.0],
    };
    let posterior = mniw.posterior(&sums).unwrap();
    // Dynamax adds 1e-9 I to what it inverts.
    close("mniw_post_M", posterior.loc.values(), &want("mniw_post_M"), 1e-9);
    close("mniw_post_V", posterior.col_precision.values(), &want("mniw_post_V"), 1e-9);
    close("mniw_post_df", &[posterior.df], &want("mniw_post_df"), 1e-9);
    close("mniw_post_Psi", posterior.scale.values(), &want("mniw_post_Psi"), 1e-9);
}
