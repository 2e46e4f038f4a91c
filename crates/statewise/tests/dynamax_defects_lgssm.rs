//! Every wrong result and crash of Dynamax's linear Gaussian models that is on record, as a test that
//! statewise passes.
//!
//! Item numbers are those of `dynamax.md` §14 and, as `peers_n`, of `baselines.md` §3.2 (Dynamax 1.0.3,
//! measured).

mod gaussian_common;

use gaussian_common::assert_close;
use statewise::Seed;
use statewise::data::Dataset;
use statewise::infer::Schedule;
use statewise::infer::gaussian::{Form, GaussianOptions};
use statewise::learn::{Em, GradientDescent, Learnable, Learner, QuasiNewton};
use statewise::model::linear_gaussian::{
    CovarianceForm, LgssmParams, LinearGaussianSpec, LinearGaussianSsm, Start,
};
use statewise::params::{Array, Properties};

const OPTIONS: GaussianOptions = GaussianOptions { form: Form::Auto, steady_state: true, share: true };

fn array(shape: &[usize], values: &[f64]) -> Array {
    Array::new(shape, values.to_vec())
}

fn scaled(n: usize, scale: f64) -> Array {
    Array::new(&[n, n], Array::identities(1, n, scale).values().to_vec())
}

/// y_t = (sin .3t + .5 cos 1.1t, cos .2t − .3 sin .9t), the series of the records.
fn g2(num_steps: usize) -> Vec<f64> {
    let row = |t: f64| [(0.3 * t).sin() + 0.5 * (1.1 * t).cos(), (0.2 * t).cos() - 0.3 * (0.9 * t).sin()];
    (0..num_steps).flat_map(|t| row(t as f64)).collect()
}

fn single(rows: &[f64], width: usize) -> Dataset<'_> {
    Dataset::single(rows, width).unwrap()
}

/// A model without biases or inputs, two states behind two emissions.
fn bare() -> LgssmParams {
    LgssmParams::new(
        array(&[2], &[0.5, -0.5]),
        scaled(2, 1.0),
        array(&[2, 2], &[0.9, 0.1, -0.2, 0.8]),
        array(&[2, 2], &[0.2, 0.05, 0.05, 0.1]),
        array(&[2, 2], &[1.0, 0.3, 0.2, 1.0]),
        array(&[2, 2], &[0.5, 0.1, 0.1, 0.4]),
    )
}

/// The same with biases and one input.
fn driven() -> LgssmParams {
    LgssmParams {
        dynamics_bias: Some(array(&[2], &[0.1, -0.1])),
        dynamics_input_weights: Some(array(&[2, 1], &[0.3, -0.7])),
        emissions_bias: Some(array(&[2], &[0.2, 0.0])),
        emissions_input_weights: Some(array(&[2, 1], &[5.0, -2.0])),
        ..bare()
    }
}

/// Positions and velocities in the plane, positions observed.
fn constant_velocity(
    initial_mean: [f64; 4],
    initial_var: f64,
    state_var: f64,
    noise_var: f64,
) -> LgssmParams {
    #[rustfmt::skip]
    let (f, h) = (
        [1.0, 0.0, 1.0, 0.0,  0.0, 1.0, 0.0, 1.0,  0.0, 0.0, 1.0, 0.0,  0.0, 0.0, 0.0, 1.0],
        [1.0, 0.0, 0.0, 0.0,  0.0, 1.0, 0.0, 0.0],
    );
    LgssmParams::new(
        array(&[4], &initial_mean),
        scaled(4, initial_var),
        array(&[4, 4], &f),
        scaled(4, state_var),
        array(&[2, 4], &h),
        scaled(2, noise_var),
    )
}

/// The evidence of every schedule.
fn parallel_logliks(params: &LgssmParams, data: &Dataset<'_>) -> Vec<f64> {
    [Schedule::Sequential, Schedule::Scan, Schedule::Auto]
        .into_iter()
        .flat_map(|schedule| {
            let filter = params.parallel_filter(data, &OPTIONS, schedule).unwrap().marginal_loglik;
            let smoother = params.parallel_smoother(data, &OPTIONS, schedule).unwrap().marginal_loglik;
            [filter[0], smoother[0]]
        })
        .collect()
}

