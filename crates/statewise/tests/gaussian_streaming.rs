//! The online filter of linear Gaussian models against the verbs on whole series.

mod gaussian_common;

use gaussian_common::{assert_close, data, params};
use proptest::prelude::*;
use statewise::data::Dataset;
use statewise::infer::gaussian::{
    Form, GaussianFilterState, GaussianOnlineFilter, GaussianOptions, GaussianTransition,
};
use statewise::model::linear_gaussian::LgssmParams;
use statewise::params::Array;
use statewise_testkit::{
    GaussianProblem, GaussianShape, diffuse_gaussian_corpus, further_diffuse_problems,
    gaussian_contradictions, gaussian_corpus, random_gaussian_problem, slow_season,
};

const DEFAULT: GaussianOptions =
    GaussianOptions { form: Form::Covariance, steady_state: true, share: true };
const REFERENCE: GaussianOptions =
    GaussianOptions { form: Form::Covariance, steady_state: false, share: true };

fn problem(seed: u64, num_steps: usize, missing: f64) -> GaussianProblem {
    let shape = GaussianShape { missing, offsets: true, ..GaussianShape::default() };
    random_gaussian_problem(3, 2, num_steps, shape, seed)
}

/// Problems with a diffuse start; the last ones forget it after some time.
fn diffuse() -> impl Iterator<Item = GaussianProblem> {
    let unit: Vec<f64> = (0..9).map(|i| f64::from(u8::from(i % 4 == 0))).collect();
    let later = [slow_season(52.0, 2, 60), problem(14, 150, 0.1).diffuse(&unit)];
    diffuse_gaussian_corpus().into_iter().chain(further_diffuse_problems()).chain(later)
}

/// A filter after all rows.
fn fed(
    params: &LgssmParams,
    rows: &[f64],
    options: &GaussianOptions,
    history: usize,
) -> GaussianOnlineFilter {
    let mut online = params.online_filter(options, history).unwrap();
    for row in rows.chunks_exact(params.emission_dim()) {
        online.update(row, &[]).unwrap();
    }
    online
}

/// The dynamics of step t of a problem.
fn transition(problem: &GaussianProblem, t: usize) -> GaussianTransition {
    GaussianTransition {
        weights: problem.transition.at(t).to_vec(),
        bias: problem.transition_offset.at(t).to_vec(),
        cov: problem.transition_cov.at(t).to_vec(),
    }
}

/// Parameters with two inputs that drive states and emissions.
fn driven(problem: &GaussianProblem) -> LgssmParams {
    let (d, m) = (problem.state_dim, problem.emission_dim);
    let values = |n: usize| (0..n).map(|i| (i as f64 * 0.7).sin()).collect::<Vec<f64>>();
    LgssmParams {
        dynamics_input_weights: Some(Array::new(&[d, 2], values(2 * d))),
        emissions_input_weights: Some(Array::new(&[m, 2], values(2 * m))),
        ..params(problem)
    }
}

#[test]
fn every_belief_equals_the_batch_filter_bit_for_bit() {
    for problem in gaussian_corpus().into_iter().chain(diffuse()).chain([problem(3, 400, 0.02)]) {
        let (params, d) = (params(&problem), problem.state_dim);
        for options in [DEFAULT, REFERENCE] {
            let batch = params.filter(&data(&problem), &options).unwrap();
            let mut online = params.online_filter(&options, 0).unwrap();
            for (t, row) in problem.emissions.chunks_exact(problem.emission_dim).enumerate() {
                online.update(row, &[]).unwrap();
                let belief = online.belief();
                let want = &batch.filtered.means[t * d..(t + 1) * d];
                assert_eq!(belief.mean, want, "{} at {t}", problem.name);
                assert_eq!(belief.cov, batch.filtered.covs.of(0, t), "{} at {t}", problem.name);
            }
            assert_eq!(online.marginal_loglik(), batch.marginal_loglik[0], "{}", problem.name);
        }
    }
}

