//! The Nile's local level against statsmodels (`testdata/golden/statsmodels_lgssm.json`).
//!
//! An exact diffuse start at y_1 is the proper start N(y_1, r + q) at y_2; that is how the model is written
//! here, so that all but the first step is compared whatever engine starts diffuse.

use serde_json::Value;
use statewise::data::Dataset;
use statewise::diagnose::{
    Alternative, CovarianceMethod, Portmanteau, heteroskedasticity, normality, portmanteau, uncertainty,
};
use statewise::infer::gaussian::GaussianOptions;
use statewise::model::linear_gaussian::LgssmParams;
use statewise::params::Array;

use crate::local_level::LocalLevel;

const GOLDEN: &str = include_str!("../../../../testdata/golden/statsmodels_lgssm.json");
const SERIES: &str = include_str!("../../../../testdata/series/nile.csv");

fn golden() -> Value {
    let all: Value = serde_json::from_str(GOLDEN).unwrap();
    all["structural"].as_array().unwrap().iter().find(|s| s["name"] == "nile_local_level").unwrap().clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn volumes() -> Vec<f64> {
    SERIES.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect()
}

fn assert_close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (t, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * (1.0 + w.abs()), "{what}[{t}]: {g} against {w}");
    }
}

#[test]
fn residuals_tests_and_standard_errors_of_the_nile_are_those_of_statsmodels() {
    let (golden, y) = (golden(), volumes());
    let fitted = numbers(&golden["fitted"]);
    let model = LocalLevel::new(y[0], 0.0, 1.0);
    let params = LocalLevel::params([fitted[0], fitted[1], 1.0, 0.0, 0.0]);
    let data = Dataset::single(&y[1..], 1).unwrap();
    let options = GaussianOptions::default();

    // Filters that settle differ by rounding; 1e-6 is what statsmodels' own settling leaves.
    let innovations = model.lower(&params).innovations(&data, &options).unwrap();
    let want = numbers(&golden["standardized_forecast_errors"]);
    assert_close("forecast errors", &innovations.standardised, &want[1..], 1e-6);
    let e = innovations.entry(0..99, 0);
    let tests = &golden["diagnostics"];
    let lags: Vec<usize> = numbers(&tests["lags"]).iter().map(|l| *l as usize).collect();
    for (kind, key) in [(Portmanteau::LjungBox, "ljung_box"), (Portmanteau::BoxPierce, "box_pierce")] {
        let found = portmanteau(&e, &lags, 0, kind).unwrap();
        let (q, p): (Vec<f64>, Vec<f64>) = found.iter().map(|t| (t.statistic, t.p_value)).unzip();
        assert_close(key, &q, &numbers(&tests[key]["statistics"]), 1e-6);
        assert_close(key, &p, &numbers(&tests[key]["p_values"]), 1e-6);
    }
    let normal = normality(&e).unwrap();
    let want = &tests["jarque_bera"];
    let got = [normal.test.statistic, normal.test.p_value, normal.skewness, normal.kurtosis];
    let names = ["statistic", "p_value", "skewness", "kurtosis"];
    assert_close("normality", &got, &names.map(|n| want[n].as_f64().unwrap()), 1e-6);
    let breaks = heteroskedasticity(&e, None, Alternative::TwoSided).unwrap();
    let want = ["statistic", "p_value"].map(|n| tests["break_variance"][n].as_f64().unwrap());
    assert_close("heteroskedasticity", &[breaks.statistic, breaks.p_value], &want, 1e-6);

    let auxiliary = model.lower(&params).auxiliary_residuals(&data, &options).unwrap();
    let want = numbers(&golden["observation_disturbances"]);
    assert_close("observation", &auxiliary.observation, &want[1..], 1e-6);
    let want = numbers(&golden["observation_residuals"]);
    assert_close("observation, standardised", &auxiliary.observation_standardised, &want[1..], 1e-6);
    // Entry t here is the disturbance of the step into z_t; theirs is that of the step out of it.
    let want = numbers(&golden["level_disturbances"]);
    assert_close("level", &auxiliary.state[1..], &want[1..], 1e-6);
    let want = numbers(&golden["level_residuals"]);
    assert_close("level, standardised", &auxiliary.state_standardised[1..], &want[1..], 1e-6);

    let method = CovarianceMethod::ObservedInformation;
    let found = uncertainty(&model, &params, &model.free(&[0, 1]), &data, method, false).unwrap();
    let errors: Vec<f64> = found.estimates()[..2].iter().map(|e| e.standard_error.unwrap()).collect();
    // Their errors are second differences of the log likelihood in logarithms.
    assert_close("standard errors", &errors, &numbers(&golden["bse"]), 1e-4);
    assert!(found.warnings.is_empty(), "{:?}", found.warnings);
}

#[test]
fn a_diffuse_start_has_the_tests_of_statsmodels_too() {
    let (golden, y) = (golden(), volumes());
    let fitted = numbers(&golden["fitted"]);
    let params = LocalLevel::params([fitted[0], fitted[1], 1.0, 0.0, 0.0]);
    let lgssm = LgssmParams {
        initial_diffuse: Some(Array::new(&[1, 1], vec![1.0])),
        ..LocalLevel::new(0.0, 0.0, 0.0).lower(&params)
    };
    let data = Dataset::single(&y[..], 1).unwrap();
    let found = lgssm.innovations(&data, &GaussianOptions::default()).unwrap();
    let e = found.entry(0..100, 0);
    assert!(e[0].is_nan());
    let want = numbers(&golden["standardized_forecast_errors"]);
    assert_close("forecast errors", &e[1..], &want[1..], 1e-6);
    let breaks = heteroskedasticity(&e, None, Alternative::TwoSided).unwrap();
    let want =
        ["statistic", "p_value"].map(|n| golden["diagnostics"]["break_variance"][n].as_f64().unwrap());
    assert_close("heteroskedasticity", &[breaks.statistic, breaks.p_value], &want, 1e-6);
}

#[test]
fn the_auxiliary_residuals_find_the_dam_and_the_drought() {
    let y = volumes();
    let model = LocalLevel::new(y[0], 0.0, 1.0);
    let params = LocalLevel::params([15098.5, 1469.2, 1.0, 0.0, 0.0]);
    let data = Dataset::single(&y[1..], 1).unwrap();
    let found = model.lower(&params).auxiliary_residuals(&data, &GaussianOptions::default()).unwrap();
    let lowest = |x: &[f64]| {
        let seen = x.iter().enumerate().filter(|(_, x)| !x.is_nan());
        1872 + seen.min_by(|a, b| a.1.total_cmp(b.1)).unwrap().0
    };
    assert_eq!(lowest(&found.observation_standardised), 1913);
    assert_eq!(lowest(&found.state_standardised), 1899);
}
