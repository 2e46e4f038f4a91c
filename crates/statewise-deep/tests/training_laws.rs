//! Training: resumed runs are uninterrupted ones, stops say why, weights are those that were promised.

use std::path::PathBuf;

use rand::RngExt;
use statewise::data::Dataset;
use statewise::learn::{Adam, Optimizer, Rule};
use statewise::{Seed, threads};
use statewise_deep::learn::{Annealing, EpochRecord, Fit, FitOptions, FitReport, Progress, StopReason};
use statewise_deep::model::DmmConfig;
use statewise_deep::{DeepMarkovModel, Real};

fn config() -> DmmConfig {
    DmmConfig {
        latent_dim: 3,
        emission_width: 6,
        transition_width: 5,
        rnn_size: 6,
        rnn_dropout: 0.2,
        iaf_layers: 1,
        iaf_width: 4,
        ..DmmConfig::preset("default", 4).unwrap()
    }
}

fn data(seed: u64) -> Dataset<'static> {
    let lengths = [4, 9, 1, 4, 6, 2, 5];
    let mut rng = Seed(seed).stream("data", 0);
    let rows = (0..31 * 4).map(|_| f64::from(u8::from(rng.random::<f64>() < 0.3))).collect::<Vec<_>>();
    Dataset::ragged(rows, &lengths, 4).unwrap()
}

/// Seven sequences in minibatches of three: three updates an epoch.
fn options() -> FitOptions {
    FitOptions {
        epochs: 6,
        batch_size: 3,
        shard_size: 2,
        num_particles: 2,
        annealing: Annealing { start: 0.2, updates: 10.0 },
        evaluate_every: 2,
        evaluate_samples: 2,
        checkpoint_every: 4,
        ..FitOptions::preset("default").unwrap()
    }
}

