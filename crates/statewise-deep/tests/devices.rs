//! Devices that are not there are errors, and those that are give the CPU's numbers.

mod small;

use rand::RngExt;
use statewise::data::Dataset;
use statewise::{Error, Seed};
use statewise_deep::DeepMarkovModel;
use statewise_deep::learn::{Device, Fit, FitOptions};

use small::small;

fn rolls() -> Dataset<'static> {
    let lengths = [7, 3, 12, 1, 9, 12];
    let mut rng = Seed(2).stream("data", 0);
    let entries = lengths.iter().sum::<usize>() * 5;
    let values: Vec<f64> = (0..entries)
        .map(|i| if i % 11 == 4 { f64::NAN } else { f64::from(u8::from(rng.random::<f64>() < 0.4)) })
        .collect();
    Dataset::ragged(values, &lengths, 5).unwrap()
}

fn options(device: Device) -> FitOptions {
    FitOptions { device, epochs: 3, batch_size: 3, ..FitOptions::preset("default").unwrap() }
}

/// Why a device may not be there: the build, a library, the GPU itself.
const ABSENT: [&str; 3] = ["without the feature", "is not on the library path", "opening the GPU failed"];

/// Trains and evaluates on a device; where there is none, prints why.
fn on(device: Device) -> Option<(f64, f64)> {
    let run = || -> Result<(f64, f64), Error> {
        let mut model = DeepMarkovModel::<f32>::new(&small(5), Seed(1))?;
        let before = model.bound_on(device, &rolls(), 4, Seed(3))?.per_step();
        let fit = Fit::new(options(device))?;
        let report = fit.run(&mut model, &rolls(), Some(&rolls()), &mut |_| true)?;
        Ok((before, report.best_valid_bound.unwrap_or(f64::NAN)))
    };
    match run() {
        Ok(bounds) => Some(bounds),
        Err(error) => {
            let message = error.to_string();
            println!("skipped: {message}");
            assert!(message.starts_with("device: found cuda") && message.contains("cpu"), "{message}");
            assert!(ABSENT.iter().any(|reason| message.contains(reason)), "{message}");
            None
        }
    }
}

#[test]
fn a_gpu_gives_the_numbers_of_the_cpu_or_says_why_not() {
    let here = on(Device::Cpu).unwrap();
    let Some(there) = on(Device::Cuda) else { return };
    // Single precision on both, a few hundred terms of about 1 in another order; training adds to it.
    assert!((here.0 - there.0).abs() < 1e-4, "CPU {here:?}, GPU {there:?}");
    assert!((here.1 - there.1).abs() < 1e-2, "CPU {here:?}, GPU {there:?}");
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_build_without_gpus_says_so() {
    let mut model = DeepMarkovModel::<f32>::new(&small(5), Seed(1)).unwrap();
    let fit = Fit::new(options(Device::Cuda)).unwrap();
    let error = fit.run(&mut model, &rolls(), None, &mut |_| true).unwrap_err().to_string();
    assert!(error.contains("a build without the feature `cuda`"), "{error}");
}
