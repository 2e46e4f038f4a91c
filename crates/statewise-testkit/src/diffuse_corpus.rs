//! Diffuse starts that take an engine to its limits.

use crate::{GaussianProblem, GaussianShape, random_gaussian_problem};

/// A level and the first waves of a year of `period` steps, seen with noise, with a diffuse start: the first
/// observations hardly tell directions apart.
pub fn slow_season(period: f64, waves: usize, num_steps: usize) -> GaussianProblem {
    let d = 1 + 2 * waves;
    let (mut a, mut h) = (vec![0.0; d * d], vec![0.0; d]);
    (a[0], h[0]) = (1.0, 1.0);
    for k in 0..waves {
        let (i, angle) = (1 + 2 * k, std::f64::consts::TAU * (k + 1) as f64 / period);
        (a[i * d + i], a[i * d + i + 1]) = (angle.cos(), angle.sin());
        (a[(i + 1) * d + i], a[(i + 1) * d + i + 1]) = (-angle.sin(), angle.cos());
        h[i] = 1.0;
    }
    let (mut q, mut unit) = (vec![0.0; d * d], vec![0.0; d * d]);
    q[0] = 0.01;
    (0..d).for_each(|i| unit[i * d + i] = 1.0);
    let y: Vec<f64> =
        (0..num_steps).map(|t| (t as f64 / 8.0).sin() + 0.3 * (t as f64 * t as f64).cos()).collect();
    let name = format!("{waves} waves of {period} steps");
    GaussianProblem::fixed(&name, (&vec![0.0; d], &vec![0.0; d * d]), (&a, &q), (&h, &[0.25]), &y)
        .diffuse(&unit)
}

/// Diffuse starts at the edges: dynamics that forget a direction, noise-free and collinear sensors.
pub fn further_diffuse_problems() -> Vec<GaussianProblem> {
    let zero: (&[f64], &[f64]) = (&[0.0, 0.0], &[0.0; 4]);
    let known: (&[f64], &[f64]) = (&[0.5, 1.0], &[0.0, 0.0, 0.0, 2.0]);
    let unit = [1.0, 0.0, 0.0, 1.0];
    let first = [1.0, 0.0, 0.0, 0.0];
    let still: (&[f64], &[f64]) = (&unit, &[0.0; 4]);
    let nilpotent: (&[f64], &[f64]) = (&[0.0, 1.0, 0.0, 0.0], &unit);
    let singular: (&[f64], &[f64]) = (&unit, &[1.0, 0.5, 0.5, 0.25]);
    let skewed: (&[f64], &[f64]) =
        (&[1.0, 1.0, 1.0, 2.0, 2.0, -1.0], &[0.5, 0.0, 0.0, 0.0, 0.25, 0.0, 0.0, 0.0, 1.0]);
    let wave = |n: usize| (0..n).map(|t| (1.0 + t as f64).sin()).collect::<Vec<f64>>();
    let fixed = GaussianProblem::fixed;
    let shape = GaussianShape { per_step: true, offsets: true, missing: 0.4, ..Default::default() };
    let seasonal = [-1.0, -1.0, -1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let season_noise = [0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let season = (&[0.0; 3][..], &[0.0; 9][..]);
    let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    let seasons = (&seasonal[..], &season_noise[..]);
    vec![
        fixed("A forgets a diffuse direction", zero, nilpotent, (&[0.0, 1.0], &[0.5]), &wave(5))
            .diffuse(&unit),
        fixed("A forgets all", zero, (&[0.0; 4], &unit), (&[0.0, 1.0], &[0.5]), &wave(5)).diffuse(&first),
        fixed("R of rank one", zero, (&[1.0, 1.0, 0.0, 1.0], &unit), singular, &wave(10)).diffuse(&unit),
        fixed("M > D, rows alike", zero, still, skewed, &wave(15)).diffuse(&unit).missing(&[(0, 1)]),
        fixed("R = 0, determined again and again", known, still, (&[0.0, 1.0], &[0.0]), &[1.5; 4])
            .diffuse(&first)
            .named("R = 0, the known state is seen, the diffuse one never"),
        fixed("seasonal", season, seasons, (&[1.0, 0.0, 0.0], &[0.5]), &wave(10))
            .diffuse(&identity)
            .missing_rows(&[1, 4]),
        random_gaussian_problem(3, 4, 8, shape, 310).diffuse(&identity),
        random_gaussian_problem(5, 2, 9, GaussianShape { offsets: true, ..Default::default() }, 311)
            .diffuse(&(0..25).map(|i| if i % 6 == 0 { 1.0 } else { 0.0 }).collect::<Vec<f64>>()),
    ]
}
