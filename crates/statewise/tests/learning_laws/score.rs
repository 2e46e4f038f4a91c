//! The gradient from one E-step against differences of the marginal log likelihood.

use statewise::learn::{Learnable, Objective};
use statewise::params::{FreeSpace, Properties};

use crate::scene::{Scene, scenes};

/// Largest error of the gradient relative to the largest slope, by a five-point stencil.
fn error(objective: &Objective<'_>, scene: &Scene, x: &[f64]) -> f64 {
    let data = scene.data();
    let value = |x: &[f64]| {
        let params = objective.space.from_free(x);
        let mut value = scene.loglik(&params, &data);
        if objective.prior {
            value += scene.hmm.log_prior(&params);
        }
        if objective.log_det_jacobian {
            value += objective.space.log_det_jacobian(&params);
        }
        value
    };
    let here = objective.evaluate(x, &data, 1.0).unwrap();
    let want = value(x);
    assert!((here.log_prob - want).abs() <= 1e-11 * (1.0 + want.abs()), "{}: {want}", scene.name);
    let scale = here.gradient.iter().fold(1.0_f64, |m, g| m.max(g.abs()));
    let step = 2e-4;
    let difference = |i: usize| {
        let at = |distance: f64| {
            let mut x = x.to_vec();
            x[i] += distance;
            value(&x)
        };
        (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * step)
    };
    (0..x.len()).map(|i| (here.gradient[i] - difference(i)).abs() / scale).fold(0.0, f64::max)
}

fn check(properties: impl Fn(&Scene) -> Properties, prior: bool, log_det_jacobian: bool) {
    for scene in scenes() {
        let params = scene.near_truth(1);
        let space = FreeSpace::new(scene.hmm.schema(), &properties(&scene), &params);
        let objective = Objective { model: &scene.hmm, space: &space, prior, log_det_jacobian };
        let error = error(&objective, &scene, &space.to_free(&params));
        assert!(error < 1e-6, "{}: gradient off by {error:.1e}", scene.name);
    }
}

#[test]
fn score_equals_finite_differences_of_the_marginal_log_likelihood() {
    check(Scene::trainable, false, false);
}

#[test]
fn gradient_with_prior_and_jacobian_equals_finite_differences() {
    check(Scene::trainable, true, true);
}

#[test]
fn gradient_of_masked_and_tied_parameters_equals_finite_differences() {
    check(Scene::masked, true, true);
    check(Scene::tied, true, false);
    check(Scene::tied_and_masked, true, false);
}

#[test]
fn weights_count_as_repetitions() {
    for scene in scenes() {
        let (data, params) = (scene.data(), scene.near_truth(2));
        let weighted = data.select(&[0, 1, 2]).with_weights(vec![2.0, 0.0, 1.0]).unwrap();
        let repeated = data.select(&[0, 0, 2]);
        let (got, want) =
            (scene.hmm.e_step(&params, &weighted).unwrap(), scene.hmm.e_step(&params, &repeated).unwrap());
        close(&scene.name, &got.values, &want.values);
        close(&scene.name, &[got.marginal_loglik, got.num_steps], &[want.marginal_loglik, want.num_steps]);
    }
}

#[test]
fn statistics_of_parts_merge_to_those_of_the_whole() {
    for scene in scenes() {
        let (data, params) = (scene.data(), scene.near_truth(2));
        let mut merged = scene.hmm.e_step(&params, &data.select(&[2, 0])).unwrap();
        merged.merge(&scene.hmm.e_step(&params, &data.select(&[1])).unwrap());
        let whole = scene.hmm.e_step(&params, &data).unwrap();
        close(&scene.name, &merged.values, &whole.values);
        let (got, want) = (merged.marginal_loglik, whole.marginal_loglik);
        close(&scene.name, &[got, merged.num_sequences], &[want, whole.num_sequences]);
    }
}

fn close(name: &str, got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{name}");
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= 1e-11 * (1.0 + want.abs()), "{name}: {got} for {want}");
    }
}
