//! The passes of a device, run on this machine in double precision, against those of the CPU: the same kernels,
//! the same products, another orchestration.

mod training;

use rand::RngExt;
use statewise::Seed;
use statewise::data::Dataset;

use super::driver::{KERNELS, Kernel};
use super::engine::DeviceEngine;
use super::host::Host;
use super::memory::Layout;
use super::scope;
use crate::learn::Objective;
use crate::learn::device::Engine;
use crate::learn::gradient::{ObjectiveCall, run_shards};
use crate::model::{
    Combiner, CombinerWeights, DmmConfig, EmissionKind, Evidence, GuideStart, Initial, TransitionKind,
};
use crate::{Cell, DeepMarkovModel, InitScheme, Nonlinearity, Spread};

/// A small model with weights that all matter, inputs, dropout, and every x_{t−1}.
fn small() -> DmmConfig {
    DmmConfig {
        latent_dim: 3,
        num_classes: 3,
        emission_width: 5,
        transition_width: 4,
        rnn_size: 4,
        rnn_dropout: 0.3,
        input_dim: 2,
        init_scheme: InitScheme::Uniform,
        init_weight: 0.5,
        ..DmmConfig::preset("default", 4).unwrap()
    }
}

/// Five sequences of 1 to 6 steps with values that every emission knows, and gaps.
fn data(config: &DmmConfig, gaps: bool) -> Dataset<'static> {
    let lengths = [4, 6, 1, 4, 2];
    let rows: usize = lengths.iter().sum();
    let mut rng = Seed(3).stream("data", 0);
    let value = |draw: f64| match config.emission {
        EmissionKind::Poisson | EmissionKind::Categorical => (3.0 * draw).floor(),
        EmissionKind::Gaussian => 2.0 * draw - 1.0,
        _ => f64::from(u8::from(draw < 0.4)),
    };
    let values: Vec<f64> = (0..rows * config.emission_dim)
        .map(|i| if gaps && i % 5 == 2 { f64::NAN } else { value(rng.random()) })
        .collect();
    let data = Dataset::ragged(values, &lengths, config.emission_dim).unwrap();
    if config.input_dim == 0 {
        return data;
    }
    let inputs: Vec<f64> = (0..rows * config.input_dim).map(|_| rng.random::<f64>() - 0.5).collect();
    data.with_inputs(inputs, config.input_dim).unwrap()
}

/// Asserts that two numbers agree to 1e-9 of the larger of them and 1: both are sums of the same few hundred
/// terms in another order.
fn agree(what: &str, got: f64, want: f64, config: &DmmConfig) {
    let error = (got - want).abs() / want.abs().max(1.0);
    assert!(error < 1e-9, "{what}: device {got}, CPU {want}\n{config:?}");
}

/// Compares the terms and the gradient of an objective, and the bound.
fn check(config: &DmmConfig, objective: Objective, num_particles: usize, gaps: bool) {
    let Some(host) = Host::new() else { return };
    let data = data(config, gaps);
    let model = DeepMarkovModel::<f64>::new(config, Seed(1)).unwrap();
    let (network, theta) = (&model.network, &model.theta);
    let call =
        ObjectiveCall { objective, num_particles, divergence_weight: 0.7, seed: Seed(5), training: true };
    let all: Vec<usize> = (0..data.num_sequences()).collect();
    let (mut want, mut got) = (vec![0.0; theta.len()], vec![0.0; theta.len()]);
    let shards = [all.clone()];
    let want_terms = run_shards(network, theta, &data, &shards, call, &mut Vec::new(), &mut want);
    let mut engine = DeviceEngine::new(host);
    engine.set_weights(theta);
    let got_terms = engine.objective(network, &data, &all, call, &mut got).unwrap();
    agree("nll", got_terms.nll, want_terms.nll, config);
    agree("divergence", got_terms.divergence, want_terms.divergence, config);
    agree("bound", got_terms.bound, want_terms.bound, config);
    assert_eq!((got_terms.steps, got_terms.sequences), (want_terms.steps, want_terms.sequences));
    for tensor in model.tensors() {
        for at in tensor.range.clone() {
            agree(&tensor.name, got[at], want[at], config);
        }
    }
    let want = model.bound(&data, 2, Seed(8)).unwrap();
    let got = model.bound_with(Some(&mut engine), &data, 2, Seed(8)).unwrap();
    for n in all {
        agree("bound of a sequence", got.per_sequence[n], want.per_sequence[n], config);
        agree("divergence of a sequence", got.divergence[n], want.divergence[n], config);
    }
}

#[test]
fn every_emission_is_that_of_the_cpu() {
    for emission in
        [EmissionKind::Bernoulli, EmissionKind::Gaussian, EmissionKind::Poisson, EmissionKind::Categorical]
    {
        for (layers, residual, previous) in
            [(2, false, false), (1, true, true), (0, true, true), (0, false, false)]
        {
            for gaps in [false, true] {
                let config = DmmConfig {
                    emission,
                    emission_layers: layers,
                    emission_residual: residual,
                    emission_previous: previous,
                    emission_constant_variance: residual,
                    observe_missing: gaps,
                    ..small()
                };
                check(&config, Objective::Elbo, 2, gaps);
            }
        }
    }
}

