//! Scores, EM and L-BFGS of structural models.

use statewise::Seed;
use statewise::data::Dataset;
use statewise::infer::gaussian::{Form, GaussianOptions};
use statewise::learn::{Em, Learnable, Learner, QuasiNewton};
use statewise::model::structural::block::{
    Arma, Autoregressive, BlockSpec, Cycle, LocalLevel, LocalLinearTrend, Matern, OrnsteinUhlenbeck,
    Seasonal, Smoothness,
};
use statewise::model::structural::{
    Across, ComponentSpec, Initial, Irregular, StructuralSpec, StructuralTimeSeries, Time,
};
use statewise::params::{Array, Constraint, Params, Properties};

use super::corpus::{self, build};

/// The model with a proper start wherever it is diffuse.
pub(crate) fn proper(model: &StructuralTimeSeries) -> StructuralTimeSeries {
    let mut spec = model.spec().clone();
    for component in &mut spec.components {
        let alone =
            StructuralSpec { input_dim: 3, ..StructuralSpec::new(vec![component.model.clone().into()]) };
        let alone = build(alone);
        let data = corpus::data(&alone);
        let lowered = alone.lower(&corpus::params(&alone), &data).unwrap();
        if lowered.initial_diffuse.is_some() {
            let n = alone.state_dim();
            let entry = |e: usize| if e / n == e % n { 2.0 + (e % n) as f64 } else { 0.3 };
            component.initial = Some(Initial::Given {
                mean: Array::new(&[n], (0..n).map(|i| 0.5 - 0.1 * i as f64).collect()),
                cov: Array::new(&[n, n], (0..n * n).map(entry).collect()),
            });
        }
    }
    build(spec)
}

/// Two sequences on different inputs, with entries missing and with weights.
fn ragged(model: &StructuralTimeSeries) -> Dataset<'static> {
    let data = corpus::data(model);
    let (m, u) = (model.emission_dim(), model.input_dim());
    let mut rows = data.rows().to_vec();
    rows.extend(data.rows()[m..6 * m].iter().map(|y| 0.7 * y - 0.4));
    rows[2 * m] = f64::NAN;
    rows[4 * m..5 * m].fill(f64::NAN);
    rows[11 * m + m - 1] = f64::NAN;
    let mut inputs = data.sequence(0).inputs.to_vec();
    inputs.extend_from_within(3 * u..8 * u);
    let lengths = [corpus::NUM_STEPS, 5];
    let data = Dataset::ragged(rows, &lengths, m).unwrap().with_weights(vec![1.0, 2.5]).unwrap();
    if u > 0 { data.with_inputs(inputs, u).unwrap() } else { data }
}

/// Central differences, extrapolated; to about 1e-9.
fn slope(function: impl Fn(f64) -> f64, scale: f64) -> f64 {
    let h = 2e-3 * scale;
    let central = |h: f64| (function(h) - function(-h)) / (2.0 * h);
    let (a, b, c) = (central(h), central(h / 2.0), central(h / 4.0));
    let (ab, bc) = ((4.0 * b - a) / 3.0, (4.0 * c - b) / 3.0);
    (16.0 * bc - ab) / 15.0
}

/// Compares the score with differences of the evidence, parameter by parameter.
pub(crate) fn check_score(model: &StructuralTimeSeries, data: &Dataset<'_>) {
    let params = corpus::params(model);
    let statistics = model.e_step(&params, data).unwrap();
    let score = model.score(&params, &statistics);
    // Differences need all digits of the evidence; square roots keep more of them.
    let options = GaussianOptions { form: Form::SquareRoot, ..Default::default() };
    let value = |at: &Params| {
        let logliks = model.marginal_log_prob(at, data, &options).unwrap();
        logliks.iter().enumerate().map(|(n, loglik)| data.weight(n) * loglik).sum::<f64>()
    };
    let here = value(&params);
    assert!((statistics.marginal_loglik - here).abs() < 1e-10 * (1.0 + here.abs()));
    for (a, spec) in model.schema().iter().enumerate() {
        if spec.constraint == Constraint::PositiveDefinite {
            continue; // `pulled_back_gradients_equal_finite_differences` moves its entries in pairs.
        }
        for i in 0..params.arrays()[a].values().len() {
            let at = |by: f64| {
                let mut moved = params.clone();
                moved.arrays_mut()[a].values_mut()[i] += by;
                value(&moved)
            };
            let size = params.arrays()[a].values()[i].abs();
            // Coefficients may be near 0; variances and lengths have a scale.
            let scaled = spec.constraint == Constraint::Scale;
            let scale = if scaled { size } else { 0.1 * size.max(1e-2) };
            let (got, want) = (score.arrays()[a].values()[i], slope(at, scale));
            let tolerance = 1e-8 * (1.0 + want.abs()) + 1e-11 * here.abs() / scale;
            let spec = (&spec.path, i, model.spec());
            assert!((got - want).abs() < tolerance, "{spec:?}: {got} for {want}");
        }
    }
}

