//! Models of statsmodels' `UnobservedComponents`, matrix by matrix (`statsmodels_lgssm.json`).

use serde_json::Value;
use statewise::data::{Dataset, Table};
use statewise::infer::gaussian::GaussianOptions;
use statewise::learn::{Learnable, Learner, QuasiNewton, information_criteria};
use statewise::model::linear_gaussian::LgssmParams;
use statewise::model::structural::block::{
    LocalLevel, LocalLinearTrend, Regression, Seasonal, TrigonometricSeasonal,
};
use statewise::model::structural::{ComponentSpec, Initial, StructuralSpec, StructuralTimeSeries};
use statewise::params::{Array, Params, Properties};

use super::corpus::build;
use super::flat_start::FlatStart;

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
        name if name.starts_with("seatbelts") => {
            let stochastic = name == "seatbelts_stochastic_seasonal";
            vec![
                LocalLevel::default().into(),
                Seasonal { period: 12, stochastic }.into(),
                Regression { inputs: vec![0, 1], time_varying: false }.into(),
            ]
        }
        _ => return None,
    };
    let input_dim = if record["has_exog"] == true { 2 } else { 0 };
    Some(build(StructuralSpec { input_dim, ..StructuralSpec::new(components) }))
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
        let Some(model) = model(record).filter(|_| !record["params"].is_null()) else { continue };
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

/// A column of a series in `testdata`, NaN where empty.
fn column(series: &str, name: &str) -> Vec<f64> {
    let path = format!("{}/../../testdata/series/{series}.csv", env!("CARGO_MANIFEST_DIR"));
    let table = Table::read_csv(path).unwrap();
    match &table.column(name).unwrap().values {
        statewise::data::Values::Numbers(values) => values.clone(),
        _ => panic!("{series}.{name} is no number"),
    }
}

/// Numbers, `null` where missing.
fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
}

fn logs(values: Vec<f64>) -> Vec<f64> {
    values.into_iter().map(f64::ln).collect()
}

fn data(record: &Value) -> Dataset<'static> {
    let name = record["name"].as_str().unwrap();
    let rows = match name {
        "airline" => logs(column("airpassengers_monthly", "passengers")),
        "co2_weekly" => column("co2_weekly", "co2"),
        "co2_monthly" => numbers(&record["emissions"]),
        _ if name.starts_with("nile") => column("nile", "volume"),
        _ => logs(column("uk_seatbelts_monthly", "drivers")),
    };
    let data = Dataset::single(rows, 1).unwrap();
    if record["has_exog"] != true {
        return data;
    }
    let price = logs(column("uk_seatbelts_monthly", "PetrolPrice"));
    let law = column("uk_seatbelts_monthly", "law");
    let inputs = price.into_iter().zip(law).flat_map(|(price, law)| [price, law]);
    data.with_inputs(inputs.collect::<Vec<f64>>(), 2).unwrap()
}

/// Inputs of the months to come: the last row, repeated.
fn future(data: &Dataset<'_>, horizon: usize) -> Vec<f64> {
    let inputs = data.sequence(0).inputs;
    inputs[inputs.len() - data.input_dim()..].repeat(horizon)
}

fn close(what: &str, got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance * (1e-3 + want.abs()), "{what}: {got} for {want}");
}

/// The likelihood of the observations that statsmodels leaves out: with a proper start it drops as many as
/// there are states, as if it were a loose one.
fn left_out(model: &StructuralTimeSeries, params: &Params, data: &Dataset<'_>, record: &Value) -> f64 {
    if record["prior"].is_null() {
        return 0.0;
    }
    let first = Dataset::single(data.rows()[..model.state_dim()].to_vec(), 1).unwrap();
    model.marginal_log_prob(params, &first, &GaussianOptions::default()).unwrap()[0]
}

