//! Every wrong result and crash of Dynamax's hidden Markov models that is on record, as a test that
//! statewise passes.
//!
//! Item numbers are those of `dynamax.md` §14 (Dynamax 1.0.3, measured), `#n` those of Dynamax's
//! issues. Numbers are compared with enumeration over all paths.

use rand::RngExt;
use serde_json::{Value, json};
use statewise::data::Dataset;
use statewise::infer::SmoothedSlices;
use statewise::learn::{Em, GradientDescent, Learnable, Optimizer, Rule};
use statewise::model::hmm::emission::EmissionSpec;
use statewise::model::hmm::transition::{StandardTransitions, TransitionSpec};
use statewise::model::hmm::{Hmm, HmmSpec, InitialState, Start};
use statewise::params::{Array, FreeSpace, Params, Properties};
use statewise_kernels::discrete::{
    Chain, LogObs, Smoothed, Transitions, Workspace, backward_filter, expected_statistics, fixed_lag,
    marginal_loglik, sample_paths, smooth,
};
use statewise_kernels::random::Seed;
use statewise_testkit::{Enumeration, Problem, enumerate, random_problem};

fn close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= tolerance, "{what}: {got} for {want}");
    }
}

fn with_chain<R>(problem: &Problem, work: impl FnOnce(&Chain<'_>) -> R) -> R {
    let observations = LogObs { values: &problem.log_obs, num_states: problem.num_states };
    let transitions = if problem.is_static {
        Transitions::Static(&problem.matrix)
    } else {
        Transitions::PerStep(&problem.transitions)
    };
    work(&Chain { initial: &problem.initial, transitions, observations: &observations })
}

/// A chain with a different matrix at every step.
fn varying(num_states: usize, num_steps: usize) -> Problem {
    let base = random_problem(num_states, num_steps, 2.0, 4);
    let matrices = (0..num_steps as u64 - 1)
        .flat_map(|step| random_problem(num_states, 2, 1.0, 20 + step).matrix)
        .collect();
    Problem::varying("one matrix a step", &base.initial, matrices, &base.log_obs)
}

fn hmm(emission: Value) -> Hmm {
    let spec: EmissionSpec = serde_json::from_value(emission).unwrap();
    Hmm::new(HmmSpec::new(spec)).unwrap()
}

fn given(values: &[(&str, &[usize], &[f64])]) -> Vec<(String, Array)> {
    let array = |(path, shape, values): &(&str, &[usize], &[f64])| {
        ((*path).to_owned(), Array::new(shape, values.to_vec()))
    };
    values.iter().map(array).collect()
}

/// Every family by its name, with `k` states and otherwise as small as can be.
fn families(k: usize) -> Vec<(String, Value)> {
    let vectors = [
        "bernoulli",
        "diagonal_gaussian",
        "exponential",
        "gaussian",
        "log_normal",
        "negative_binomial",
        "poisson",
        "shared_covariance_gaussian",
        "spherical_gaussian",
        "student_t",
        "von_mises",
        "zero_inflated_poisson",
    ];
    let mut all: Vec<Value> =
        vectors.iter().map(|f| json!({"family": f, "num_states": k, "emission_dim": 2})).collect();
    let poisson = json!({"family": "poisson", "num_states": k, "emission_dim": 1});
    let gaussian = json!({"family": "gaussian", "num_states": k, "emission_dim": 2});
    all.extend([
        json!({"family": "categorical", "num_states": k, "emission_dim": 1, "num_classes": 3}),
        json!({"family": "categorical_regression", "num_states": k, "num_classes": 3, "input_dim": 2}),
        json!({"family": "channels", "channels": [poisson, gaussian]}),
        json!({"family": "diagonal_gaussian_mixture", "num_states": k, "num_components": 2, "emission_dim": 2}),
        json!({"family": "gamma", "num_states": k}),
        json!({"family": "gaussian_mixture", "num_states": k, "num_components": 2, "emission_dim": 2}),
        json!({"family": "linear_autoregressive", "num_states": k, "emission_dim": 2}),
        json!({"family": "linear_regression", "num_states": k, "input_dim": 2, "emission_dim": 2}),
        json!({"family": "logistic_regression", "num_states": k, "input_dim": 2}),
        json!({"family": "low_rank_gaussian", "num_states": k, "emission_dim": 2, "emission_rank": 1}),
        json!({"family": "multinomial", "num_states": k, "emission_dim": 1, "num_classes": 3, "num_trials": 5}),
    ]);
    all.into_iter().map(|spec| (spec["family"].as_str().unwrap().to_owned(), spec)).collect()
}

/// Parameters of order one, data drawn with them, and their inputs.
fn draw(model: &Hmm, num_steps: usize) -> (Params, Vec<f64>, Vec<f64>) {
    let (drawn, properties) = model.initialize(Start::Prior, Seed(3), &[]).unwrap();
    let space = FreeSpace::new(model.schema(), &properties, &drawn);
    let mut rng = Seed(3).stream("parameters", 0);
    let x: Vec<f64> = (0..space.dim()).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect();
    let params = space.from_free(&x);
    let inputs: Vec<f64> = (0..num_steps * model.input_dim()).map(|i| (1.7 * i as f64).sin()).collect();
    let (_, rows) = model.sample(&params, Seed(5), 0, num_steps, &inputs).unwrap();
    (params, rows, inputs)
}

fn data_of<'a>(hmm: &Hmm, rows: &'a [f64], inputs: &'a [f64]) -> Dataset<'a> {
    let data = Dataset::single(rows, hmm.emission_width()).unwrap();
    if hmm.input_dim() > 0 { data.with_inputs(inputs, hmm.input_dim()).unwrap() } else { data }
}

#[test]
fn the_list_of_families_is_complete() {
    let names: Vec<String> = families(1).into_iter().map(|(name, _)| name).collect();
    let unknown = serde_json::from_value::<EmissionSpec>(json!({"family": "?"})).unwrap_err().to_string();
    for family in unknown.split('`').skip(3).step_by(2) {
        assert!(names.iter().any(|name| name == family), "{family} is missing");
    }
}

/// Item 1: Dynamax takes predictions below 1e-8 for zero, in both smoothers and so in EM.
#[test]
fn issue_1_rare_transitions_keep_their_pair_marginals() {
    let (rare, rarer) = (1e-9, 1e-12);
    let chain = Problem::fixed(
        "rare",
        &[1.0 - rarer, rarer],
        &[1.0 - rare, rare, rare, 1.0 - rare],
        &[0.0, 0.0, -60.0, 0.0, -60.0, 0.0],
    );
    let want = enumerate(&chain);
    let (mut smoothed, mut pairs) = (vec![0.0; 6], vec![0.0; 4]);
    let mut ws = Workspace::default();
    with_chain(&chain, |chain| {
        let out = Smoothed { pair_sum: Some(&mut pairs), ..Smoothed::only(&mut smoothed) };
        smooth(chain, &mut ws, out).unwrap();
    });
    close("pairs", &pairs, &want.pair_sum, 1e-11);
    close("smoothed", &smoothed, &want.smoothed, 1e-11);
    close("as printed", &pairs, &[0.0, 0.999, 0.0, 1.001], 1e-6);
    let mut of_em = vec![0.0; 4];
    with_chain(&chain, |chain| expected_statistics(chain, &mut ws, &mut of_em, &mut |_, _| {})).unwrap();
    close("pairs of EM", &of_em, &want.pair_sum, 1e-11);
}

/// Item 2: Dynamax gives log-likelihood 0 and a filtered row of zeros, or NaN.
#[test]
fn issue_2_an_impossible_sequence_has_log_likelihood_minus_infinity() {
    let never = f64::NEG_INFINITY;
    for log_obs in [[0.0, 0.0, never, 0.0], [0.0, 0.0, never, never]] {
        let chain = Problem::fixed("impossible", &[1.0, 0.0], &[1.0, 0.0, 0.0, 1.0], &log_obs);
        with_chain(&chain, |chain| {
            let mut ws = Workspace::default();
            assert_eq!(marginal_loglik(chain, &mut ws).unwrap(), never);
            let error = smooth(chain, &mut ws, Smoothed::only(&mut [0.0; 4])).unwrap_err();
            assert!(error.to_string().starts_with("observation 1 has probability zero"), "{error}");
        });
    }
    let model = hmm(json!({"family": "categorical", "num_states": 2, "emission_dim": 1, "num_classes": 2}));
    let identity = [1.0, 0.0, 0.0, 1.0];
    let values = given(&[
        ("initial_probs", &[2], &[1.0, 0.0]),
        ("transition_matrix", &[2, 2], &identity),
        ("emission_probs", &[2, 1, 2], &identity),
    ]);
    let (params, _) = model.initialize(Start::Prior, Seed(0), &values).unwrap();
    let data = Dataset::single(&[0.0, 1.0][..], 1).unwrap();
    assert_eq!(model.marginal_log_prob(&params, &data).unwrap(), [never]);
    let error = model.filter(&params, &data).unwrap_err().to_string();
    assert!(error.contains("observation 1"), "{error}");
}

/// Item 3: Dynamax draws the step into z_t with the matrix of the step after it.
#[test]
fn issue_3_posterior_samples_with_one_matrix_a_step_have_the_smoothed_marginals() {
    let chain = varying(2, 4);
    let want = enumerate(&chain);
    let num_samples = 40_000;
    let mut paths = vec![0; num_samples * 4];
    let mut rng = Seed(3).stream("paths", 0);
    with_chain(&chain, |chain| {
        let mut uniform = || rng.random();
        sample_paths(chain, &mut Workspace::default(), num_samples, &mut uniform, &mut paths).unwrap();
    });
    for t in 0..4 {
        let ones = paths.iter().skip(t).step_by(4).filter(|z| **z == 1).count();
        // Four standard errors.
        close("p(z_t = 1)", &[ones as f64 / num_samples as f64], &[want.smoothed[2 * t + 1]], 0.01);
    }
}

/// Item 4: Dynamax reads the wrong matrices, and its windows underflow.
#[test]
fn issue_4_fixed_lag_takes_one_matrix_a_step_and_does_not_underflow() {
    let chain = varying(2, 6);
    for lag in 0..6 {
        let mut got = vec![0.0; 12];
        with_chain(&chain, |chain| fixed_lag(chain, &mut Workspace::default(), lag, &mut got)).unwrap();
        let want: Vec<f64> =
            (0..6).flat_map(|t| Enumeration::lagged(&chain, t, (t + lag).min(5))).collect();
        close("fixed lag", &got, &want, 1e-12);
    }
    let near = random_problem(3, 30, 2.0, 8);
    let mut far = near.clone();
    far.log_obs.iter_mut().for_each(|x| *x -= 50.0);
    let lagged = |problem: &Problem| {
        let mut out = vec![0.0; 90];
        with_chain(problem, |chain| fixed_lag(chain, &mut Workspace::default(), 20, &mut out)).unwrap();
        out
    };
    close("shifted", &lagged(&far), &lagged(&near), 1e-11);
    assert!(lagged(&far).chunks(3).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-12));
}

