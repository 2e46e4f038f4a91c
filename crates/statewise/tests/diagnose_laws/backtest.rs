//! Backtests against forecasts made one by one, and against what a right model must show.

use statewise::data::Dataset;
use statewise::diagnose::{BacktestOptions, Refit, gaussian_crps, gaussian_log_score};
use statewise::infer::gaussian::GaussianOptions;
use statewise::learn::{Learner, QuasiNewton};
use statewise::model::linear_gaussian::LgssmParams;
use statewise::params::{Array, Params};
use statewise_kernels::random::Seed;
use statewise_testkit::{GaussianProblem, gaussian_corpus, slow_season};

use crate::gaussian_common::{data, params};
use crate::local_level::LocalLevel;

fn two_dimensional() -> GaussianProblem {
    let fits = |p: &GaussianProblem| p.emission_dim == 2 && p.num_steps >= 8 && !p.transition.per_step;
    gaussian_corpus().into_iter().find(fits).expect("the corpus has such a problem")
}

#[test]
fn every_forecast_is_that_of_the_shortened_series() {
    for problem in gaussian_corpus().into_iter().filter(|p| p.num_steps >= 5) {
        let (m, t, horizon) = (problem.emission_dim, problem.num_steps, 3);
        let (lgssm, whole) = (params(&problem), data(&problem));
        let options = BacktestOptions { first_origin: 2, stride: 2, horizon, ..Default::default() };
        let got = lgssm.backtest(&whole, &options).unwrap();
        assert_eq!(got.origins.len(), (2..t).step_by(2).count());
        for (o, &(_, origin)) in got.origins.iter().enumerate() {
            let ahead = horizon.min(t - origin);
            let known = whole.prefix(0, origin).unwrap();
            let want = &lgssm.forecast(&known, ahead, &[], &GaussianOptions::default()).unwrap()[0];
            for place in 0..horizon * m {
                let (h, i, at) = (place / m, place % m, o * horizon * m + place);
                if h >= ahead {
                    assert!(got.means[at].is_nan() && got.errors[at].is_nan());
                    continue;
                }
                let (mean, variance) =
                    (want.emission_means[place], want.emission_covs[(h * m + i) * m + i]);
                assert!((got.means[at] - mean).abs() < 1e-9 * (1.0 + mean.abs()), "{}", problem.name);
                assert!((got.variances[at] - variance).abs() < 1e-9 * (1.0 + variance), "{}", problem.name);
                let error = problem.emissions[(origin + h) * m + i] - got.means[at];
                assert!(error == got.errors[at] || error.is_nan() && got.errors[at].is_nan());
            }
        }
    }
}

#[test]
fn scores_are_means_over_the_origins_whose_target_is_observed() {
    let problem = two_dimensional();
    let (lgssm, whole, m) = (params(&problem), data(&problem), problem.emission_dim);
    let options = BacktestOptions { first_origin: 3, horizon: 2, levels: vec![0.5], ..Default::default() };
    let got = lgssm.backtest(&whole, &options).unwrap();
    for score in &got.scores {
        let place = |o: usize| (o * 2 + score.horizon - 1) * m + score.entry;
        let seen: Vec<usize> = (0..got.origins.len()).filter(|o| !got.errors[place(*o)].is_nan()).collect();
        assert_eq!(seen.len(), score.count);
        let mean =
            |f: &dyn Fn(usize) -> f64| seen.iter().map(|o| f(place(*o))).sum::<f64>() / seen.len() as f64;
        let (e, v) = (&got.errors, &got.variances);
        // An interval of probability one half ends where |z| = 0.6744897501960817.
        let want = [
            (score.mae, mean(&|p| e[p].abs())),
            (score.rmse, mean(&|p| e[p] * e[p]).sqrt()),
            (score.mean_error, mean(&|p| e[p])),
            (score.crps, mean(&|p| gaussian_crps(e[p], 0.0, v[p]))),
            (score.log_score, mean(&|p| gaussian_log_score(e[p], 0.0, v[p]))),
            (score.coverage[0], mean(&|p| f64::from(e[p].abs() <= 0.674_489_750_196_081_7 * v[p].sqrt()))),
        ];
        for (got, want) in want {
            assert!((got - want).abs() < 1e-12 * (1.0 + want.abs()), "{got} against {want}");
        }
        // MASE by its definition: every error over the naive one before its origin.
        let y = |t: usize| problem.emissions[t * m + score.entry];
        let naive = |origin: usize| {
            let steps: Vec<f64> =
                (1..origin).map(|t| (y(t) - y(t - 1)).abs()).filter(|x| !x.is_nan()).collect();
            steps.iter().sum::<f64>() / steps.len() as f64
        };
        let ratios = seen.iter().map(|o| e[place(*o)].abs() / naive(got.origins[*o].1));
        let ratios: Vec<f64> = ratios.filter(|x| !x.is_nan()).collect();
        let want = ratios.iter().sum::<f64>() / ratios.len() as f64;
        assert!((score.mase - want).abs() < 1e-12 * (1.0 + want), "{} against {want}", score.mase);
    }
}

