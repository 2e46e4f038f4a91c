//! Laws of likelihoods, statistics, moments and draws.

use std::f64::consts::TAU;

use statewise::data::Sequence;
use statewise_kernels::random::Seed;

use crate::case::{Case, Scene};
use crate::laws::assert_close;

/// Statistics of two blocks of steps add up to those of the whole.
pub(crate) fn statistics_add_up(case: &Case) {
    let scene = case.scene();
    let (sequence, k, n) = (scene.sequence(), scene.num_states(), scene.num_steps);
    let prepared = scene.prepare(&scene.params);
    let mut parts = vec![0.0; scene.emission.num_stats()];
    for steps in [0..17, 17..18, 18..n] {
        prepared.accumulate(
            &sequence,
            steps.clone(),
            &scene.gamma[steps.start * k..steps.end * k],
            &mut parts,
        );
    }
    assert_close(&parts, &scene.stats(&scene.gamma), 1e-13, case.name());
}

/// A row of NaN has likelihood one and leaves no statistics.
pub(crate) fn missing_rows_say_nothing(case: &Case) {
    let mut scene = case.scene();
    if !case.gaps {
        return;
    }
    scene.rows.fill(f64::NAN);
    assert!(scene.emission.check_rows(&scene.rows).is_ok(), "{}", case.name());
    assert!(scene.log_likelihoods(&scene.params).iter().all(|l| *l == 0.0), "{}", case.name());
    assert!(scene.stats(&scene.gamma).iter().all(|s| *s == 0.0), "{}", case.name());
}

/// log p of one row in the place of step 20, under every state.
fn row_log_likelihoods(scene: &Scene, row: &[f64]) -> Vec<f64> {
    let t = 20;
    let mut rows = scene.rows.clone();
    rows[t * scene.width..(t + 1) * scene.width].copy_from_slice(row);
    let sequence = Sequence { emissions: &rows, ..scene.sequence() };
    let mut out = vec![0.0; scene.num_states()];
    scene.prepare(&scene.params).log_likelihoods(&sequence, t..t + 1, &mut out);
    out
}

/// The density with a group of columns missing is its sum over the values of the group.
pub(crate) fn densities_normalise_and_marginalise(case: &Case) {
    if !case.gaps {
        return;
    }
    let scene = case.scene();
    let mut row = scene.rows[2 * scene.width..3 * scene.width].to_vec();
    for group in &case.groups {
        let mut sums = vec![0.0; scene.num_states()];
        for (node, weight) in &group.nodes {
            row[group.columns.clone()].copy_from_slice(node);
            let logs = row_log_likelihoods(&scene, &row);
            sums.iter_mut().zip(logs).for_each(|(s, l)| *s += weight * l.exp());
        }
        row[group.columns.clone()].fill(f64::NAN);
        let marginal: Vec<f64> = row_log_likelihoods(&scene, &row).iter().map(|l| l.exp()).collect();
        for (got, want) in sums.iter().zip(&marginal) {
            let what = format!("{}, columns {:?}", case.name(), group.columns);
            assert!((got - want).abs() <= 1e-9 * want, "{what}: sum {got}, marginal {want}");
        }
    }
}

/// The difference of two values in a column, on the circle if the column has angles.
fn deviation(case: &Case, column: usize, a: f64, b: f64) -> f64 {
    let turns = ((a - b) / TAU).round();
    if case.circular.contains(&column) { (a - b) - TAU * turns } else { a - b }
}

fn moments(scene: &Scene, state: usize, t: usize) -> (Vec<f64>, Vec<f64>) {
    let width = scene.width;
    let (mut mean, mut cov) = (vec![f64::NAN; width], vec![f64::NAN; width * width]);
    scene.prepare(&scene.params).moments(state, &scene.sequence(), t, &mut mean, &mut cov);
    (mean, cov)
}