#[test]
fn scores_equal_differences_of_the_evidence() {
    for model in corpus::models() {
        let model = proper(&model);
        check_score(&model, &ragged(&model));
    }
}

#[test]
fn scores_add_up_over_sequences() {
    for model in corpus::models() {
        let model = proper(&model);
        let (data, params) = (ragged(&model), corpus::params(&model));
        let whole = model.e_step(&params, &data).unwrap();
        let mut parts = model.e_step(&params, &data.select(&[0])).unwrap();
        parts.merge(&model.e_step(&params, &data.select(&[1])).unwrap());
        assert_eq!((whole.num_steps, whole.num_sequences), (parts.num_steps, parts.num_sequences));
        for (a, b) in whole.values.iter().zip(&parts.values) {
            assert!((a - b).abs() <= 1e-11 * (1.0 + a.abs()), "{a} and {b}");
        }
    }
}

fn level_with_noise() -> (StructuralTimeSeries, Dataset<'static>) {
    let given = Initial::Given { mean: Array::new(&[1], vec![1.0]), cov: Array::new(&[1, 1], vec![4.0]) };
    let level = ComponentSpec::from(LocalLevel::default()).starting(given);
    let model = build(StructuralSpec::new(vec![level]));
    let rows: Vec<f64> = (0..40).map(|t| (0.3 * t as f64).sin() * 2.0 + (2.9 * t as f64).cos()).collect();
    (model, Dataset::single(rows, 1).unwrap())
}

#[test]
fn an_m_step_sets_variances_to_expected_squares_of_disturbances() {
    let (model, data) = level_with_noise();
    let (params, properties) = model.initialize(&data, None, &[]).unwrap();
    let statistics = model.e_step(&params, &data).unwrap();
    let new = model.m_step(&params, &properties, &statistics, false).unwrap().params;
    // The same from smoothed states: E(z_t − z_{t-1})² and E(y_t − z_t)².
    let lowered = model.lower(&params, &data).unwrap();
    let smoothed = lowered.smoother(&data, &GaussianOptions::default()).unwrap();
    let (mean, cov) = (&smoothed.smoothed.means, |t: usize| smoothed.smoothed.covs.of(0, t)[0]);
    let lag = |t: usize| smoothed.lag_one_covs.of(0, t)[0];
    let num = data.num_rows();
    let moved = (1..num).map(|t| (mean[t] - mean[t - 1]).powi(2) + cov(t) + cov(t - 1) - 2.0 * lag(t - 1));
    let missed = (0..num).map(|t| (data.rows()[t] - mean[t]).powi(2) + cov(t));
    let want = [moved.sum::<f64>() / (num - 1) as f64, missed.sum::<f64>() / num as f64];
    for (got, want) in new.arrays().iter().zip(want) {
        assert!((got.values()[0] / want - 1.0).abs() < 1e-12, "{} for {want}", got.values()[0]);
    }
}

#[test]
fn em_climbs_for_variances_of_every_kind() {
    let shared = [Across::Independent, Across::EqualVariance, Across::Correlated];
    let noise = [Irregular::Independent, Irregular::EqualVariance, Irregular::Correlated];
    for (across, irregular) in shared.into_iter().zip(noise) {
        let components = vec![
            ComponentSpec::from(LocalLinearTrend::default()).across(across),
            ComponentSpec::from(OrnsteinUhlenbeck {}).across(across),
        ];
        let model = proper(&build(StructuralSpec {
            emission_dim: 2,
            input_dim: 3,
            irregular,
            time: Time::Stamp { input: 2 },
            ..StructuralSpec::new(components)
        }));
        let (data, params) = (ragged(&model), corpus::params(&model));
        let mut properties = Properties::trainable(model.schema());
        let rate = model.schema().iter().position(|spec| spec.path == "ou.rate").unwrap();
        properties.0[rate].trainable = false;
        let em = Em { num_iters: 60, ..Em::default() };
        let report = em.fit(&model, &params, &properties, &data, &mut |_| true).unwrap();
        for (i, pair) in report.log_probs.windows(2).enumerate() {
            assert!(pair[1] >= pair[0] - 1e-10, "{across:?}, iteration {i}: {} then {}", pair[0], pair[1]);
        }
        assert!(report.log_probs[59] > report.log_probs[0] + 0.1, "{across:?}");
        assert_eq!(report.params.arrays()[rate], params.arrays()[rate]);
    }
}

