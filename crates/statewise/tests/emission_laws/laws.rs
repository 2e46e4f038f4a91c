//! The laws, generic over cases; `laws!(cases)` makes each a test over a list of cases.

use std::f64::consts::TAU;

use statewise::data::{Dataset, Sequence};
use statewise::learn::Lbfgs;
use statewise::model::hmm::emission::{EmissionSpec, MStep, Maximised};
use statewise::params::{FreeSpace, ParamProperties, Params, Properties};
use statewise_kernels::random::Seed;

use crate::case::{Case, Scene};

/// One test a law, over all cases that `$cases()` returns.
macro_rules! laws {
    ($cases:path: $($law:ident),* $(,)?) => {
        $(#[test]
        fn $law() {
            $cases().iter().for_each($crate::laws::$law);
        })*
    };
    ($cases:path) => {
        laws!($cases:
            gradients_match_differences,
            score_is_the_gradient_of_the_weighted_loglik,
            expected_log_prob_bounds_the_weighted_loglik,
            maximise_finds_the_maximum,
            fixed_parameters_stay,
            masked_and_tied_entries_are_honoured,
            states_without_mass_keep_their_parameters,
            statistics_add_up,
            missing_rows_say_nothing,
            densities_normalise_and_marginalise,
            moments_match_the_density,
            draws_match_moments,
            scaled_likelihoods_match_log_likelihoods,
            blocks_of_steps_match_the_whole,
            specs_survive_json,
            bad_rows_are_refused,
            bad_fields_are_named,
            starting_points_are_inside,
        );
    };
}

/// Five-point differences with step 1e-3: truncation h⁴ f⁽⁵⁾/30, rounding 1e-13 |f|.
fn differences(f: impl Fn(&[f64]) -> f64, x: &[f64]) -> Vec<f64> {
    let h = 1e-3;
    let mut at = x.to_vec();
    let mut slope = Vec::new();
    for i in 0..x.len() {
        let mut value = |offset: f64| {
            at[i] = x[i] + offset;
            f(&at)
        };
        let near = value(h) - value(-h);
        let far = value(2.0 * h) - value(-2.0 * h);
        slope.push((8.0 * near - far) / (12.0 * h));
        at[i] = x[i];
    }
    slope
}

#[track_caller]
fn assert_close(got: &[f64], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
    for (i, (a, b)) in got.iter().zip(want).enumerate() {
        // Also equal: both −∞.
        assert!(a == b || (a - b).abs() <= tolerance * scale, "{what}, entry {i}: {a} against {b}");
    }
}

/// Written gradients of Q and of the prior equal differences, away from the E-step's parameters.
pub(crate) fn gradients_match_differences(case: &Case) {
    let scene = case.scene();
    let (space, stats) = (scene.space(), scene.stats(&scene.gamma));
    let start = space.to_free(&scene.params);
    let x: Vec<f64> = start.iter().enumerate().map(|(i, x)| x + 0.2 * (i as f64).sin()).collect();
    let here = space.from_free(&x);
    for prior in [false, true] {
        let got = scene.slope(&space, &here, &stats, prior);
        let want = differences(|x| scene.objective(&space.from_free(x), &stats, prior), &x);
        assert_close(&got, &want, 1e-8, &format!("{} gradient, prior {prior}", case.name()));
    }
}

/// Fisher's identity: at the parameters of the E-step, ∇Q = ∇ Σ γ log p.
pub(crate) fn score_is_the_gradient_of_the_weighted_loglik(case: &Case) {
    let scene = case.scene();
    let (space, stats) = (scene.space(), scene.stats(&scene.gamma));
    let got = scene.slope(&space, &scene.params, &stats, false);
    let x = space.to_free(&scene.params);
    let want = differences(|x| scene.weighted_loglik(&space.from_free(x)), &x);
    assert_close(&got, &want, 1e-8, &format!("{} score", case.name()));
}

/// Q(θ') − Q(θ) equals the gain in Σ γ log p, or bounds it from below where statistics are augmented.
pub(crate) fn expected_log_prob_bounds_the_weighted_loglik(case: &Case) {
    let scene = case.scene();
    let (space, stats) = (scene.space(), scene.stats(&scene.gamma));
    let start = space.to_free(&scene.params);
    for size in [0.02, 0.3, 1.0] {
        let x: Vec<f64> =
            start.iter().enumerate().map(|(i, x)| x + size * (2.0 * i as f64).cos()).collect();
        let there = space.from_free(&x);
        let bound = scene.objective(&there, &stats, false) - scene.objective(&scene.params, &stats, false);
        let gain = scene.weighted_loglik(&there) - scene.weighted_loglik(&scene.params);
        let tolerance = 1e-10 * (1.0 + scene.weighted_loglik(&there).abs());
        let holds =
            if case.augmented { bound <= gain + tolerance } else { (bound - gain).abs() <= tolerance };
        assert!(holds, "{}: Q gains {bound}, the log-likelihood {gain}", case.name());
    }
}

