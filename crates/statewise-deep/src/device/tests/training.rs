//! Training on a device follows training on the CPU, errors included.

use statewise::Seed;
use statewise::learn::{Adam, Optimizer, Rule};

use super::super::engine::DeviceEngine;
use super::super::host::Host;
use super::{data, small};
use crate::DeepMarkovModel;
use crate::learn::device::Engine;
use crate::learn::{Device, Fit, FitOptions, Objective};

/// A few epochs with validation, dropout, averages, decay and limits.
fn options(objective: Objective) -> FitOptions {
    FitOptions {
        objective,
        num_particles: 2,
        epochs: 4,
        batch_size: 2,
        optimizer: Optimizer {
            clip_norm: Some(1.0),
            ..Optimizer::constant(Rule::Adam(Adam::default()), 1e-2)
        },
        evaluate_every: 2,
        evaluate_samples: 3,
        ..FitOptions::preset("default").unwrap()
    }
}

#[test]
fn training_follows_that_of_the_cpu() {
    for objective in [Objective::Elbo, Objective::SampledElbo] {
        let Some(host) = Host::new() else { return };
        let config = small();
        let data = data(&config, true);
        let fit = Fit::new(options(objective)).unwrap();
        let mut want = DeepMarkovModel::<f64>::new(&config, Seed(1)).unwrap();
        let mut got = want.clone();
        let want_report = fit.run(&mut want, &data, Some(&data), &mut |_| true).unwrap();
        let engine: Box<dyn Engine> = Box::new(DeviceEngine::new(host));
        let got_report = fit.run_on(Some(engine), &mut got, &data, Some(&data), &mut |_| true).unwrap();
        assert_eq!(got_report.best_epoch, want_report.best_epoch);
        for (got, want) in got_report.history.iter().zip(&want_report.history) {
            // Rounding grows with every update: a quotient by √v stands between gradients and weights.
            assert!((got.train_bound - want.train_bound).abs() < 1e-7, "{got:?}\n{want:?}");
            let bounds = (got.valid_bound.unwrap_or(0.0), want.valid_bound.unwrap_or(0.0));
            assert!((bounds.0 - bounds.1).abs() < 1e-7, "{got:?}\n{want:?}");
        }
        for (got, want) in got.parameters().iter().zip(want.parameters()) {
            assert!((got - want).abs() < 1e-6, "{got}, {want}");
        }
    }
}

#[test]
fn an_error_of_the_device_ends_training_with_it() {
    let Some(mut host) = Host::new() else { return };
    host.fails = true;
    let config = small();
    let mut model = DeepMarkovModel::<f64>::new(&config, Seed(1)).unwrap();
    let engine: Box<dyn Engine> = Box::new(DeviceEngine::new(host));
    let fit = Fit::new(options(Objective::Elbo)).unwrap();
    let error = fit.run_on(Some(engine), &mut model, &data(&config, false), None, &mut |_| true);
    assert!(error.unwrap_err().to_string().contains("an error of the device"));
}

#[test]
fn a_run_of_the_cpu_goes_on_elsewhere() {
    let Some(host) = Host::new() else { return };
    let path = std::env::temp_dir().join(format!("statewise-device-{}.checkpoint", std::process::id()));
    let config = small();
    let data = data(&config, false);
    let start = DeepMarkovModel::<f64>::new(&config, Seed(1)).unwrap();
    let with = |epochs: usize, checkpoint: bool| {
        let checkpoint = checkpoint.then(|| path.clone());
        Fit::new(FitOptions { epochs, cosine: false, checkpoint, ..options(Objective::Elbo) }).unwrap()
    };
    let (mut whole, mut half, mut rest) = (start.clone(), start.clone(), start);
    with(4, false).run(&mut whole, &data, None, &mut |_| true).unwrap();
    with(2, true).run(&mut half, &data, None, &mut |_| true).unwrap();
    let engine: Box<dyn Engine> = Box::new(DeviceEngine::new(host));
    let report = with(4, true).run_on(Some(engine), &mut rest, &data, None, &mut |_| true);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(report.unwrap().history.len(), 4);
    for (got, want) in rest.parameters().iter().zip(whole.parameters()) {
        assert!((got - want).abs() < 1e-6, "{got}, {want}");
    }
}

#[test]
fn a_device_has_its_name_in_json_and_may_be_left_out() {
    let mut json = serde_json::to_value(FitOptions::preset("default").unwrap()).unwrap();
    assert_eq!(json["device"], "cpu");
    json["device"] = "cuda".into();
    let read: FitOptions = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(read.device, Device::Cuda);
    json.as_object_mut().unwrap().remove("device");
    let read: FitOptions = serde_json::from_value(json).unwrap();
    assert_eq!(read.device, Device::Cpu);
}
