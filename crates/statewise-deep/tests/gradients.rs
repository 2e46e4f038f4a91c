//! The hand-written backward passes against central differences, for every option of the networks.

mod small;

use rand::RngExt;
use statewise::Seed;
use statewise::data::Dataset;
use statewise_deep::learn::Objective;
use statewise_deep::model::{
    Combiner, CombinerWeights, DmmConfig, EmissionKind, Evidence, GuideStart, Initial, TransitionKind,
};
use statewise_deep::{Cell, DeepMarkovModel, InitScheme, Nonlinearity, Spread};

use small::small;

/// The small model, smooth and with weights that all matter.
fn smooth(emission_dim: usize) -> DmmConfig {
    DmmConfig {
        iaf_width: 4,
        init_scheme: InitScheme::Uniform,
        init_weight: 0.5,
        // NUMERICS: a kink within the step of a difference would spoil it.
        nonlinearity: Nonlinearity::Softplus,
        ..small(emission_dim)
    }
}

/// Four sequences of 1 to 6 steps with values that every emission knows, and gaps.
fn data(emission_dim: usize, input_dim: usize, gaps: bool) -> Dataset<'static> {
    let lengths = [4, 6, 1, 4];
    let rows: usize = lengths.iter().sum();
    let mut rng = Seed(3).stream("data", 0);
    let values: Vec<f64> = (0..rows * emission_dim)
        .map(|i| if gaps && i % 5 == 2 { f64::NAN } else { f64::from(u8::from(rng.random::<f64>() < 0.4)) })
        .collect();
    let data = Dataset::ragged(values, &lengths, emission_dim).unwrap();
    if input_dim == 0 {
        return data;
    }
    let inputs: Vec<f64> = (0..rows * input_dim).map(|_| rng.random::<f64>() - 0.5).collect();
    data.with_inputs(inputs, input_dim).unwrap()
}

/// Compares the gradient along one random direction in every tensor.
fn check(config: &DmmConfig, objective: Objective, num_particles: usize, gaps: bool) {
    let data = data(config.emission_dim, config.input_dim, gaps);
    let mut model = DeepMarkovModel::<f64>::new(config, Seed(1)).unwrap();
    let weight = match objective {
        Objective::Elbo | Objective::SampledElbo => 0.7,
        Objective::Iwae | Objective::Fivo { .. } => 1.0,
    };
    let seed = Seed(5);
    let loss = |model: &DeepMarkovModel<f64>| {
        let (terms, _) = model.objective_gradient(&data, objective, num_particles, weight, seed).unwrap();
        match objective {
            Objective::Elbo | Objective::SampledElbo => terms.nll + weight * terms.divergence,
            Objective::Iwae | Objective::Fivo { .. } => -terms.bound,
        }
    };
    let (_, gradient) = model.objective_gradient(&data, objective, num_particles, weight, seed).unwrap();
    let mut rng = Seed(9).stream("directions", 0);
    for tensor in model.tensors().to_vec() {
        let direction: Vec<f64> = tensor.range.clone().map(|_| rng.random::<f64>() - 0.5).collect();
        let start = model.parameters()[tensor.range.clone()].to_vec();
        let mut at = |step: f64| {
            let moved = start.iter().zip(&direction).map(|(x, d)| x + step * d);
            model.parameters_mut()[tensor.range.clone()].iter_mut().zip(moved).for_each(|(x, m)| *x = m);
            loss(&model)
        };
        // Fourth-order central difference: its error is far below the tolerance.
        let h = 1e-3;
        let difference = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
        at(0.0);
        let slope: f64 = gradient[tensor.range.clone()].iter().zip(&direction).map(|(g, d)| g * d).sum();
        let error = (slope - difference).abs() / (1.0 + difference.abs());
        assert!(error < 1e-7, "{}: gradient {slope}, difference {difference}\n{config:?}", tensor.name);
    }
}