#[test]
fn inputs_given_step_by_step_equal_inputs_of_the_batch() {
    let problem = problem(5, 50, 0.1);
    let params = driven(&problem);
    let inputs: Vec<f64> = (0..100).map(|i| (i as f64).cos()).collect();
    let data = data(&problem).with_inputs(&inputs[..], 2).unwrap();
    let batch = params.filter(&data, &DEFAULT).unwrap();
    let mut online = params.online_filter(&DEFAULT, 0).unwrap();
    for (t, (row, u)) in problem.emissions.chunks_exact(2).zip(inputs.chunks_exact(2)).enumerate() {
        if t % 3 == 0 {
            online.predict(u).unwrap();
            assert_close(
                "",
                "predicted",
                &online.belief().mean,
                &batch.predicted.means[3 * t..3 * t + 3],
                1e-14,
            );
            online.update(row, &[]).unwrap();
        } else {
            online.update(row, u).unwrap();
        }
        assert_eq!(online.belief().mean, &batch.filtered.means[3 * t..3 * t + 3], "{t}");
    }
    assert_eq!(online.marginal_loglik(), batch.marginal_loglik[0]);
}

#[test]
fn transitions_given_step_by_step_equal_a_batch_with_one_entry_per_step() {
    let shape = GaussianShape { per_step: true, offsets: true, diagonal_noise: true, missing: 0.1 };
    let varying = random_gaussian_problem(3, 2, 40, shape, 11);
    let fixed = problem(12, 40, 0.0);
    let mixed = GaussianProblem {
        transition: varying.transition.clone(),
        transition_offset: varying.transition_offset.clone(),
        transition_cov: varying.transition_cov.clone(),
        ..fixed.clone()
    };
    let batch = params(&mixed).filter(&data(&mixed), &DEFAULT).unwrap();
    let mut online = params(&fixed).online_filter(&DEFAULT, 8).unwrap();
    for (t, row) in mixed.emissions.chunks_exact(2).enumerate() {
        online.predict_with(transition(&varying, t), &[]).unwrap();
        online.update(row, &[]).unwrap();
    }
    assert_eq!(online.belief().mean, &batch.filtered.means[39 * 3..]);
    assert_eq!(online.marginal_loglik(), batch.marginal_loglik[0]);
    let smoothed = params(&mixed).smoother(&data(&mixed), &DEFAULT).unwrap();
    let window = online.fixed_lag(7).unwrap();
    assert_close("", "smoothed", &window.means, &smoothed.smoothed.means[32 * 3..], 1e-12);
}

#[test]
fn predictions_that_are_not_updated_are_missing_rows() {
    let mut problem = problem(6, 30, 0.0);
    let params = params(&problem);
    let mut online = params.online_filter(&DEFAULT, 0).unwrap();
    for (t, row) in problem.emissions.chunks_exact_mut(2).enumerate() {
        match t % 4 {
            1 => online.predict(&[]).unwrap(),
            2 => {
                online.predict(&[]).unwrap();
                online.skip(&[]).unwrap();
            }
            _ => drop(online.update(row, &[]).unwrap().to_string()),
        }
        if t % 4 == 1 || t % 4 == 2 {
            row.fill(f64::NAN);
        }
    }
    let batch = params.filter(&data(&problem), &DEFAULT).unwrap();
    assert_eq!(online.num_steps(), 29, "the last prediction is open");
    online.skip(&[]).unwrap();
    assert_eq!(online.belief().mean, &batch.filtered.means[29 * 3..]);
    assert_eq!(online.marginal_loglik(), batch.marginal_loglik[0]);
}

#[test]
fn log_probabilities_of_updates_add_up_to_the_evidence() {
    let problem = problem(7, 200, 0.1);
    let params = params(&problem);
    let mut online = params.online_filter(&DEFAULT, 0).unwrap();
    let rows = problem.emissions.chunks_exact(2);
    let sum: f64 = rows.map(|row| online.update(row, &[]).unwrap()).sum();
    assert!((sum - online.marginal_loglik()).abs() < 1e-12 * sum.abs(), "{sum}");
}

