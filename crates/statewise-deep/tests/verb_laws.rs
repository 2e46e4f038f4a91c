//! Streams, the smallest models and data, and what is refused.

mod small;

use rand::RngExt;
use statewise::Seed;
use statewise::data::Dataset;
use statewise_deep::infer::PathKind;
use statewise_deep::learn::{Annealing, Fit, FitOptions, Objective};
use statewise_deep::model::{Combiner, DmmConfig, EmissionKind, Evidence, GuideStart, Initial};
use statewise_deep::{Cell, DeepMarkovModel};

use small::small;

fn binary(length: usize, dim: usize) -> Vec<f64> {
    let mut rng = Seed(3).stream("data", 0);
    let mut entry = |i: usize| {
        let x = f64::from(u8::from(rng.random::<f64>() < 0.4));
        if i % 7 == 3 { f64::NAN } else { x }
    };
    (0..length * dim).map(&mut entry).collect()
}

#[test]
fn a_stream_says_what_the_whole_sequence_says() {
    for combiner in [Combiner::MeanField, Combiner::Average, Combiner::Product] {
        for (rnn, input_dim, initial) in [
            (Cell::Gru, 0, Initial::Learned),
            (Cell::Lstm, 2, Initial::LearnedState),
            (Cell::Relu, 1, Initial::Standard),
        ] {
            let config = DmmConfig {
                combiner,
                rnn,
                input_dim,
                initial,
                evidence: Evidence::Left,
                guide_start: if input_dim > 0 { GuideStart::Noise } else { GuideStart::Learned },
                rnn_layers: 2,
                rnn_initial_cell: 0.5,
                transition_previous: input_dim != 1,
                emission_previous: input_dim == 0,
                observe_missing: input_dim == 2,
                iaf_layers: 2 * input_dim,
                iaf_width: 3,
                ..small(3)
            };
            let model = DeepMarkovModel::<f64>::new(&config, Seed(1)).unwrap();
            let (rows, steps) = (binary(6, 3), 6);
            let inputs: Vec<f64> = (0..steps * input_dim).map(|i| (i as f64).sin()).collect();
            let mut data = Dataset::single(rows.clone(), 3).unwrap();
            if input_dim > 0 {
                data = data.with_inputs(inputs.clone(), input_dim).unwrap();
            }
            let whole = model.infer(&data, 4, Seed(6)).unwrap();
            let bound = model.bound(&data, 4, Seed(6)).unwrap().per_sequence[0];
            let mut stream = model.stream(4, Seed(6)).unwrap();
            let mut sum = 0.0;
            for t in 0..steps {
                // A clone goes its own way.
                let _ = stream.clone().update(&[1.0, 1.0, 0.0], &vec![0.3; input_dim]).unwrap();
                assert!(stream.update(&[2.0, 0.0, 0.0], &vec![0.0; input_dim]).is_err());
                let step =
                    stream.update(&rows[t * 3..][..3], &inputs[t * input_dim..][..input_dim]).unwrap();
                for j in 0..3 {
                    assert!((step.mean[j] - whole.means[t * 3 + j]).abs() < 1e-12);
                    assert!((step.variance[j] - whole.variances[t * 3 + j]).abs() < 1e-12);
                }
                sum += step.bound;
            }
            assert_eq!(stream.num_steps(), steps);
            assert!((sum - bound).abs() < 1e-11 * bound, "{sum} and {bound}");
            let ahead = stream.forecast(2, &vec![0.1; 2 * input_dim]).unwrap();
            assert_eq!((ahead.num_paths, ahead.observations.len()), (4, 4 * 2 * 3));
            assert!(stream.forecast(2, &vec![0.1; 2 * input_dim + 1]).is_err());
        }
    }
}