/// The maximum that L-BFGS finds from the scene's parameters.
fn numerical_maximum(scene: &Scene, properties: &[ParamProperties], stats: &[f64], prior: bool) -> f64 {
    let space = FreeSpace::new(&scene.schema, &Properties(properties.to_vec()), &scene.params);
    let lbfgs = Lbfgs { max_iterations: 2000, ..Lbfgs::default() };
    let minimum = lbfgs.minimise(
        &space.to_free(&scene.params),
        |x, gradient| {
            let here = space.from_free(x);
            let slope = scene.slope(&space, &here, stats, prior);
            gradient.iter_mut().zip(slope).for_each(|(g, s)| *g = -s);
            -scene.objective(&here, stats, prior)
        },
        |_, _| true,
    );
    -minimum.value
}

/// Maximises with the properties; `None` if there is no closed form (then nothing has moved).
fn maximise(
    scene: &Scene,
    properties: &[ParamProperties],
    stats: &[f64],
    prior: bool,
) -> Option<(Params, usize)> {
    let mut params = scene.params.clone();
    let step = MStep { stats, prior, properties };
    match scene.emission.maximise(&step, params.arrays_mut()) {
        Maximised::Done { repairs } => {
            params.check(&scene.schema).unwrap();
            Some((params, repairs))
        }
        Maximised::NoClosedForm => {
            assert_eq!(params, scene.params, "no closed form, yet parameters moved");
            None
        }
    }
}

/// The closed form is stationary in the free coordinates and at least as high as L-BFGS climbs (an
/// objective with several maxima can leave L-BFGS below).
#[track_caller]
fn assert_maximum(
    case: &Case,
    scene: &Scene,
    properties: &[ParamProperties],
    params: &Params,
    prior: bool,
) {
    let stats = scene.stats(&scene.gamma);
    let space = FreeSpace::new(&scene.schema, &Properties(properties.to_vec()), &scene.params);
    let slope = scene.slope(&space, params, &stats, prior);
    let name = case.name();
    assert_close(&slope, &vec![0.0; slope.len()], 1e-6, &format!("{name} slope, prior {prior}"));
    let got = scene.objective(params, &stats, prior);
    let want = numerical_maximum(scene, properties, &stats, prior);
    assert!(
        got >= want - 1e-10 * (1.0 + want.abs()),
        "{name}, prior {prior}: closed form {got}, L-BFGS {want}"
    );
}

/// The M-step is the maximum, and a step of EM never lowers the objective it serves.
pub(crate) fn maximise_finds_the_maximum(case: &Case) {
    let scene = case.scene();
    let stats = scene.stats(&scene.gamma);
    let properties = Properties::trainable(&scene.schema).0;
    for prior in [false, true] {
        let Some((params, repairs)) = maximise(&scene, &properties, &stats, prior) else { continue };
        assert_eq!(repairs, 0, "{}: nothing to repair", case.name());
        assert_maximum(case, &scene, &properties, &params, prior);
        let served = |p: &Params| {
            scene.weighted_loglik(p) + if prior { scene.emission.log_prior(p.arrays()) } else { 0.0 }
        };
        let (before, after) = (served(&scene.params), served(&params));
        assert!(after >= before - 1e-10 * before.abs(), "{}: {before} fell to {after}", case.name());
    }
}

/// An array that is not trainable stays bit for bit; the others reach their maximum given it.
pub(crate) fn fixed_parameters_stay(case: &Case) {
    let scene = case.scene();
    let stats = scene.stats(&scene.gamma);
    for fixed in 0..scene.schema.len() {
        let mut properties = Properties::trainable(&scene.schema).0;
        properties[fixed].trainable = false;
        for prior in [false, true] {
            let Some((params, _)) = maximise(&scene, &properties, &stats, prior) else { continue };
            assert_eq!(params.arrays()[fixed], scene.params.arrays()[fixed], "{}", case.name());
            assert_maximum(case, &scene, &properties, &params, prior);
        }
    }
}