/// Item 11: Dynamax's M-step has gradient 8.95 at its "optimum" when μ₀ ≠ 0.
#[test]
fn issue_11_the_shared_covariance_m_step_is_stationary_for_any_prior_mean() {
    let model = hmm(json!({
        "family": "shared_covariance_gaussian", "num_states": 2, "emission_dim": 2,
        "emission_prior_mean": 3.0, "emission_prior_concentration": 2.0,
    }));
    let rows: Vec<f64> = (0..80).map(|i| (0.7 * f64::from(i)).sin() + f64::from(i / 40)).collect();
    let data = Dataset::single(rows, 2).unwrap();
    let (start, properties) = model.initialize(Start::KMeans(&data), Seed(0), &[]).unwrap();
    let statistics = model.e_step(&start, &data).unwrap();
    let reached = model.m_step(&start, &properties, &statistics, true).unwrap().params;
    let (score, prior) = (model.score(&reached, &statistics), model.log_prior_gradient(&reached));
    for (i, spec) in model.schema().iter().enumerate().filter(|(_, s)| s.path.starts_with("emissions")) {
        for (a, b) in score.arrays()[i].values().iter().zip(prior.arrays()[i].values()) {
            assert!((a + b).abs() < 1e-9 * (1.0 + a.abs()), "{}: {}", spec.path, a + b);
        }
    }
}