#[test]
fn one_of_everything_works() {
    for emission in [
        EmissionKind::Bernoulli,
        EmissionKind::Gaussian,
        EmissionKind::Poisson,
        EmissionKind::Categorical,
        EmissionKind::Nade,
    ] {
        for evidence in [Evidence::Left, Evidence::Right, Evidence::Both] {
            let config = DmmConfig {
                emission,
                evidence,
                num_classes: 2,
                latent_dim: 1,
                emission_width: 1,
                transition_width: 1,
                rnn_size: 1,
                ..small(1)
            };
            let mut model = DeepMarkovModel::<f32>::new(&config, Seed(1)).unwrap();
            let data = Dataset::single(vec![1.0], 1).unwrap();
            for found in [
                model.bound(&data, 1, Seed(1)).unwrap(),
                model.importance_sampling(&data, 1, Seed(1)).unwrap(),
                model.particle_bound(&data, 1, 0.5, Seed(1)).unwrap(),
            ] {
                assert!(found.per_step().is_finite() && found.per_step() == found.mean_of_sequences());
            }
            assert_eq!(model.infer(&data, 1, Seed(1)).unwrap().means.len(), 1);
            assert_eq!(model.reconstruct(&data, 1, Seed(1)).unwrap().filled, [1.0]);
            assert_eq!(model.sample(1, 1, PathKind::Stochastic, &[], Seed(1)).unwrap().latents.len(), 1);
            assert_eq!(
                model.forecast(&data, 1, 1, &[], Seed(1)).unwrap().sequences[0].observations.len(),
                1
            );
            let options = FitOptions { epochs: 2, ..FitOptions::preset("default").unwrap() };
            let report =
                Fit::new(options).unwrap().run(&mut model, &data, Some(&data), &mut |_| true).unwrap();
            assert_eq!(report.history.len(), 2);
        }
    }
}

/// The message of an error, which names `argument` first.
fn names<T>(result: statewise::Result<T>, argument: &str) {
    let Err(error) = result else { panic!("{argument} was taken") };
    assert!(error.to_string().starts_with(argument), "{error} does not name {argument}");
}

#[test]
fn options_out_of_range_are_named() {
    let build = |config: DmmConfig| DeepMarkovModel::<f32>::new(&config, Seed(1));
    names(build(DmmConfig { latent_dim: 0, ..small(2) }), "latent_dim");
    names(build(DmmConfig { emission_dim: 0, ..small(2) }), "emission_dim");
    names(build(DmmConfig { emission_width: 0, ..small(2) }), "emission_width");
    names(build(DmmConfig { transition_width: 0, ..small(2) }), "transition_width");
    names(build(DmmConfig { rnn_size: 0, ..small(2) }), "rnn_size");
    names(build(DmmConfig { rnn_layers: 0, ..small(2) }), "rnn_layers");
    names(build(DmmConfig { rnn_dropout: 1.0, ..small(2) }), "rnn_dropout");
    names(build(DmmConfig { rnn_dropout: f64::NAN, ..small(2) }), "rnn_dropout");
    names(build(DmmConfig { init_weight: 0.0, ..small(2) }), "init_weight");
    names(build(DmmConfig { rnn_initial_cell: f64::NAN, ..small(2) }), "rnn_initial_cell");
    names(
        build(DmmConfig { emission: EmissionKind::Categorical, num_classes: 1, ..small(2) }),
        "num_classes",
    );
    names(build(DmmConfig { iaf_layers: 1, iaf_width: 2, ..small(2) }), "iaf_width");
    names(DmmConfig::preset("best", 2), "preset");
    names(FitOptions::preset("best"), "preset");
    let fit = |change: &dyn Fn(&mut FitOptions)| {
        let mut options = FitOptions::preset("default").unwrap();
        change(&mut options);
        Fit::new(options)
    };
    names(fit(&|o| o.num_particles = 0), "num_particles");
    names(fit(&|o| o.batch_size = 0), "batch_size");
    names(fit(&|o| o.evaluate_every = 0), "evaluate_every");
    names(fit(&|o| o.evaluate_samples = 0), "evaluate_samples");
    names(fit(&|o| o.checkpoint_every = 0), "checkpoint_every");
    names(fit(&|o| o.shard_size = 0), "shard_size");
    names(fit(&|o| o.average = 1.0), "average");
    names(fit(&|o| o.l2 = -1.0), "l2");
    names(fit(&|o| o.time_limit = Some(f64::NAN)), "time_limit");
    names(fit(&|o| o.clip_value = Some(-1.0)), "clip_value");
    names(fit(&|o| o.annealing = Annealing { start: 2.0, updates: 1.0 }), "annealing.start");
    names(fit(&|o| o.annealing = Annealing { start: 0.5, updates: f64::INFINITY }), "annealing.updates");
    names(fit(&|o| o.objective = Objective::Fivo { resample_below: 1.5 }), "resample_below");
}