/// The record's likelihood, states and forecasts at its variances, then the fit from our start.
fn check(name: &str) {
    let golden = golden();
    let records = golden["structural"].as_array().unwrap();
    let record = records.iter().find(|record| record["name"] == name).unwrap();
    let (model, data, params) = (model(record).unwrap(), data(record), params(&record["fitted"]));
    let options = GaussianOptions::default();
    let at = |value: &Value| value.as_f64().unwrap();
    let llf = at(record.get("llf_dense").unwrap_or(&record["llf"]));

    let loglik = model.marginal_log_prob(&params, &data, &options).unwrap()[0];
    let counted = loglik - left_out(&model, &params, &data, record);
    assert!((counted - llf).abs() < 1e-7, "{name}: {counted} for {llf}");

    let lowered = model.lower(&params, &data).unwrap();
    let smoothed = lowered.smoother(&data, &options).unwrap().smoothed;
    let d = model.state_dim();
    for (i, t) in record["points"].as_array().unwrap().iter().enumerate() {
        let t = t.as_u64().unwrap() as usize;
        let want = numbers(&record["smoothed_means"][i]);
        let variances = numbers(&record["smoothed_variances"][i]);
        for j in 0..d {
            // statsmodels' own rounding: it inverts covariances of diffuse size, and longest for the seat belts,
            // whose variances are those of dense algebra below.
            let belts = name.starts_with("seatbelts");
            let tolerance = if belts { 2e-5 } else { 2e-7 };
            close(&format!("{name} mean {t} {j}"), smoothed.means[t * d + j], want[j], tolerance);
            if !belts {
                let got = smoothed.covs.of(0, t)[j * (d + 1)];
                close(&format!("{name} variance {t} {j}"), got, variances[j], 2e-6);
            }
        }
    }

    let want = (numbers(&record["forecast"]["mean"]), numbers(&record["forecast"]["se"]));
    let horizon = want.0.len();
    let tolerance = if name.starts_with("seatbelts") { 100.0 } else { 1.0 };
    let forecast = model.forecast(&params, &data, horizon, &future(&data, horizon), &options).unwrap();
    for h in 0..horizon {
        close(&format!("{name} forecast {h}"), forecast[0].emission_means[h], want.0[h], tolerance * 1e-8);
        close(
            &format!("{name} error {h}"),
            forecast[0].emission_covs[h].sqrt(),
            want.1[h],
            tolerance * 1e-7,
        );
    }

    check_criteria(name, &model, &params, &data, record);
    check_fit(name, &model, &model, record, loglik);
}

/// statsmodels counts each diffuse state as a parameter, and a row that is missing as an observation.
fn check_criteria(
    name: &str,
    model: &StructuralTimeSeries,
    params: &Params,
    data: &Dataset<'_>,
    record: &Value,
) {
    if !record["prior"].is_null() {
        return;
    }
    let properties = Properties::trainable(model.schema());
    let criteria =
        information_criteria(model, params, &properties, data).unwrap().counting(model.state_dim());
    let want = ["aic", "bic"].map(|key| record[key].as_f64().unwrap());
    assert!((criteria.aic - want[0]).abs() < 1e-5, "{name} AIC: {} for {}", criteria.aic, want[0]);
    let bic = criteria.bic
        - criteria.num_parameters as f64 * (criteria.num_observations / data.num_rows() as f64).ln();
    assert!((bic - want[1]).abs() < 1e-5, "{name} BIC: {bic} for {}", want[1]);
}

/// Fits `learnable`, the model or its diffuse start by another route, from the model's start.
fn check_fit(
    name: &str,
    model: &StructuralTimeSeries,
    learnable: &dyn Learnable,
    record: &Value,
    loglik: f64,
) {
    let (data, params) = (data(record), params(&record["fitted"]));
    let (start, properties) = model.initialize(&data, None, &[]).unwrap();
    let fit = QuasiNewton::default().fit(learnable, &start, &properties, &data, &mut |_| true).unwrap();
    let best = *fit.log_probs.last().unwrap();
    assert!(best > loglik - 1e-5, "{name}: {best} after {} iterations for {loglik}", fit.log_probs.len());
    assert!(fit.log_probs.len() < 60, "{name}: {} iterations", fit.log_probs.len());
    for ((spec, got), want) in model.schema().iter().zip(fit.params.arrays()).zip(params.arrays()) {
        let (got, want) = (got.values()[0], want.values()[0]);
        if !record["prior"].is_null() {
            break; // Its maximum is that of the likelihood without the first observations.
        }
        // Where the likelihood ends 1e-5 below its maximum, log variances are off by a hundredth at most
        // (their curvature is 1 or so); variances of 0 are approached only.
        let error = (got - want).abs();
        assert!(error < 1e-2 * want + 1e-6, "{name} {}: {got} for {want}", spec.path);
    }
    let score = learnable.score(&fit.params, &learnable.e_step(&fit.params, &data).unwrap());
    for (slope, value) in score.arrays().iter().zip(fit.params.arrays()) {
        let slope = slope.values()[0] * value.values()[0];
        assert!(slope.abs() < 1e-2, "{name}: slope {slope} of a log variance");
    }
}

#[test]
fn weekly_co2_with_gaps_and_a_proper_start_equals_statsmodels() {
    check("co2_weekly");
}