/// Means and covariances within a group are the first two sums over its density.
pub(crate) fn moments_match_the_density(case: &Case) {
    if !case.gaps {
        return;
    }
    let scene = case.scene();
    let (width, k) = (scene.width, scene.num_states());
    let all: Vec<_> = (0..k).map(|state| moments(&scene, state, 20)).collect();
    for group in &case.groups {
        let columns: Vec<usize> = group.columns.clone().collect();
        let n = columns.len();
        let mut first = vec![0.0; k * n];
        let mut second = vec![0.0; k * n * n];
        let mut row = vec![f64::NAN; width];
        for (node, weight) in &group.nodes {
            row[group.columns.clone()].copy_from_slice(node);
            for (state, log) in row_log_likelihoods(&scene, &row).iter().enumerate() {
                let mass = weight * log.exp();
                let dev: Vec<f64> = columns
                    .iter()
                    .zip(node)
                    .map(|(c, y)| deviation(case, *c, *y, all[state].0[*c]))
                    .collect();
                for i in 0..n {
                    first[state * n + i] += mass * dev[i];
                    (0..n).for_each(|j| second[(state * n + i) * n + j] += mass * dev[i] * dev[j]);
                }
            }
        }
        for (state, (_, cov)) in all.iter().enumerate() {
            let block: Vec<f64> =
                columns.iter().flat_map(|i| columns.iter().map(move |j| cov[i * width + j])).collect();
            let what = format!("{}, state {state}, columns {:?}", case.name(), group.columns);
            assert_close(&first[state * n..][..n], &vec![0.0; n], 1e-8, &format!("{what}, mean"));
            assert_close(&second[state * n * n..][..n * n], &block, 1e-8, &format!("{what}, covariance"));
        }
    }
}

/// Means and covariances of 20 000 draws are within six standard errors of the moments.
pub(crate) fn draws_match_moments(case: &Case) {
    let scene = case.scene();
    let (width, t, draws) = (scene.width, 20, 20_000);
    let prepared = scene.prepare(&scene.params);
    let mut rng = Seed(3).stream("draws", 0);
    for state in 0..scene.num_states() {
        let (mean, cov) = moments(&scene, state, t);
        let mut row = vec![0.0; width];
        let mut deviations = Vec::with_capacity(draws * width);
        for _ in 0..draws {
            prepared.sample(state, &scene.sequence(), t, &mut rng, &mut row);
            assert!(scene.emission.check_rows(&row).is_ok(), "{} drew {row:?}", case.name());
            let pairs = row.iter().zip(&mean).enumerate();
            deviations.extend(pairs.map(|(d, (y, m))| deviation(case, d, *y, *m)));
        }
        let check = |what: String, values: &dyn Fn(&[f64]) -> f64, want: f64| {
            let n = draws as f64;
            let all: Vec<f64> = deviations.chunks_exact(width).map(values).collect();
            let average = all.iter().sum::<f64>() / n;
            let error = (all.iter().map(|x| (x - average).powi(2)).sum::<f64>() / n / n).sqrt();
            let gap = (average - want).abs();
            assert!(
                gap <= 6.0 * error + 1e-12,
                "{}, state {state}, {what}: {average}, {want}",
                case.name()
            );
        };
        for i in 0..width {
            check(format!("mean {i}"), &|d| d[i], 0.0);
            (0..=i).for_each(|j| check(format!("cov {i} {j}"), &|d| d[i] * d[j], cov[i * width + j]));
        }
    }
}

/// Scaled likelihoods times exp(shift) are the likelihoods, with a largest entry in (1e-30, 1e30).
pub(crate) fn scaled_likelihoods_match_log_likelihoods(case: &Case) {
    let scene = case.scene();
    let k = scene.num_states();
    let (mut scaled, mut shift) = (vec![0.0; scene.num_steps * k], vec![0.0; scene.num_steps]);
    let prepared = scene.prepare(&scene.params);
    prepared.scaled_likelihoods(&scene.sequence(), 0..scene.num_steps, &mut scaled, &mut shift);
    let logs = scene.log_likelihoods(&scene.params);
    for ((scaled, logs), shift) in scaled.chunks_exact(k).zip(logs.chunks_exact(k)).zip(&shift) {
        let want: Vec<f64> = logs.iter().map(|l| (l - shift).exp()).collect();
        let largest = want.iter().copied().fold(0.0, f64::max);
        assert!(largest > 1e-30 && largest < 1e30, "{}: largest {largest}", case.name());
        for (a, b) in scaled.iter().zip(&want) {
            // One ulp of a log-likelihood of size 100 is 1e-14.
            assert!((a - b).abs() <= 1e-11 * b, "{}: {a} against {b}", case.name());
        }
    }
}

/// Any block of steps gives the entries that the whole range gives.
pub(crate) fn blocks_of_steps_match_the_whole(case: &Case) {
    let scene = case.scene();
    let k = scene.num_states();
    let whole = scene.log_likelihoods(&scene.params);
    let prepared = scene.prepare(&scene.params);
    for steps in [0..1, 3..9, 30..scene.num_steps] {
        let mut out = vec![f64::NAN; steps.len() * k];
        prepared.log_likelihoods(&scene.sequence(), steps.clone(), &mut out);
        assert_eq!(out, whole[steps.start * k..steps.end * k], "{}", case.name());
    }
}