/// Item 6: Dynamax's parallel filter answers −130.04 where its serial one answers −42.77.
#[test]
fn issue_6_the_parallel_evidence_is_the_serial_one_with_a_non_zero_mean() {
    let tracking = constant_velocity([8.0, 10.0, 1.0, 0.0], 0.1, 0.001, 1.0);
    let rows: Vec<f64> = g2(15).iter().enumerate().map(|(i, y)| y + [8.0, 10.0][i % 2]).collect();
    let data = single(&rows, 2);
    // To the printed digits; Dynamax adds 1e-9 to what it inverts.
    assert_close("record", "serial", &params_loglik(&tracking, &data), &[-42.76509674], 1e-8);
    assert_close("record", "parallel", &parallel_logliks(&tracking, &data), &[-42.76509674; 6], 1e-8);

    let far = LgssmParams { initial_mean: array(&[2], &[100.0, 0.0]), ..bare() };
    let (_, rows) = far.sample(Seed(6), 0, 3000, &[]).unwrap();
    let data = single(&rows, 2);
    let serial = params_loglik(&far, &data)[0];
    assert_close("m = (100, 0)", "parallel", &parallel_logliks(&far, &data), &[serial; 6], 1e-11);
}

fn params_loglik(params: &LgssmParams, data: &Dataset<'_>) -> Vec<f64> {
    params.marginal_log_prob(data, &OPTIONS).unwrap()
}

/// Item 7, and 15 of the peers: Dynamax's parallel filter is 3.76 nats off where states reach 100, and
/// answers −17,681,722 for −239,629 where they reach 500,000.
#[test]
fn issue_7_the_parallel_evidence_is_the_serial_one_where_states_are_large() {
    let params = constant_velocity([0.0; 4], 1.0, 0.1, 1.0);
    for num_steps in [300, 20_000] {
        let (states, rows) = params.sample(Seed(7), 0, num_steps, &[]).unwrap();
        let reach = states.iter().fold(0.0f64, |a, z| a.max(z.abs()));
        assert!(reach > if num_steps > 300 { 1e5 } else { 100.0 }, "{reach}");
        let data = single(&rows, 2);
        let serial = params_loglik(&params, &data)[0];
        assert_close("large states", "evidence", &parallel_logliks(&params, &data), &[serial; 6], 1e-11);
    }
}

/// Item 8: Dynamax's forecast starts with the last filtered moments.
#[test]
fn issue_8_entry_0_of_a_forecast_is_the_one_step_prediction() {
    // Dynamax's start on the series of the records, which are one entry late.
    let model = LinearGaussianSsm::new(LinearGaussianSpec::new(2, 2)).unwrap();
    let given = [("emissions.weights".to_owned(), array(&[2, 2], &[1.0, 0.3, 0.2, 1.0]))];
    let (params, _) = model.initialize(Start::Default, Seed(0), &given).unwrap();
    let params = model.lower(&params).unwrap();
    let rows = g2(20);
    let data = single(&rows, 2);
    let forecast = &params.forecast(&data, 2, &[], &OPTIONS).unwrap()[0];
    // To the printed digits; Dynamax conditions on observations with variance 1e8 instead of none.
    let states = [-0.4692169436, -0.5624828423, -0.4645247724, -0.5568580118];
    assert_close("record", "states", &forecast.state_means, &states, 1e-7);
    let emissions = [-0.6379617963, -0.656326231, -0.6315821759, -0.6497629663];
    assert_close("record", "emissions", &forecast.emission_means, &emissions, 1e-7);
    let cov = [0.2686694473, 0.05854005394, 0.05854005394, 0.2628154419];
    assert_close("record", "emission cov", &forecast.emission_covs[..4], &cov, 1e-7);
    let predictive = params.posterior_predictive(&data, &OPTIONS).unwrap();
    assert_close("record", "predictive", &predictive.means[..2], &[0.5053269273, 0.8425832146], 1e-7);
    let sd = [0, 3].map(|i| predictive.covs.of(0, 0)[i].sqrt());
    assert_close("record", "predictive sd", &sd, &[0.3974414433, 0.3962698402], 1e-7);

    // The prediction of the filter for one more step.
    let (params, inputs) = (driven(), [0.4, -1.0, 2.0, 0.3, -0.6, 1.5]);
    let rows = g2(5);
    let data = single(&rows, 2).with_inputs(&inputs[..5], 1).unwrap();
    let forecast = &params.forecast(&data, 1, &inputs[5..], &OPTIONS).unwrap()[0];
    let longer = [&rows[..], &[f64::NAN; 2]].concat();
    let longer = single(&longer, 2).with_inputs(&inputs[..], 1).unwrap();
    let predicted = params.filter(&longer, &OPTIONS).unwrap().predicted;
    assert_close("driven", "mean", &forecast.state_means, &predicted.means[10..], 1e-13);
    assert_close("driven", "cov", &forecast.state_covs, predicted.covs.of(0, 5), 1e-13);
}

