//! Results have the same bits on one thread and on two, on ragged data of several groups.

use std::sync::Mutex;

use statewise::data::Dataset;
use statewise::learn::{Em, GradientDescent, Learner, QuasiNewton, StochasticEm, fit_restarts};
use statewise::model::hmm::emission::{Gaussian, Poisson, ScalarOrArray};
use statewise::model::hmm::{Hmm, HmmSpec, Start};
use statewise::params::{Params, Properties};
use statewise::threads;
use statewise_kernels::random::Seed;

/// The number of threads is a setting of the process: tests take turns.
static TURN: Mutex<()> = Mutex::new(());

/// What `work` answers on one thread and on two, equal to the bit.
fn the_same<R: PartialEq + std::fmt::Debug>(what: &str, work: impl Fn() -> R) -> R {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut answers = Vec::new();
    for num_threads in [1, 2] {
        threads::set_num_threads(num_threads);
        assert_eq!(threads::num_threads(), num_threads);
        answers.push(work());
    }
    threads::set_num_threads(0);
    let second = answers.pop().unwrap();
    let first = answers.pop().unwrap();
    assert!(first == second, "{what} differs between one thread and two");
    first
}

fn lengths() -> Vec<usize> {
    let mut lengths: Vec<usize> = (0..60).map(|n| 1 + n * 389 % 700).collect();
    lengths.extend([9000, 1, 8500, 40]);
    lengths
}

fn models() -> Vec<(&'static str, Hmm)> {
    let gaussian = Gaussian {
        num_states: 3,
        emission_dim: 2,
        emission_prior_mean: ScalarOrArray::Scalar(0.0),
        emission_prior_concentration: 1e-2,
        emission_prior_scale: ScalarOrArray::Scalar(1.0),
        emission_prior_extra_df: 3.0,
    };
    let poisson = Poisson {
        num_states: 4,
        emission_dim: 1,
        emission_prior_concentration: 3.0,
        emission_prior_rate: 0.5,
    };
    vec![
        ("gaussian", Hmm::new(HmmSpec::new(gaussian)).unwrap()),
        ("poisson", Hmm::new(HmmSpec::new(poisson)).unwrap()),
    ]
}

/// Draws ragged data of the model, with a gap here and there.
fn draw(hmm: &Hmm) -> (Params, Dataset<'static>) {
    let (params, _) = hmm.initialize(Start::Prior, Seed(1), &[]).unwrap();
    let lengths = lengths();
    let mut rows = Vec::new();
    for (n, length) in lengths.iter().enumerate() {
        rows.extend(hmm.sample(&params, Seed(2), n as u64, *length, &[]).unwrap().1);
    }
    rows.iter_mut().skip(5).step_by(97).for_each(|y| *y = f64::NAN);
    let data = Dataset::ragged(rows, &lengths, hmm.emission_width()).unwrap();
    assert!(threads::groups(data.lengths()).len() >= 3);
    (params, data)
}

#[test]
fn inference_has_the_same_bits_on_any_number_of_threads() {
    for (name, hmm) in models() {
        let (params, data) = draw(&hmm);
        the_same(name, || hmm.filter(&params, &data).unwrap());
        the_same(name, || hmm.marginal_log_prob(&params, &data).unwrap());
        let smoothed = the_same(name, || hmm.smoother(&params, &data).unwrap());
        assert!(smoothed.smoothed_probs.iter().all(|p| p.is_finite()), "{name}");
        the_same(name, || hmm.fixed_lag_smoother(&params, &data, 2).unwrap());
        let (states, _) = the_same(name, || hmm.most_likely_states(&params, &data).unwrap());
        the_same(name, || hmm.log_prob(&params, &states, &data).unwrap());
        let paths = the_same(name, || hmm.posterior_sample(&params, Seed(3), &data, 2).unwrap());
        assert_ne!(paths, hmm.posterior_sample(&params, Seed(4), &data, 2).unwrap(), "{name}");
        the_same(name, || {
            lengths()
                .iter()
                .enumerate()
                .map(|(n, length)| hmm.sample(&params, Seed(5), n as u64, *length, &[]).unwrap())
                .collect::<Vec<_>>()
        });
    }
}

#[test]
fn learning_has_the_same_bits_on_any_number_of_threads() {
    for (name, hmm) in models() {
        let (_, data) = draw(&hmm);
        let properties = Properties::trainable(hmm.schema());
        let (start, _) = the_same(name, || hmm.initialize(Start::KMeans(&data), Seed(6), &[]).unwrap());
        let em = Em { num_iters: 4, tolerance: None, prior: true };
        let sgd = GradientDescent { num_epochs: 2, batch_size: 20, shuffle: true, ..Default::default() };
        let stochastic = StochasticEm { num_epochs: 2, ..Default::default() };
        let quasi_newton = QuasiNewton { num_iters: 4, ..Default::default() };
        let learners: [(&str, &dyn Learner); 4] =
            [("EM", &em), ("SGD", &sgd), ("stochastic EM", &stochastic), ("L-BFGS", &quasi_newton)];
        for (learner_name, learner) in learners {
            let what = format!("{name} by {learner_name}");
            let (log_probs, params) = the_same(&what, || {
                let report = learner.fit(&hmm, &start, &properties, &data, &mut |_| true).unwrap();
                (report.log_probs, report.params)
            });
            assert!(log_probs.len() >= 2 && params != start, "{what}");
        }
        let starts: Vec<Params> =
            (0..3).map(|seed| hmm.initialize(Start::KMeans(&data), Seed(seed), &[]).unwrap().0).collect();
        the_same(&format!("{name} restarts"), || {
            let fits = fit_restarts(&em, &hmm, &starts, &properties, &data, &|_, _| true).unwrap();
            (fits.best_start, fits.log_probs, fits.best.params)
        });
    }
}
