//! Structural models fed one observation at a time, against the filter of the whole series.

use statewise::data::Dataset;
use statewise::infer::gaussian::{GaussianOnlineFilter, GaussianOptions};
use statewise::model::structural::block::{Intervention, LocalLevel, Matern, Shape, Smoothness};
use statewise::model::structural::{ComponentSpec, StructuralSpec, StructuralTimeSeries, Time};
use statewise::params::Params;

use super::corpus::{self, NUM_STEPS, build};
use super::learning::proper;

fn close(what: &str, got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(1.0f64, |m, x| m.max(x.abs()));
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= 1e-9 * scale, "{what}: {got} for {want}");
    }
}

fn start(model: &StructuralTimeSeries, params: &Params, history: usize) -> GaussianOnlineFilter {
    model.online_filter(params, &GaussianOptions::default(), history).unwrap()
}

#[test]
fn steps_made_of_their_inputs_are_those_of_the_whole_series() {
    let options = GaussianOptions::default();
    for model in corpus::models() {
        let model = proper(&model);
        let (data, params) = (corpus::data(&model), corpus::params(&model));
        let (d, u, sequence) = (model.state_dim(), model.input_dim(), data.sequence(0));
        let lowered = model.lower(&params, &data).unwrap();
        let want = lowered.filter(&data, &options).unwrap();
        let mut online = start(&model, &params, 4);
        for t in 0..NUM_STEPS {
            if t % 3 == 1 {
                online.predict(sequence.input(t)).unwrap();
                close("prediction", &online.belief().mean, &want.predicted.means[t * d..(t + 1) * d]);
                close("its spread", &online.belief().cov, want.predicted.covs.of(0, t));
            }
            online.update(sequence.emission(t), sequence.input(t)).unwrap();
            close("mean", &online.belief().mean, &want.filtered.means[t * d..(t + 1) * d]);
            close("covariance", &online.belief().cov, want.filtered.covs.of(0, t));
        }
        close("evidence", &[online.marginal_loglik()], &want.marginal_loglik);
        let nis = lowered.innovations(&data, &options).unwrap().nis;
        close("innovation", &[online.innovation().unwrap().nis], &nis[NUM_STEPS - 1..]);
        let smoothed = lowered.smoother(&data, &options).unwrap().smoothed;
        let window = online.fixed_lag(3).unwrap();
        close("window", &window.means, &smoothed.means[(NUM_STEPS - 4) * d..]);

        let ahead = 3;
        let future = (0..ahead).flat_map(|h| [0.2 * h as f64, 1.0, 7.5 + 0.4 * h as f64]);
        let future: Vec<f64> = future.take(ahead * u).collect();
        let want = model.forecast(&params, &data, ahead, &future, &options).unwrap().remove(0);
        // With the next step open as without, and by a filter taken up from its saved state.
        let mut again = start(&model, &params, 4);
        online.predict(&future[..u]).unwrap();
        again.restore(&online.state()).unwrap();
        let got = again.forecast(ahead, &future).unwrap();
        close("forecast", &got.emission_means, &want.emission_means);
        close("its spread", &got.emission_covs, &want.emission_covs);
    }
}

#[test]
fn a_diffuse_start_is_that_of_the_whole_series() {
    let options = GaussianOptions::default();
    for model in corpus::models() {
        let (data, params) = (corpus::data(&model), corpus::params(&model));
        let (d, sequence) = (model.state_dim(), data.sequence(0));
        let lowered = model.lower(&params, &data).unwrap();
        let want = lowered.filter(&data, &options).unwrap();
        let mut online = start(&model, &params, 2);
        for t in 0..NUM_STEPS {
            online.update(sequence.emission(t), sequence.input(t)).unwrap();
            // What is still unknown has an infinite variance in both.
            let (got, cov) = (online.belief(), want.filtered.covs.of(0, t));
            let known: Vec<usize> = (0..d).filter(|i| cov[i * (d + 1)].is_finite()).collect();
            assert!((0..d).all(|i| got.cov[i * (d + 1)].is_finite() == known.contains(&i)));
            let of = |means: &[f64]| known.iter().map(|i| means[*i]).collect::<Vec<f64>>();
            close("mean", &of(&got.mean), &of(&want.filtered.means[t * d..(t + 1) * d]));
        }
        close("evidence", &[online.marginal_loglik()], &want.marginal_loglik);
    }
}