/// A file of this test alone, not there yet.
fn fresh_path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("statewise-deep-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

fn run<R: Real>(
    options: FitOptions,
    observe: &mut dyn FnMut(Progress<'_>) -> bool,
) -> (FitReport, DeepMarkovModel<R>) {
    let mut model = DeepMarkovModel::<R>::new(&config(), Seed(1)).unwrap();
    let report = Fit::new(options).unwrap().run(&mut model, &data(1), Some(&data(2)), observe).unwrap();
    (report, model)
}

/// Records apart from the clock's.
fn timeless(history: &[EpochRecord]) -> Vec<EpochRecord> {
    history.iter().map(|record| EpochRecord { seconds: 0.0, ..record.clone() }).collect()
}

fn resumed_is_uninterrupted<R: Real>(name: &str) {
    let (whole, model) = run::<R>(options(), &mut |_| true);
    assert_eq!(whole.stop, StopReason::Epochs);
    // Within an epoch, at its end, at its first update; before and after a written checkpoint.
    for (epoch, update) in [(1, 1), (2, 2), (3, 3), (5, 1), (6, 2)] {
        let path = fresh_path(&format!("{name}-{epoch}-{update}"));
        let options = FitOptions { checkpoint: Some(path.clone()), ..options() };
        for threads in [1, 2] {
            threads::set_num_threads(threads);
            let stop = &mut |p: Progress<'_>| (p.epoch, p.update) != (epoch, update);
            let (interrupted, _) = run::<R>(options.clone(), stop);
            assert_eq!(interrupted.stop, StopReason::Interrupted);
            threads::set_num_threads(3 - threads);
            let (report, resumed) = run::<R>(options.clone(), &mut |_| true);
            assert_eq!(report.stop, StopReason::Epochs);
            assert_eq!(resumed.parameters(), model.parameters());
            assert_eq!(timeless(&report.history), timeless(&whole.history));
            assert_eq!(report.best_epoch, whole.best_epoch);
            assert_eq!(report.best_valid_bound, whole.best_valid_bound);
            std::fs::remove_file(&path).unwrap();
        }
    }
    threads::set_num_threads(0);
}

#[test]
fn a_resumed_run_is_the_uninterrupted_one_bit_for_bit() {
    resumed_is_uninterrupted::<f32>("single");
    resumed_is_uninterrupted::<f64>("double");
}

#[test]
fn a_finished_checkpoint_goes_on_with_more_epochs() {
    let path = fresh_path("more");
    // A rate that falls towards the last epoch would know how many there are to be.
    let options = FitOptions { average: 0.0, evaluate_every: 1, cosine: false, ..options() };
    let (whole, model) = run::<f32>(FitOptions { epochs: 8, ..options.clone() }, &mut |_| true);
    let kept = FitOptions { checkpoint: Some(path.clone()), ..options };
    run::<f32>(FitOptions { epochs: 5, ..kept.clone() }, &mut |_| true);
    let (report, longer) = run::<f32>(FitOptions { epochs: 8, ..kept.clone() }, &mut |_| true);
    assert_eq!(timeless(&report.history), timeless(&whole.history));
    assert_eq!(longer.parameters(), model.parameters());
    // Nothing is left to do: the same model again.
    let (again, same) = run::<f32>(FitOptions { epochs: 8, ..kept }, &mut |_| panic!("no update is left"));
    assert_eq!((again.stop, same.parameters()), (StopReason::Epochs, model.parameters()));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_checkpoint_of_something_else_or_damaged_is_refused() {
    let path = fresh_path("other");
    let kept = FitOptions { checkpoint: Some(path.clone()), epochs: 1, ..options() };
    run::<f32>(kept.clone(), &mut |_| true);
    let refuse = |options: &FitOptions, config: &DmmConfig, data: &Dataset<'_>, word: &str| {
        let mut model = DeepMarkovModel::<f32>::new(config, Seed(1)).unwrap();
        let error =
            Fit::new(options.clone()).unwrap().run(&mut model, data, None, &mut |_| true).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    };
    refuse(&FitOptions { seed: 5, ..kept.clone() }, &config(), &data(1), "checkpoint");
    refuse(&FitOptions { batch_size: 4, ..kept.clone() }, &config(), &data(1), "checkpoint");
    refuse(&FitOptions { average: 0.0, ..kept.clone() }, &config(), &data(1), "average");
    refuse(&kept, &DmmConfig { latent_dim: 2, ..config() }, &data(1), "checkpoint");
    refuse(&kept, &config(), &data(1).select(&[0, 1]), "checkpoint");
    let bytes = std::fs::read(&path).unwrap();
    for cut in [0, 1, 7, 8, 40, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        refuse(&kept, &config(), &data(1), "");
    }
    std::fs::write(&path, b"not a checkpoint at all").unwrap();
    refuse(&kept, &config(), &data(1), "");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let fitted = |num_threads: usize| {
        threads::set_num_threads(num_threads);
        let (report, model) = run::<f32>(options(), &mut |_| true);
        (timeless(&report.history), model.parameters().to_vec())
    };
    let one = fitted(1);
    assert_eq!(one, fitted(2));
    assert_eq!(one, fitted(3));
    threads::set_num_threads(0);
}

#[test]
fn a_tiny_data_set_is_learned_by_heart() {
    // One of two patterns a sequence, each of them fixed: the entropy is ln 2 a sequence.
    let pattern =
        |k: usize| (0..8 * 3).map(move |i| f64::from(u8::from((i * (k + 2) + k).is_multiple_of(3))));
    let rows: Vec<f64> = (0..8).flat_map(|n| pattern(n % 2)).collect();
    let data = Dataset::batch(rows, 8, 3).unwrap();
    let config = DmmConfig {
        emission_width: 20,
        transition_width: 20,
        rnn_size: 20,
        rnn_dropout: 0.0,
        iaf_layers: 0,
        ..config()
    };
    let config = DmmConfig { emission_dim: 3, ..config };
    let mut model = DeepMarkovModel::<f32>::new(&config, Seed(1)).unwrap();
    let before = model.bound(&data, 20, Seed(1)).unwrap().per_step();
    let options = FitOptions {
        epochs: 1200,
        batch_size: 8,
        annealing: Annealing { start: 0.05, updates: 300.0 },
        optimizer: Optimizer {
            clip_norm: Some(1.0),
            ..Optimizer::constant(Rule::Adam(Adam::default()), 1e-2)
        },
        ..FitOptions::preset("default").unwrap()
    };
    Fit::new(options).unwrap().run(&mut model, &data, None, &mut |_| true).unwrap();
    let after = model.bound(&data, 20, Seed(1)).unwrap();
    let entropy = 2_f64.ln() / 8.0;
    assert!(before > 1.5 && after.per_step() < entropy + 0.08, "{before} to {}", after.per_step());
    // Better than the entropy would be a bound that is none.
    assert!(after.per_step() > entropy - 0.01, "{} below the entropy {entropy}", after.per_step());
}

#[test]
fn training_that_explodes_stops_and_says_where() {
    let wild = Optimizer::constant(Rule::Adam(Adam::default()), 1e6);
    let options = FitOptions { optimizer: wild, epochs: 200, ..options() };
    let (report, model) = run::<f32>(options, &mut |_| true);
    let StopReason::NotFinite(message) = &report.stop else { panic!("stopped by {:?}", report.stop) };
    assert!(message.contains("training sequences") && message.contains("learning rate"), "{message}");
    assert!(model.parameters().iter().all(|x| x.is_finite()));
}

#[test]
fn the_time_limit_stops_after_an_epoch() {
    let options = FitOptions { time_limit: Some(0.0), ..options() };
    let (report, _) = run::<f32>(options, &mut |_| true);
    assert!(report.warnings()[0].contains("the divergence weighed 0.36"), "{:?}", report.warnings());
    assert_eq!((report.stop, report.history.len()), (StopReason::TimeLimit, 1));
    assert!(report.best_valid_bound.is_some());
}

#[test]
fn the_cosine_ends_at_the_time_limit_if_that_is_nearer() {
    let limit = 0.3;
    let options = FitOptions { cosine: true, time_limit: Some(limit), epochs: 1_000_000, ..options() };
    let first = options.optimizer.schedule.at(0);
    let at = |seconds: f64| first * 0.5 * (1.0 + (std::f64::consts::PI * (seconds / limit).min(1.0)).cos());
    let (report, _) = run::<f32>(options, &mut |_| true);
    assert_eq!(report.stop, StopReason::TimeLimit);
    // The rate of an epoch's last update is that of a moment between the ends of two epochs.
    let mut before = 0.0;
    for EpochRecord { seconds, learning_rate, .. } in report.history {
        assert!(
            at(seconds) <= learning_rate && learning_rate <= at(before),
            "{learning_rate} at {seconds}"
        );
        before = seconds;
    }
}

#[test]
fn patience_ends_training_without_progress() {
    // Weights that do not move: the first evaluation stays the best.
    let still = Optimizer::constant(Rule::Adam(Adam::default()), 1e-300);
    let options = FitOptions { optimizer: still, patience: Some(3), epochs: 100, ..options() };
    for evaluate_every in [1, 2, 7] {
        let (report, _) = run::<f64>(FitOptions { evaluate_every, ..options.clone() }, &mut |_| true);
        assert_eq!(report.stop, StopReason::Patience);
        assert_eq!(report.best_epoch, evaluate_every);
        // The first evaluation more than three epochs after the best.
        let waited = (4..).find(|epochs| epochs % evaluate_every == 0).unwrap();
        assert_eq!(report.history.len(), evaluate_every + waited);
    }
}

#[test]
fn the_model_ends_with_the_weights_of_the_best_validation_bound() {
    let options = FitOptions { epochs: 30, ..options() };
    let (report, model) = run::<f64>(options.clone(), &mut |_| true);
    let bounds: Vec<(usize, f64)> =
        report.history.iter().filter_map(|r| Some((r.epoch, r.valid_bound?))).collect();
    let best = bounds.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    assert_eq!((report.best_epoch, report.best_valid_bound), (best.0, Some(best.1)));
    let seed = Seed(options.seed).child("validation", 0);
    let again = model.bound(&data(2), options.evaluate_samples, seed).unwrap().per_step();
    assert_eq!(again, best.1);
}

#[test]
fn progress_counts_epochs_updates_and_steps() {
    let mut seen = Vec::new();
    let (report, _) = run::<f32>(FitOptions { epochs: 2, ..options() }, &mut |p| {
        assert!(p.steps_per_second > 0.0 && p.seconds_left >= 0.0 && p.running.train_bound.is_finite());
        seen.push((p.epoch, p.update, p.updates, p.history.len(), p.running.updates));
        true
    });
    let expected = [
        (1, 1, 3, 0, 1),
        (1, 2, 3, 0, 2),
        (1, 3, 3, 0, 3),
        (2, 1, 3, 1, 4),
        (2, 2, 3, 1, 5),
        (2, 3, 3, 1, 6),
    ];
    assert_eq!(seen, expected);
    assert_eq!(report.history.len(), 2);
}
