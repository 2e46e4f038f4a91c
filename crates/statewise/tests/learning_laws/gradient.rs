//! Gradient descent on minibatches: Dynamax's numbers, and laws of the optimisers.

use serde_json::{Value, json};
use statewise::data::Dataset;
use statewise::learn::{
    GradientDescent, GradientState, Learner, Optimizer, OptimizerState, Rule, Schedule,
};
use statewise::model::hmm::emission::EmissionSpec;
use statewise::model::hmm::{Hmm, HmmSpec, Start};
use statewise::params::Array;
use statewise_kernels::random::Seed;

use crate::scene::scene_of;

const ROLLS: [f64; 30] = [
    5., 5., 2., 5., 5., 0., 5., 3., 5., 5., 1., 0., 4., 2., 3., 0., 1., 4., 2., 3., 5., 0., 2., 1., 4., 3.,
    0., 5., 5., 5.,
];

fn check_losses(
    emission: Value,
    given: &[(&str, Value)],
    rows: &[f64],
    width: usize,
    want: &[f64],
    tolerance: f64,
) -> Option<(Hmm, statewise::params::Params)> {
    let spec: EmissionSpec = serde_json::from_value(emission).ok()?;
    let hmm = Hmm::new(HmmSpec::new(spec)).unwrap();
    let given: Vec<(String, Array)> = given
        .iter()
        .map(|(path, value)| ((*path).to_owned(), Array::from_nested(value).unwrap()))
        .collect();
    let (start, properties) = hmm.initialize(Start::Prior, Seed(0), &given).unwrap();
    let data = Dataset::single(rows, width).unwrap();
    let sgd = GradientDescent { num_epochs: want.len(), ..Default::default() };
    let fit = sgd.fit_from(None, &hmm, &start, &properties, &data, &mut |_| true).unwrap();
    for (got, want) in fit.losses.iter().zip(want) {
        assert!((got - want).abs() < tolerance, "{:?} for {want}", fit.losses);
    }
    Some((hmm, fit.report.params))
}

/// `categorical_sgd_adam1e-3` of dynamax.md, appendix A; losses printed with ten digits.
#[test]
fn categorical_losses_equal_dynamax() {
    let (hmm, params) = check_losses(
        json!({"family": "categorical", "num_states": 2, "emission_dim": 1, "num_classes": 6}),
        &[
            ("initial.probs", json!([0.5, 0.5])),
            ("transitions.transition_matrix", json!([[0.8, 0.2], [0.3, 0.7]])),
            (
                "emissions.probs",
                json!([[[0.2, 0.2, 0.15, 0.15, 0.15, 0.15]], [[0.1, 0.1, 0.15, 0.15, 0.2, 0.3]]]),
            ),
        ],
        &ROLLS,
        1,
        &[1.397936781, 1.39772912, 1.397522055, 1.397315596, 1.397109752],
        2e-9,
    )
    .unwrap();
    let matrix = params.get(hmm.schema(), "transitions.transition_matrix").unwrap().values();
    for (got, want) in matrix.iter().zip([0.7991988405, 0.2008011595, 0.2989511031, 0.7010488969]) {
        // Dynamax ran its first steps in single precision where TFP keeps float32 constants.
        assert!((got - want).abs() < 1e-8, "{matrix:?}");
    }
}

/// By how much Dynamax's log prior errs (single precision and a ridge in its inverse Wishart).
fn log_prior_error(model: &str) -> f64 {
    let golden: Value =
        serde_json::from_str(include_str!("../../../../testdata/golden/dynamax_hmm.json")).unwrap();
    let record = golden["models"].as_array().unwrap().iter().find(|m| m["name"] == model).unwrap();
    record["log_prior_error"].as_f64().unwrap()
}