#[test]
fn a_fixed_lag_window_equals_the_smoother_on_the_prefix() {
    for problem in gaussian_corpus().into_iter().chain([problem(8, 120, 0.05)]) {
        let (params, d, m) = (params(&problem), problem.state_dim, problem.emission_dim);
        let mut online = params.online_filter(&DEFAULT, 6).unwrap();
        for (t, row) in problem.emissions.chunks_exact(m).enumerate() {
            online.update(row, &[]).unwrap();
            if t % 7 > 2 && t + 1 < problem.num_steps {
                continue;
            }
            let window = online.fixed_lag(5).unwrap();
            let prefix = Dataset::single(&problem.emissions[..(t + 1) * m], m).unwrap();
            let want = params.smoother(&prefix, &DEFAULT).unwrap();
            let first = t.saturating_sub(5);
            assert_close(&problem.name, "means", &window.means, &want.smoothed.means[first * d..], 1e-9);
            let covs = &want.smoothed.covs.values[first * d * d..];
            assert_close(&problem.name, "covs", &window.covs, covs, 1e-9);
            let lag_one = &want.lag_one_covs.values[first * d * d..t * d * d];
            assert_close(&problem.name, "lag-one covs", &window.lag_one_covs, lag_one, 1e-9);
        }
    }
}

