//! The verbs on linear Gaussian parameters against the dense joint Gaussian.

mod gaussian_common;

use gaussian_common::{assert_close, data, params};
use statewise::Seed;
use statewise::data::Dataset;
use statewise::infer::gaussian::{Form, GaussianOptions};
use statewise::params::Array;
use statewise_testkit::{
    GaussianShape, diffuse_gaussian_corpus, gaussian_corpus, joint_gaussian, joint_log_prob,
    random_gaussian_problem,
};

const OPTIONS: GaussianOptions = GaussianOptions { form: Form::Auto, steady_state: true, share: true };

#[test]
fn two_filters_equal_the_joint_gaussian_or_name_what_they_cannot_take() {
    let mut refused = 0;
    for problem in gaussian_corpus() {
        let want = joint_gaussian(&problem);
        match params(&problem).two_filter_smoother(&data(&problem)) {
            Ok(got) => {
                assert_close(&problem.name, "means", &got.means, &want.smoothed_means, 1e-9);
                assert_close(&problem.name, "covs", &got.covs.values, &want.smoothed_covs, 1e-9);
            }
            // R is singular.
            Err(error) => {
                assert!(error.to_string().contains("sequence 0"), "{}: {error}", problem.name);
                refused += 1;
            }
        }
    }
    assert!(refused < gaussian_corpus().len() / 2);
    let diffuse = &diffuse_gaussian_corpus()[0];
    let error = params(diffuse).two_filter_smoother(&data(diffuse)).unwrap_err();
    assert!(error.to_string().contains("initial_diffuse"));
}

#[test]
fn every_verb_equals_the_joint_gaussian() {
    let roots = GaussianOptions { form: Form::SquareRoot, ..OPTIONS };
    let (proper, diffuse) = (gaussian_corpus(), diffuse_gaussian_corpus());
    let by_covariances = proper.iter().chain(&diffuse).map(|problem| (problem, OPTIONS));
    for (problem, options) in
        by_covariances.chain(proper.iter().chain(&diffuse).map(|problem| (problem, roots)))
    {
        let (params, data, want) = (params(problem), data(problem), joint_gaussian(problem));
        let name = &problem.name;
        let filtered = params.filter(&data, &options).unwrap();
        let Ok(smoothed) = params.smoother(&data, &options) else {
            assert!(want.smoothed_diffuse.iter().any(|x| *x != 0.0), "{name} is identified");
            continue;
        };
        let predictive = params.posterior_predictive(&data, &options).unwrap();
        assert_close(name, "evidence", &filtered.marginal_loglik, &[want.marginal_loglik], 1e-9);
        assert_eq!(filtered.marginal_loglik, smoothed.marginal_loglik, "{name}");
        assert_close(name, "filtered", &filtered.filtered.means, &want.filtered_means, 1e-9);
        let (got, diffuse) = (&filtered.predicted.covs.values, &want.predicted_diffuse);
        for ((got, finite), diffuse) in got.iter().zip(&want.predicted_covs).zip(diffuse) {
            if *diffuse == 0.0 {
                let scale = 1.0 + want.predicted_covs.iter().fold(0.0f64, |a, x| a.max(x.abs()));
                assert!((got - finite).abs() <= 1e-9 * scale, "{name}: {got} against {finite}");
            } else {
                assert!(got.is_infinite() && got.signum() == diffuse.signum(), "{name}: {got} is diffuse");
            }
        }
        assert_close(name, "smoothed", &smoothed.smoothed.means, &want.smoothed_means, 1e-9);
        assert_close(name, "smoothed covs", &smoothed.smoothed.covs.values, &want.smoothed_covs, 1e-9);
        let lag = &smoothed.lag_one_covs.values[..want.lag_one_covs.len()];
        assert_close(name, "lag-one covs", lag, &want.lag_one_covs, 1e-9);
        for (i, _) in problem.emissions.iter().enumerate().filter(|(_, y)| y.is_nan()) {
            let row = i / problem.emission_dim * problem.emission_dim;
            let seen = problem.emissions[row..row + problem.emission_dim].iter().any(|y| !y.is_nan());
            if seen && !problem.diagonal_noise {
                // Noise that others observed tells of this entry, not of a new one.
                continue;
            }
            assert_close(name, "emission", &predictive.means[i..=i], &want.emission_means[i..=i], 1e-9);
            let (t, j, m) = (i / problem.emission_dim, i % problem.emission_dim, problem.emission_dim);
            let variance = (t * m + j) * m + j;
            let covs = [&predictive.covs.values, &want.emission_covs].map(|covs| covs[variance]);
            assert_close(name, "emission variance", &covs[..1], &covs[1..], 1e-9);
        }
    }
}

