//! Transitions driven by inputs: exact scores, monotone EM, and the inputs' effect found again.

use statewise::data::Dataset;
use statewise::learn::{Em, Learnable};
use statewise::model::hmm::emission::{EmissionSpec, Poisson};
use statewise::model::hmm::transition::{SoftmaxTransitions, TransitionSpec};
use statewise::model::hmm::{Hmm, HmmSpec, InitialState, Start};
use statewise::params::{Array, FreeSpace, Params, Properties};
use statewise_kernels::random::Seed;

fn model(num_states: usize, input_dim: usize) -> Hmm {
    Hmm::new(HmmSpec {
        initial: InitialState::new(num_states),
        transitions: TransitionSpec::Softmax(SoftmaxTransitions {
            num_states,
            input_dim,
            transition_weights_scale: 3.0,
            transition_stickiness: 1.0,
        }),
        emissions: EmissionSpec::Poisson(Poisson {
            num_states,
            emission_dim: 1,
            emission_prior_concentration: 1.1,
            emission_prior_rate: 0.1,
        }),
    })
    .unwrap()
}

fn inputs(num_steps: usize, input_dim: usize) -> Vec<f64> {
    (0..num_steps * input_dim).map(|i| (1.3 * i as f64).sin() + 0.5 * (0.37 * i as f64).cos()).collect()
}

fn start(hmm: &Hmm, rates: &[f64]) -> Params {
    let given = [("emissions.rates".to_owned(), Array::new(&[rates.len(), 1], rates.to_vec()))];
    hmm.initialize(Start::Prior, Seed(3), &given).unwrap().0
}

#[test]
fn score_equals_finite_differences_of_the_log_likelihood() {
    let hmm = model(3, 2);
    let counts = [2.0, 0.0, 5.0, 9.0, f64::NAN, 12.0, 3.0, 1.0, 7.0, 4.0];
    let data = Dataset::single(&counts[..], 1).unwrap().with_inputs(inputs(10, 2), 2).unwrap();
    let params = start(&hmm, &[1.0, 4.0, 9.0]);
    let space = FreeSpace::new(hmm.schema(), &Properties::trainable(hmm.schema()), &params);
    let statistics = hmm.e_step(&params, &data).unwrap();
    let score = space.pull_back(&params, &hmm.score(&params, &statistics));
    let x = space.to_free(&params);
    let value = |x: &[f64]| hmm.marginal_log_prob(&space.from_free(x), &data).unwrap()[0];
    for i in 0..x.len() {
        let step = 1e-5;
        let moved = |h: f64| {
            let mut y = x.clone();
            y[i] += h;
            value(&y)
        };
        let slope = (moved(step) - moved(-step)) / (2.0 * step);
        // Central differences: truncation 1e-10, rounding 1e-14 / 1e-5.
        assert!((slope - score[i]).abs() < 2e-8 * (1.0 + slope.abs()), "{i}: {slope} against {}", score[i]);
    }
}

#[test]
fn em_never_goes_down_with_and_without_the_prior() {
    let hmm = model(2, 1);
    let truth = start(&hmm, &[2.0, 8.0]);
    let u = inputs(300, 1);
    let (_, counts) = hmm.sample(&truth, Seed(1), 0, 300, &u).unwrap();
    let data = Dataset::single(counts, 1).unwrap().with_inputs(u, 1).unwrap();
    for prior in [true, false] {
        let em = Em { num_iters: 40, tolerance: None, prior };
        let properties = Properties::trainable(hmm.schema());
        let report = em.fit(&hmm, &start(&hmm, &[4.0, 5.0]), &properties, &data, &mut |_| true).unwrap();
        for pair in report.log_probs.windows(2) {
            assert!(pair[1] >= pair[0] - 1e-9 * pair[0].abs(), "{} after {}", pair[1], pair[0]);
        }
    }
}

#[test]
fn em_finds_the_effect_of_the_input_again() {
    let hmm = model(2, 1);
    let mut truth = start(&hmm, &[1.0, 20.0]);
    // A high input moves the chain to state 1, a low one back to state 0.
    truth.arrays_mut()[1] = Array::new(&[2, 2, 1], vec![-2.0, 2.0, -2.0, 2.0]);
    truth.arrays_mut()[2] = Array::new(&[2, 2], vec![0.5, -0.5, -0.5, 0.5]);
    let u = inputs(4000, 1);
    let (_, counts) = hmm.sample(&truth, Seed(5), 0, 4000, &u).unwrap();
    let data = Dataset::single(counts, 1).unwrap().with_inputs(u, 1).unwrap();
    let em = Em { num_iters: 200, tolerance: Some(1e-10), prior: false };
    let properties = Properties::trainable(hmm.schema());
    let report = em.fit(&hmm, &start(&hmm, &[2.0, 15.0]), &properties, &data, &mut |_| true).unwrap();
    let weights = report.params.get(hmm.schema(), "transitions.weights").unwrap().values();
    for row in weights.chunks_exact(2) {
        // log odds change by 4 per unit of input; its standard error here is about 0.25.
        assert!((row[1] - row[0] - 4.0).abs() < 1.0, "{weights:?}");
    }
}