#[test]
fn em_and_lbfgs_agree_on_the_maximum() {
    let (model, data) = level_with_noise();
    let (params, properties) = model.initialize(&data, None, &[]).unwrap();
    let em = Em { num_iters: 4000, ..Em::default() };
    let em = em.fit(&model, &params, &properties, &data, &mut |_| true).unwrap();
    let newton = QuasiNewton::default().fit(&model, &params, &properties, &data, &mut |_| true).unwrap();
    assert!(newton.converged);
    for (a, b) in em.params.arrays().iter().zip(newton.params.arrays()) {
        // The optimum is flat: values agree to the square root of the tolerance of the objective.
        assert!((a.values()[0] / b.values()[0] - 1.0).abs() < 1e-3, "{a:?} and {b:?}");
    }
    let best = newton.log_probs.last().unwrap();
    assert!((em.log_probs.last().unwrap() - best).abs() < 1e-7 * best.abs());
}

#[test]
fn em_refuses_free_parameters_that_are_no_variances() {
    let model = build(StructuralSpec::new(vec![Cycle::new(3.0, 9.0).into()]));
    let data = corpus::data(&model);
    let (params, mut properties) = model.initialize(&data, None, &[]).unwrap();
    let statistics = model.e_step(&params, &data).unwrap();
    let error = model.m_step(&params, &properties, &statistics, false).unwrap_err().to_string();
    assert!(error.starts_with("props.cycle.period: found a free parameter that is no variance"), "{error}");
    properties.0[0].trainable = false;
    properties.0[1].trainable = false;
    properties.0[3].trainable = false;
    let new = model.m_step(&params, &properties, &statistics, false).unwrap().params;
    let moved: Vec<bool> = new.arrays().iter().zip(params.arrays()).map(|(a, b)| a != b).collect();
    assert_eq!(moved, [false, false, true, false]);
}

#[test]
fn a_variance_fixed_at_zero_stays_there() {
    let model = build(StructuralSpec::new(vec![
        LocalLevel::default().into(),
        ComponentSpec::from(Seasonal { period: 3, stochastic: true }).starting(Initial::Given {
            mean: Array::zeros(&[2]),
            cov: Array::new(&[2, 2], vec![1.0, 0.0, 0.0, 1.0]),
        }),
    ]));
    let model = proper(&model);
    let rows: Vec<f64> = (0..30).map(|t| [1.0, -0.5, -0.5][t % 3] + (2.3 * t as f64).sin()).collect();
    let data = Dataset::single(rows, 1).unwrap();
    let given = vec![("seasonal.variance".to_string(), Array::new(&[], vec![0.0]))];
    let (params, mut properties) = model.initialize(&data, None, &given).unwrap();
    properties.0[1].trainable = false;
    let newton = QuasiNewton::default().fit(&model, &params, &properties, &data, &mut |_| true).unwrap();
    assert_eq!(newton.params.arrays()[1].values(), [0.0]);
    assert!(newton.log_probs.last() > newton.log_probs.first());
}