#[test]
fn every_emission_has_its_gradient() {
    for emission in [
        EmissionKind::Bernoulli,
        EmissionKind::Gaussian,
        EmissionKind::Poisson,
        EmissionKind::Categorical,
        EmissionKind::Nade,
    ] {
        for (layers, residual, previous) in [(2, false, false), (1, true, true), (0, false, true)] {
            for gaps in [false, true] {
                let config = DmmConfig {
                    emission,
                    num_classes: 3,
                    emission_layers: layers,
                    emission_residual: residual,
                    emission_previous: previous,
                    emission_constant_variance: residual,
                    observe_missing: gaps,
                    ..smooth(4)
                };
                check(&config, Objective::Elbo, 1, gaps);
            }
        }
    }
}

#[test]
fn every_transition_has_its_gradient() {
    for transition in [
        TransitionKind::Gated,
        TransitionKind::GatedDmm,
        TransitionKind::Mlp,
        TransitionKind::Linear,
        TransitionKind::LinearGaussian,
    ] {
        for initial in [Initial::Standard, Initial::Learned, Initial::LearnedState] {
            for spread in [Spread::Variance, Spread::Scale] {
                let config = DmmConfig {
                    transition,
                    initial,
                    spread,
                    transition_previous: initial == Initial::Learned,
                    input_dim: usize::from(spread == Spread::Scale),
                    ..smooth(3)
                };
                check(&config, Objective::Elbo, 1, false);
            }
        }
    }
}

#[test]
fn every_inference_network_has_its_gradient() {
    for combiner in [Combiner::MeanField, Combiner::Average, Combiner::Product] {
        for evidence in [Evidence::Left, Evidence::Right, Evidence::Both] {
            for (particles, objective) in [(1, Objective::Elbo), (3, Objective::SampledElbo)] {
                let config = DmmConfig {
                    combiner,
                    evidence,
                    combiner_weights: if particles == 1 {
                        CombinerWeights::Equal
                    } else {
                        CombinerWeights::Halves
                    },
                    guide_start: if particles == 1 { GuideStart::Learned } else { GuideStart::Noise },
                    ..smooth(3)
                };
                check(&config, objective, particles, false);
            }
        }
    }
}

#[test]
fn every_cell_has_its_gradient() {
    for rnn in [Cell::Lstm, Cell::Gru, Cell::Tanh, Cell::Linear] {
        for (evidence, layers) in [(Evidence::Left, 1), (Evidence::Right, 2), (Evidence::Both, 2)] {
            let config = DmmConfig {
                rnn,
                evidence,
                rnn_layers: layers,
                rnn_learned_start: layers == 2,
                rnn_initial_cell: 1.0,
                rnn_laplace_bias: layers == 1,
                embedding: if layers == 1 { 3 } else { 0 },
                ..smooth(3)
            };
            check(&config, Objective::Elbo, 1, false);
        }
    }
}

#[test]
fn every_objective_has_its_gradient() {
    for combiner in [Combiner::MeanField, Combiner::Average, Combiner::Product] {
        for objective in [
            Objective::Elbo,
            Objective::SampledElbo,
            Objective::Iwae,
            Objective::Fivo { resample_below: 0.5 },
            Objective::Fivo { resample_below: 1.0 },
        ] {
            let config = DmmConfig { combiner, initial: Initial::LearnedState, ..smooth(3) };
            check(&config, objective, 4, true);
        }
    }
}

#[test]
fn every_nonlinearity_has_its_gradient() {
    for nonlinearity in
        [Nonlinearity::Tanh, Nonlinearity::Softplus, Nonlinearity::Elu, Nonlinearity::Identity]
    {
        check(
            &DmmConfig { nonlinearity, combiner_nonlinearity: nonlinearity, ..smooth(3) },
            Objective::Elbo,
            1,
            false,
        );
    }
}

#[test]
fn every_flow_has_its_gradient() {
    for combiner in [Combiner::MeanField, Combiner::Average, Combiner::Product] {
        for (iaf_layers, iaf_width, latent_dim) in [(1, 4, 3), (2, 5, 3), (3, 2, 1)] {
            for (objective, particles) in [
                (Objective::Elbo, 1),
                (Objective::SampledElbo, 3),
                (Objective::Iwae, 4),
                (Objective::Fivo { resample_below: 1.0 }, 4),
            ] {
                let initial = if particles == 4 { Initial::LearnedState } else { Initial::Learned };
                let config =
                    DmmConfig { combiner, iaf_layers, iaf_width, latent_dim, initial, ..smooth(3) };
                check(&config, objective, particles, true);
            }
        }
    }
}
