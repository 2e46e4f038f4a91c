//! Linear Gaussian models, whose evidence, posterior, forecasts and gradient the Kalman filter knows.

mod linear;

use linear::exact::exact;
use linear::{config, draw, evidence, kalman, mean_and_error, set, variance};
use statewise::Seed;
use statewise::data::Dataset;
use statewise::infer::gaussian::GaussianOptions;
use statewise_deep::DeepMarkovModel;
use statewise_deep::infer::PathKind;
use statewise_deep::learn::Objective;
use statewise_deep::model::{Combiner, DmmConfig, Evidence};

/// A model whose proposal is the transition times a wide factor: its importance weights are bounded.
fn with_wide_proposal(latent_dim: usize, emission_dim: usize, input_dim: usize) -> DeepMarkovModel<f64> {
    let config = DmmConfig { combiner: Combiner::Product, ..config(latent_dim, emission_dim, input_dim) };
    let mut model = DeepMarkovModel::new(&config, Seed(2)).unwrap();
    set(&mut model, "guide.head_right.bias", |j, _| if j < latent_dim { 0.0 } else { 4.0 });
    model
}

#[test]
fn the_bound_lies_below_the_evidence() {
    for evidence_read in [Evidence::Left, Evidence::Right, Evidence::Both] {
        for combiner in [Combiner::MeanField, Combiner::Average, Combiner::Product] {
            for iaf_layers in [0, 2] {
                let config = DmmConfig {
                    combiner,
                    evidence: evidence_read,
                    iaf_layers,
                    iaf_width: 4,
                    ..config(2, 3, 1)
                };
                let model = DeepMarkovModel::<f64>::new(&config, Seed(7)).unwrap();
                let data = draw(&model, &[6, 1, 9, 4], true);
                let bound = model.bound(&data, 400, Seed(1)).unwrap();
                for (negative, exact) in bound.per_sequence.iter().zip(evidence(&model, &data)) {
                    assert!(*negative > -exact, "{combiner:?}: bound {}, evidence {exact}", -negative);
                }
            }
        }
    }
}

#[test]
fn with_the_exact_posterior_every_weight_is_the_evidence() {
    for (combiner, lengths) in [
        (Combiner::Product, &[6, 1, 3, 6, 2][..]),
        (Combiner::Average, &[2, 1, 2, 1]),
        (Combiner::Product, &[1]),
        (Combiner::Average, &[1]),
    ] {
        let (model, data) = exact(combiner, lengths);
        let exact = evidence(&model, &data);
        let near = |found: f64, exact: f64| assert!((found - exact).abs() < 1e-8, "{found} for {exact}");
        for seed in [Seed(1), Seed(2)] {
            let one = model.importance_sampling(&data, 1, seed).unwrap();
            let many = model.importance_sampling(&data, 70, seed).unwrap();
            for found in [&one, &many] {
                found.per_sequence.iter().zip(&exact).for_each(|(found, exact)| near(-found, *exact));
            }
            let total: f64 = exact.iter().sum();
            // A proposal that knows the future has uneven weights on the way: not if particles are drawn anew.
            for objective in
                [Objective::SampledElbo, Objective::Iwae, Objective::Fivo { resample_below: 0.0 }]
            {
                near(model.objective_gradient(&data, objective, 3, 1.0, seed).unwrap().0.bound, total);
            }
        }
    }
}

#[test]
fn with_the_exact_posterior_the_bound_averages_to_the_evidence() {
    let (model, data) = exact(Combiner::Product, &[5, 2, 1]);
    let bounds: Vec<Vec<f64>> =
        (0..40).map(|s| model.bound(&data, 500, Seed(s)).unwrap().per_sequence).collect();
    for (n, exact) in evidence(&model, &data).into_iter().enumerate() {
        let (mean, error) = mean_and_error(&bounds.iter().map(|bound| -bound[n]).collect::<Vec<_>>());
        assert!((mean - exact).abs() < 4.0 * error + 1e-10, "{mean} ± {error} for {exact}");
    }
}