/// Item 11: Dynamax draws means with covariance κ₀ Σ.
#[test]
fn issue_11_means_drawn_from_the_shared_covariance_prior_have_covariance_sigma_over_kappa() {
    let kappa = 1e-2;
    let model = hmm(json!({
        "family": "shared_covariance_gaussian", "num_states": 10, "emission_dim": 1,
        "emission_prior_mean": 3.0, "emission_prior_concentration": kappa,
    }));
    let mut squares = Vec::new();
    for seed in 0..2000 {
        let (drawn, _) = model.initialize(Start::Prior, Seed(seed), &[]).unwrap();
        let cov = drawn.get(model.schema(), "emissions.cov").unwrap().values()[0];
        let means = drawn.get(model.schema(), "emissions.means").unwrap().values();
        squares.extend(means.iter().map(|m| (m - 3.0).powi(2) * kappa / cov));
    }
    // The mean of 20,000 squares of standard normals; five standard errors.
    close("E z²", &[squares.iter().sum::<f64>() / squares.len() as f64], &[1.0], 0.05);
}

/// Item 12: in Dynamax the modes are NaN at concentrations of exactly 1.
#[test]
fn issue_12_concentrations_of_one_are_maximum_likelihood() {
    let spec: EmissionSpec = serde_json::from_value(json!({
        "family": "categorical", "num_states": 2, "emission_dim": 1, "num_classes": 3,
        "emission_prior_concentration": 1.0,
    }))
    .unwrap();
    let model = Hmm::new(HmmSpec {
        initial: InitialState { initial_probs_concentration: 1.0, ..InitialState::new(2) },
        transitions: TransitionSpec::Standard(StandardTransitions {
            transition_matrix_concentration: 1.0,
            ..StandardTransitions::new(2)
        }),
        emissions: spec,
    })
    .unwrap();
    let (initial, matrix) = ([0.6, 0.4], [0.8, 0.2, 0.3, 0.7]);
    let probs = [0.5, 0.3, 0.2, 0.1, 0.6, 0.3];
    let values = given(&[
        ("initial_probs", &[2], &initial),
        ("transition_matrix", &[2, 2], &matrix),
        ("emission_probs", &[2, 1, 3], &probs),
    ]);
    let (start, properties) = model.initialize(Start::Prior, Seed(0), &values).unwrap();
    // Symbol 2 never occurs.
    let symbols = [0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0];
    let data = Dataset::single(&symbols[..], 1).unwrap();
    let log_obs: Vec<f64> =
        symbols.iter().flat_map(|y| [probs[*y as usize].ln(), probs[3 + *y as usize].ln()]).collect();
    let exact = enumerate(&Problem::fixed("symbols", &initial, &matrix, &log_obs));
    let em = Em { num_iters: 1, tolerance: None, prior: true };
    let once = em.fit(&model, &start, &properties, &data, &mut |_| true).unwrap().params;
    let row = |i: usize, n: usize| (0..n).map(|j| exact.pair_sum[i * n + j]).sum::<f64>();
    let a: Vec<f64> = (0..4).map(|i| exact.pair_sum[i] / row(i / 2, 2)).collect();
    let count = |k: usize, c: usize| -> f64 {
        let here = symbols.iter().enumerate().filter(|(_, y)| **y as usize == c);
        here.map(|(t, _)| exact.smoothed[2 * t + k]).sum()
    };
    let b: Vec<f64> =
        (0..6).map(|i| count(i / 3, i % 3) / (0..3).map(|c| count(i / 3, c)).sum::<f64>()).collect();
    close("π", once.arrays()[0].values(), &exact.smoothed[..2], 1e-12);
    close("A", once.arrays()[1].values(), &a, 1e-12);
    close("B", once.arrays()[2].values(), &b, 1e-12);
    assert_eq!((once.arrays()[2].values()[2], once.arrays()[2].values()[5]), (0.0, 0.0));

    let fit = |prior| {
        let em = Em { num_iters: 40, tolerance: None, prior };
        em.fit(&model, &start, &properties, &data, &mut |_| true).unwrap()
    };
    let (with, without) = (fit(true), fit(false));
    assert_eq!(with.params, without.params);
    for report in [with, without] {
        assert!(report.log_probs.iter().all(|x| x.is_finite()), "{:?}", report.log_probs);
        assert!(report.log_probs.windows(2).all(|p| p[1] >= p[0] - 1e-12), "{:?}", report.log_probs);
    }
    for spec in [
        json!({"family": "poisson", "num_states": 2, "emission_dim": 1, "emission_prior_concentration": 1.0}),
        json!({"family": "bernoulli", "num_states": 2, "emission_dim": 1,
            "emission_prior_concentration0": 1.0, "emission_prior_concentration1": 1.0}),
    ] {
        let (model, zeros) = (hmm(spec), Dataset::single(vec![0.0; 20], 1).unwrap());
        let (start, properties) = model.initialize(Start::Prior, Seed(0), &[]).unwrap();
        let report = Em::default().fit(&model, &start, &properties, &zeros, &mut |_| true).unwrap();
        assert!(report.log_probs.iter().all(|x| x.is_finite()), "{:?}", report.log_probs);
    }
}

