//! Times linear Gaussian inference on the constant-velocity model of the benchmarks.
//!
//! `cargo run --release -p statewise --example time_lgssm [num_sequences num_steps]`

use std::time::Instant;

use statewise::Seed;
use statewise::data::Dataset;
use statewise::infer::gaussian::{FilteredSlices, GaussianOptions, GaussianSmoothedSlices, Plan};
use statewise::model::linear_gaussian::LgssmParams;
use statewise::params::Array;

fn main() -> statewise::Result<()> {
    statewise::threads::set_num_threads(1);
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let (n, t) = (sizes.first().copied().unwrap_or(1), sizes.get(1).copied().unwrap_or(100_000));
    let (dt, q) = (0.1f64, 0.5);
    let mut f = Array::identities(1, 4, 1.0).values().to_vec();
    (f[2], f[7]) = (dt, dt);
    let (a, b, c) = (q * dt.powi(3) / 3.0, q * dt.powi(2) / 2.0, q * dt);
    let cov = [a, 0.0, b, 0.0, 0.0, a, 0.0, b, b, 0.0, c, 0.0, 0.0, b, 0.0, c];
    let params = LgssmParams::new(
        Array::zeros(&[4]),
        Array::new(&[4, 4], Array::identities(1, 4, 1.0).values().to_vec()),
        Array::new(&[4, 4], f),
        Array::new(&[4, 4], cov.to_vec()),
        Array::new(&[2, 4], vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]),
        Array::new(&[2, 2], vec![0.5, 0.0, 0.0, 0.5]),
    );
    let mut rows = Vec::new();
    for s in 0..n {
        rows.extend(params.sample(Seed(0), s as u64, t, &[])?.1);
    }
    let data = Dataset::batch(rows, n, 2)?;
    for (steady_state, share) in [(true, true), (true, false), (false, true), (false, false)] {
        let options = GaussianOptions { steady_state, share, ..Default::default() };
        let plan = Plan::new(&data, share);
        let mut means = vec![0.0; data.num_rows() * 4];
        let mut covs = vec![0.0; plan.num_rows() * 16];
        let (mut smoothed, mut smoothed_covs) = (means.clone(), covs.clone());
        println!("steady state {steady_state}, shared {share}");
        time("  evidence", || Ok(params.marginal_log_prob(&data, &options)?.iter().sum()))?;
        time("  filter  ", || {
            let slices = FilteredSlices {
                filtered_means: Some(&mut means),
                filtered_covs: Some(&mut covs),
                ..Default::default()
            };
            Ok(params.filter_into(&plan, &data, &options, slices)?.iter().sum())
        })?;
        time("  smoother", || {
            let slices = GaussianSmoothedSlices {
                filtered_means: Some(&mut means),
                filtered_covs: Some(&mut covs),
                smoothed_means: Some(&mut smoothed),
                smoothed_covs: Some(&mut smoothed_covs),
                ..Default::default()
            };
            Ok(params.smoother_into(&plan, &data, &options, slices)?.iter().sum())
        })?;
        time("  gradient", || Ok(params.gradient(&data, &options)?.marginal_loglik.iter().sum()))?;
    }
    Ok(())
}

/// Prints the smallest of several times.
fn time(what: &str, mut run: impl FnMut() -> statewise::Result<f64>) -> statewise::Result<()> {
    let mut best = f64::INFINITY;
    let mut answer = 0.0;
    for _ in 0..7 {
        let start = Instant::now();
        answer = run()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{what} {:9.3} ms   log p(y) = {answer:.6}", 1e3 * best);
    Ok(())
}