/// Item 9: Dynamax leaves D u out (an offset of exactly 5.0).
#[test]
fn issue_9_predictions_and_forecasts_include_the_inputs_of_the_emissions() {
    let with = driven();
    let without =
        LgssmParams { emissions_input_weights: Some(array(&[2, 1], &[0.0, 0.0])), ..with.clone() };
    let inputs: Vec<f64> = (0..9).map(|t| if t == 8 { 1.0 } else { (0.8 * f64::from(t)).cos() }).collect();
    let offsets: Vec<f64> = inputs.iter().flat_map(|u| [5.0 * u, -2.0 * u]).collect();
    let rows = g2(8);
    let shifted: Vec<f64> = rows.iter().zip(&offsets).map(|(y, o)| y - o).collect();
    let data = |rows| Dataset::single(rows, 2).unwrap().with_inputs(inputs[..8].to_vec(), 1).unwrap();
    let (all, rest) = (data(rows), data(shifted));
    let predictive = with.posterior_predictive(&all, &OPTIONS).unwrap().means;
    let want = without.posterior_predictive(&rest, &OPTIONS).unwrap().means;
    let want: Vec<f64> = want.iter().zip(&offsets).map(|(y, o)| y + o).collect();
    assert_close("with D u", "predictive", &predictive, &want, 1e-12);
    let forecast = |params: &LgssmParams, data| {
        params.forecast(data, 1, &inputs[8..], &OPTIONS).unwrap()[0].emission_means.clone()
    };
    let want: Vec<f64> = forecast(&without, &rest).iter().zip([5.0, -2.0]).map(|(y, o)| y + o).collect();
    assert_close("with D u", "forecast", &forecast(&with, &all), &want, 1e-12);
}

/// Item 14: in Dynamax the covariance is indefinite after one step and NaN after two, in single precision.
#[test]
fn issue_14_a_vague_start_with_precise_observations_keeps_definite_covariances() {
    for initial_var in [1e2, 1e6, 1e10] {
        let params = constant_velocity([0.0; 4], initial_var, 0.1, 0.01);
        let rows: Vec<f64> = g2(200).iter().map(|y| 100.0 * y).collect();
        let data = single(&rows, 2);
        let mut evidences = Vec::new();
        for form in [Form::Auto, Form::Covariance, Form::SquareRoot] {
            let smoothed = params.smoother(&data, &GaussianOptions { form, ..OPTIONS }).unwrap();
            for t in 0..200 {
                // The difference that gives smoothed covariances has lost its digits where the form is
                // kept whatever the conditioning.
                let moments = [&smoothed.filtered, &smoothed.smoothed];
                let kept = if form == Form::Covariance { 1 } else { 2 };
                for cov in moments[..kept].iter().map(|moments| moments.covs.of(0, t)) {
                    assert!((0..4).all(|i| cov[5 * i] > 0.0), "{initial_var:e}, {form:?}, {t}: {cov:?}");
                    for i in 0..4 {
                        for j in 0..i {
                            let bound = cov[5 * i] * cov[5 * j];
                            assert!(cov[4 * i + j].powi(2) < bound, "{initial_var:e}, {form:?}, {t}");
                        }
                    }
                }
            }
            evidences.push(smoothed.marginal_loglik[0]);
        }
        assert_close("vague", "evidence", &evidences[..1], &evidences[2..], 1e-9);
        // P_1 / R is up to 1e12, which takes twelve digits of an innovation's variance.
        assert_close("vague", "evidence", &evidences[1..2], &evidences[2..], 1e-8);
    }
}

