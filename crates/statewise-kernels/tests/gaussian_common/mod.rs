//! Problems of the test kit as the engines see them, and comparisons.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use statewise_kernels::gaussian::{Noise, Series, Steps, System};
use statewise_testkit::{GaussianProblem, GaussianSteps};

/// Values of steps.
pub fn steps(steps: &GaussianSteps) -> Steps<'_> {
    if steps.per_step { Steps::per_step(&steps.values, steps.len) } else { Steps::fixed(&steps.values) }
}

/// What series share.
pub fn system(problem: &GaussianProblem) -> System<'_> {
    System {
        state_dim: problem.state_dim,
        emission_dim: problem.emission_dim,
        initial_mean: &problem.initial_mean,
        initial_cov: &problem.initial_cov,
        initial_diffuse: problem.initial_diffuse.as_deref(),
        transition: steps(&problem.transition),
        transition_cov: steps(&problem.transition_cov),
        emission: steps(&problem.emission),
        emission_cov: if problem.diagonal_noise {
            Noise::Diagonal(steps(&problem.emission_cov))
        } else {
            Noise::Full(steps(&problem.emission_cov))
        },
    }
}

/// The series with its offsets.
pub fn series(problem: &GaussianProblem) -> Series<'_> {
    Series {
        emissions: &problem.emissions,
        transition_offset: Some(steps(&problem.transition_offset)),
        emission_offset: Some(steps(&problem.emission_offset)),
    }
}

/// Asserts |got − want| ≤ tolerance (1 + largest |want|).
pub fn assert_close(problem: &str, what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{problem}: {what}");
    let scale = 1.0 + want.iter().fold(0.0f64, |a, x| a.max(x.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * scale, "{problem}: {what}[{i}]: {g} against {w}");
    }
}