#[test]
fn a_forecast_is_the_joint_gaussian_of_steps_to_come() {
    let mut checked = 0;
    for problem in gaussian_corpus() {
        let steps = [&problem.transition, &problem.transition_offset, &problem.transition_cov];
        let emission = [&problem.emission, &problem.emission_offset, &problem.emission_cov];
        if steps.iter().chain(&emission).any(|steps| steps.per_step) {
            // Its arrays end with the data.
            continue;
        }
        checked += 1;
        let horizon = 3;
        let longer = problem.clone().extended(horizon);
        let want = joint_gaussian(&longer);
        let forecasts = params(&longer).forecast(&data(&problem), horizon, &[], &OPTIONS).unwrap();
        let forecast = &forecasts[0];
        let (t, d, m) = (problem.num_steps, problem.state_dim, problem.emission_dim);
        let name = &problem.name;
        assert_close(name, "states", &forecast.state_means, &want.predicted_means[t * d..], 1e-9);
        assert_close(name, "state covs", &forecast.state_covs, &want.predicted_covs[t * d * d..], 1e-9);
        assert_close(
            name,
            "emissions",
            &forecast.emission_means,
            &want.predicted_emission_means[t * m..],
            1e-9,
        );
        let covs = &want.predicted_emission_covs[t * m * m..];
        assert_close(name, "emission covs", &forecast.emission_covs, covs, 1e-9);
    }
    assert!(checked > 20);
}

#[test]
fn sequences_give_the_same_together_as_alone() {
    // Of the second size there are lanes for sequences that share no covariances.
    for (d, num_steps) in [(3, 12), (4, 90)] {
        let shape = GaussianShape { per_step: false, offsets: true, diagonal_noise: false, missing: 0.3 };
        let params = params(&random_gaussian_problem(d, 2, num_steps, shape, 5));
        let (mut rows, mut lengths) = (Vec::new(), Vec::new());
        for n in 0..50 {
            let (_, mut y) = params.sample(Seed(n), 0, num_steps - (n as usize % 3), &[]).unwrap();
            // Three kinds of gaps.
            let gap = n as usize % 4;
            y[gap] = f64::NAN;
            lengths.push(y.len() / 2);
            rows.extend(y);
        }
        let data = Dataset::ragged(rows, &lengths, 2).unwrap();
        let separate = GaussianOptions { share: false, ..OPTIONS };
        let together = params.smoother(&data, &OPTIONS).unwrap();
        let apart = params.smoother(&data, &separate).unwrap();
        assert!(together.smoothed.covs.values.len() < apart.smoothed.covs.values.len() / 3);
        assert_eq!(together.marginal_loglik, apart.marginal_loglik);
        assert_eq!(together.smoothed.means, apart.smoothed.means);
        let filtered = params.filter(&data, &separate).unwrap();
        assert_eq!(filtered.filtered, apart.filtered);
        assert_eq!(filtered.predicted.means, params.filter(&data, &OPTIONS).unwrap().predicted.means);
        for n in 0..50 {
            let alone = params.smoother(&data.select(&[n]), &OPTIONS).unwrap();
            assert_eq!(alone.marginal_loglik[0], together.marginal_loglik[n]);
            for t in 0..lengths[n] {
                assert_eq!(alone.smoothed.covs.of(0, t), together.smoothed.covs.of(n, t));
                assert_eq!(apart.smoothed.covs.of(n, t), together.smoothed.covs.of(n, t));
                assert_eq!(apart.lag_one_covs.of(n, t), together.lag_one_covs.of(n, t));
            }
        }
    }
}

#[test]
fn sequences_that_lanes_leave_are_answered_all_the_same() {
    // Observations so precise that covariances take Joseph's form, but for sequences that never see them.
    let shape = GaussianShape { per_step: false, offsets: true, diagonal_noise: true, missing: 0.0 };
    let problem = random_gaussian_problem(4, 2, 20, shape, 6);
    let mut params = params(&problem);
    params.emissions_cov.values_mut()[1] = 1e-9;
    let sequence = |n: usize| {
        let mut y = problem.emissions.clone();
        let blind = n % 2 == 1;
        y.iter_mut().skip(1).step_by(2).filter(|_| blind).for_each(|y| *y = f64::NAN);
        y[2 * n] = f64::NAN;
        y
    };
    let data = Dataset::batch((0..11).flat_map(sequence).collect::<Vec<_>>(), 11, 2).unwrap();
    let (filtered, smoothed) =
        (params.filter(&data, &OPTIONS).unwrap(), params.smoother(&data, &OPTIONS).unwrap());
    for n in 0..11 {
        let alone = params.smoother(&data.select(&[n]), &OPTIONS).unwrap();
        assert_eq!(alone.marginal_loglik[0], smoothed.marginal_loglik[n]);
        assert_eq!(alone.marginal_loglik[0], filtered.marginal_loglik[n]);
        assert_eq!(alone.filtered.means, filtered.filtered.means[n * 80..(n + 1) * 80]);
        for t in 0..20 {
            assert_eq!(alone.filtered.covs.of(0, t), filtered.filtered.covs.of(n, t));
            assert_eq!(alone.smoothed.covs.of(0, t), smoothed.smoothed.covs.of(n, t));
        }
    }
}

