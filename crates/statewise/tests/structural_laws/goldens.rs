//! Models of statsmodels' `UnobservedComponents`, matrix by matrix (`statsmodels_lgssm.json`).

use serde_json::Value;
use statewise::data::Dataset;
use statewise::model::structural::block::{LocalLevel, LocalLinearTrend, Seasonal, TrigonometricSeasonal};
use statewise::model::structural::{ComponentSpec, Initial, StructuralSpec, StructuralTimeSeries};
use statewise::params::{Array, Params};

use super::corpus::build;

fn golden() -> Value {
    let text = include_str!("../../../../testdata/golden/statsmodels_lgssm.json");
    serde_json::from_str(text).unwrap()
}

fn array(value: &Value) -> Array {
    Array::from_nested(value).unwrap()
}

/// The model of a record, by its name.
fn model(record: &Value) -> Option<StructuralTimeSeries> {
    let smooth = LocalLinearTrend { stochastic_level: false, stochastic_slope: true };
    let drift = LocalLinearTrend { stochastic_level: true, stochastic_slope: false };
    let trend = LocalLinearTrend::default;
    let fixed_year = Seasonal { period: 12, stochastic: false };
    let components: Vec<ComponentSpec> = match record["name"].as_str()? {
        "nile_local_level" | "local_level_nile" | "local_level_nile_gaps" => {
            vec![LocalLevel::default().into()]
        }
        "nile_fixed_slope" => vec![drift.into()],
        "airline" => vec![drift.into(), Seasonal::new(12).into()],
        "co2_weekly" => {
            let mean = array(&record["prior"][0]);
            let cov = array(&record["prior"][1]);
            let part = |states: std::ops::Range<usize>| Initial::Given {
                mean: Array::new(&[states.len()], mean.values()[states.clone()].to_vec()),
                cov: Array::new(
                    &[states.len(); 2],
                    states.clone().flat_map(|i| &cov.row(i)[states.clone()]).copied().collect(),
                ),
            };
            let year = TrigonometricSeasonal::new(365.25 / 7.0, 2);
            let year = TrigonometricSeasonal { stochastic: false, ..year };
            vec![
                ComponentSpec::from(trend()).starting(part(0..2)),
                ComponentSpec::from(year).starting(part(2..6)),
            ]
        }
        "co2_monthly" => vec![trend().into(), fixed_year.into()],
        "local_linear_trend" => vec![trend().into()],
        "seasonal" => vec![trend().into(), Seasonal::new(4).into()],
        "trigonometric" => {
            vec![LocalLevel::default().into(), TrigonometricSeasonal::new(6.0, 2).into()]
        }
        "smooth_trend" => vec![smooth.into()],
        _ => return None,
    };
    Some(build(StructuralSpec::new(components)))
}

/// statsmodels has the variance of the noise first.
fn params(variances: &Value) -> Params {
    let mut values: Vec<f64> = array(variances).values().to_vec();
    values.rotate_left(1);
    Params::new(values.into_iter().map(|value| Array::new(&[], vec![value])).collect())
}

#[test]
fn matrices_equal_those_of_statsmodels() {
    let golden = golden();
    let diffuse = golden["diffuse"].as_array().unwrap().iter().map(|record| (record, "variances"));
    let fitted = golden["structural"].as_array().unwrap().iter().map(|record| (record, "fitted"));
    let mut count = 0;
    for (record, variances) in diffuse.chain(fitted) {
        let Some(model) = model(record) else { continue };
        let data = Dataset::single(vec![0.0; 3], 1).unwrap();
        let lowered = model.lower(&params(&record[variances]), &data).unwrap();
        let want = &record["params"];
        let pairs = [
            ("initial_mean", &lowered.initial_mean),
            ("initial_cov", &lowered.initial_cov),
            ("dynamics_weights", &lowered.dynamics_weights),
            ("dynamics_cov", &lowered.dynamics_cov),
            ("emissions_weights", &lowered.emissions_weights),
            ("emissions_cov", &lowered.emissions_cov),
        ];
        for (name, got) in pairs {
            let want = array(&want[name]);
            for (got, want) in got.values().iter().zip(want.values()) {
                let error = (got - want).abs();
                // statsmodels computes 2π / period as a Python float: to rounding.
                assert!(
                    error <= 1e-14 * want.abs().max(1.0),
                    "{}: {name}: {got} for {want}",
                    record["name"]
                );
            }
        }
        let got = lowered.initial_diffuse.map(|diffuse| diffuse.values().to_vec());
        let want = (!want["initial_diffuse"].is_null()).then(|| array(&want["initial_diffuse"]));
        assert_eq!(got, want.map(|diffuse| diffuse.values().to_vec()), "{}", record["name"]);
        count += 1;
    }
    assert_eq!(count, 11);
}
