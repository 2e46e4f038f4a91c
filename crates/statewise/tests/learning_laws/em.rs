//! EM climbs, whatever is fixed or tied; other learners agree with it.

use std::sync::Mutex;

use serde_json::json;
use statewise::data::Dataset;
use statewise::learn::{
    Em, Learnable, Learner, QuasiNewton, Rule, Sgd, StepSize, StochasticEm, fit_restarts,
};
use statewise::learn::{GradientDescent, Optimizer};
use statewise::model::hmm::emission::EmissionSpec;
use statewise::model::hmm::{Hmm, HmmSpec, Start};
use statewise::params::{Params, Properties};
use statewise::threads;
use statewise_kernels::random::Seed;

use crate::scene::{Scene, scene_of, scenes};

const QUAKES: &str = include_str!("../../../../testdata/series/earthquakes_major_yearly.csv");

/// Each kind of properties with its name.
fn all_properties(scene: &Scene) -> Vec<(&'static str, Properties)> {
    vec![
        ("trainable", scene.trainable()),
        ("fixed", scene.first_emission_fixed()),
        ("masked", scene.masked()),
        ("tied", scene.tied()),
        ("tied and masked", scene.tied_and_masked()),
    ]
}

#[test]
fn em_never_lowers_its_objective_and_keeps_what_is_fixed_or_tied() {
    for scene in scenes() {
        let start = scene.near_truth(4);
        for (kind, properties) in all_properties(&scene) {
            for prior in [true, false] {
                let em = Em { num_iters: 12, tolerance: None, prior };
                let report = em.fit(&scene.hmm, &start, &properties, &scene.data(), &mut |_| true).unwrap();
                let name = format!("{} {kind} prior {prior}", scene.name);
                for pair in report.log_probs.windows(2) {
                    let slack = 1e-9 * (1.0 + pair[0].abs());
                    assert!(pair[1] >= pair[0] - slack, "{name}: {:?}", report.log_probs);
                }
                assert_eq!(report.iterations(), 12, "{name}");
                scene.check_kept(&properties, &start, &report.params);
                assert!(scene.moved(&start, &report.params), "{name}");
            }
        }
    }
}

#[test]
fn gradient_learners_keep_what_is_fixed_or_tied() {
    let steepest = Rule::Sgd(Sgd { momentum: 0.5, nesterov: true });
    let decaying = serde_json::from_value(json!({"rule": "adamw", "weight_decay": 0.5})).unwrap();
    for scene in scenes() {
        let start = scene.near_truth(4);
        for (kind, properties) in all_properties(&scene) {
            let sgd = |rule: &Rule| GradientDescent {
                optimizer: Optimizer::constant(rule.clone(), 1e-3),
                num_epochs: 3,
                ..Default::default()
            };
            let learners: [&dyn Learner; 4] = [
                &QuasiNewton { num_iters: 8, ..Default::default() },
                &sgd(&steepest),
                &sgd(&decaying),
                &StochasticEm { num_epochs: 3, ..Default::default() },
            ];
            for (i, learner) in learners.into_iter().enumerate() {
                let report =
                    learner.fit(&scene.hmm, &start, &properties, &scene.data(), &mut |_| true).unwrap();
                scene.check_kept(&properties, &start, &report.params);
                assert!(scene.moved(&start, &report.params), "{} {kind} learner {i}", scene.name);
            }
        }
    }
}

#[test]
fn minibatch_em_with_one_batch_and_full_steps_is_em() {
    for scene in scenes() {
        let (start, properties) = (scene.near_truth(4), scene.trainable());
        let em = Em { num_iters: 5, tolerance: None, prior: true };
        let want = em.fit(&scene.hmm, &start, &properties, &scene.data(), &mut |_| true).unwrap();
        let minibatch = StochasticEm {
            num_epochs: 5,
            batch_size: 3,
            shuffle: false,
            step_size: StepSize::Constant { weight: 1.0 },
            ..Default::default()
        };
        let got = minibatch.fit(&scene.hmm, &start, &properties, &scene.data(), &mut |_| true).unwrap();
        assert_eq!(got.log_probs, want.log_probs, "{}", scene.name);
        assert_eq!(got.params, want.params, "{}", scene.name);
    }
}

#[test]
fn lbfgs_climbs_at_least_as_high_as_em_from_the_same_start() {
    let scene = scene_of("poisson");
    let (start, properties) = (scene.near_truth(4), scene.trainable());
    let em = Em { num_iters: 2000, tolerance: Some(1e-14), prior: true };
    let em = em.fit(&scene.hmm, &start, &properties, &scene.data(), &mut |_| true).unwrap();
    let lbfgs = QuasiNewton::default();
    let lbfgs = lbfgs.fit(&scene.hmm, &start, &properties, &scene.data(), &mut |_| true).unwrap();
    let (got, want) = (lbfgs.final_log_prob().unwrap(), em.final_log_prob().unwrap());
    assert!((got - want).abs() < 1e-7, "L-BFGS {got}, EM {want}");
    assert!(lbfgs.converged && lbfgs.iterations() < 100, "{} iterations", lbfgs.iterations());
    assert!(lbfgs.log_probs.windows(2).all(|pair| pair[1] >= pair[0]), "{:?}", lbfgs.log_probs);
}