#[test]
fn with_the_exact_posterior_the_gradient_averages_to_that_of_the_evidence() {
    let (model, data) = exact(Combiner::Product, &[5, 2, 1]);
    let gradients: Vec<Vec<f64>> = (0..40)
        .map(|s| model.objective_gradient(&data, Objective::Elbo, 200, 1.0, Seed(s)).unwrap().1)
        .collect();
    let exact = kalman(&model).gradient(&data, &GaussianOptions::default()).unwrap().params;
    let slope = |raw: f64| 1.0 / (1.0 + (-raw).exp());
    let spread = |name: &str, j: usize| slope(model.tensor(name).unwrap()[j]);
    let covs = exact.emissions_cov.values();
    let mut expected = vec![
        ("initial.mean", 0, exact.initial_mean.values()[0]),
        ("initial.spread", 0, exact.initial_cov.values()[0] * spread("initial.spread", 0)),
        ("transition.mean.weight", 0, exact.dynamics_weights.values()[0]),
        ("transition.mean.bias", 0, exact.dynamics_bias.as_ref().unwrap().values()[0]),
        ("transition.spread", 0, exact.dynamics_cov.values()[0] * spread("transition.spread", 0)),
    ];
    for j in 0..2 {
        expected.push(("emission.output.weight", j, exact.emissions_weights.values()[j]));
        expected.push(("emission.output.bias", j, exact.emissions_bias.as_ref().unwrap().values()[j]));
        expected.push(("emission.spread", j, covs[3 * j] * spread("emission.spread", j)));
    }
    for (name, j, slope) in expected {
        let tensor = model.tensors().iter().find(|tensor| tensor.name == name).unwrap();
        let found: Vec<f64> = gradients.iter().map(|gradient| -gradient[tensor.range.start + j]).collect();
        let (mean, error) = mean_and_error(&found);
        assert!((mean - slope).abs() < 4.0 * error + 1e-9, "{name}[{j}]: {mean} ± {error} for {slope}");
    }
}

/// A wide Gaussian, bent: its weights are bounded too.
fn with_wide_flow() -> DeepMarkovModel<f64> {
    let config =
        DmmConfig { combiner: Combiner::MeanField, iaf_layers: 3, iaf_width: 5, ..config(2, 3, 1) };
    let mut model = DeepMarkovModel::new(&config, Seed(2)).unwrap();
    set(&mut model, "guide.head_right.bias", |j, _| if j < 2 { 0.0 } else { 5.0 });
    model
}

#[test]
fn weights_average_to_the_evidence_whatever_is_missing() {
    for model in [with_wide_proposal(2, 3, 1), with_wide_flow()] {
        let data = draw(&model, &[4, 1, 3], true);
        let exact = evidence(&model, &data);
        let shares = |estimate: &dyn Fn(Seed) -> Vec<f64>| {
            let runs: Vec<Vec<f64>> = (0..600).map(|s| estimate(Seed(s))).collect();
            for (n, exact) in exact.iter().enumerate() {
                let ratios: Vec<f64> = runs.iter().map(|run| (-run[n] - exact).exp()).collect();
                let (mean, error) = mean_and_error(&ratios);
                assert!((mean - 1.0).abs() < 4.0 * error && error < 0.1, "sequence {n}: {mean} ± {error}");
            }
        };
        shares(&|seed| model.importance_sampling(&data, 20, seed).unwrap().per_sequence);
        shares(&|seed| model.particle_bound(&data, 20, 0.5, seed).unwrap().per_sequence);
    }
}

#[test]
fn many_particles_find_the_evidence() {
    let model = with_wide_proposal(2, 3, 1);
    let data = draw(&model, &[12, 5, 30], true);
    let exact = evidence(&model, &data);
    let gap = |found: Vec<f64>| {
        found.iter().zip(&exact).map(|(found, exact)| (found + exact).abs()).fold(0.0, f64::max)
    };
    assert!(gap(model.particle_bound(&data, 4000, 0.5, Seed(1)).unwrap().per_sequence) < 0.15);
    // Whole paths degenerate with their length: the short sequences only.
    let short = data.select(&[1]);
    let found = model.importance_sampling(&short, 4000, Seed(1)).unwrap().per_sequence[0];
    assert!((found + exact[1]).abs() < 0.1, "{found} for {}", -exact[1]);
}