/// Item 13: Dynamax does not shuffle once the batch size reaches the number of batches.
#[test]
fn issue_13_every_batch_size_but_the_full_one_is_shuffled() {
    let model = hmm(json!({"family": "poisson", "num_states": 2, "emission_dim": 1}));
    let values = given(&[("emission_rates", &[2, 1], &[2.0, 6.0])]);
    let (start, properties) = model.initialize(Start::Prior, Seed(1), &values).unwrap();
    let rows: Vec<f64> = (0..50).map(|i| f64::from(i * i % 11)).collect();
    let data = Dataset::batch(rows, 10, 1).unwrap();
    for batch_size in 1..=10 {
        let losses = |shuffle| {
            let optimizer = Optimizer::constant(Rule::Sgd(Default::default()), 0.1);
            let sgd =
                GradientDescent { batch_size, shuffle, num_epochs: 3, optimizer, ..Default::default() };
            sgd.fit_from(None, &model, &start, &properties, &data, &mut |_| true).unwrap().losses
        };
        assert_eq!(losses(true), losses(true), "batch size {batch_size}: the seed decides the order");
        let differ = losses(true).iter().zip(losses(false)).any(|(a, b)| (a - b).abs() > 1e-9);
        assert_eq!(differ, batch_size < 10, "batch size {batch_size}");
    }
}