#[test]
fn every_transition_is_that_of_the_cpu() {
    for transition in [
        TransitionKind::Gated,
        TransitionKind::GatedDmm,
        TransitionKind::Mlp,
        TransitionKind::Linear,
        TransitionKind::LinearGaussian,
    ] {
        for initial in [Initial::Standard, Initial::Learned, Initial::LearnedState] {
            for (spread, combiner, layers) in [
                (Spread::Variance, Combiner::Average, 1),
                (Spread::Scale, Combiner::Product, 2),
                (Spread::Variance, Combiner::Product, 0),
            ] {
                let config = DmmConfig {
                    transition,
                    initial,
                    spread,
                    combiner,
                    transition_layers: layers,
                    transition_previous: initial == Initial::Learned,
                    input_dim: usize::from(spread == Spread::Scale),
                    ..small()
                };
                check(&config, Objective::Elbo, 1 + layers, true);
            }
        }
    }
}

#[test]
fn every_inference_network_is_that_of_the_cpu() {
    for combiner in [Combiner::MeanField, Combiner::Average, Combiner::Product] {
        for evidence in [Evidence::Left, Evidence::Right, Evidence::Both] {
            for (num_particles, objective, guide_start) in [
                (1, Objective::Elbo, GuideStart::Learned),
                (3, Objective::SampledElbo, GuideStart::Noise),
                (2, Objective::Elbo, GuideStart::Zero),
            ] {
                let weights =
                    if num_particles == 1 { CombinerWeights::Equal } else { CombinerWeights::Halves };
                let config = DmmConfig {
                    combiner,
                    evidence,
                    combiner_weights: weights,
                    guide_start,
                    initial: if num_particles == 2 { Initial::LearnedState } else { Initial::Learned },
                    ..small()
                };
                check(&config, objective, num_particles, false);
            }
        }
    }
}

#[test]
fn every_cell_is_that_of_the_cpu() {
    for rnn in [Cell::Lstm, Cell::Gru, Cell::Tanh, Cell::Relu, Cell::Linear] {
        for evidence in [Evidence::Left, Evidence::Right, Evidence::Both] {
            for (layers, embedding, rnn_dropout) in [(1, 3, 0.0), (2, 0, 0.3), (3, 2, 0.5)] {
                let config = DmmConfig {
                    rnn,
                    evidence,
                    rnn_layers: layers,
                    rnn_learned_start: layers != 1,
                    rnn_initial_cell: 1.0,
                    embedding,
                    rnn_dropout,
                    ..small()
                };
                check(&config, Objective::Elbo, 1, false);
            }
        }
    }
}

#[test]
fn every_nonlinearity_is_that_of_the_cpu() {
    for nonlinearity in [
        Nonlinearity::Relu,
        Nonlinearity::LeakyRelu,
        Nonlinearity::Tanh,
        Nonlinearity::Softplus,
        Nonlinearity::Elu,
        Nonlinearity::Identity,
    ] {
        let config = DmmConfig { nonlinearity, combiner_nonlinearity: nonlinearity, ..small() };
        check(&config, Objective::Elbo, 1, false);
    }
}

#[test]
fn options_that_devices_do_not_know_are_named() {
    let refused = |config: DmmConfig, objective: Objective| scope::check(&config, objective).unwrap_err();
    let cases = [
        (DmmConfig { emission: EmissionKind::Nade, ..small() }, Objective::Elbo, "emission"),
        (DmmConfig { transition: TransitionKind::Function, ..small() }, Objective::Elbo, "transition"),
        (DmmConfig { iaf_layers: 1, ..small() }, Objective::Elbo, "iaf_layers"),
        (small(), Objective::Iwae, "objective"),
        (small(), Objective::Fivo { resample_below: 0.5 }, "objective"),
    ];
    for (config, objective, option) in cases {
        let message = refused(config, objective).to_string();
        assert!(
            message.starts_with(&format!("{option}:")) && message.contains("device = cpu"),
            "{message}"
        );
    }
    assert!(scope::check(&small(), Objective::SampledElbo).is_ok());
}

#[test]
fn a_further_time_step_costs_twelve_calls() {
    let config = DmmConfig { input_dim: 0, ..small() };
    let calls = |steps: usize| {
        let host = Host::new()?;
        let data = Dataset::ragged(vec![0.0; 4 * 2 * steps], &[steps, steps], 4).unwrap();
        let model = DeepMarkovModel::<f64>::new(&config, Seed(1)).unwrap();
        let mut engine = DeviceEngine::new(host);
        engine.set_weights(&model.theta);
        let call = ObjectiveCall {
            objective: Objective::Elbo,
            num_particles: 1,
            divergence_weight: 1.0,
            seed: Seed(0),
            training: true,
        };
        let mut gradient = vec![0.0; model.theta.len()];
        engine.objective(&model.network, &data, &[0, 1], call, &mut gradient).unwrap();
        Some(engine.driver().calls)
    };
    // The recurrent layer, forward and back: 2 + 2; the combiner: 4 + 4.
    let (Some(few), Some(more)) = (calls(5), calls(9)) else { return };
    assert_eq!(more - few, 4 * 12);
}

#[test]
fn every_kernel_of_the_text_has_its_number() {
    assert_eq!(KERNELS.matches("\nKERNEL(").count(), Kernel::NAMES.len());
    for name in Kernel::NAMES {
        assert!(KERNELS.contains(&format!("\nKERNEL({name})")), "{name}");
    }
}

#[test]
fn a_matrix_that_kernels_cannot_count_is_noticed() {
    let mut layout = Layout::default();
    layout.rows(1 << 20, 1 << 10);
    assert!(!layout.too_large());
    layout.rows(1 << 20, 1 << 11);
    assert!(layout.too_large());
}