/// While directions are open, smoothed moments are infinite where they move them; the smoother then refuses.
#[test]
fn a_fixed_lag_window_of_a_diffuse_start_equals_the_smoother_on_the_prefix() {
    let mut checked = 0;
    for problem in diffuse() {
        let (params, d, m) = (params(&problem), problem.state_dim, problem.emission_dim);
        let mut online = params.online_filter(&DEFAULT, 10).unwrap();
        for (t, row) in problem.emissions.chunks_exact(m).enumerate() {
            online.update(row, &[]).unwrap();
            let window = online.fixed_lag(9).unwrap();
            let prefix = Dataset::single(&problem.emissions[..(t + 1) * m], m).unwrap();
            let Ok(want) = params.smoother(&prefix, &DEFAULT) else {
                let forgets = problem.name.starts_with("A forgets");
                assert!(forgets || window.covs.iter().any(|x| x.is_infinite()), "{} {t}", problem.name);
                continue;
            };
            checked += 1;
            let first = t.saturating_sub(9);
            // Moments of the slow season are huge at first.
            let (name, means) = (&problem.name, &want.smoothed.means[first * d..]);
            assert_close(name, "means", &window.means, means, 1e-8);
            assert_close(name, "covs", &window.covs, &want.smoothed.covs.values[first * d * d..], 1e-8);
            let lag_one = &want.lag_one_covs.values[first * d * d..t * d * d];
            assert_close(name, "lag-one covs", &window.lag_one_covs, lag_one, 1e-8);
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn a_diffuse_start_forecasts_goes_on_and_is_revised_as_a_proper_one() {
    for problem in diffuse() {
        let (params, m, name) = (params(&problem), problem.emission_dim, &problem.name);
        if !problem.transition.per_step && !problem.emission.per_step {
            let online = fed(&params, &problem.emissions, &DEFAULT, 0);
            let want = &params.forecast(&data(&problem), 4, &[], &DEFAULT).unwrap()[0];
            assert_eq!(&online.forecast(4, &[]).unwrap(), want, "{name}");
        }
        let half = problem.num_steps / 2 * m;
        let mut online = fed(&params, &problem.emissions[..half], &DEFAULT, 3);
        let state = serde_json::to_string(&online.state()).unwrap();
        let mut again = params.online_filter(&DEFAULT, 3).unwrap();
        again.restore(&serde_json::from_str::<GaussianFilterState>(&state).unwrap()).unwrap();
        for row in problem.emissions[half..].chunks_exact(m) {
            assert_eq!(online.update(row, &[]).unwrap(), again.update(row, &[]).unwrap(), "{name}");
            assert_eq!(online.belief(), again.belief(), "{name}");
        }
        // A row that comes late.
        let last = problem.num_steps - 1;
        let mut without = problem.emissions.clone();
        without[last.saturating_sub(1) * m..][..m].fill(f64::NAN);
        let mut late = fed(&params, &without, &DEFAULT, 3);
        late.revise(last.saturating_sub(1), &problem.emissions[last.saturating_sub(1) * m..][..m]).unwrap();
        assert_eq!(late.belief(), online.belief(), "{name}");
        assert_eq!(late.marginal_loglik(), online.marginal_loglik(), "{name}");
    }
}

#[test]
fn innovations_of_a_diffuse_start_are_those_of_the_whole_series() {
    for problem in diffuse() {
        let (params, m) = (params(&problem), problem.emission_dim);
        let want = params.innovations(&data(&problem), &DEFAULT).unwrap();
        let mut online = params.online_filter(&DEFAULT, 0).unwrap();
        for (t, row) in problem.emissions.chunks_exact(m).enumerate() {
            online.update(row, &[]).unwrap();
            let got = online.innovation().unwrap();
            for i in 0..m {
                let (value, white) = (want.values[t * m + i], want.standardised[t * m + i]);
                assert_eq!(got.residual[i].is_nan(), value.is_nan(), "{} at {t}", problem.name);
                assert!(
                    value.is_nan() || (got.residual[i] - value).abs() < 1e-9,
                    "{} at {t}",
                    problem.name
                );
                let same = (got.standardised[i] - white).abs() < 1e-8;
                assert!(white.is_nan() || same, "{} at {t}", problem.name);
            }
        }
    }
}

#[test]
fn a_forecast_equals_that_of_the_whole_series() {
    let problem = problem(9, 40, 0.1);
    let params = driven(&problem);
    let inputs: Vec<f64> = (0..100).map(|i| (i as f64).cos()).collect();
    let (past, future) = inputs.split_at(80);
    let data = data(&problem).with_inputs(past, 2).unwrap();
    let want = &params.forecast(&data, 10, future, &DEFAULT).unwrap()[0];
    let mut online = params.online_filter(&DEFAULT, 3).unwrap();
    for (row, u) in problem.emissions.chunks_exact(2).zip(past.chunks_exact(2)) {
        online.update(row, u).unwrap();
    }
    let before = online.state();
    assert_eq!(&online.forecast(10, future).unwrap(), want);
    online.predict(&future[..2]).unwrap();
    assert_eq!(&online.forecast(10, future).unwrap(), want);
    assert_ne!(online.state(), before);
}

#[test]
fn a_late_measurement_gives_the_bits_of_the_reordered_series() {
    for missing in [0.0, 0.05] {
        let problem = problem(10, 60, missing);
        let params = params(&problem);
        let mut held_back = problem.emissions.clone();
        let late = [(58, [true, true]), (50, [false, true]), (52, [true, false])];
        for (t, which) in late {
            (0..2).filter(|i| which[*i]).for_each(|i| held_back[t * 2 + i] = f64::NAN);
        }
        let mut online = fed(&params, &held_back, &DEFAULT, 12);
        let mut gained = online.marginal_loglik();
        for (t, which) in late {
            let row: Vec<f64> =
                (0..2).map(|i| if which[i] { problem.emissions[t * 2 + i] } else { f64::NAN }).collect();
            gained += online.late_update(t, &row).unwrap();
        }
        let want = fed(&params, &problem.emissions, &DEFAULT, 12);
        assert_eq!(online.belief(), want.belief());
        assert_eq!(online.marginal_loglik(), want.marginal_loglik());
        assert_eq!(online.state(), want.state());
        assert_eq!(online.fixed_lag(11).unwrap(), want.fixed_lag(11).unwrap());
        assert!((gained - want.marginal_loglik()).abs() < 1e-10);
    }
}

#[test]
fn a_step_inserted_late_gives_the_bits_of_a_series_that_had_it() {
    let fixed = problem(13, 20, 0.0);
    let params = params(&fixed);
    let shape = GaussianShape { per_step: true, offsets: true, ..GaussianShape::default() };
    let varying = random_gaussian_problem(3, 2, 20, shape, 14);
    let feed = |skip: Option<usize>| {
        let mut online = params.online_filter(&DEFAULT, 10).unwrap();
        for t in (0..20).filter(|t| Some(*t) != skip) {
            // The step after the one left out goes all the way.
            let over = if skip == Some(t.wrapping_sub(1)) { 19 } else { t };
            online.predict_with(transition(&varying, over), &[]).unwrap();
            online.update(&fixed.emissions[t * 2..t * 2 + 2], &[]).unwrap();
        }
        online
    };
    let mut online = feed(Some(14));
    let row = &fixed.emissions[28..30];
    online.insert_step(14, transition(&varying, 14), transition(&varying, 15), row, &[]).unwrap();
    let want = feed(None);
    assert_eq!(online.num_steps(), 20);
    assert_eq!(online.belief(), want.belief());
    assert_eq!(online.marginal_loglik(), want.marginal_loglik());
}

#[test]
fn a_filter_restored_from_json_goes_on_with_the_same_bits() {
    let problem = problem(15, 150, 0.03);
    let params = params(&problem);
    for (stop, history) in [(0, 4), (1, 0), (70, 5), (149, 1)] {
        let mut whole = fed(&params, &problem.emissions[..stop * 2], &DEFAULT, history);
        whole.predict(&[]).unwrap();
        let text = serde_json::to_string(&whole.state()).unwrap();
        let state: GaussianFilterState = serde_json::from_str(&text).unwrap();
        let mut second = params.online_filter(&DEFAULT, history).unwrap();
        second.restore(&state).unwrap();
        for row in problem.emissions[stop * 2..].chunks_exact(2) {
            assert_eq!(second.update(row, &[]).unwrap(), whole.update(row, &[]).unwrap());
        }
        assert_eq!(second.state(), whole.state());
        assert_eq!(second.belief(), whole.belief());
        assert_eq!(second.innovation().map(|i| i.nis), whole.innovation().map(|i| i.nis));
    }
}

#[test]
fn a_fork_leaves_its_origin_alone() {
    let problem = problem(16, 20, 0.0);
    let origin = fed(&params(&problem), &problem.emissions, &DEFAULT, 5);
    let (state, mut fork) = (origin.state(), origin.fork());
    fork.update(&[1.0, 2.0], &[]).unwrap();
    fork.revise(18, &[f64::NAN, 0.5]).unwrap();
    assert_eq!(origin.state(), state);
    assert_ne!(fork.state(), state);
}

#[test]
fn innovations_are_those_of_the_predicted_moments() {
    let problem = problem(17, 30, 0.2);
    let params = params(&problem);
    let batch = params.filter(&data(&problem), &DEFAULT).unwrap();
    let mut online = params.online_filter(&DEFAULT, 0).unwrap();
    assert!(online.innovation().is_none());
    let (h, r) = (problem.emission.at(0), problem.noise(0));
    for (t, row) in problem.emissions.chunks_exact(2).enumerate() {
        let log_prob = online.update(row, &[]).unwrap();
        let got = online.innovation().unwrap();
        let (mean, p) = (&batch.predicted.means[t * 3..t * 3 + 3], batch.predicted.covs.of(0, t));
        let seen: Vec<usize> = (0..2).filter(|i| !row[*i].is_nan()).collect();
        let residual = |i: usize| {
            row[i] - problem.emission_offset.at(t)[i] - (0..3).map(|k| h[i * 3 + k] * mean[k]).sum::<f64>()
        };
        let cov = |i: usize, j: usize| {
            let hp = |k: usize| (0..3).map(|l| h[i * 3 + l] * p[l * 3 + k]).sum::<f64>();
            r[i * 2 + j] + (0..3).map(|k| hp(k) * h[j * 3 + k]).sum::<f64>()
        };
        assert_eq!(got.num_observed, seen.len());
        for i in 0..2 {
            assert_eq!(got.residual[i].is_nan(), row[i].is_nan());
            assert_eq!(got.standardised[i].is_nan(), row[i].is_nan());
            (0..2).for_each(|j| assert!((got.cov[i * 2 + j] - cov(i, j)).abs() < 1e-12));
        }
        let (nis, det) = match seen[..] {
            [] => (0.0, 1.0),
            [i] => (residual(i) * residual(i) / cov(i, i), cov(i, i)),
            _ => {
                let det = cov(0, 0) * cov(1, 1) - cov(0, 1) * cov(1, 0);
                let [v, w] = [residual(0), residual(1)];
                let form = v * v * cov(1, 1) - 2.0 * v * w * cov(0, 1) + w * w * cov(0, 0);
                (form / det, det)
            }
        };
        assert!((got.nis - nis).abs() < 1e-11 * (1.0 + nis), "{t}: {} against {nis}", got.nis);
        let log_norm = det.ln() + seen.len() as f64 * (2.0 * std::f64::consts::PI).ln();
        assert!((log_prob + 0.5 * (nis + log_norm)).abs() < 1e-11, "{t}");
    }
}

#[test]
fn errors_leave_the_filter_as_it_was_and_name_the_argument() {
    let problem = problem(18, 12, 0.0);
    let params = params(&problem);
    let mut online = fed(&params, &problem.emissions, &DEFAULT, 4);
    online.predict(&[]).unwrap();
    let state = online.state();
    let good = transition(&problem, 1);
    let indefinite = GaussianTransition { cov: vec![-1.0; 9], ..good.clone() };
    let short = GaussianTransition { bias: vec![0.0; 2], ..good.clone() };
    let nothing = [f64::NAN; 2];
    let failures = [
        ("emission: found 1 values", online.update(&[1.0], &[]).map(drop)),
        ("emission: found inf", online.update(&[f64::INFINITY, 0.0], &[]).map(drop)),
        ("input: found [1.0]", online.update(&[1.0, 0.0], &[1.0]).map(drop)),
        ("input: found 2 values", online.predict(&[1.0, 2.0])),
        ("transition.cov: found", online.predict_with(indefinite.clone(), &[])),
        ("transition.bias: found 2 values, expected 3", online.predict_with(short, &[])),
        ("step: found 7, expected one of the steps kept, 8..12", online.late_update(7, &nothing).map(drop)),
        ("step: found 12", online.revise(12, &nothing).map(drop)),
        ("emission[0]: found 3 where", online.late_update(9, &[3.0, f64::NAN]).map(drop)),
        ("transition.cov", online.insert_step(9, good.clone(), indefinite, &nothing, &[]).map(drop)),
        ("lag: found 4 with 12 steps taken and 4 kept", online.fixed_lag(4).map(drop)),
        ("future_inputs: found horizon 0", online.forecast(0, &[]).map(drop)),
    ];
    for (start, result) in failures {
        let message = result.unwrap_err().to_string();
        assert!(message.starts_with(start), "{message}");
        assert!(message.contains(", expected "), "{message}");
    }
    assert_eq!(online.state(), state);

    let other = fed(
        &gaussian_common::params(&random_gaussian_problem(2, 2, 3, Default::default(), 1)),
        &[0.0; 6],
        &DEFAULT,
        1,
    );
    assert!(online.restore(&other.state()).unwrap_err().to_string().starts_with("state.checkpoint"));
    assert_eq!(online.state(), state);
}

#[test]
fn a_contradiction_leaves_the_filter_as_it_was_even_where_it_comes_late() {
    for problem in gaussian_contradictions() {
        let (params, m) = (params(&problem), problem.emission_dim);
        let mut online = params.online_filter(&DEFAULT, 100).unwrap();
        let mut failed = None;
        for (t, row) in problem.emissions.chunks_exact(m).enumerate() {
            let state = online.state();
            if online.update(row, &[]).is_err() {
                assert_eq!(online.state(), state, "{}", problem.name);
                online.skip(&[]).unwrap();
                failed = Some(t);
                break;
            }
        }
        let t = failed.unwrap();
        let state = online.state();
        let late = online.late_update(t, &problem.emissions[t * m..(t + 1) * m]);
        assert!(late.unwrap_err().to_string().contains("noise-free"), "{}", problem.name);
        assert_eq!(online.state(), state, "{}", problem.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_order_of_arrival_within_the_history_gives_the_bits_of_the_ordered_series(
        seed in 0u64..1000,
        delays in proptest::collection::vec(0usize..9, 80),
    ) {
        let problem = problem(seed, 40, 0.05);
        let params = params(&problem);
        let mut online = params.online_filter(&DEFAULT, 10).unwrap();
        let mut waiting: Vec<(usize, usize)> = Vec::new();
        let one = |t: usize, i: usize| {
            let mut row = [f64::NAN; 2];
            row[i] = problem.emissions[t * 2 + i];
            row
        };
        for t in 0..40 {
            let mut row = [f64::NAN; 2];
            for i in 0..2 {
                if delays[t * 2 + i] == 0 {
                    row[i] = problem.emissions[t * 2 + i];
                } else {
                    waiting.push((t, i));
                }
            }
            online.update(&row, &[]).unwrap();
            let due = |(s, i): &(usize, usize)| t == 39 || s + delays[s * 2 + i] <= t;
            for (s, i) in waiting.iter().filter(|entry| due(entry)) {
                online.late_update(*s, &one(*s, *i)).unwrap();
            }
            waiting.retain(|entry| !due(entry));
        }
        let batch = params.filter(&data(&problem), &DEFAULT).unwrap();
        prop_assert_eq!(&online.belief().mean[..], &batch.filtered.means[39 * 3..]);
        prop_assert_eq!(online.marginal_loglik(), batch.marginal_loglik[0]);
    }
}