/// Item 19: in Dynamax these are variances.
#[test]
fn issue_19_scales_drawn_from_the_diagonal_mixture_prior_are_standard_deviations() {
    let model = hmm(json!({
        "family": "diagonal_gaussian_mixture", "num_states": 2, "num_components": 5, "emission_dim": 1,
        "emission_prior_shape": 3.0, "emission_prior_scale": 2.0,
    }));
    let mut precisions = Vec::new();
    for seed in 0..2000 {
        let (drawn, _) = model.initialize(Start::Prior, Seed(seed), &[]).unwrap();
        let scales = drawn.get(model.schema(), "emissions.scale_diags").unwrap();
        precisions.extend(scales.values().iter().map(|s| 1.0 / (s * s)));
    }
    // 1/σ² ~ Gamma(3, rate 2) has mean 3/2 and standard deviation 0.87; five standard errors.
    close("E 1/σ²", &[precisions.iter().sum::<f64>() / precisions.len() as f64], &[1.5], 0.03);
}

/// Item 20: Dynamax starts all components of a state alike, so that EM never separates them.
#[test]
fn issue_20_kmeans_and_em_separate_the_components_of_a_mixture() {
    let mut rng = Seed(20).stream("rows", 0);
    let rows: Vec<f64> = (0..400)
        .map(|t| {
            let state = f64::from(t / 50 % 2);
            let component = f64::from(u8::from(rng.random::<f64>() < 0.5));
            20.0 * state + 3.0 * component + 0.4 * (rng.random::<f64>() - 0.5)
        })
        .collect();
    let data = Dataset::single(rows, 1).unwrap();
    for family in ["gaussian_mixture", "diagonal_gaussian_mixture"] {
        let model = hmm(json!({"family": family, "num_states": 2, "num_components": 2, "emission_dim": 1}));
        for seed in 0..5 {
            let (start, properties) = model.initialize(Start::KMeans(&data), Seed(seed), &[]).unwrap();
            let means = start.get(model.schema(), "emissions.means").unwrap();
            (0..2).for_each(|k| assert!((means.row(k)[0] - means.row(k)[1]).abs() > 0.5, "{means:?}"));
            let em = Em { num_iters: 30, ..Default::default() };
            let report = em.fit(&model, &start, &properties, &data, &mut |_| true).unwrap();
            let mut means = report.params.get(model.schema(), "emissions.means").unwrap().values().to_vec();
            means.sort_by(f64::total_cmp);
            close(family, &means, &[0.0, 3.0, 20.0, 23.0], 0.1);
        }
    }
}