#[test]
fn sampled_paths_have_the_models_moments() {
    let model = with_wide_proposal(2, 3, 0);
    let (paths, steps) = (20_000, 4);
    let drawn = model.sample(paths, steps, PathKind::Stochastic, &[], Seed(3)).unwrap();
    // A sequence that was never observed: its forecast is the marginal of the steps after the first.
    let unseen = Dataset::single(vec![f64::NAN; 3], 3).unwrap();
    let forecast = kalman(&model).forecast(&unseen, steps - 1, &[], &GaussianOptions::default()).unwrap();
    check_moments(&drawn.observations, [paths, steps, 3], 1, &forecast[0]);
    let start = |j: usize| (0..paths).map(|n| drawn.latents[n * steps * 2 + j]).collect::<Vec<_>>();
    for j in 0..2 {
        let (mean, error) = mean_and_error(&start(j));
        let spread = variance(model.tensor("initial.spread").unwrap()[j]);
        assert!((mean - model.tensor("initial.mean").unwrap()[j]).abs() < 4.0 * error);
        assert!((error * error * paths as f64 / spread - 1.0).abs() < 0.05);
    }
}

#[test]
fn mean_paths_follow_the_means() {
    let model = with_wide_proposal(2, 3, 0);
    let drawn = model.sample(2, 5, PathKind::Mean, &[], Seed(3)).unwrap();
    assert_eq!(drawn.latents, drawn.latent_means);
    let unseen = Dataset::single(vec![f64::NAN; 3], 3).unwrap();
    let forecast = kalman(&model).forecast(&unseen, 4, &[], &GaussianOptions::default()).unwrap();
    for path in 0..2 {
        for (found, exact) in drawn.latents[path * 10 + 2..][..8].iter().zip(&forecast[0].state_means) {
            assert!((found - exact).abs() < 1e-12);
        }
        for (found, exact) in
            drawn.emission_means[path * 15 + 3..][..12].iter().zip(&forecast[0].emission_means)
        {
            assert!((found - exact).abs() < 1e-12);
        }
    }
}

#[test]
fn forecasts_are_those_of_the_kalman_filter() {
    let model = with_wide_proposal(2, 3, 0);
    let data = draw(&model, &[3, 9], true);
    let (paths, horizon) = (8000, 3);
    let found = model.forecast(&data, horizon, paths, &[], Seed(6)).unwrap();
    let exact = kalman(&model).forecast(&data, horizon, &[], &GaussianOptions::default()).unwrap();
    for (found, exact) in found.sequences.iter().zip(&exact) {
        check_moments(&found.observations, [paths, horizon, 3], 0, exact);
    }
}

/// Means within the error of independent draws (and a little more: particles of a filter are not quite),
/// variances within 8 percent.
fn check_moments(
    observations: &[f64],
    [paths, steps, dim]: [usize; 3],
    skip: usize,
    exact: &statewise::infer::gaussian::GaussianForecast,
) {
    for t in skip..steps {
        for j in 0..dim {
            let values: Vec<f64> = (0..paths).map(|n| observations[(n * steps + t) * dim + j]).collect();
            let (mean, error) = mean_and_error(&values);
            let expected = exact.emission_means[(t - skip) * dim + j];
            let variance = exact.emission_covs[((t - skip) * dim + j) * dim + j];
            assert!((mean - expected).abs() < 5.0 * error, "step {t}: {mean} ± {error} for {expected}");
            let ratio = error * error * paths as f64 / variance;
            assert!((ratio - 1.0).abs() < 0.08, "step {t}: variance {ratio} of that expected");
        }
    }
}
