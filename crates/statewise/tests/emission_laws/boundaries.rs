//! The edges of the parameter spaces, and numbers of other programs.

use serde_json::{Value, json};
use statewise::data::{Dataset, Sequence};
use statewise::model::hmm::component::{MStep, Maximised};
use statewise::model::hmm::emission::{Emission, EmissionSpec};
use statewise::params::{Array, ParamProperties};
use statewise_kernels::random::Seed;

fn build(json: Value) -> Box<dyn Emission> {
    serde_json::from_value::<EmissionSpec>(json).unwrap().build().unwrap()
}

fn log_likelihoods(family: &dyn Emission, params: &[Array], rows: &[f64]) -> Vec<f64> {
    let width = family.emission_shape().iter().product();
    let sequence = Sequence { emissions: rows, width, inputs: &[], input_dim: 0 };
    let mut out = vec![f64::NAN; sequence.num_steps() * family.num_states()];
    family.prepare(params).unwrap().log_likelihoods(&sequence, 0..sequence.num_steps(), &mut out);
    out
}

/// One M-step with all rows in state 0, without a prior; the number of repairs.
fn maximise(family: &dyn Emission, params: &mut [Array], rows: &[f64], prior: bool) -> usize {
    let width = family.emission_shape().iter().product();
    let sequence = Sequence { emissions: rows, width, inputs: &[], input_dim: 0 };
    let k = family.num_states();
    let gamma: Vec<f64> = (0..sequence.num_steps() * k).map(|i| f64::from(i % k == 0)).collect();
    let mut stats = vec![0.0; family.num_stats()];
    family.prepare(params).unwrap().accumulate(&sequence, 0..sequence.num_steps(), &gamma, &mut stats);
    let properties = vec![ParamProperties::default(); params.len()];
    let before = family.expected_log_prob(params, &stats);
    let step = MStep { stats: &stats, prior, properties: &properties };
    let Maximised::Done { repairs } = family.maximise(&step, params) else { panic!("no closed form") };
    let after = family.expected_log_prob(params, &stats);
    assert!(prior || after >= before, "{before} fell to {after}");
    let mut gradient: Vec<Array> = params.iter().map(|p| Array::zeros(p.shape())).collect();
    family.expected_log_prob_gradient(params, &stats, &mut gradient);
    family.log_prior_gradient(params, &mut gradient);
    let finite = |a: &Array| a.values().iter().all(|x| !x.is_nan());
    assert!(gradient.iter().all(finite) && params.iter().all(finite), "{gradient:?}");
    assert!(!family.log_prior(params).is_nan());
    repairs
}

#[test]
fn certain_probabilities_give_certain_likelihoods() {
    let family = build(json!({"family": "bernoulli", "num_states": 2, "emission_dim": 1}));
    let params = [Array::new(&[2, 1], vec![0.0, 1.0])];
    let infinite = f64::NEG_INFINITY;
    assert_eq!(log_likelihoods(&*family, &params, &[0.0, 1.0]), [0.0, infinite, infinite, 0.0]);
}

#[test]
fn modes_with_concentration_one_are_frequencies() {
    let mut params = [Array::new(&[1, 1, 3], vec![0.2, 0.3, 0.5])];
    let family = build(json!({
        "family": "categorical", "num_states": 1, "emission_dim": 1, "num_classes": 3,
        "emission_prior_concentration": 1.0
    }));
    assert_eq!(maximise(&*family, &mut params, &[0.0, 1.0, 1.0, 0.0], true), 0);
    assert_eq!(params[0].values(), [0.5, 0.5, 0.0]);
    assert_eq!(log_likelihoods(&*family, &params, &[2.0]), [f64::NEG_INFINITY]);
    let mut params = [Array::new(&[1, 1], vec![0.3])];
    let family = build(json!({
        "family": "bernoulli", "num_states": 1, "emission_dim": 1,
        "emission_prior_concentration0": 1.0, "emission_prior_concentration1": 0.5
    }));
    assert_eq!(maximise(&*family, &mut params, &[0.0, 0.0], true), 0);
    assert_eq!(params[0].values(), [0.0]);
}

#[test]
fn a_missing_count_hides_the_counts_beside_it() {
    let family = build(json!({
        "family": "multinomial", "num_states": 1, "emission_dim": 2, "num_classes": 2, "num_trials": 3
    }));
    let params = [Array::new(&[1, 2, 2], vec![0.2, 0.8, 0.5, 0.5])];
    let rows = [2.0, f64::NAN, 1.0, 2.0];
    assert!(family.check_rows(&rows).is_ok());
    let got = log_likelihoods(&*family, &params, &rows)[0];
    assert!((got - f64::ln(3.0 / 8.0)).abs() < 1e-14, "{got}");
    let mut after = params.clone();
    maximise(&*family, &mut after, &rows, false);
    assert_eq!(after[0].values()[..2], params[0].values()[..2]);
    assert!((after[0].values()[2] - 1.0 / 3.0).abs() < 1e-15, "{after:?}");
}

#[test]
fn labels_that_disagree_do_not_underflow() {
    let tiny = 1e-200;
    let row = |first: f64, second: f64| [first, 1.0 - first, second, 1.0 - second];
    let probs = [row(tiny, 1.0), row(1.0, tiny)].concat();
    let family =
        build(json!({"family": "categorical", "num_states": 2, "emission_dim": 2, "num_classes": 2}));
    let params = [Array::new(&[2, 2, 2], probs)];
    let sequence = Sequence { emissions: &[0.0, 0.0], width: 2, inputs: &[], input_dim: 0 };
    let (mut out, mut shift) = ([0.0; 2], [0.0]);
    family.prepare(&params).unwrap().scaled_likelihoods(&sequence, 0..1, &mut out, &mut shift);
    assert_eq!(out, [1.0, 1.0]);
    assert!((shift[0] - f64::ln(tiny)).abs() < 1e-12);
}