/// Item 23: Dynamax promises the marginal log-likelihood, which a backward pass without π is not.
#[test]
fn issue_23_the_backward_filter_and_the_initial_distribution_give_the_evidence() {
    for chain in [random_problem(3, 6, 3.0, 23), varying(3, 6)] {
        let mut messages = vec![0.0; 18];
        let total = with_chain(&chain, |chain| backward_filter(chain, &mut messages)).unwrap();
        let joint = |weight: &dyn Fn(usize) -> f64| -> f64 {
            (0..3).map(|k| weight(k) * chain.log_obs[k].exp() * messages[k]).sum()
        };
        let got = total + (joint(&|k| chain.initial[k]) / joint(&|_| 1.0)).ln();
        close("evidence", &[got], &[enumerate(&chain).marginal_loglik], 1e-12);
    }
}

/// Item 24: `compute_trans_probs=False` raises in Dynamax.
#[test]
fn issue_24_a_smoother_without_pair_marginals_gives_the_same_probabilities() {
    let model = hmm(json!({"family": "poisson", "num_states": 3, "emission_dim": 1}));
    let (params, _) = model.initialize(Start::Prior, Seed(2), &[]).unwrap();
    let data = Dataset::single(vec![2.0, 0.0, 5.0, 1.0, 9.0], 1).unwrap();
    let all = model.smoother(&params, &data).unwrap();
    let mut smoothed = vec![0.0; 15];
    let only = SmoothedSlices {
        smoothed_probs: &mut smoothed,
        filtered_probs: None,
        predicted_probs: None,
        trans_probs: None,
    };
    let logliks = model.smoother_into(&params, &data, only).unwrap();
    assert_eq!((logliks, smoothed), (all.marginal_loglik, all.smoothed_probs));
}

