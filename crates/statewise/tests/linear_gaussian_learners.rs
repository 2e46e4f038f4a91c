//! Every learner takes a linear Gaussian model as it is.

use statewise::Seed;
use statewise::data::Dataset;
use statewise::learn::{
    Candidate, Em, Folds, GradientDescent, Learner, OnlineEm, QuasiNewton, StepSize, StochasticEm,
    cross_validate, fit_restarts, information_criteria,
};
use statewise::model::linear_gaussian::{LinearGaussianSpec, LinearGaussianSsm, Start};
use statewise::params::{ParamProperties, Properties};

fn model(state_dim: usize) -> LinearGaussianSsm {
    LinearGaussianSsm::new(LinearGaussianSpec::new(state_dim, 2)).unwrap()
}

/// Four sequences of a noisy oscillation.
fn data() -> Dataset<'static> {
    let wave = |t: usize, i: usize| {
        let noise = (12.9898 * t as f64 + 78.233 * i as f64).sin() * 43758.5453;
        (0.4 * t as f64 + 1.1 * i as f64).sin() + (noise - noise.floor() - 0.5)
    };
    let rows = (0..160).flat_map(|t| [wave(t, 0), wave(t, 1)]).collect::<Vec<f64>>();
    Dataset::batch(rows, 4, 2).unwrap()
}

#[test]
fn full_batches_with_step_size_one_are_em() {
    let (model, data) = (model(2), data());
    let (start, properties) = model.initialize(Start::Pca(&data), Seed(0), &[]).unwrap();
    let em = Em { num_iters: 6, tolerance: None, prior: true };
    let em = em.fit(&model, &start, &properties, &data, &mut |_| true).unwrap();
    let minibatch = StochasticEm {
        num_epochs: 6,
        batch_size: 4,
        shuffle: false,
        step_size: StepSize::Constant { weight: 1.0 },
        ..StochasticEm::default()
    };
    let stochastic = minibatch.fit(&model, &start, &properties, &data, &mut |_| true).unwrap();
    for (a, b) in em.log_probs.iter().zip(&stochastic.log_probs) {
        assert!((a - b).abs() < 1e-9 * a.abs(), "{a} and {b}");
    }
}

#[test]
fn every_learner_gains() {
    let (model, data) = (model(2), data());
    let (start, properties) = model.initialize(Start::Pca(&data), Seed(0), &[]).unwrap();
    let learners: [(&str, Box<dyn Learner>); 4] = [
        ("EM", Box::new(Em { num_iters: 10, ..Em::default() })),
        ("minibatch EM", Box::new(StochasticEm { num_epochs: 5, ..StochasticEm::default() })),
        ("gradient", Box::new(GradientDescent { num_epochs: 20, ..GradientDescent::default() })),
        ("L-BFGS", Box::new(QuasiNewton { num_iters: 10, ..QuasiNewton::default() })),
    ];
    for (name, learner) in &learners {
        let report = learner.fit(&model, &start, &properties, &data, &mut |_| true).unwrap();
        assert!(report.final_log_prob().unwrap() > report.log_probs[0], "{name}: {:?}", report.log_probs);
        report.params.check(model.schema()).unwrap();
    }
    let starts = [start.clone(), model.initialize(Start::Default, Seed(1), &[]).unwrap().0];
    let restarts =
        fit_restarts(&*learners[0].1, &model, &starts, &properties, &data, &|_, _| true).unwrap();
    assert!(restarts.log_probs.iter().all(Option::is_some));
    let mut online = OnlineEm::new(&model, start, properties, StepSize::default(), false, 1).unwrap();
    for _ in 0..3 {
        (0..4).for_each(|n| {
            assert!(online.update(&model, &data.select(&[n])).unwrap().marginal_loglik.is_finite())
        });
    }
    online.check(&model).unwrap();
}

#[test]
fn criteria_count_free_entries_and_tied_ones_once() {
    let (model, data) = (model(2), data());
    let (params, mut properties) = model.initialize(Start::Default, Seed(0), &[]).unwrap();
    let count = |properties: &Properties| {
        information_criteria(&model, &params, properties, &data).unwrap().num_parameters
    };
    // m, S; F, b, Q; H, d, R.
    assert_eq!(count(&properties), (2 + 3) + (4 + 2 + 3) + (4 + 2 + 3));
    properties.0[2] = ParamProperties { equal: vec![vec![0, 3]], ..Default::default() };
    assert_eq!(count(&properties), 22);
    properties.0[5].free = Some(vec![true, false, false, true]);
    properties.0[1].trainable = false;
    assert_eq!(count(&properties), 17);
}

#[test]
fn cross_validation_compares_numbers_of_states() {
    let data = data();
    let learner = Em { num_iters: 30, ..Em::default() };
    let scores = cross_validate(&learner, &[1, 2], &data, Folds::Blocks { count: 2 }, &|size, training| {
        let model = model(size);
        let (start, properties) = model.initialize(Start::Pca(training), Seed(0), &[])?;
        Ok(Candidate { model: Box::new(model), start, properties })
    })
    .unwrap();
    assert!(scores[1].log_prob > scores[0].log_prob, "an oscillation has two states: {scores:?}");
}