#[test]
fn collapsing_states_are_capped_and_counted() {
    let cases = [
        (json!({"family": "gamma", "num_states": 1}), vec![vec![2.0], vec![1.0]], [3.5, 3.5, 3.5]),
        (
            json!({"family": "von_mises", "num_states": 1, "emission_dim": 1}),
            vec![vec![2.0], vec![1.0]],
            [1.5, 1.5, 1.5],
        ),
        (
            json!({"family": "log_normal", "num_states": 1, "emission_dim": 1}),
            vec![vec![2.0], vec![1.0]],
            [3.5, 3.5, 3.5],
        ),
        (
            json!({"family": "negative_binomial", "num_states": 1, "emission_dim": 1}),
            vec![vec![2.0], vec![1.0]],
            [0.0, 1.0, 1.0],
        ),
        (
            json!({"family": "negative_binomial", "num_states": 1, "emission_dim": 1}),
            vec![vec![2.0], vec![1.0]],
            [0.0, 0.0, 0.0],
        ),
        (json!({"family": "poisson", "num_states": 1, "emission_dim": 1}), vec![vec![2.0]], [0.0; 3]),
        (json!({"family": "exponential", "num_states": 1, "emission_dim": 1}), vec![vec![2.0]], [0.0; 3]),
    ];
    for (json, start, rows) in cases {
        let family = build(json.clone());
        let shapes = family.schema();
        let mut params: Vec<Array> =
            start.into_iter().zip(&shapes).map(|(p, spec)| Array::new(&spec.shape, p)).collect();
        assert!(maximise(&*family, &mut params, &rows, false) > 0, "{json}");
        let logs = log_likelihoods(&*family, &params, &rows);
        assert!(logs.iter().all(|l| l.is_finite()), "{json}: {params:?} {logs:?}");
    }
}

#[test]
fn negative_binomials_of_huge_dispersion_are_poisson() {
    let poisson = build(json!({"family": "poisson", "num_states": 1, "emission_dim": 1}));
    let family = build(json!({"family": "negative_binomial", "num_states": 1, "emission_dim": 1}));
    let (mean, dispersion) = (Array::new(&[1, 1], vec![7.0]), Array::new(&[1, 1], vec![1e8]));
    let rows = [0.0, 3.0, 20.0, 60.0];
    let got = log_likelihoods(&*family, &[mean.clone(), dispersion], &rows);
    let want = log_likelihoods(&*poisson, &[mean], &rows);
    for ((got, want), y) in got.iter().zip(&want).zip(&rows) {
        // They differ by ((y − μ)² − y) / 2r.
        let correction = ((y - 7.0_f64).powi(2) - y) / 2e8;
        assert!((got - want - correction).abs() < 1e-12 * (1.0 + want.abs()), "{got} {want} {correction}");
    }
}

#[test]
fn starts_differ_between_states_however_long_the_data() {
    let labels: Vec<f64> = (0..50_000_u32).map(|t| f64::from(t * t % 7 % 3)).collect();
    let data = Dataset::single(labels, 1).unwrap();
    let family =
        build(json!({"family": "categorical", "num_states": 3, "emission_dim": 1, "num_classes": 3}));
    let start = family.initialize_from_data(&data, &mut Seed(1).stream("start", 0)).unwrap();
    for (a, b) in [(0, 1), (1, 2), (0, 2)] {
        let pairs = start[0].row(a).iter().zip(start[0].row(b));
        let distance: f64 = pairs.map(|(p, q)| (p - q).abs()).sum();
        assert!(distance > 0.05, "states {a} and {b}: {start:?}");
    }
    let data = Dataset::single(vec![0.0, 1.0, 1.0, f64::NAN], 1).unwrap();
    let family = build(json!({"family": "bernoulli", "num_states": 3, "emission_dim": 1}));
    let start = family.initialize_from_data(&data, &mut Seed(1).stream("start", 0)).unwrap();
    assert!(start[0].values().iter().all(|p| *p > 0.0 && *p < 1.0), "{start:?}");
}

/// Dynamax's log priors at its starting parameters, less 0.02739490458 for the chain's own
/// (dynamax.md, appendix A: `logprior_init` of the `*_em` runs and of `gamma_em_adam`).
#[test]
fn log_priors_match_dynamax() {
    let chain = 0.02739490458;
    let cases = [
        (
            json!({"family": "poisson", "num_states": 2, "emission_dim": 1}),
            vec![15.0, 25.0],
            -8.345854794,
            5e-8,
        ),
        (
            json!({"family": "bernoulli", "num_states": 2, "emission_dim": 3}),
            vec![0.3, 0.4, 0.3, 0.7, 0.5, 0.6],
            0.3153081826,
            1e-5,
        ),
        (
            json!({
                "family": "multinomial", "num_states": 2, "emission_dim": 1, "num_classes": 3,
                "num_trials": 6
            }),
            vec![0.3, 0.3, 0.4, 0.5, 0.3, 0.2],
            1.617747284,
            1e-9,
        ),
    ];
    for (json, values, want, tolerance) in cases {
        let family = build(json);
        let got = family.log_prior(&[Array::new(&family.schema()[0].shape, values)]);
        // Ten digits were printed; its Gamma and Beta constants differ by 2e-8 and 1e-6 an entry from
        // C's lgamma, with which ours agree.
        assert!((got - (want - chain)).abs() < tolerance, "{family:?}: {got} against {}", want - chain);
    }
}