/// Item 25: Dynamax cannot initialise a model of one state.
#[test]
fn issue_25_one_state_is_a_model_for_every_family() {
    for (name, spec) in families(1) {
        let model = hmm(spec);
        let (drawn, rows, inputs) = draw(&model, 30);
        let data = data_of(&model, &rows, &inputs);
        let (start, properties) =
            model.initialize(Start::KMeans(&data), Seed(0), &[]).unwrap_or_else(|e| panic!("{name}: {e}"));
        for params in [&drawn, &start] {
            let filtered = model.filter(params, &data).unwrap();
            assert!(filtered.marginal_loglik[0].is_finite(), "{name}");
            assert_eq!(filtered.filtered_probs, vec![1.0; 30], "{name}");
            assert_eq!(model.smoother(params, &data).unwrap().smoothed_probs, vec![1.0; 30], "{name}");
            let (path, joint) = model.most_likely_states(params, &data).unwrap();
            assert_eq!(path, vec![0; 30], "{name}");
            let tolerance = 1e-10 * (1.0 + joint[0].abs());
            close(&name, &joint, &filtered.marginal_loglik, tolerance);
            assert_eq!(model.posterior_sample(params, Seed(1), &data, 1).unwrap()[0], vec![0; 30]);
        }
        let em = Em { num_iters: 5, tolerance: None, prior: true };
        let report = em.fit(&model, &start, &properties, &data, &mut |_| true).unwrap();
        assert!(report.log_probs.iter().all(|x| x.is_finite()), "{name}: {:?}", report.log_probs);
        assert_eq!(report.params.arrays()[0].values(), [1.0], "{name}");
        assert_eq!(report.params.arrays()[1].values(), [1.0], "{name}");
    }
}

/// Item 26: Dynamax's M-step moves the means of a Gaussian that were to stay fixed.
#[test]
fn issue_26_one_fixed_field_of_a_gaussian_stays_and_the_others_move() {
    let rows: Vec<f64> = (0..120).map(|i| (0.9 * f64::from(i)).sin() + f64::from(i / 30 % 2)).collect();
    let data = Dataset::single(rows, 2).unwrap();
    for family in ["gaussian", "diagonal_gaussian", "spherical_gaussian", "shared_covariance_gaussian"] {
        let model = hmm(json!({"family": family, "num_states": 2, "emission_dim": 2}));
        let (start, _) = model.initialize(Start::KMeans(&data), Seed(0), &[]).unwrap();
        for fixed in 2..model.schema().len() {
            let mut properties = Properties::trainable(model.schema());
            properties.0[fixed].trainable = false;
            let report = Em::default().fit(&model, &start, &properties, &data, &mut |_| true).unwrap();
            for (i, (from, to)) in start.arrays().iter().zip(report.params.arrays()).enumerate() {
                assert_eq!(from == to, i == fixed, "{family}, {}", model.schema()[i].path);
            }
        }
    }
}

/// #421: Dynamax takes labels out of range for missing ones, silently.
#[test]
fn issue_421_labels_out_of_range_are_errors_that_name_their_place() {
    let model = hmm(json!({"family": "categorical", "num_states": 2, "emission_dim": 2, "num_classes": 3}));
    let (params, _) = model.initialize(Start::Prior, Seed(0), &[]).unwrap();
    for wrong in [-1.0, 3.0, 0.5] {
        let data = Dataset::single(vec![0.0, 1.0, 2.0, wrong, 1.0, 1.0], 2).unwrap();
        let error = model.filter(&params, &data).unwrap_err().to_string();
        assert!(error.contains("row 1, column 1") && error.contains(&wrong.to_string()), "{error}");
    }
}