#[test]
fn an_interrupted_fit_returns_what_it_reached() {
    let scene = scene_of("poisson");
    let (start, properties) = (scene.near_truth(4), scene.trainable());
    let learners: [&dyn Learner; 4] =
        [&Em::default(), &QuasiNewton::default(), &GradientDescent::default(), &StochasticEm::default()];
    for learner in learners {
        let mut seen = Vec::new();
        let report = learner
            .fit(&scene.hmm, &start, &properties, &scene.data(), &mut |progress| {
                seen.push((progress.iteration, progress.log_prob, progress.params.clone()));
                progress.iteration < 2
            })
            .unwrap();
        assert!(report.interrupted && !report.converged);
        assert_eq!(seen.iter().map(|s| s.0).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(seen.iter().map(|s| s.1).collect::<Vec<_>>(), report.log_probs);
        assert_eq!(seen[2].2, report.params);
    }
}

#[test]
fn states_that_start_alike_stay_alike_and_are_reported() {
    let scene = scene_of("poisson");
    let mut start = scene.truth.clone();
    for array in start.arrays_mut() {
        let first = array.row(0).to_vec();
        if array.shape().len() == 2 && array.shape()[1] == 1 {
            array.row_mut(1).copy_from_slice(&first);
        }
    }
    start.arrays_mut()[0].values_mut().fill(0.5);
    start.arrays_mut()[1].values_mut().fill(0.5);
    let report =
        Em::default().fit(&scene.hmm, &start, &scene.trainable(), &scene.data(), &mut |_| true).unwrap();
    assert!(report.warnings.iter().any(|w| w.contains("states 0 and 1")), "{:?}", report.warnings);
    let tied = Em::default().fit(&scene.hmm, &start, &scene.tied(), &scene.data(), &mut |_| true).unwrap();
    assert!(!tied.warnings.iter().any(|w| w.contains("states 0 and 1")), "{:?}", tied.warnings);
}

fn quakes() -> Vec<f64> {
    QUAKES.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().trim().parse().unwrap()).collect()
}

fn poisson_hmm(num_states: usize) -> Hmm {
    let spec = json!({"family": "poisson", "num_states": num_states, "emission_dim": 1});
    Hmm::new(HmmSpec::new(serde_json::from_value::<EmissionSpec>(spec).unwrap())).unwrap()
}

fn starts(hmm: &Hmm, data: &Dataset<'_>, count: u64) -> Vec<Params> {
    (0..count).map(|i| hmm.initialize(Start::KMeans(data), Seed(i), &[]).unwrap().0).collect()
}

/// `testdata/series/README.md`; the textbook of Zucchini and MacDonald has the same series.
#[test]
fn maximum_likelihood_of_the_earthquakes_equals_the_published_table() {
    let counts = quakes();
    let data = Dataset::single(counts, 1).unwrap();
    for (num_states, want) in [(1, -391.9189), (2, -341.8787), (3, -328.5275), (4, -326.4106)] {
        let hmm = poisson_hmm(num_states);
        let learner = QuasiNewton { prior: false, num_iters: 400, ..Default::default() };
        let em = Em { num_iters: 1500, tolerance: Some(1e-10), prior: false };
        let properties = Properties::trainable(hmm.schema());
        let mut best = Vec::new();
        for learner in [&em as &dyn Learner, &learner] {
            let starts = starts(&hmm, &data, 12);
            let fits = fit_restarts(learner, &hmm, &starts, &properties, &data, &|_, _| true).unwrap();
            best.push(fits.log_probs[fits.best_start].unwrap());
        }
        for got in best {
            assert!((got - want).abs() < 1e-3, "{num_states} states: {got} for {want}");
        }
    }
}

/// The number of threads is a setting of the process: tests that change it take turns.
static THREADS: Mutex<()> = Mutex::new(());

#[test]
fn restarts_are_the_same_for_one_thread_and_two() {
    let _turn = THREADS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let counts = quakes();
    let data = Dataset::single(counts, 1).unwrap();
    let hmm = poisson_hmm(3);
    let starts = starts(&hmm, &data, 5);
    let properties = Properties::trainable(hmm.schema());
    let mut fits = Vec::new();
    for num_threads in [1, 2] {
        threads::set_num_threads(num_threads);
        fits.push(fit_restarts(&Em::default(), &hmm, &starts, &properties, &data, &|_, _| true).unwrap());
    }
    threads::set_num_threads(0);
    assert_eq!(fits[0].log_probs, fits[1].log_probs);
    assert_eq!(fits[0].best.params, fits[1].best.params);
    assert_eq!(fits[0].best_start, fits[1].best_start);
}

#[test]
fn a_start_that_fails_is_a_warning_and_equal_starts_keep_the_first() {
    let scene = scene_of("poisson");
    let good = scene.near_truth(4);
    let mut bad = good.clone();
    bad.arrays_mut()[0].values_mut()[0] = f64::NAN;
    let starts = [bad.clone(), good.clone(), good];
    let fits =
        fit_restarts(&Em::default(), &scene.hmm, &starts, &scene.trainable(), &scene.data(), &|_, _| true)
            .unwrap();
    assert_eq!((fits.best_start, fits.log_probs[0]), (1, None));
    assert!(fits.best.warnings.iter().any(|w| w.contains("start 0 failed")), "{:?}", fits.best.warnings);
    let all_bad =
        fit_restarts(&Em::default(), &scene.hmm, &[bad], &scene.trainable(), &scene.data(), &|_, _| true);
    assert!(all_bad.unwrap_err().to_string().contains("initial.probs"));
}

#[test]
fn the_e_step_is_the_same_on_any_number_of_threads() {
    let _turn = THREADS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let scene = scene_of("poisson");
    let data = scene.data();
    let many = data.select(&[0; 900]);
    let mut statistics = Vec::new();
    for num_threads in [1, 2] {
        threads::set_num_threads(num_threads);
        statistics.push(scene.hmm.e_step(&scene.truth, &many).unwrap());
    }
    threads::set_num_threads(0);
    assert_eq!(statistics[0], statistics[1]);
}