/// Masks and ties are either kept by the closed form or handed to the generic maximiser.
pub(crate) fn masked_and_tied_entries_are_honoured(case: &Case) {
    let scene = case.scene();
    let stats = scene.stats(&scene.gamma);
    for (i, spec) in scene.schema.iter().enumerate() {
        let mut masked = Properties::trainable(&scene.schema).0;
        let size: usize = spec.shape.iter().product();
        let block = spec.constraint.block_len(&spec.shape);
        masked[i].free = Some((0..size).map(|j| j >= block).collect());
        if let Some((params, _)) = maximise(&scene, &masked, &stats, true) {
            let fixed = |p: &Params| p.arrays()[i].values()[..block].to_vec();
            assert_eq!(fixed(&params), fixed(&scene.params), "{} mask", case.name());
        }
        if spec.shape.first().is_some_and(|n| *n > 1) {
            let mut tied = Properties::trainable(&scene.schema).0;
            tied[i].tied = vec![vec![0, 1]];
            if let Some((params, _)) = maximise(&scene, &tied, &stats, true) {
                assert_eq!(params.arrays()[i].row(0), params.arrays()[i].row(1), "{} tie", case.name());
            }
        }
    }
}

/// Without a prior a state that no row belongs to keeps its parameters, and that is counted.
pub(crate) fn states_without_mass_keep_their_parameters(case: &Case) {
    let scene = case.scene();
    let k = scene.num_states();
    let gamma: Vec<f64> = (0..scene.gamma.len()).map(|i| f64::from(u8::from(i % k == 0))).collect();
    let properties = Properties::trainable(&scene.schema).0;
    let Some((params, repairs)) = maximise(&scene, &properties, &scene.stats(&gamma), false) else {
        return;
    };
    assert!(k == 1 || repairs > 0, "{}: kept parameters are counted", case.name());
    for (before, after) in scene.params.arrays().iter().zip(params.arrays()) {
        if before.shape().first() == Some(&k) {
            (1..k).for_each(|state| assert_eq!(before.row(state), after.row(state), "{}", case.name()));
        }
    }
}

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

/// A specification survives JSON; a misspelt field is refused by name.
pub(crate) fn specs_survive_json(case: &Case) {
    let spec = case.spec();
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<EmissionSpec>(&text).unwrap(), spec);
    let mut json = case.json.clone();
    json["emission_prior_koncentration"] = 1.0.into();
    let refusal = serde_json::from_value::<EmissionSpec>(json).unwrap_err().to_string();
    assert!(refusal.contains("emission_prior_koncentration"), "{}: {refusal}", case.name());
}

/// Good rows pass; rows outside the domain are refused with their place.
pub(crate) fn bad_rows_are_refused(case: &Case) {
    let scene = case.scene();
    assert!(scene.emission.check_rows(&scene.rows).is_ok(), "{}", case.name());
    for bad in &case.bad_rows {
        let rows: Vec<f64> = scene.rows[..scene.width].iter().chain(bad).copied().collect();
        let refusal = scene.emission.check_rows(&rows).expect_err(&format!("{} {bad:?}", case.name()));
        assert!(refusal.to_string().contains("emissions row 1"), "{}: {refusal}", case.name());
    }
}

/// Sizes and hyper-parameters out of range are refused by name.
pub(crate) fn bad_fields_are_named(case: &Case) {
    for (field, value) in &case.bad_fields {
        let mut json = case.json.clone();
        json[field] = value.clone();
        let spec: EmissionSpec = serde_json::from_value(json).unwrap();
        let refusal = spec.build().expect_err(&format!("{} {field} = {value}", case.name())).to_string();
        assert!(refusal.contains(field), "{} {field} = {value}: {refusal}", case.name());
    }
}

/// Draws from the prior and starts from data are inside the space; data tell the states apart.
pub(crate) fn starting_points_are_inside(case: &Case) {
    let scene = case.scene();
    for index in 0..20 {
        let drawn = Params::new(scene.emission.sample_prior(&mut Seed(5).stream("prior", index)));
        drawn.check(&scene.schema).unwrap_or_else(|e| panic!("{} prior: {e}", case.name()));
    }
    let mut data = Dataset::single(scene.rows.as_slice(), scene.width).unwrap();
    if scene.emission.input_dim() > 0 {
        data = data.with_inputs(scene.inputs.as_slice(), scene.emission.input_dim()).unwrap();
    }
    let start = scene.emission.initialize_from_data(&data, &mut Seed(5).stream("start", 0));
    let start = Params::new(start.unwrap_or_else(|e| panic!("{}: {e}", case.name())));
    start.check(&scene.schema).unwrap_or_else(|e| panic!("{} start: {e}", case.name()));
    let logs = scene.log_likelihoods(&start);
    assert!(logs.iter().all(|l| !l.is_nan()), "{}: start without a density", case.name());
    let k = scene.num_states();
    let differ = logs.chunks_exact(k).any(|row| row.iter().any(|l| (l - row[0]).abs() > 1e-6));
    assert!(k == 1 || differ, "{}: all states start alike", case.name());
}