fn process(time: Time) -> StructuralTimeSeries {
    let matern: ComponentSpec = Matern { smoothness: Smoothness::ThreeHalves }.into();
    build(StructuralSpec { input_dim: 1, time, ..StructuralSpec::new(vec![matern]) })
}

#[test]
fn an_observation_at_a_time_between_two_steps_gives_what_it_would_have_given_in_time() {
    let model = process(Time::Stamp { input: 0 });
    let stamps: [f64; 7] = [0.0, 0.4, 1.0, 1.1, 2.5, 3.0, 4.2];
    let y: Vec<f64> = stamps.iter().map(|t| (1.3 * t).sin()).collect();
    let whole = Dataset::single(&y[..], 1).unwrap().with_inputs(&stamps[..], 1).unwrap();
    let (params, _) = model.initialize(&whole, None, &[]).unwrap();
    let feed = |skip: Option<usize>| {
        let mut online = start(&model, &params, 5);
        for t in (0..stamps.len()).filter(|t| Some(*t) != skip) {
            online.update(&y[t..=t], &stamps[t..=t]).unwrap();
        }
        online
    };
    let (mut late, in_time) = (feed(Some(3)), feed(None));
    late.insert_observation(3, &y[3..4], &stamps[3..4]).unwrap();
    assert_eq!(late.belief(), in_time.belief());
    assert_eq!(late.marginal_loglik(), in_time.marginal_loglik());
    let batch = model.lower(&params, &whole).unwrap();
    let want = batch.marginal_log_prob(&whole, &GaussianOptions::default()).unwrap();
    close("evidence", &[late.marginal_loglik()], &want);

    // Between its neighbours in number, but not in time.
    let error = late.insert_observation(3, &[0.0], &[5.0]).unwrap_err().to_string();
    assert!(error.starts_with("inputs: the step into row 4: found -3.9"), "{error}");
    assert!(
        late.insert_observation(0, &[0.0], &[0.1]).unwrap_err().to_string().starts_with("step: found 0")
    );
    assert_eq!(late.belief(), in_time.belief());
}

#[test]
fn steps_that_are_counted_have_none_put_between_them() {
    let law: ComponentSpec = Intervention { shape: Shape::Step, at: 2 }.into();
    let model = proper(&build(StructuralSpec::new(vec![LocalLevel::default().into(), law])));
    let params = corpus::params(&model);
    let mut online = start(&model, &params, 5);
    (0..4).for_each(|t| drop(online.update(&[f64::from(t)], &[])));
    let error = online.insert_observation(2, &[0.0], &[]).unwrap_err().to_string();
    assert!(error.starts_with("transition"), "{error}");
    let model = process(Time::Step { input: 0 });
    let mut online = start(&model, &corpus_params(&model), 2);
    online.update(&[1.0], &[1.0]).unwrap();
    let error = online.update(&[1.0], &[-1.0]).unwrap_err().to_string();
    assert!(error.starts_with("inputs: the step into row 1: found -1"), "{error}");
    assert!(online.update(&[1.0], &[]).unwrap_err().to_string().starts_with("input: found 0 values"));
}

fn corpus_params(model: &StructuralTimeSeries) -> Params {
    let data = Dataset::single(vec![0.5, 1.5, 1.0], 1).unwrap().with_inputs(vec![1.0; 3], 1).unwrap();
    model.initialize(&data, None, &[]).unwrap().0
}