#[test]
fn one_step_log_scores_add_up_to_the_evidence() {
    let problem = two_dimensional();
    let (lgssm, whole) = (params(&problem), data(&problem));
    let options = GaussianOptions::default();
    let got = lgssm.backtest(&whole, &BacktestOptions::default()).unwrap();
    let observed = |t: usize| whole.sequence(0).emission(t).iter().any(|y| !y.is_nan());
    let count = (1..problem.num_steps).filter(|t| observed(*t)).count() as f64;
    let first = lgssm.marginal_log_prob(&whole.prefix(0, 1).unwrap(), &options).unwrap()[0];
    let all = lgssm.marginal_log_prob(&whole, &options).unwrap()[0];
    assert!((first + count * got.joint_log_scores[0] - all).abs() < 1e-9 * (1.0 + all.abs()));
}

/// 4000 one-step forecasts: coverage has a standard deviation below 0.8%, the mean of PIT of 0.5%.
#[test]
fn forecasts_of_the_true_model_are_calibrated() {
    let model = LocalLevel::new(0.0, 1.0, 0.0);
    let lgssm = model.lower(&LocalLevel::params([0.5, 1.0, 0.6, 0.3, 0.0]));
    let (_, y) = lgssm.sample(Seed(3), 0, 4001, &[]).unwrap();
    let data = Dataset::single(y, 1).unwrap();
    let options = BacktestOptions { horizon: 4, ..Default::default() };
    let got = lgssm.backtest(&data, &options).unwrap();
    for (coverage, level) in got.scores[0].coverage.iter().zip(&options.levels) {
        assert!((coverage - level).abs() < 0.025, "{coverage} at {level}");
    }
    let pit: Vec<f64> = got.pit.iter().step_by(4).copied().collect();
    let mean = pit.iter().sum::<f64>() / pit.len() as f64;
    assert!((mean - 0.5).abs() < 0.015, "{mean}");
    assert!(got.scores.windows(2).all(|pair| pair[0].crps < pair[1].crps), "errors grow with the horizon");
}

fn refit<'a>(
    model: &'a LocalLevel,
    start: &'a Params,
    learner: &'a dyn Learner,
    properties: &'a statewise::params::Properties,
    lower: &'a (dyn Fn(&Params) -> statewise::Result<LgssmParams> + Sync),
) -> Refit<'a> {
    Refit { learner, model, start, properties, lower, every: 4, warm: true, observe: &|_, _| true }
}

