//! Specifications as text, and what is refused.

use serde_json::{Value, json};
use statewise::data::Dataset;
use statewise::model::structural::block::{
    Autoregressive, Cycle, LocalLevel, Matern, Regression, Smoothness, TrigonometricSeasonal,
};
use statewise::model::structural::{ComponentSpec, StructuralSpec, StructuralTimeSeries, Time};
use statewise::output::ModelFile;
use statewise::params::Array;

use super::corpus::{self, build};

#[test]
fn a_specification_survives_json() {
    for model in corpus::models() {
        let text = serde_json::to_string(model.spec()).unwrap();
        assert_eq!(&serde_json::from_str::<StructuralSpec>(&text).unwrap(), model.spec(), "{text}");
    }
}

#[test]
fn what_is_not_said_takes_its_default() {
    let text = json!({"components": [{"model": {"block": "local_level"}}]});
    let spec: StructuralSpec = serde_json::from_value(text).unwrap();
    assert_eq!(spec, StructuralSpec::new(vec![LocalLevel::default().into()]));
}

#[test]
fn unknown_members_are_refused() {
    let cases: [Value; 5] = [
        json!({"components": [], "emission_dims": 1}),
        json!({"components": [{"model": {"block": "local_level"}, "nam": "x"}]}),
        json!({"components": [{"model": {"block": "local_level", "stochastik": true}}]}),
        json!({"components": [{"model": {"block": "seasonal", "period": 4, "num_seasons": 4}}]}),
        json!({"components": [], "time": {"kind": "step", "input": 0, "unit": "s"}}),
    ];
    for case in cases {
        let error = serde_json::from_value::<StructuralSpec>(case.clone()).unwrap_err().to_string();
        assert!(error.contains("unknown field"), "{case}: {error}");
    }
}

#[test]
fn parameters_are_named_by_component() {
    let spec = StructuralSpec::new(vec![
        LocalLevel::default().into(),
        Cycle::new(3.0, 9.0).into(),
        ComponentSpec::from(Autoregressive { order: 2 }).named("noise"),
    ]);
    let model = build(spec);
    let paths: Vec<&str> = model.schema().iter().map(|spec| spec.path.as_str()).collect();
    let want = [
        "level.variance",
        "cycle.period",
        "cycle.damping",
        "cycle.variance",
        "noise.coefficients",
        "noise.variance",
        "irregular.variance",
    ];
    assert_eq!(paths, want);
    assert_eq!(model.component_names(), ["level", "cycle", "noise"]);
    assert_eq!(
        model.state_names(),
        ["level.level", "cycle.cycle", "cycle.auxiliary", "noise.lag_0", "noise.lag_1"]
    );
}

#[test]
fn errors_name_what_does_not_fit() {
    let level = || ComponentSpec::from(LocalLevel::default());
    let one = |component: ComponentSpec| StructuralSpec::new(vec![component]);
    let cases: Vec<(StructuralSpec, &str)> = vec![
        (StructuralSpec::new(vec![]), "components: found 0 states"),
        (StructuralSpec { emission_dim: 0, ..one(level()) }, "emission_dim: found 0"),
        (StructuralSpec::new(vec![level(), level()]), "components[1].name: found level"),
        (one(level().named("irregular")), "components[0].name: found irregular"),
        (one(level().named("a.b")), "components[0].name: found \"a.b\""),
        (one(level().of_series(vec![1])), "components[0].series: found [1]"),
        (one(Autoregressive { order: 0 }.into()), "components[0].model.order: found 0"),
        (one(Cycle::new(5.0, 2.0).into()), "components[0].model.period: found (5, 2)"),
        (one(TrigonometricSeasonal::new(7.0, 4).into()), "components[0].model.num_harmonics: found 4"),
        (
            one(Regression { inputs: vec![0], time_varying: false }.into()),
            "components[0].model.inputs: found 0",
        ),
        (StructuralSpec { time: Time::Step { input: 1 }, ..one(level()) }, "time.input: found 1"),
    ];
    let timed = StructuralSpec {
        input_dim: 1,
        time: Time::Step { input: 0 },
        ..one(TrigonometricSeasonal::new(12.0, 6).into())
    };
    let cases = cases.into_iter().chain([(timed, "components[0].model.irregular: found false")]);
    for (spec, want) in cases {
        let error = StructuralTimeSeries::new(spec).unwrap_err().to_string();
        assert!(error.starts_with(want), "{error}; expected {want}");
    }
}