/// `gaussian_sgd_adam1e-3` of dynamax.md, appendix A.
#[test]
fn gaussian_losses_equal_dynamax() {
    let rows: Vec<f64> = (0..60)
        .map(f64::from)
        .flat_map(|t| [(0.3 * t).sin() + 0.5 * (1.1 * t).cos(), (0.2 * t).cos() - 0.3 * (0.9 * t).sin()])
        .collect();
    let half = json!([[0.5, 0.0], [0.0, 0.5]]);
    let third = 1.0 / 3.0;
    check_losses(
        json!({"family": "gaussian", "num_states": 3, "emission_dim": 2}),
        &[
            ("initial.probs", json!([third, third, third])),
            (
                "transitions.transition_matrix",
                json!([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9]]),
            ),
            ("emissions.means", json!([[1.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])),
            ("emissions.covs", json!([half, half, half])),
        ],
        &rows,
        2,
        &[1.712132458, 1.710822964, 1.709515975, 1.708211548, 1.706909738],
        log_prior_error("gaussian") / 120.0 + 2e-9,
    );
}

#[test]
fn a_resumed_fit_equals_one_in_a_single_run() {
    let scene = scene_of("poisson");
    let (start, properties) = (scene.near_truth(4), scene.trainable());
    for rule in ["sgd", "adam", "adamw", "rmsprop", "adagrad"] {
        let rule: Rule = serde_json::from_value(json!({ "rule": rule })).unwrap();
        let schedule = Schedule::WarmUp {
            steps: 2,
            then: Box::new(Schedule::CosineDecay { rate: 0.02, decay_steps: 40.0, final_share: 0.1 }),
        };
        let optimizer = Optimizer { rule, schedule, clip_norm: Some(0.5) };
        let sgd = |num_epochs| GradientDescent {
            optimizer: optimizer.clone(),
            num_epochs,
            shuffle: true,
            batch_size: 2,
            ..Default::default()
        };
        let run = |num_epochs, state| {
            sgd(num_epochs)
                .fit_from(state, &scene.hmm, &start, &properties, &scene.data(), &mut |_| true)
                .unwrap()
        };
        let whole = run(7, None);
        let first = run(3, None);
        let saved = serde_json::to_string(&first.state).unwrap();
        let second = run(4, Some(serde_json::from_str::<GradientState>(&saved).unwrap()));
        assert_eq!([first.losses, second.losses].concat(), whole.losses);
        assert_eq!(second.state, whole.state);
        assert_eq!(second.report.params, whole.report.params);
    }
}

#[test]
fn the_short_last_batch_counts_and_is_scaled_by_its_own_size() {
    let scene = scene_of("poisson");
    let (start, properties, data) = (scene.near_truth(4), scene.trainable(), scene.data());
    // A rate too small to move anything shows the losses at the start.
    let optimizer = Optimizer::constant(Rule::Sgd(Default::default()), 1e-300);
    let sgd = GradientDescent { optimizer, batch_size: 2, num_epochs: 1, ..Default::default() };
    let got = sgd.fit_from(None, &scene.hmm, &start, &properties, &data, &mut |_| true).unwrap().losses[0];
    let logliks = scene.hmm.marginal_log_prob(&start, &data).unwrap();
    let prior = scene.hmm.log_prior(&start);
    let size = (data.num_rows() * data.width()) as f64;
    let first = -(prior + 1.5 * (logliks[0] + logliks[1])) / size;
    let last = -(prior + 3.0 * logliks[2]) / size;
    let want = 0.5 * (first + last);
    assert!((got - want).abs() < 1e-12, "{got} for {want}");
}

#[test]
fn every_rule_reaches_the_minimum_of_a_quadratic() {
    let rules = [
        (json!({"rule": "sgd"}), 0.1),
        (json!({"rule": "sgd", "momentum": 0.9}), 0.02),
        (json!({"rule": "sgd", "momentum": 0.9, "nesterov": true}), 0.02),
        (json!({"rule": "adam"}), 0.05),
        (json!({"rule": "adamw", "weight_decay": 0.0}), 0.05),
        (json!({"rule": "rmsprop"}), 0.02),
        (json!({"rule": "adagrad"}), 0.5),
    ];
    for (rule, rate) in rules {
        let optimizer = Optimizer {
            rule: serde_json::from_value(rule.clone()).unwrap(),
            schedule: Schedule::ExponentialDecay { rate, transition_steps: 1000.0, decay_rate: 0.05 },
            clip_norm: None,
        };
        let (mut x, mut state) = (vec![3.0, -2.0], optimizer.start(2));
        for _ in 0..3000 {
            let mut gradient = vec![x[0] - 1.0, 5.0 * (x[1] - 2.0)];
            optimizer.step(&mut state, &mut x, &mut gradient);
        }
        assert!((x[0] - 1.0).abs() < 1e-4 && (x[1] - 2.0).abs() < 1e-4, "{rule}: {x:?}");
    }
}