#[test]
fn an_autoregression_without_noise_is_fitted_by_exact_maximum_likelihood() {
    let spec = StructuralSpec::new(vec![Autoregressive { order: 1 }.into()]);
    let model = build(StructuralSpec { irregular: Irregular::None, ..spec });
    let y: Vec<f64> = (0..50).map(|t| (0.7 * t as f64).sin() + (3.1 * t as f64).cos()).collect();
    let data = Dataset::single(y.clone(), 1).unwrap();
    // log p profiled over σ² = S(φ) / n, S = (1 − φ²) y_1² + Σ (y_t − φ y_{t-1})².
    let n = y.len() as f64;
    let profile = |phi: f64| {
        let square: f64 = y.windows(2).map(|pair| (pair[1] - phi * pair[0]).powi(2)).sum();
        let variance = (square + (1.0 - phi * phi) * y[0] * y[0]) / n;
        let loglik =
            0.5 * (1.0 - phi * phi).ln() - 0.5 * n * ((std::f64::consts::TAU * variance).ln() + 1.0);
        (loglik, variance)
    };
    let (mut low, mut high) = (-0.999, 0.999);
    for _ in 0..200 {
        let (a, b) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if profile(a).0 < profile(b).0 { low = a } else { high = b }
    }
    let (best, variance) = profile(low);
    let (start, properties) = model.initialize(&data, None, &[]).unwrap();
    let fit = QuasiNewton::default().fit(&model, &start, &properties, &data, &mut |_| true).unwrap();
    assert!(
        (fit.log_probs.last().unwrap() - best).abs() < 1e-9 * best.abs(),
        "{:?} for {best}",
        fit.log_probs
    );
    let got = [fit.params.arrays()[0].values()[0], fit.params.arrays()[1].values()[0]];
    // Flat to the square root of the objective's rounding.
    assert!(
        (got[0] - low).abs() < 1e-5 && (got[1] / variance - 1.0).abs() < 1e-5,
        "{got:?} for {low}, {variance}"
    );
}

/// Models with parameters of all kinds, and values for them.
fn simulated() -> Vec<(StructuralTimeSeries, Vec<Array>)> {
    let one = |x: f64| Array::new(&[], vec![x]);
    let row = |x: &[f64]| Array::new(&[x.len()], x.to_vec());
    let given = Initial::Given { mean: row(&[0.0]), cov: Array::new(&[1, 1], vec![1.0]) };
    let timed = |block: BlockSpec| StructuralSpec {
        input_dim: 1,
        time: Time::Step { input: 0 },
        ..StructuralSpec::new(vec![block.into()])
    };
    let matern = Matern { smoothness: Smoothness::FiveHalves };
    let common = ComponentSpec::from(LocalLevel::default()).across(Across::Common).starting(given);
    let noise = vec![0.5, 0.1, 0.0, 0.1, 0.4, -0.1, 0.0, -0.1, 0.6];
    vec![
        (
            build(StructuralSpec::new(vec![Cycle::new(4.0, 30.0).into()])),
            vec![one(11.0), one(0.95), one(40.0), one(100.0)],
        ),
        (
            build(StructuralSpec {
                irregular: Irregular::None,
                ..StructuralSpec::new(vec![Arma { ar_order: 2, ma_order: 1 }.into()])
            }),
            vec![row(&[1.2, -0.5]), row(&[0.4]), one(1e-4)],
        ),
        (build(timed(matern.into())), vec![one(8.0), one(3.0), one(0.2)]),
        (build(timed(OrnsteinUhlenbeck {}.into())), vec![one(0.1), one(3e6), one(1e5)]),
        (
            build(StructuralSpec {
                emission_dim: 3,
                irregular: Irregular::Correlated,
                ..StructuralSpec::new(vec![common])
            }),
            vec![row(&[-0.6, 2.0]), one(0.3), Array::new(&[3, 3], noise)],
        ),
    ]
}

#[test]
fn lbfgs_climbs_above_the_truth_from_its_own_start() {
    let options = GaussianOptions::default();
    for (model, truth) in simulated() {
        let (num_steps, truth) = (400, Params::new(truth));
        let inputs: Vec<f64> = (0..num_steps).map(|t| 0.5 + (t % 4) as f64 * 0.5).collect();
        let timed = |rows: Vec<f64>| {
            let data = Dataset::single(rows, model.emission_dim()).unwrap();
            if model.input_dim() > 0 { data.with_inputs(inputs.clone(), 1).unwrap() } else { data }
        };
        let empty = timed(vec![0.0; num_steps * model.emission_dim()]);
        let lowered = model.lower(&truth, &empty).unwrap();
        let (_, rows) = lowered.sample(Seed(3), 0, num_steps, &[]).unwrap();
        let data = timed(rows);
        let at_truth = model.marginal_log_prob(&truth, &data, &options).unwrap()[0];
        let (start, properties) = model.initialize(&data, None, &[]).unwrap();
        let fit = QuasiNewton::default().fit(&model, &start, &properties, &data, &mut |_| true).unwrap();
        let (best, num) = (*fit.log_probs.last().unwrap(), fit.log_probs.len());
        // A parameter gains ½ in expectation.
        let names = model.component_names();
        assert!(best > at_truth && best < at_truth + 15.0, "{names:?}: {best} for {at_truth}");
        assert!(fit.converged && num < 80, "{names:?}: {num} iterations");
    }
}