/// Item 15, and 8 of the peers: without biases Dynamax's posterior sampler, predictive, forecast, gradient
/// and parallel filter raise.
#[test]
fn issue_15_absent_biases_are_biases_of_zero_in_every_verb() {
    let absent = bare();
    let zero = LgssmParams {
        dynamics_bias: Some(array(&[2], &[0.0; 2])),
        emissions_bias: Some(array(&[2], &[0.0; 2])),
        ..bare()
    };
    let rows = g2(20);
    let data = single(&rows, 2);
    let (states, drawn) = absent.sample(Seed(1), 0, 20, &[]).unwrap();
    assert_eq!((states.clone(), drawn), zero.sample(Seed(1), 0, 20, &[]).unwrap());
    assert_eq!(absent.log_prob(&states, &data).unwrap(), zero.log_prob(&states, &data).unwrap());
    assert_eq!(params_loglik(&absent, &data), params_loglik(&zero, &data));
    let draw = |p: &LgssmParams| p.posterior_sample(&data, &OPTIONS, Seed(2), 3).unwrap();
    assert_eq!(draw(&absent), draw(&zero));
    let forecast = |p: &LgssmParams| p.forecast(&data, 4, &[], &OPTIONS).unwrap();
    assert_eq!(forecast(&absent), forecast(&zero));
    let gradients = [&absent, &zero].map(|p| p.gradient(&data, &OPTIONS).unwrap());
    assert!(gradients[0].params.dynamics_bias.is_none() && gradients[0].params.emissions_bias.is_none());
    assert_eq!(gradients[0].params.dynamics_weights, gradients[1].params.dynamics_weights);
    assert_eq!(gradients[0].params.emissions_cov, gradients[1].params.emissions_cov);
    assert_eq!(absent.filter(&data, &OPTIONS).unwrap(), zero.filter(&data, &OPTIONS).unwrap());
    assert_eq!(absent.smoother(&data, &OPTIONS).unwrap(), zero.smoother(&data, &OPTIONS).unwrap());
    let predictive = |p: &LgssmParams| p.posterior_predictive(&data, &OPTIONS).unwrap();
    assert_eq!(predictive(&absent), predictive(&zero));
    for schedule in [Schedule::Sequential, Schedule::Scan] {
        let filter = |p: &LgssmParams| p.parallel_filter(&data, &OPTIONS, schedule).unwrap();
        assert_eq!(filter(&absent), filter(&zero));
        let smoother = |p: &LgssmParams| p.parallel_smoother(&data, &OPTIONS, schedule).unwrap();
        assert_eq!(smoother(&absent), smoother(&zero));
        let draw =
            |p: &LgssmParams| p.parallel_posterior_sample(&data, &OPTIONS, schedule, Seed(3), 2).unwrap();
        assert_eq!(draw(&absent), draw(&zero));
    }

    let spec = LinearGaussianSpec {
        has_dynamics_bias: false,
        has_emissions_bias: false,
        ..LinearGaussianSpec::new(2, 2)
    };
    let model = LinearGaussianSsm::new(spec).unwrap();
    let (start, properties) = model.initialize(Start::Default, Seed(0), &[]).unwrap();
    let learners: [&dyn Learner; 3] =
        [&Em::default(), &GradientDescent::default(), &QuasiNewton { num_iters: 20, ..Default::default() }];
    for learner in learners {
        let report = learner.fit(&model, &start, &properties, &data, &mut |_| true).unwrap();
        assert!(report.final_log_prob().unwrap() > report.log_probs[0]);
        assert!(model.lower(&report.params).unwrap().dynamics_bias.is_none());
    }
}

/// §11, item 15: in Dynamax a diagonal R for each step is a full matrix when T = M.
#[test]
fn a_diagonal_noise_for_each_step_is_one_also_with_as_many_steps_as_emissions() {
    let variances = [0.5, 0.4, 0.1, 0.9];
    let diagonal =
        LgssmParams { emissions_cov: array(&[2, 2], &variances), diagonal_emissions_cov: true, ..driven() };
    let full: Vec<f64> = variances.chunks(2).flat_map(|r| [r[0], 0.0, 0.0, r[1]]).collect();
    let full = LgssmParams { emissions_cov: array(&[2, 2, 2], &full), ..driven() };
    let rows = g2(2);
    let data = single(&rows, 2).with_inputs(vec![0.3, -0.8], 1).unwrap();
    let got = diagonal.smoother(&data, &OPTIONS).unwrap();
    let want = full.smoother(&data, &OPTIONS).unwrap();
    assert_close("T = M", "evidence", &got.marginal_loglik, &want.marginal_loglik, 1e-13);
    assert_close("T = M", "means", &got.smoothed.means, &want.smoothed.means, 1e-13);
    assert_close("T = M", "covs", &got.smoothed.covs.values, &want.smoothed.covs.values, 1e-13);
}

