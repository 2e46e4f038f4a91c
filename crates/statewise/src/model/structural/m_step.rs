//! EM for variances, from the score alone.
//!
//! A disturbance η_t ~ N(0, σ² G_t) of rank r has E[Σ_t η_tᵀ G_t⁺ η_t | y] = n σ² + 2 σ⁴ dℓ/dσ² with n = r
//! times the number of steps (Fisher's identity), so that the M-step is σ² ← σ² + 2 σ⁴ (dℓ/dσ²) / n; of a
//! matrix Σ ← Σ + (2 / n) Σ (dℓ/dΣ) Σ.

use super::StructuralTimeSeries;
use super::block::{Block, Square};
use super::component::{Component, Spread};
use crate::error::{Error, Result};
use crate::learn::{MStepOutcome, Statistics};
use crate::params::{ParamProperties, Params, Properties};

/// The M-step of all variances.
///
/// Where fewer than n entries carry information (missing observations, steps of length 0), the rest
/// counts as unseen noise of the old variance: still EM, only slower.
///
/// # Errors
/// A free parameter that is no variance.
pub(crate) fn maximise_variances(
    model: &StructuralTimeSeries,
    params: &Params,
    properties: &Properties,
    statistics: &Statistics,
    score: &Params,
) -> Result<MStepOutcome> {
    let mut new = params.clone();
    let mut is_variance = vec![false; params.arrays().len()];
    let mut update = |array: usize, spread: Spread, copies: usize, counts: &[f64]| {
        is_variance[array] = true;
        let len = spread.len(copies);
        let old = params.arrays()[array].values().chunks_exact(len);
        let slopes = score.arrays()[array].values().chunks_exact(len);
        let out = new.arrays_mut()[array].values_mut().chunks_exact_mut(len);
        for (((old, slopes), out), count) in old.zip(slopes).zip(out).zip(counts) {
            step(spread, copies, old, slopes, *count, out);
        }
    };
    for component in &model.components {
        let theta = component.read(params.arrays()).theta;
        let counts = component.counts(&theta, statistics);
        let mut counts = &counts[..];
        let first = component.arrays.end - component.block.disturbances().len();
        for (array, disturbance) in (first..).zip(component.block.disturbances()) {
            let (head, rest) = counts.split_at(disturbance.len());
            update(array, component.spread(), component.copies, head);
            counts = rest;
        }
    }
    if let Some(spread) = model.irregular_spread() {
        update(params.arrays().len() - 1, spread, model.emission_dim(), &[statistics.num_steps]);
    }
    for (array, property) in properties.0.iter().enumerate() {
        let spec = &model.schema()[array];
        if !is_variance[array] && moves(property) && spec.shape.iter().all(|n| *n > 0) {
            return Err(Error::argument(
                format!("props.{}", spec.path),
                "a free parameter that is no variance",
                "it fixed (EM moves variances only), or a fit by L-BFGS or gradient descent",
            ));
        }
        keep_fixed(property, params.arrays()[array].values(), new.arrays_mut()[array].values_mut());
    }
    Ok(MStepOutcome { params: new, repairs: 0 })
}

impl Component {
    /// n of each disturbance of one copy: its rank times the steps it drives, and the rank of the start
    /// that it determines.
    fn counts(&self, theta: &[f64], statistics: &Statistics) -> Vec<f64> {
        let matrices = self.block.matrices(theta, 1.0);
        // All shapes here have the rank of their support.
        let rank = |shape: &Square<f64>| (0..shape.n).filter(|i| shape[(*i, *i)] != 0.0).count() as f64;
        let steps = statistics.num_steps - statistics.num_sequences;
        let start = |k: usize| match &self.initial {
            None => matrices.start.get(k).map_or(0.0, rank),
            Some(_) => 0.0,
        };
        let count = |(k, shape)| rank(shape) * steps + start(k) * statistics.num_sequences;
        matrices.noise.iter().enumerate().map(count).collect()
    }
}

/// One variance, variances or covariance; nothing moves without data.
fn step(spread: Spread, copies: usize, old: &[f64], slopes: &[f64], count: f64, out: &mut [f64]) {
    let count = if spread == Spread::Scalar { count * copies as f64 } else { count };
    if count <= 0.0 {
        return;
    }
    if spread != Spread::Full {
        for ((out, old), slope) in out.iter_mut().zip(old).zip(slopes) {
            // Below 0 by rounding only.
            *out = (old + 2.0 * old * old * slope / count).max(0.0);
        }
        return;
    }
    let n = copies;
    let product = |a: &[f64], b: &[f64]| -> Vec<f64> {
        let entry = |i: usize, j: usize| (0..n).map(|k| a[i * n + k] * b[k * n + j]).sum();
        (0..n * n).map(|e| entry(e / n, e % n)).collect()
    };
    let moved = product(&product(old, slopes), old);
    for i in 0..n {
        for j in 0..n {
            out[i * n + j] = old[i * n + j] + (moved[i * n + j] + moved[j * n + i]) / count;
        }
    }
}

fn moves(property: &ParamProperties) -> bool {
    property.trainable && property.free.as_ref().is_none_or(|free| free.iter().any(|f| *f))
}

/// Puts back what may not move.
fn keep_fixed(property: &ParamProperties, old: &[f64], new: &mut [f64]) {
    let may_move = |i: usize| property.trainable && property.free.as_ref().is_none_or(|free| free[i]);
    for (i, (new, old)) in new.iter_mut().zip(old).enumerate() {
        if !may_move(i) {
            *new = *old;
        }
    }
}