#[test]
fn data_that_do_not_fit_are_refused() {
    let model = build(StructuralSpec::new(vec![LocalLevel::default().into()]));
    let data = Dataset::single(vec![0.0; 4], 2).unwrap();
    let error = model.initialize(&data, None, &[]).unwrap_err().to_string();
    assert_eq!(error, "emissions: found 2 columns, expected 1 (emission_dim)");
    let data = Dataset::single(vec![0.0; 2], 1).unwrap().with_inputs(vec![0.0; 2], 1).unwrap();
    let error = model.initialize(&data, None, &[]).unwrap_err().to_string();
    assert_eq!(error, "inputs: found dimension 1, expected no inputs, the model reads none");
}

#[test]
fn sequences_on_different_steps_are_lowered_one_at_a_time() {
    let matern = Matern { smoothness: Smoothness::Half };
    let model = build(StructuralSpec {
        input_dim: 1,
        time: Time::Step { input: 0 },
        ..StructuralSpec::new(vec![matern.into()])
    });
    let data = |steps: [f64; 4]| {
        Dataset::batch(vec![0.0; 4], 2, 1).unwrap().with_inputs(steps.to_vec(), 1).unwrap()
    };
    let (params, _) = model.initialize(&data([1.0; 4]), None, &[]).unwrap();
    model.lower(&params, &data([1.0, 2.0, 1.0, 2.0])).unwrap();
    let error = model.lower(&params, &data([1.0, 2.0, 1.0, 3.0])).unwrap_err().to_string();
    assert!(error.starts_with("inputs: found 2 different ones"), "{error}");
}

#[test]
fn given_values_are_taken_by_path_or_keyword() {
    let model = build(StructuralSpec::new(vec![LocalLevel::default().into()]));
    let data = Dataset::single(vec![1.0, 3.0, 2.0], 1).unwrap();
    let given = |name: &str, value: f64| vec![(name.to_string(), Array::new(&[], vec![value]))];
    for name in ["level.variance", "level_variance"] {
        let (params, _) = model.initialize(&data, None, &given(name, 0.0)).unwrap();
        assert_eq!(params.arrays()[0].values(), [0.0]);
    }
    let error = model.initialize(&data, None, &given("level.variance", -1.0)).unwrap_err().to_string();
    assert_eq!(error, "level.variance: found -1, expected numbers of at least 0");
    let error = model.initialize(&data, None, &given("slope.variance", 1.0)).unwrap_err().to_string();
    assert!(error.contains("expected level.variance, irregular.variance"), "{error}");
}

#[test]
fn starts_scale_with_the_data() {
    for model in corpus::models() {
        let data = corpus::data(&model);
        let scaled: Vec<f64> = data.rows().iter().map(|y| 1000.0 * y).collect();
        let scaled = Dataset::single(scaled, data.width()).unwrap();
        let scaled = scaled.with_inputs(data.sequence(0).inputs.to_vec(), data.input_dim()).unwrap();
        let (small, _) = model.initialize(&data, None, &[]).unwrap();
        let (large, _) = model.initialize(&scaled, None, &[]).unwrap();
        for ((spec, a), b) in model.schema().iter().zip(small.arrays()).zip(large.arrays()) {
            let factor = if spec.path.ends_with("variance") { 1e6 } else { 1.0 };
            for (a, b) in a.values().iter().zip(b.values()) {
                assert!((b - factor * a).abs() <= 1e-9 * factor * a.abs(), "{}: {a} and {b}", spec.path);
            }
        }
    }
}

#[test]
fn a_model_file_gives_the_model_back() {
    for model in corpus::models() {
        let mut file = ModelFile::structural("StructuralTimeSeries", &model, corpus::params(&model));
        file.properties.0[0].trainable = false;
        let again = ModelFile::from_json(&file.to_json().unwrap()).unwrap();
        assert_eq!(again, file);
        assert_eq!(again.build_structural().unwrap().schema(), model.schema());
    }
    let file = ModelFile::structural("S", &corpus::models()[0], corpus::params(&corpus::models()[0]));
    assert!(file.build_hmm().unwrap_err().to_string().contains("S is a structural time series model"));
}