#[test]
fn a_refitted_backtest_forecasts_with_the_fit_of_what_was_known() {
    let model = LocalLevel::new(0.0, 1.0, 0.0);
    let start = LocalLevel::params([0.5, 1.0, 0.2, 0.0, 0.0]);
    let lower = |params: &Params| Ok(model.lower(params));
    let (_, y) =
        model.lower(&LocalLevel::params([0.5, 1.0, 0.6, 0.0, 0.0])).sample(Seed(5), 0, 60, &[]).unwrap();
    let data = Dataset::single(y, 1).unwrap();
    let learner = QuasiNewton { prior: false, ..QuasiNewton::default() };
    let options = BacktestOptions { first_origin: 40, horizon: 2, ..Default::default() };

    let fixed = model.free(&[]);
    let still = refit(&model, &start, &learner, &fixed, &lower).backtest(&data, &options).unwrap();
    let want = model.lower(&start).backtest(&data, &options).unwrap();
    let bits = |x: &[f64]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(
        bits(&still.means),
        bits(&want.means),
        "a model without free parameters is not changed by fits"
    );

    let free = model.free(&[2]);
    let moving = refit(&model, &start, &learner, &free, &lower);
    let warm = moving.backtest(&data, &options).unwrap();
    let known = data.prefix(0, 44).unwrap();
    let fit = learner.fit(&model, &start, &free, &known, &mut |_| true).unwrap();
    let want = model.lower(&fit.params).forecast(&known, 1, &[], &GaussianOptions::default()).unwrap();
    let at = warm.origins.iter().position(|origin| *origin == (0, 44)).unwrap() * 2;
    // Warm and cold fits meet at the maximum, to the optimiser's tolerance.
    assert!((warm.means[at] - want[0].emission_means[0]).abs() < 1e-5);

    statewise::threads::set_num_threads(1);
    let alone = moving.backtest(&data, &options).unwrap();
    statewise::threads::set_num_threads(4);
    let together = moving.backtest(&data, &options).unwrap();
    statewise::threads::set_num_threads(0);
    assert_eq!(bits(&alone.means), bits(&together.means));
}

#[test]
fn options_out_of_range_are_errors_that_name_them() {
    let problem = two_dimensional();
    let (lgssm, whole) = (params(&problem), data(&problem));
    let base = BacktestOptions::default();
    for (options, name) in [
        (BacktestOptions { first_origin: 0, ..base.clone() }, "first_origin"),
        (BacktestOptions { first_origin: problem.num_steps, ..base.clone() }, "first_origin"),
        (BacktestOptions { horizon: 0, ..base.clone() }, "horizon"),
        (BacktestOptions { stride: 0, ..base.clone() }, "stride"),
        (BacktestOptions { season: 0, ..base.clone() }, "season"),
        (BacktestOptions { levels: vec![1.5], ..base.clone() }, "level"),
    ] {
        let error = lgssm.backtest(&whole, &options).unwrap_err().to_string();
        assert!(error.starts_with(name), "{error}");
    }
    let diffuse = LgssmParams { initial_diffuse: Some(Array::new(&[1, 1], vec![1.0])), ..one() };
    let gap = Dataset::single(vec![f64::NAN, f64::NAN, 1.0, 2.0], 1).unwrap();
    let error = diffuse.backtest(&gap, &base).unwrap_err().to_string();
    assert!(error.contains("diffuse"), "{error}");
}

#[test]
fn a_diffuse_start_is_forecast_from_every_origin_that_has_seen_enough() {
    let problem = slow_season(52.0, 2, 40);
    let (lgssm, whole) = (params(&problem), data(&problem));
    let options = BacktestOptions { first_origin: 5, horizon: 3, ..Default::default() };
    let found = lgssm.backtest(&whole, &options).unwrap();
    for (i, (_, origin)) in found.origins.iter().enumerate() {
        let forecast =
            &lgssm.forecast(&whole.truncated(*origin).unwrap(), 3, &[], &options.gaussian).unwrap()[0];
        for h in 0..3.min(40 - origin) {
            let (got, want) = (found.variances[i * 3 + h], forecast.emission_covs[h]);
            assert!((got - want).abs() <= 1e-12 * want, "{origin} {h}: {got} for {want}");
            assert!((found.means[i * 3 + h] - forecast.emission_means[h]).abs() < 1e-9, "{origin} {h}");
        }
    }
    let early = BacktestOptions { first_origin: 4, ..options };
    let error = lgssm.backtest(&whole, &early).unwrap_err().to_string();
    assert!(error.starts_with("first_origin: found 4"), "{error}");
}

fn one() -> LgssmParams {
    LocalLevel::new(0.0, 1.0, 0.0).lower(&LocalLevel::params([0.5, 1.0, 0.6, 0.0, 0.0]))
}