const DIFFUSE: [&str; 6] = [
    "nile_local_level",
    "nile_fixed_slope",
    "airline",
    "seatbelts_stochastic_seasonal",
    "seatbelts_deterministic_seasonal",
    "co2_monthly",
];

#[test]
fn diffuse_models_fitted_by_least_squares_equal_statsmodels() {
    let golden = golden();
    for record in golden["structural"].as_array().unwrap() {
        let name = record["name"].as_str().unwrap();
        // The stochastic seasonal of the seat belts, at its optimum a fixed one, takes long here.
        if !DIFFUSE.contains(&name) || name == "seatbelts_stochastic_seasonal" {
            continue;
        }
        let (model, data) = (model(record).unwrap(), data(record));
        let flat = FlatStart(&model);
        let (loglik, _) = flat.evaluate(&params(&record["fitted"]), &data);
        let want = record.get("llf_dense").unwrap_or(&record["llf"]).as_f64().unwrap();
        assert!((loglik - want).abs() < 1e-7, "{name}: {loglik} for {want}");
        check_fit(name, &model, &flat, record, want);
    }
}

#[test]
fn the_nile_at_the_variances_of_the_literature() {
    // Durbin and Koopman (2012), §2.10: σ²_ε = 15099, σ²_η = 1469; diffuse, all terms.
    let model = build(StructuralSpec::new(vec![LocalLevel::default().into()]));
    let data = Dataset::single(column("nile", "volume"), 1).unwrap();
    let variances = [1469.0, 15099.0].map(|value| Array::new(&[], vec![value]));
    let (loglik, _) = FlatStart(&model).evaluate(&Params::new(variances.to_vec()), &data);
    assert!((loglik - -633.465).abs() < 5e-4, "{loglik}");
}

#[test]
fn diffuse_models_equal_statsmodels() {
    DIFFUSE.iter().for_each(|name| check(name));
}

/// The record of this name, with its model lowered at its variances.
fn seat_belts(name: &str) -> (LgssmParams, Dataset<'static>) {
    let golden = golden();
    let record =
        golden["structural"].as_array().unwrap().iter().find(|record| record["name"] == name).unwrap();
    let (model, data) = (model(record).unwrap(), data(record));
    (model.lower(&params(&record["fitted"]), &data).unwrap(), data)
}

/// The coefficient of the law is open for 170 months; statsmodels has 0.05132733517 for the first of these.
#[test]
fn smoothed_levels_of_the_seat_belts_have_the_variances_of_dense_algebra() {
    for (name, want) in [
        ("seatbelts_deterministic_seasonal", [0.051327143646779, 0.052315634026557, 0.048167235132143]),
        ("seatbelts_stochastic_seasonal", [0.051327139062316, 0.052315629372845, 0.048167230864872]),
    ] {
        let (lowered, data) = seat_belts(name);
        let smoothed = lowered.smoother(&data, &GaussianOptions::default()).unwrap().smoothed;
        for (t, want) in [0, 100, 191].into_iter().zip(want) {
            let got = smoothed.covs.of(0, t)[0];
            assert!((got - want).abs() < 1e-9 * want, "{name} at {t}: {got} for {want}");
        }
    }
}

#[test]
fn innovations_of_the_seat_belts_do_not_wait_for_the_law() {
    for name in ["seatbelts_deterministic_seasonal", "seatbelts_stochastic_seasonal"] {
        let (lowered, data) = seat_belts(name);
        let found = lowered.innovations(&data, &GaussianOptions::default()).unwrap();
        // A level, eleven seasons and the price of petrol take thirteen months; the law starts in the 170th.
        assert_eq!(found.num_diffuse_steps, [170]);
        for (t, e) in found.standardised.iter().enumerate() {
            assert_eq!(e.is_nan(), t < 13 || t == 169, "{name} at {t}: {e}");
            assert!(e.is_nan() || e.abs() < 6.0, "{name} at {t}: {e}");
        }
        // Without the law, whose coefficient nothing before it tells of, months before it are predicted alike.
        let mut without = lowered.clone();
        let d = lowered.state_dim();
        without.initial_diffuse.as_mut().unwrap().values_mut()[d * d - 1] = 0.0;
        let early = data.truncated(169).unwrap();
        let [early, all] = [(&without, &early), (&lowered, &data)]
            .map(|(lowered, data)| lowered.innovations(data, &GaussianOptions::default()).unwrap());
        for t in 13..169 {
            let (got, want) = (all.values[t], early.values[t]);
            assert!((got - want).abs() < 1e-10, "{name} at {t}: {got} for {want}");
        }
    }
}