/// Three steps on g = (1, −2), (0.5, 4), (−1, 0.25) from x = (1, 1); optax's formulas worked out in NumPy.
#[test]
fn three_steps_of_every_rule_equal_the_formulas() {
    for (rule, want) in include!("optimizer_steps.in") {
        let optimizer = Optimizer::constant(serde_json::from_str(rule).unwrap(), 0.1);
        let (mut x, mut state) = (vec![1.0, 1.0], optimizer.start(2));
        for gradient in [[1.0, -2.0], [0.5, 4.0], [-1.0, 0.25]] {
            optimizer.step(&mut state, &mut x, &mut gradient.clone());
        }
        for (got, want) in x.iter().zip(want) {
            assert!((got - want).abs() < 1e-13, "{rule}: {x:?} for {want}");
        }
    }
}

#[test]
fn clipping_bounds_the_step_and_schedules_follow_their_formulas() {
    let optimizer =
        Optimizer { clip_norm: Some(1.0), ..Optimizer::constant(Rule::Sgd(Default::default()), 0.5) };
    let (mut x, mut state) = (vec![0.0, 0.0], optimizer.start(2));
    optimizer.step(&mut state, &mut x, &mut [30.0, -40.0]);
    assert!((x[0] + 0.3).abs() < 1e-15 && (x[1] - 0.4).abs() < 1e-15, "{x:?}");

    let decay = Schedule::ExponentialDecay { rate: 0.1, transition_steps: 10.0, decay_rate: 0.5 };
    assert!((decay.at(20) - 0.025).abs() < 1e-16);
    let cosine = Schedule::CosineDecay { rate: 0.1, decay_steps: 10.0, final_share: 0.2 };
    let (at_5, at_99) = (cosine.at(5), cosine.at(99));
    assert!((at_5 - 0.06).abs() < 1e-15 && (at_99 - 0.02).abs() < 1e-15, "{at_5} {at_99}");
    let warm = Schedule::WarmUp { steps: 4, then: Box::new(decay) };
    let rates: Vec<f64> = (0..6).map(|s| warm.at(s)).collect();
    assert!(
        rates.windows(2).take(4).all(|r| r[1] > r[0]) && rates[4] == 0.1 && rates[5] < 0.1,
        "{rates:?}"
    );
}

#[test]
fn settings_that_do_not_fit_are_refused() {
    let scene = scene_of("poisson");
    let (start, properties) = (scene.near_truth(4), scene.trainable());
    let fit = |sgd: GradientDescent, state| {
        sgd.fit_from(state, &scene.hmm, &start, &properties, &scene.data(), &mut |_| true)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let no_batch = fit(GradientDescent { batch_size: 0, ..Default::default() }, None);
    assert!(no_batch.contains("batch_size"), "{no_batch}");
    let optimizer = Optimizer::constant(Rule::Adam(Default::default()), -1.0);
    let negative = fit(GradientDescent { optimizer, ..Default::default() }, None);
    assert!(negative.contains("rate"), "{negative}");
    let foreign = GradientState { epochs: 1, point: vec![0.0], optimizer: OptimizerState::default() };
    let foreign = fit(GradientDescent::default(), Some(foreign));
    assert!(foreign.contains("optimizer_state"), "{foreign}");
}

#[test]
fn a_diverging_fit_ends_at_the_last_good_parameters_with_a_warning() {
    let scene = scene_of("poisson");
    let optimizer = Optimizer::constant(Rule::Sgd(Default::default()), 1e6);
    let sgd = GradientDescent { optimizer, num_epochs: 5, ..Default::default() };
    let start = scene.near_truth(4);
    let report = sgd.fit(&scene.hmm, &start, &scene.trainable(), &scene.data(), &mut |_| true).unwrap();
    report.params.check(scene.hmm.schema()).unwrap();
    assert!(report.warnings.iter().any(|w| w.contains("learning rate")), "{:?}", report.warnings);
}