/// Item 16: Dynamax's EM returns a full R, its gradient fit raises.
#[test]
fn issue_16_a_diagonal_noise_stays_diagonal() {
    let spec =
        LinearGaussianSpec { emissions_cov: CovarianceForm::Diagonal, ..LinearGaussianSpec::new(2, 2) };
    let model = LinearGaussianSsm::new(spec).unwrap();
    let rows = g2(40);
    let data = single(&rows, 2);
    let (start, properties) = model.initialize(Start::Default, Seed(0), &[]).unwrap();
    let learners: [&dyn Learner; 3] =
        [&Em::default(), &GradientDescent::default(), &QuasiNewton { num_iters: 20, ..Default::default() }];
    for learner in learners {
        let report = learner.fit(&model, &start, &properties, &data, &mut |_| true).unwrap();
        let noise = report.params.get(model.schema(), "emissions.cov").unwrap();
        assert_eq!(noise.shape(), [2]);
        assert!(noise.values().iter().all(|r| *r > 0.0 && *r != 0.1), "{noise:?}");
        assert!(model.lower(&report.params).unwrap().diagonal_emissions_cov);
        assert!(report.final_log_prob().unwrap() > report.log_probs[0]);
    }
}

/// Item 18: Dynamax's EM changes weights that were to stay fixed.
#[test]
fn issue_18_every_fixed_array_stays_and_the_others_move() {
    let model =
        LinearGaussianSsm::new(LinearGaussianSpec { input_dim: 1, ..LinearGaussianSpec::new(2, 2) })
            .unwrap();
    let rows = g2(60);
    let inputs: Vec<f64> = (0..60).map(|t| (0.5 * f64::from(t)).cos()).collect();
    let data = Dataset::batch(&rows[..], 3, 2).unwrap().with_inputs(inputs, 1).unwrap();
    let (start, _) = model.initialize(Start::Default, Seed(0), &[]).unwrap();
    let learners: [&dyn Learner; 3] = [
        &Em { num_iters: 5, ..Em::default() },
        &GradientDescent { num_epochs: 2, ..Default::default() },
        &QuasiNewton { num_iters: 5, ..Default::default() },
    ];
    for fixed in 0..model.schema().len() {
        let mut properties = Properties::trainable(model.schema());
        properties.0[fixed].trainable = false;
        for (which, learner) in learners.iter().enumerate() {
            let report = learner.fit(&model, &start, &properties, &data, &mut |_| true).unwrap();
            for (i, (from, to)) in start.arrays().iter().zip(report.params.arrays()).enumerate() {
                assert_eq!(from == to, i == fixed, "learner {which}: {}", model.schema()[i].path);
            }
        }
    }
}

/// Item 21: Dynamax's parallel sampler does not pass inputs to its backward messages.
#[test]
fn issue_21_posterior_draws_follow_the_inputs() {
    let params = driven();
    let inputs: Vec<f64> = (0..30).map(|t| 3.0 * (0.4 * f64::from(t)).sin()).collect();
    let rows = g2(30);
    let data = |inputs: &[f64]| single(&rows, 2).with_inputs(inputs.to_vec(), 1).unwrap();
    let (moved, still) = (data(&inputs), data(&[0.0; 30]));
    let means = |data| params.smoother(data, &OPTIONS).unwrap().smoothed.means;
    // Inputs move the means only, so the same seed draws the same deviations.
    let deviations = |draw: &[f64], means: Vec<f64>| -> Vec<f64> {
        draw.iter().zip(means).map(|(z, m)| z - m).collect()
    };
    let draw = |data| params.posterior_sample(data, &OPTIONS, Seed(21), 1).unwrap();
    let want = deviations(&draw(&still), means(&still));
    assert_close("serial", "deviations", &deviations(&draw(&moved), means(&moved)), &want, 1e-11);
    for schedule in [Schedule::Sequential, Schedule::Scan, Schedule::Auto] {
        let draw = |data| params.parallel_posterior_sample(data, &OPTIONS, schedule, Seed(21), 1).unwrap();
        let want = deviations(&draw(&still), means(&still));
        assert_close("parallel", "deviations", &deviations(&draw(&moved), means(&moved)), &want, 1e-11);
    }
}

