//! Times log-likelihoods and statistics of Gaussian emissions, per step on one thread.

use std::hint::black_box;
use std::time::Instant;

use statewise::data::Dataset;
use statewise::model::hmm::emission::{Emission, EmissionSpec};
use statewise_kernels::random::Seed;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for family in ["gaussian", "diagonal_gaussian"] {
        for (dim, k) in [(1, 2), (2, 3), (4, 5), (8, 16), (20, 5)] {
            let spec = format!(r#"{{"family": "{family}", "num_states": {k}, "emission_dim": {dim}}}"#);
            let emission = serde_json::from_str::<EmissionSpec>(&spec)?.build()?;
            time(&*emission, dim, k, &format!("{family} D={dim} K={k}"))?;
        }
    }
    Ok(())
}

fn time(emission: &dyn Emission, dim: usize, k: usize, name: &str) -> statewise::Result<()> {
    let num_steps = 20_000;
    let rows: Vec<f64> = (0..num_steps * dim).map(|i| (1.1 * i as f64).sin()).collect();
    let params = emission.sample_prior(&mut Seed(0).stream("params", 0));
    let prepared = emission.prepare(&params)?;
    for gaps in [0, 10] {
        let mut rows = rows.clone();
        if gaps > 0 {
            rows.iter_mut().step_by(dim * gaps).for_each(|y| *y = f64::NAN);
        }
        let data = Dataset::single(rows, dim)?;
        let gamma = vec![1.0 / k as f64; num_steps * k];
        let mut out = vec![0.0; num_steps * k];
        let mut stats = vec![0.0; emission.num_stats()];
        let density =
            best(num_steps, || prepared.log_likelihoods(&data.sequence(0), 0..num_steps, &mut out));
        let sums =
            best(num_steps, || prepared.accumulate(&data.sequence(0), 0..num_steps, &gamma, &mut stats));
        black_box((&out, &stats));
        println!(
            "{name}, a gap every {gaps} rows: density {density:.1} ns/step, statistics {sums:.1} ns/step"
        );
    }
    Ok(())
}

/// Nanoseconds per step of the fastest of several runs.
fn best(num_steps: usize, mut run: impl FnMut()) -> f64 {
    let once = |_| {
        let start = Instant::now();
        run();
        start.elapsed().as_nanos() as f64 / num_steps as f64
    };
    (0..30).map(once).fold(f64::INFINITY, f64::min)
}