#[test]
fn the_gradient_equals_differences_also_of_inputs_and_weights() {
    let shape = GaussianShape { per_step: false, offsets: false, diagonal_noise: true, missing: 0.2 };
    let problem = random_gaussian_problem(2, 3, 6, shape, 9);
    let mut params = params(&problem);
    params.dynamics_bias = Some(Array::new(&[2], vec![0.1, -0.3]));
    params.emissions_bias = Some(Array::new(&[3], vec![0.4, 0.0, -0.2]));
    params.dynamics_input_weights = Some(Array::new(&[2, 2], vec![0.3, 0.1, -0.5, 0.2]));
    params.emissions_input_weights = Some(Array::new(&[3, 2], vec![0.1, 0.6, 0.2, -0.4, 0.3, 0.0]));
    let rows = [problem.emissions.clone(), problem.emissions.iter().map(|y| 0.5 - y).collect()].concat();
    let inputs: Vec<f64> = (0..24).map(|i| (0.7 * f64::from(i)).sin()).collect();
    let weights = vec![2.0, 0.5];
    let data = |inputs: &[f64]| {
        let data = Dataset::batch(rows.clone(), 2, 3).unwrap().with_inputs(inputs.to_vec(), 2).unwrap();
        data.with_weights(weights.clone()).unwrap()
    };
    let all = data(&inputs);
    let value = |params: &statewise::model::linear_gaussian::LgssmParams, inputs: &[f64]| -> f64 {
        let logliks = params.marginal_log_prob(&data(inputs), &OPTIONS).unwrap();
        logliks.iter().zip(&weights).map(|(l, w)| l * w).sum()
    };
    let got = params.gradient(&all, &OPTIONS).unwrap();
    type Of = fn(&mut statewise::model::linear_gaussian::LgssmParams) -> &mut Array;
    let arrays: [(&str, Of); 7] = [
        ("m", |p| &mut p.initial_mean),
        ("F", |p| &mut p.dynamics_weights),
        ("b", |p| p.dynamics_bias.as_mut().unwrap()),
        ("B", |p| p.dynamics_input_weights.as_mut().unwrap()),
        ("H", |p| &mut p.emissions_weights),
        ("d", |p| p.emissions_bias.as_mut().unwrap()),
        ("R", |p| &mut p.emissions_cov),
    ];
    let step = 1e-4;
    for (name, of) in arrays {
        let gradient = of(&mut got.params.clone()).values().to_vec();
        let want: Vec<f64> = (0..gradient.len())
            .map(|i| {
                let at = |h: f64| {
                    let mut moved = params.clone();
                    of(&mut moved).values_mut()[i] += h;
                    value(&moved, &inputs)
                };
                (at(step) - at(-step)) / (2.0 * step)
            })
            .collect();
        // Central differences have errors of order h².
        assert_close(name, "gradient", &gradient, &want, 1e-6);
    }
    let want: Vec<f64> = (0..inputs.len())
        .map(|i| {
            let at = |h: f64| {
                let mut moved = inputs.clone();
                moved[i] += h;
                value(&params, &moved)
            };
            (at(step) - at(-step)) / (2.0 * step) / weights[i / 12]
        })
        .collect();
    assert_close("u", "gradient", &got.inputs, &want, 1e-6);
}