/// §11, item 1: Dynamax draws with the input of the step itself, and filters with the one of the step
/// before: −2.6e9 for data of its own.
#[test]
fn an_impulse_drives_the_same_step_in_samples_densities_and_filters() {
    let params = LgssmParams {
        dynamics_input_weights: Some(array(&[1, 1], &[1.0])),
        ..LgssmParams::new(
            array(&[1], &[0.0]),
            array(&[1, 1], &[1e-4]),
            array(&[1, 1], &[0.9]),
            array(&[1, 1], &[1e-4]),
            array(&[1, 1], &[1.0]),
            array(&[1, 1], &[1e-4]),
        )
    };
    let impulse = |at: usize| {
        let mut inputs = vec![0.0; 10];
        inputs[at] = 10.0;
        inputs
    };
    let (states, rows) = params.sample(Seed(11), 0, 10, &impulse(3)).unwrap();
    assert!(states[2].abs() < 1.0 && states[3] > 9.0, "{states:?}");
    let data = single(&rows, 1).with_inputs(impulse(3), 1).unwrap();
    let filtered = params.filter(&data, &OPTIONS).unwrap();
    // log p(z | y) backwards from filtered moments: p(z_T | y) Π p(z_t | z_{t+1}, y_{1:t}).
    let log_normal = |x: f64, var: f64| -0.5 * ((std::f64::consts::TAU * var).ln() + x * x / var);
    let (m, p) = (&filtered.filtered.means, &filtered.filtered.covs.values);
    let mut posterior = log_normal(states[9] - m[9], p[9]);
    for t in 0..9 {
        let predicted = 0.9 * m[t] + impulse(3)[t + 1];
        let gain = 0.9 * p[t] / (0.81 * p[t] + 1e-4);
        let mean = m[t] + gain * (states[t + 1] - predicted);
        posterior += log_normal(states[t] - mean, p[t] - gain * 0.9 * p[t]);
    }
    let joint = params.log_prob(&states, &data).unwrap();
    assert_close("impulse", "p(z, y)", &joint, &[filtered.marginal_loglik[0] + posterior], 1e-11);
    for other in [2, 4] {
        let wrong = single(&rows, 1).with_inputs(impulse(other), 1).unwrap();
        assert!(params_loglik(&params, &wrong)[0] < filtered.marginal_loglik[0] - 1e4);
    }
}

/// Peers, item 2: the initial covariance of Dynamax's EM lacks a 1/N: indefinite with 64 sequences, then
/// NaN.
#[test]
fn peers_2_the_initial_covariance_of_many_sequences_is_that_of_their_first_states() {
    let model = LinearGaussianSsm::new(LinearGaussianSpec::new(2, 2)).unwrap();
    let truth = bare();
    let rows: Vec<f64> =
        (0..64).flat_map(|n| truth.sample(Seed(2), n, 50, &[]).unwrap().1).map(|y| y + 1.0).collect();
    let data = Dataset::batch(rows, 64, 2).unwrap();
    let (start, properties) = model.initialize(Start::Default, Seed(0), &[]).unwrap();
    let smoothed = model.lower(&start).unwrap().smoother(&data, &OPTIONS).unwrap().smoothed;
    let first = |n: usize| &smoothed.means[n * 100..n * 100 + 2];
    let mean: Vec<f64> = (0..2).map(|i| (0..64).map(|n| first(n)[i]).sum::<f64>() / 64.0).collect();
    let entry = |i: usize, j: usize| {
        let spread = |n: usize| (first(n)[i] - mean[i]) * (first(n)[j] - mean[j]);
        (0..64).map(|n| spread(n) + smoothed.covs.of(n, 0)[2 * i + j]).sum::<f64>() / 64.0
    };
    let statistics = model.e_step(&start, &data).unwrap();
    let once = model.m_step(&start, &properties, &statistics, false).unwrap().params;
    let want = [entry(0, 0), entry(0, 1), entry(1, 0), entry(1, 1)];
    assert_close("64", "m", once.get(model.schema(), "initial.mean").unwrap().values(), &mean, 1e-12);
    assert_close("64", "S", once.get(model.schema(), "initial.cov").unwrap().values(), &want, 1e-12);

    let em = Em { num_iters: 20, tolerance: None, prior: false };
    let report = em.fit(&model, &start, &properties, &data, &mut |_| true).unwrap();
    for pair in report.log_probs.windows(2) {
        assert!(pair[1] >= pair[0] - 1e-9 * pair[0].abs(), "{:?}", report.log_probs);
    }
}