#[test]
fn data_that_do_not_fit_are_named() {
    let model = |emission: EmissionKind| {
        DeepMarkovModel::<f32>::new(&DmmConfig { emission, num_classes: 3, ..small(2) }, Seed(1)).unwrap()
    };
    let rows = |values: &[f64]| Dataset::single(values.to_vec(), 2).unwrap();
    let bernoulli = model(EmissionKind::Bernoulli);
    names(bernoulli.bound(&rows(&[0.0, 1.0, 0.0, 2.0]), 1, Seed(1)), "data row 1, feature 1");
    names(bernoulli.infer(&rows(&[-1.0, 1.0]), 1, Seed(1)), "data row 0, feature 0");
    names(model(EmissionKind::Poisson).bound(&rows(&[0.5, 1.0]), 1, Seed(1)), "data row 0, feature 0");
    names(model(EmissionKind::Categorical).bound(&rows(&[1.0, 3.0]), 1, Seed(1)), "data row 0, feature 1");
    names(model(EmissionKind::Nade).bound(&rows(&[1.0, 3.0]), 1, Seed(1)), "data row 0, feature 1");
    names(bernoulli.bound(&Dataset::single(vec![0.0; 3], 3).unwrap(), 1, Seed(1)), "data");
    let with_inputs = rows(&[0.0, 1.0]).with_inputs(vec![1.0], 1).unwrap();
    names(bernoulli.bound(&with_inputs, 1, Seed(1)), "data");
    let good = rows(&[0.0, 1.0]);
    names(bernoulli.bound(&good, 0, Seed(1)), "num_samples");
    names(bernoulli.importance_sampling(&good, 0, Seed(1)), "num_samples");
    names(bernoulli.particle_bound(&good, 0, 0.5, Seed(1)), "num_samples");
    names(bernoulli.particle_bound(&good, 3, 1.5, Seed(1)), "resample_below");
    names(bernoulli.infer(&good, 0, Seed(1)), "num_samples");
    names(bernoulli.sample(0, 1, PathKind::Mean, &[], Seed(1)), "num_paths");
    names(bernoulli.sample(1, 0, PathKind::Mean, &[], Seed(1)), "num_steps");
    names(bernoulli.sample(1, 1, PathKind::Mean, &[1.0], Seed(1)), "inputs");
    names(bernoulli.forecast(&good, 0, 1, &[], Seed(1)), "horizon");
    names(bernoulli.forecast(&good, 1, 1, &[1.0], Seed(1)), "inputs");
    names(bernoulli.stream(1, Seed(1)), "evidence");
    names(bernoulli.tensor("no such tensor"), "tensor");
    let mut model = bernoulli.clone();
    let fit = Fit::new(FitOptions::preset("default").unwrap()).unwrap();
    names(fit.run(&mut model, &rows(&[0.0, 2.0]), None, &mut |_| true), "train row 0, feature 1");
    names(fit.run(&mut model, &good, Some(&rows(&[0.0, 2.0])), &mut |_| true), "valid row 0, feature 1");
}