/// §11, item 12: NaN gives NaN in every model of Dynamax.
#[test]
fn a_row_of_nan_is_missing_in_every_family() {
    for (name, spec) in families(2) {
        let model = hmm(spec);
        let (params, mut rows, inputs) = draw(&model, 20);
        let width = model.emission_width();
        rows[7 * width..8 * width].fill(f64::NAN);
        let data = data_of(&model, &rows, &inputs);
        let filtered = model.filter(&params, &data).unwrap();
        assert!(filtered.marginal_loglik[0].is_finite(), "{name}");
        close(&name, &filtered.filtered_probs[14..16], &filtered.predicted_probs[14..16], 1e-14);
        let properties = Properties::trainable(model.schema());
        let em = Em { num_iters: 3, tolerance: None, prior: true };
        let report = em.fit(&model, &params, &properties, &data, &mut |_| true).unwrap();
        assert!(report.log_probs.iter().all(|x| x.is_finite()), "{name}: {:?}", report.log_probs);
        report.params.check(model.schema()).unwrap();
    }
}

/// #316, #404: linear regressions turn NaN on constant segments and with many states.
#[test]
fn issue_316_linear_regression_stays_finite_on_constant_segments_and_with_many_states() {
    let num_steps = 150;
    let inputs: Vec<f64> = (0..2 * num_steps).map(|i| (0.37 * i as f64).sin()).collect();
    let rows: Vec<f64> = (0..num_steps).flat_map(|t| [(t / 30) as f64, 2.0 - (t / 50) as f64]).collect();
    let model =
        hmm(json!({"family": "linear_regression", "num_states": 8, "input_dim": 2, "emission_dim": 2}));
    let data = Dataset::single(rows, 2).unwrap().with_inputs(inputs, 2).unwrap();
    for (seed, prior) in (0..4).flat_map(|seed| [(seed, true), (seed, false)]) {
        let starts = [Start::Prior, Start::KMeans(&data)];
        for start in starts {
            let Ok((start, properties)) = model.initialize(start, Seed(seed), &[]) else { continue };
            let em = Em { num_iters: 60, tolerance: None, prior };
            let report = em.fit(&model, &start, &properties, &data, &mut |_| true).unwrap();
            assert!(report.log_probs.iter().all(|x| x.is_finite()), "{:?}", report.log_probs);
            for pair in report.log_probs.windows(2) {
                assert!(pair[1] >= pair[0] - 1e-8 * (1.0 + pair[0].abs()), "{:?}", report.log_probs);
            }
            report.params.check(model.schema()).unwrap();
            let smoothed = model.smoother(&report.params, &data).unwrap().smoothed_probs;
            assert!(smoothed.iter().all(|p| p.is_finite()));
        }
    }
}

/// #290: posteriors were NaN with a sparse transition matrix; the mending of it made item 1.
#[test]
fn issue_290_sparse_transitions_have_finite_and_exact_posteriors() {
    let k = 4;
    let mut matrix = vec![0.0; k * k];
    for i in 0..k {
        matrix[i * k + i] = if i + 1 < k { 0.7 } else { 1.0 };
        if i + 1 < k {
            matrix[i * k + i + 1] = 0.3;
        }
    }
    let initial = [1.0, 0.0, 0.0, 0.0];
    let small = Problem::fixed("left to right", &initial, &matrix, &random_problem(k, 6, 40.0, 7).log_obs);
    let long = Problem::fixed("long", &initial, &matrix, &random_problem(k, 600, 400.0, 9).log_obs);
    let smoothed = |problem: &Problem| {
        let mut out = vec![0.0; problem.log_obs.len()];
        let mut pairs = vec![0.0; k * k];
        with_chain(problem, |chain| {
            let out = Smoothed { pair_sum: Some(&mut pairs), ..Smoothed::only(&mut out) };
            smooth(chain, &mut Workspace::default(), out).unwrap();
        });
        (out, pairs)
    };
    let (got, pairs) = smoothed(&small);
    let want = enumerate(&small);
    close("smoothed", &got, &want.smoothed, 1e-12);
    close("pairs", &pairs, &want.pair_sum, 1e-12);
    let (got, pairs) = smoothed(&long);
    assert!(got.chunks(k).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-10));
    close("pairs of the long chain", &[pairs.iter().sum()], &[599.0], 1e-8);
}