#[test]
fn posterior_draws_have_the_smoothed_moments() {
    let shape = GaussianShape { per_step: false, offsets: true, diagonal_noise: false, missing: 0.3 };
    let problem = random_gaussian_problem(2, 2, 4, shape, 3);
    let want = joint_gaussian(&problem);
    let samples = 40_000;
    let draws = params(&problem).posterior_sample(&data(&problem), &OPTIONS, Seed(1), samples).unwrap();
    let size = 8;
    for i in 0..size {
        let values = || draws.iter().skip(i).step_by(size);
        let mean = values().sum::<f64>() / samples as f64;
        let (t, a) = (i / 2, i % 2);
        let variance = want.smoothed_covs[t * 4 + a * 3];
        // Five standard errors of a Monte Carlo mean.
        assert!((mean - want.smoothed_means[i]).abs() < 5.0 * (variance / samples as f64).sqrt());
    }
    for t in 0..3 {
        let product = |s: usize| {
            let path = &draws[s * size..(s + 1) * size];
            let m = &want.smoothed_means;
            (path[t * 2] - m[t * 2]) * (path[t * 2 + 3] - m[t * 2 + 3])
        };
        let cov = (0..samples).map(product).sum::<f64>() / samples as f64;
        let scale = (want.smoothed_covs[t * 4] * want.smoothed_covs[t * 4 + 7]).sqrt();
        assert!((cov - want.lag_one_covs[t * 4 + 1]).abs() < 6.0 * scale / (samples as f64).sqrt());
    }
}

#[test]
fn the_joint_density_equals_that_of_the_joint_gaussian() {
    for seed in 0..5 {
        let shape =
            GaussianShape { per_step: seed % 2 == 0, offsets: true, diagonal_noise: false, missing: 0.3 };
        let problem = random_gaussian_problem(3, 2, 5, shape, seed);
        let states: Vec<f64> = (0..15).map(|i| (1.3 * f64::from(i)).cos()).collect();
        let got = params(&problem).log_prob(&states, &data(&problem)).unwrap();
        assert_close(&problem.name, "log prob", &got, &[joint_log_prob(&problem, &states)], 1e-10);
    }
}

#[test]
fn many_sensors_collapse_to_the_same_states_evidence_and_gradient() {
    for (diagonal_noise, missing) in [(true, 0.2), (false, 0.0)] {
        let shape = GaussianShape { per_step: false, offsets: true, diagonal_noise, missing };
        let problem = random_gaussian_problem(3, 13, 9, shape, 4);
        let mut params = params(&problem);
        params.emissions_input_weights = Some(Array::new(&[13, 1], (0..13).map(f64::from).collect()));
        // Sequences that miss the same entries, enough of them to fill the lanes and leave some.
        let rows: Vec<f64> =
            (0..11).flat_map(|n| problem.emissions.iter().map(move |y| y + 0.1 * f64::from(n))).collect();
        let inputs: Vec<f64> = (0..99).map(|i| (0.3 * f64::from(i)).sin()).collect();
        let data = Dataset::batch(rows, 11, 13).unwrap().with_inputs(inputs, 1).unwrap();
        // Square roots do not collapse.
        let roots = GaussianOptions { form: Form::SquareRoot, ..OPTIONS };
        let (got, want) = (params.filter(&data, &OPTIONS).unwrap(), params.filter(&data, &roots).unwrap());
        assert_close("filter", "evidence", &got.marginal_loglik, &want.marginal_loglik, 1e-11);
        assert_close("filter", "means", &got.filtered.means, &want.filtered.means, 1e-10);
        assert_close("filter", "covs", &got.predicted.covs.values, &want.predicted.covs.values, 1e-10);
        let (got, want) =
            (params.smoother(&data, &OPTIONS).unwrap(), params.smoother(&data, &roots).unwrap());
        assert_close("smoother", "evidence", &got.marginal_loglik, &want.marginal_loglik, 1e-11);
        assert_close("smoother", "means", &got.smoothed.means, &want.smoothed.means, 1e-10);
        assert_close("smoother", "covs", &got.smoothed.covs.values, &want.smoothed.covs.values, 1e-10);
        let (got, want) =
            (params.gradient(&data, &OPTIONS).unwrap(), params.gradient(&data, &roots).unwrap());
        assert_close("gradient", "y", &got.emissions, &want.emissions, 1e-10);
        assert_close("gradient", "u", &got.inputs, &want.inputs, 1e-10);
        let arrays = |g: &statewise::model::linear_gaussian::LgssmParams| {
            [&g.initial_cov, &g.dynamics_weights, &g.dynamics_cov, &g.emissions_weights, &g.emissions_cov]
                .map(|array| array.values().to_vec())
        };
        for (i, (got, want)) in arrays(&got.params).iter().zip(&arrays(&want.params)).enumerate() {
            assert_close("gradient", &format!("array {i}"), got, want, 1e-10);
        }
        let draws = params.posterior_sample(&data, &OPTIONS, Seed(3), 2).unwrap();
        assert_close(
            "draws",
            "paths",
            &draws,
            &params.posterior_sample(&data, &roots, Seed(3), 2).unwrap(),
            1e-9,
        );
    }
}
