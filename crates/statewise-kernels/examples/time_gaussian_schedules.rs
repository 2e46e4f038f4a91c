//! Times a long series step by step and in blocks of time, with and without a steady state.
//!
//! `cargo run --release -p statewise-kernels --example time_gaussian_schedules [num_steps num_runs]`

use std::time::Instant;

use statewise_kernels::discrete::Schedule;
use statewise_kernels::gaussian::{
    FilterRows, Noise, Series, SmootherRows, Steps, System, filter_scheduled, smooth_scheduled,
};

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let num_steps = sizes.first().copied().unwrap_or(1_000_000);
    let num_runs = sizes.get(1).copied().unwrap_or(7);
    let (dt, q) = (0.1f64, 0.5);
    let (a, b, c) = (q * dt.powi(3) / 3.0, q * dt.powi(2) / 2.0, q * dt);
    let transition = [1.0, 0.0, dt, 0.0, 0.0, 1.0, 0.0, dt, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
    let noise = [a, 0.0, b, 0.0, 0.0, a, 0.0, b, b, 0.0, c, 0.0, 0.0, b, 0.0, c];
    let identity = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
    let system = System {
        state_dim: 4,
        emission_dim: 2,
        initial_mean: &[0.0; 4],
        initial_cov: &identity,
        initial_diffuse: None,
        transition: Steps::fixed(&transition),
        transition_cov: Steps::fixed(&noise),
        emission: Steps::fixed(&identity[..8]),
        emission_cov: Noise::Full(Steps::fixed(&[0.5, 0.0, 0.0, 0.5])),
    };
    let emissions: Vec<f64> = (0..2 * num_steps)
        .map(|i| (i as f64 * 12.9898).sin() + (i as f64 * 78.233).cos() + (i as f64 / 900.0).sin())
        .collect();
    let series = Series::new(&emissions);
    let [mut means, mut smoothed] = [(); 2].map(|()| vec![0.0; num_steps * 4]);
    let [mut covs, mut smoothed_covs, mut lag_one] = [(); 3].map(|()| vec![0.0; num_steps * 16]);
    println!("T = {num_steps}, {} threads", rayon::current_num_threads());
    for steady_state in [true, false] {
        for schedule in [Schedule::Sequential, Schedule::Scan] {
            time(num_runs, &format!("steady {steady_state}, {schedule:?}, filtered means"), || {
                let rows = FilterRows { filtered_means: &mut means, ..FilterRows::default() };
                filter_scheduled(&system, &series, schedule, steady_state, rows).map(|s| s.marginal_loglik)
            });
            time(num_runs, &format!("steady {steady_state}, {schedule:?}, filtered moments"), || {
                let rows = FilterRows {
                    filtered_means: &mut means,
                    filtered_covs: &mut covs,
                    ..FilterRows::default()
                };
                filter_scheduled(&system, &series, schedule, steady_state, rows).map(|s| s.marginal_loglik)
            });
            time(num_runs, &format!("steady {steady_state}, {schedule:?}, smoother"), || {
                let rows = SmootherRows {
                    filtered_means: &mut means,
                    filtered_covs: &mut covs,
                    smoothed_means: &mut smoothed,
                    smoothed_covs: &mut smoothed_covs,
                    lag_one_covs: &mut lag_one,
                };
                smooth_scheduled(&system, &series, schedule, steady_state, rows).map(|s| s.marginal_loglik)
            });
        }
    }
}

/// Prints the least time of several runs.
fn time<E: std::fmt::Debug>(num_runs: usize, what: &str, mut work: impl FnMut() -> Result<f64, E>) {
    let (mut best, mut value) = (f64::INFINITY, 0.0);
    for _ in 0..num_runs {
        let start = Instant::now();
        match work() {
            Ok(answer) => value = answer,
            Err(error) => println!("{what}: {error:?}"),
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{what:45} {:9.1} ms   {value:.6}", 1e3 * best);
}
