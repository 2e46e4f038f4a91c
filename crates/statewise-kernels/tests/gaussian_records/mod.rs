//! Problems of the golden records of Dynamax.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use statewise_testkit::{GaussianProblem, GaussianSteps};

/// g2 of the golden records: y_t = (sin .3t + .5 cos 1.1t, cos .2t − .3 sin .9t).
pub fn g2(num_steps: usize) -> Vec<f64> {
    let row = |t: f64| [(0.3 * t).sin() + 0.5 * (1.1 * t).cos(), (0.2 * t).cos() - 0.3 * (0.9 * t).sin()];
    (0..num_steps).flat_map(|t| row(t as f64)).collect()
}

/// The constant-velocity model of the record `kf_tracking`.
pub fn tracking() -> GaussianProblem {
    let mut f = diagonal(&[1.0; 4]);
    (f[2], f[7]) = (1.0, 1.0);
    let mut h = vec![0.0; 8];
    (h[0], h[5]) = (1.0, 1.0);
    let y: Vec<f64> = g2(15).iter().enumerate().map(|(i, y)| y + [8.0, 10.0][i % 2]).collect();
    GaussianProblem::fixed(
        "kf_tracking",
        (&[8.0, 10.0, 1.0, 0.0], &diagonal(&[0.1; 4])),
        (&f, &diagonal(&[0.001; 4])),
        (&h, &diagonal(&[1.0; 2])),
        &y,
    )
}

/// The record `lgssm_inputs`: u_t drives t → t + 1, so that it is part of the bias of step t + 1.
pub fn with_inputs() -> GaussianProblem {
    let input = |t: f64| [(0.5 * t).cos(), (0.7 * t).sin()];
    let mut problem = GaussianProblem::fixed(
        "lgssm_inputs",
        (&[0.5, -0.5], &diagonal(&[1.0; 2])),
        (&[0.9, 0.1, -0.2, 0.8], &[0.2, 0.05, 0.05, 0.1]),
        (&[1.0, 0.3, 0.2, 1.0], &[0.5, 0.1, 0.1, 0.4]),
        &g2(20),
    );
    let dynamics =
        (0..20).map(|t| input(t as f64 - 1.0)).map(|u| vec![0.1 + 0.3 * u[0], -0.1 + 0.5 * u[1]]);
    let emission = (0..20).map(|t| input(t as f64)).map(|u| vec![0.2 + 0.4 * u[1], 0.1 * u[0]]);
    problem.transition_offset = GaussianSteps::per_step(&dynamics.collect::<Vec<_>>());
    problem.emission_offset = GaussianSteps::per_step(&emission.collect::<Vec<_>>());
    problem
}

/// The record `kf_linreg`: recursive least squares of y on (1, x), x = 0..20.
pub fn linear_regression() -> GaussianProblem {
    let y = [
        2.4865, -0.3033, -4.0531, -4.3359, -6.1742, -5.604, -3.5069, -2.3257, -4.6377, -0.2327, -1.9858,
        1.0284, -2.264, -0.4508, 1.1672, 6.6524, 4.1452, 5.2677, 6.3403, 9.6264, 14.7842,
    ];
    let mut problem = GaussianProblem::fixed(
        "kf_linreg",
        (&[0.0, 0.0], &diagonal(&[10.0; 2])),
        (&diagonal(&[1.0; 2]), &[0.0; 4]),
        (&[1.0, 0.0], &[1.0]),
        &y,
    );
    problem.emission = GaussianSteps::per_step(&(0..21).map(|x| vec![1.0, x as f64]).collect::<Vec<_>>());
    problem
}

pub fn diagonal(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    (0..n * n).map(|i| if i % n == i / n { values[i % n] } else { 0.0 }).collect()
}
