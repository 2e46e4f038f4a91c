//! The gradient of anything that the matrices determine, pulled back to the parameters.

use statewise::model::linear_gaussian::LgssmParams;
use statewise::model::structural::{ArrayGradients, StructuralTimeSeries};
use statewise::params::{Constraint, Params};

use super::corpus;

/// A functional of the matrices with arbitrary weights, Σ w · array, and those weights.
fn weights(lowered: &LgssmParams) -> LgssmParams {
    let mut weights = lowered.clone();
    let arrays = [
        &mut weights.initial_cov,
        &mut weights.dynamics_weights,
        &mut weights.dynamics_cov,
        &mut weights.emissions_weights,
        &mut weights.emissions_cov,
    ];
    for (a, array) in arrays.into_iter().enumerate() {
        let values = array.values_mut().iter_mut().enumerate();
        values.for_each(|(i, w)| *w = (0.3 + 1.3 * i as f64 + 0.7 * a as f64).sin());
    }
    // Nothing reads the dynamics into the first state where there is an entry for each step.
    for array in [&mut weights.dynamics_weights, &mut weights.dynamics_cov] {
        if array.shape().len() == 3 {
            array.row_mut(0).fill(0.0);
        }
    }
    weights
}

fn functional(weights: &LgssmParams, at: &LgssmParams) -> f64 {
    let pairs = [
        (&weights.initial_cov, &at.initial_cov),
        (&weights.dynamics_weights, &at.dynamics_weights),
        (&weights.dynamics_cov, &at.dynamics_cov),
        (&weights.emissions_weights, &at.emissions_weights),
        (&weights.emissions_cov, &at.emissions_cov),
    ];
    pairs.iter().flat_map(|(w, x)| w.values().iter().zip(x.values())).map(|(w, x)| w * x).sum()
}

/// Moves one entry; of a symmetric matrix also its mirror image, half each, so that it stays one.
fn moved(model: &StructuralTimeSeries, params: &Params, array: usize, i: usize, by: f64) -> Params {
    let mut moved = params.clone();
    let spec = &model.schema()[array];
    let values = moved.arrays_mut()[array].values_mut();
    if spec.constraint == Constraint::PositiveDefinite {
        let n = *spec.shape.last().unwrap();
        let (matrix, within) = (i / (n * n), i % (n * n));
        let mirror = matrix * n * n + within % n * n + within / n;
        values[i] += by / 2.0;
        values[mirror] += by / 2.0;
    } else {
        values[i] += by;
    }
    moved
}

/// Central differences, extrapolated: exact to h⁴ and to rounding over h, so to about 1e-10.
fn slope(function: impl Fn(f64) -> f64, scale: f64) -> f64 {
    let h = 1e-3 * scale;
    let central = |h: f64| (function(h) - function(-h)) / (2.0 * h);
    let (a, b, c) = (central(h), central(h / 2.0), central(h / 4.0));
    let (ab, bc) = ((4.0 * b - a) / 3.0, (4.0 * c - b) / 3.0);
    (16.0 * bc - ab) / 15.0
}

#[test]
fn pulled_back_gradients_equal_finite_differences() {
    for model in corpus::models() {
        let data = corpus::data(&model);
        let params = corpus::params(&model);
        let weights = weights(&model.lower(&params, &data).unwrap());
        let gradients = ArrayGradients::of(&weights);
        let pulled = model.pull_back(&params, data.sequence(0), gradients).unwrap();
        let value = |at: &Params| functional(&weights, &model.lower(at, &data).unwrap());
        for (a, spec) in model.schema().iter().enumerate() {
            for i in 0..params.arrays()[a].values().len() {
                let got = {
                    // Along the direction that `moved` goes.
                    let direction = moved(&model, &Params::zeros(model.schema()), a, i, 1.0);
                    let pairs = direction.arrays()[a].values().iter().zip(pulled.arrays()[a].values());
                    pairs.map(|(d, g)| d * g).sum::<f64>()
                };
                let scale = params.arrays()[a].values()[i].abs().max(1e-2);
                // The coefficients of a stationary process must stay stationary.
                let scale = if spec.constraint == Constraint::Scale { scale } else { 0.1 * scale };
                let want = slope(|by| value(&moved(&model, &params, a, i, by)), scale);
                // Differences round at 1e-16 of the value over steps of 2.5e-4 of the scale.
                let rounding = 1e-11 * value(&params).abs() / scale;
                let error = (got - want).abs();
                assert!(
                    error < 1e-9 * (1.0 + want.abs()) + rounding,
                    "{} [{i}] of {:?}: {got} for {want}",
                    spec.path,
                    model.spec()
                );
            }
        }
    }
}

#[test]
fn gradients_of_another_shape_are_refused() {
    let model = corpus::alone(corpus::blocks().remove(0), false);
    let data = corpus::data(&model);
    let params = corpus::params(&model);
    let lowered = model.lower(&params, &data).unwrap();
    let gradients = ArrayGradients { dynamics_cov: &[0.0; 2], ..ArrayGradients::of(&lowered) };
    let error = model.pull_back(&params, data.sequence(0), gradients).unwrap_err().to_string();
    assert_eq!(error, "gradients.dynamics.cov: found 2 values, expected 1 values");
}
