//! How the bounds of log p(x) relate to each other.

use rand::RngExt;
use statewise::Seed;
use statewise::data::Dataset;
use statewise_deep::DeepMarkovModel;
use statewise_deep::learn::Objective;
use statewise_deep::model::{Combiner, DmmConfig, Evidence, Initial};

fn model(combiner: Combiner, evidence: Evidence) -> DeepMarkovModel<f64> {
    let config = DmmConfig {
        latent_dim: 3,
        emission_width: 5,
        transition_width: 4,
        rnn_size: 4,
        initial: Initial::LearnedState,
        combiner,
        evidence,
        ..DmmConfig::preset("default", 4).unwrap()
    };
    let mut model = DeepMarkovModel::new(&config, Seed(1)).unwrap();
    // Far from the start, where the posterior would be the prior.
    model.parameters_mut().iter_mut().for_each(|x| *x *= 2.0);
    model
}

fn data() -> Dataset<'static> {
    let mut rng = Seed(3).stream("data", 0);
    let rows: Vec<f64> = (0..4 * 12).map(|_| f64::from(u8::from(rng.random::<f64>() < 0.3))).collect();
    Dataset::ragged(rows, &[5, 1, 6], 4).unwrap()
}

const COMBINERS: [Combiner; 3] = [Combiner::MeanField, Combiner::Average, Combiner::Product];

fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
    (mean, (square / n).sqrt())
}

#[test]
fn the_divergence_in_closed_form_is_the_mean_of_the_sampled_one() {
    for combiner in COMBINERS {
        let (model, data) = (model(combiner, Evidence::Both), data());
        let terms = |objective: Objective, seed: u64| {
            model.objective_gradient(&data, objective, 50, 1.0, Seed(seed)).unwrap().0
        };
        let gaps: Vec<f64> = (0..60)
            .map(|s| {
                let (closed, sampled) = (terms(Objective::Elbo, s), terms(Objective::SampledElbo, s));
                // The same draws explain the data equally well.
                assert!((closed.nll - sampled.nll).abs() < 1e-10);
                sampled.divergence - closed.divergence
            })
            .collect();
        let (mean, error) = mean_and_error(&gaps);
        assert!(mean.abs() < 4.0 * error, "{combiner:?}: {mean} ± {error}");
        assert!(error < 0.05 * terms(Objective::Elbo, 0).divergence);
    }
}

#[test]
fn likelihood_and_divergence_make_the_bound() {
    for combiner in COMBINERS {
        let (model, data) = (model(combiner, Evidence::Right), data());
        for objective in [Objective::Elbo, Objective::SampledElbo] {
            let terms = model.objective_gradient(&data, objective, 3, 0.2, Seed(5)).unwrap().0;
            assert!((terms.nll + terms.divergence + terms.bound).abs() < 1e-12 * terms.nll);
        }
        let terms = model.objective_gradient(&data, Objective::Elbo, 3, 1.0, Seed(5)).unwrap().0;
        let evaluation = model.bound(&data, 3, Seed(5)).unwrap();
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12 * (1.0 + a.abs()), "{a} and {b}");
        near(evaluation.per_sequence.iter().sum(), -terms.bound);
        near(evaluation.divergence.iter().sum(), terms.divergence);
        near(evaluation.per_step(), -terms.bound / 12.0);
        near(evaluation.divergence_per_step(), terms.divergence / 12.0);
        let own = evaluation.per_sequence.iter().zip([5.0, 1.0, 6.0]).map(|(x, t)| x / t);
        near(evaluation.mean_of_sequences(), own.sum::<f64>() / 3.0);
    }
}

#[test]
fn more_particles_bound_more_tightly() {
    for combiner in COMBINERS {
        let (model, data) = (model(combiner, Evidence::Right), data());
        let bounds = |objective: Objective, particles: usize| -> Vec<f64> {
            let bound =
                |s| model.objective_gradient(&data, objective, particles, 1.0, Seed(s)).unwrap().0.bound;
            (0..400).map(bound).collect()
        };
        let chain = [
            mean_and_error(&bounds(Objective::Elbo, 1)),
            mean_and_error(&bounds(Objective::Iwae, 4)),
            mean_and_error(&bounds(Objective::Iwae, 32)),
        ];
        for pair in chain.windows(2) {
            let [(low, low_error), (high, high_error)] = [pair[0], pair[1]];
            assert!(low < high + 3.0 * (low_error + high_error), "{combiner:?}: {low} above {high}");
        }
        let [(elbo, _), _, (iwae, _)] = chain;
        assert!(elbo < iwae, "{combiner:?}: {elbo} and {iwae}");
    }
}

#[test]
fn one_particle_and_no_resampling_are_special_cases() {
    for combiner in COMBINERS {
        let (model, data) = (model(combiner, Evidence::Both), data());
        let run = |objective: Objective, particles: usize| {
            model.objective_gradient(&data, objective, particles, 1.0, Seed(8)).unwrap()
        };
        let same = |a: (Objective, usize), b: (Objective, usize)| {
            let ((a, a_gradient), (b, b_gradient)) = (run(a.0, a.1), run(b.0, b.1));
            assert!((a.bound - b.bound).abs() < 1e-12 * a.bound.abs());
            for (x, y) in a_gradient.iter().zip(&b_gradient) {
                assert!((x - y).abs() < 1e-11 * (1.0 + x.abs()), "{x} and {y}");
            }
        };
        same((Objective::Iwae, 1), (Objective::SampledElbo, 1));
        same((Objective::Fivo { resample_below: 0.0 }, 5), (Objective::Iwae, 5));
        // Particles of one alone are always effective.
        same((Objective::Fivo { resample_below: 1.0 }, 1), (Objective::SampledElbo, 1));
    }
}

#[test]
fn importance_sampling_is_the_objective_of_the_same_draws() {
    let (model, data) = (model(Combiner::Average, Evidence::Both), data());
    let estimate = model.importance_sampling(&data, 7, Seed(9)).unwrap();
    let seed = Seed(9).child("paths", 0);
    let terms = model.objective_gradient(&data, Objective::Iwae, 7, 1.0, seed).unwrap().0;
    assert!((estimate.per_sequence.iter().sum::<f64>() + terms.bound).abs() < 1e-11);
}