/// Peers, item 3: Dynamax adds 1e-9 to what it inverts, whatever the units.
#[test]
fn peers_3_units_do_not_matter() {
    let params = driven();
    let rows = g2(50);
    let inputs: Vec<f64> = (0..50).map(|t| (0.5 * f64::from(t)).cos()).collect();
    let want = params.smoother(&single(&rows, 2).with_inputs(&inputs[..], 1).unwrap(), &OPTIONS).unwrap();
    for exponent in [-40, 30] {
        let unit = 2f64.powi(exponent);
        let times = |array: &Array, power: i32| {
            Array::new(array.shape(), array.values().iter().map(|x| x * unit.powi(power)).collect())
        };
        let optional = |array: &Option<Array>| array.as_ref().map(|a| times(a, 1));
        let in_units = LgssmParams {
            initial_mean: times(&params.initial_mean, 1),
            initial_cov: times(&params.initial_cov, 2),
            dynamics_bias: optional(&params.dynamics_bias),
            dynamics_input_weights: optional(&params.dynamics_input_weights),
            dynamics_cov: times(&params.dynamics_cov, 2),
            emissions_bias: optional(&params.emissions_bias),
            emissions_input_weights: optional(&params.emissions_input_weights),
            emissions_cov: times(&params.emissions_cov, 2),
            ..params.clone()
        };
        let rows: Vec<f64> = rows.iter().map(|y| y * unit).collect();
        let data = single(&rows, 2).with_inputs(&inputs[..], 1).unwrap();
        let got = in_units.smoother(&data, &OPTIONS).unwrap();
        let back =
            |values: &[f64], power: i32| values.iter().map(|x| x * unit.powi(-power)).collect::<Vec<_>>();
        let loglik = want.marginal_loglik[0] - 100.0 * unit.ln();
        assert_close("units", "evidence", &got.marginal_loglik, &[loglik], 1e-13);
        assert_close("units", "means", &back(&got.smoothed.means, 1), &want.smoothed.means, 1e-13);
        let covs = back(&got.smoothed.covs.values, 2);
        assert_close("units", "covs", &covs, &want.smoothed.covs.values, 1e-13);
    }
}

/// Peers, item 14: EM of one sequence takes S to zero, where a plain implementation breaks down.
#[test]
fn peers_14_em_of_one_sequence_never_falls_while_the_initial_covariance_vanishes() {
    let model = LinearGaussianSsm::new(LinearGaussianSpec::new(2, 2)).unwrap();
    let (_, rows) = bare().sample(Seed(14), 0, 100, &[]).unwrap();
    let data = single(&rows, 2);
    let (start, properties) = model.initialize(Start::Default, Seed(0), &[]).unwrap();
    let em = Em { num_iters: 300, tolerance: None, prior: false };
    let report = em.fit(&model, &start, &properties, &data, &mut |_| true).unwrap();
    for pair in report.log_probs.windows(2) {
        assert!(pair[1] >= pair[0] - 1e-9 * (1.0 + pair[0].abs()), "{pair:?}");
    }
    let cov = report.params.get(model.schema(), "initial.cov").unwrap().values();
    assert!(cov[0] < 1e-3 && cov[0] >= 0.0 && cov[3] >= 0.0, "{cov:?}");
    report.params.check(model.schema()).unwrap();
    let smoothed = model.lower(&report.params).unwrap().smoother(&data, &OPTIONS).unwrap();
    assert!(smoothed.smoothed.means.iter().all(|z| z.is_finite()));
}
