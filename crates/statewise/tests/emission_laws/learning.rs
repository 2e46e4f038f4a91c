//! Laws of gradients, maximisation and starting points.

use statewise::data::Dataset;
use statewise::learn::Lbfgs;
use statewise::model::hmm::component::{MStep, Maximised};
use statewise::params::{FreeSpace, ParamProperties, Params, Properties};
use statewise_kernels::random::Seed;

use crate::case::{Case, Scene};
use crate::laws::assert_close;

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
