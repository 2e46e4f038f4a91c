//! Labels of states: matching two labellings, reordering states, telling identical states.
//!
//! A permutation maps old labels to new ones: state k becomes state permutation\[k\], so that
//! `permutation[z]` relabels a path.

use super::assignment::assign;
use crate::error::{Error, Result};
use crate::params::{ParamSpec, Params, Properties};

/// Relative difference below which two values count as the same.
const SAME: f64 = 1e-6;

/// Counts how often label i of `first` and label j of `second` fall together, \[K, K\] with K one
/// more than the greatest label, or `num_states` if that is greater.
///
/// # Errors
/// Paths of different lengths.
pub fn state_overlap(first: &[u32], second: &[u32], num_states: usize) -> Result<(usize, Vec<usize>)> {
    if first.len() != second.len() {
        return Err(Error::argument("z2", format!("{} labels", second.len()), first.len()));
    }
    let greatest = first.iter().chain(second).map(|z| *z as usize + 1).max().unwrap_or(0);
    let k = greatest.max(num_states);
    let mut overlap = vec![0; k * k];
    first.iter().zip(second).for_each(|(a, b)| overlap[*a as usize * k + *b as usize] += 1);
    Ok((k, overlap))
}

/// The permutation that brings the labels of `first` to those of `second`: `permutation[first]`
/// agrees with `second` as often as possible. As Dynamax's `find_permutation`.
///
/// # Errors
/// Paths of different lengths.
pub fn find_permutation(first: &[u32], second: &[u32], num_states: usize) -> Result<Vec<usize>> {
    let (k, overlap) = state_overlap(first, second, num_states)?;
    let costs: Vec<f64> = overlap.iter().map(|n| -(*n as f64)).collect();
    Ok(assign(&costs, k, k))
}

/// Relabels the states of parameters: every array whose leading axes run over states.
///
/// # Errors
/// Parameters that do not fit the schema, or what is no permutation of its states.
pub fn permute_params(schema: &[ParamSpec], params: &Params, permutation: &[usize]) -> Result<Params> {
    params.check(schema)?;
    check_permutation(schema, permutation)?;
    let mut permuted = params.clone();
    for (spec, (to, from)) in schema.iter().zip(permuted.arrays_mut().iter_mut().zip(params.arrays())) {
        permute_values(spec, permutation, from.values(), to.values_mut());
    }
    Ok(permuted)
}

/// Relabels the states of masks and ties in the same way.
///
/// # Errors
/// As [`permute_params`].
pub fn permute_properties(
    schema: &[ParamSpec],
    properties: &Properties,
    permutation: &[usize],
) -> Result<Properties> {
    properties.check(schema)?;
    check_permutation(schema, permutation)?;
    let mut permuted = properties.clone();
    for (spec, property) in schema.iter().zip(&mut permuted.0).filter(|(spec, _)| spec.state_axes > 0) {
        if let Some(free) = &mut property.free {
            let from = free.clone();
            permute_values(spec, permutation, &from, free);
        }
        property.tied.iter_mut().flatten().for_each(|state| *state = permutation[*state]);
        let from: Vec<usize> = (0..spec.shape.iter().product()).collect();
        let mut old_at = from.clone();
        permute_values(spec, permutation, &from, &mut old_at);
        let mut new_of = from;
        old_at.iter().enumerate().for_each(|(new, old)| new_of[*old] = new);
        property.equal.iter_mut().flatten().for_each(|entry| *entry = new_of[*entry]);
    }
    Ok(permuted)
}

/// The permutation that puts the states into ascending order of column `column` of the array at
/// `path` (of a state's first mean, say); of equals, the lower label goes first.
///
/// # Errors
/// An unknown path, an array that states share, or a column it does not have.
pub fn order_by_parameter(
    schema: &[ParamSpec],
    params: &Params,
    path: &str,
    column: usize,
) -> Result<Vec<usize>> {
    params.check(schema)?;
    let Some(index) = schema.iter().position(|spec| spec.path == path && spec.state_axes > 0) else {
        let known = schema.iter().filter(|spec| spec.state_axes > 0).map(|spec| spec.path.as_str());
        let known: Vec<&str> = known.collect();
        return Err(Error::argument(path, "no such parameter of single states", known.join(", ")));
    };
    let array = &params.arrays()[index];
    if column >= array.stride() {
        return Err(Error::argument("column", column, format!("below {}", array.stride())));
    }
    let keys: Vec<f64> = (0..array.shape()[0]).map(|k| array.row(k)[column]).collect();
    Ok(order_by(&keys))
}

/// The permutation that puts the states into ascending order of `keys`, \[K\]; of equals, the lower
/// label goes first. For the most visited first, give minus the occupancies.
pub fn order_by(keys: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|a, b| keys[*a].total_cmp(&keys[*b]));
    let mut permutation = vec![0; keys.len()];
    order.iter().enumerate().for_each(|(new, old)| permutation[*old] = new);
    permutation
}

/// The pairs of states whose own parameters are all the same but for rounding, unless they are tied.
pub(super) fn identical_states(
    schema: &[ParamSpec],
    properties: &Properties,
    params: &Params,
) -> Vec<(usize, usize)> {
    let per_state = |spec: &ParamSpec| spec.state_axes == 1 && !spec.is_one_block();
    let own: Vec<usize> = (0..schema.len()).filter(|i| per_state(&schema[*i])).collect();
    let Some(k) = own.first().map(|i| schema[*i].shape[0]) else { return vec![] };
    let same = |i: usize, a: usize, b: usize| {
        let array = &params.arrays()[i];
        array.row(a).iter().zip(array.row(b)).all(|(x, y)| (x - y).abs() <= SAME * (x.abs() + y.abs()))
    };
    let held = |i: usize, a: usize, b: usize| {
        let property = &properties.0[i];
        !property.trainable || property.tied.iter().any(|group| group.contains(&a) && group.contains(&b))
    };
    let pairs = (0..k).flat_map(|a| (a + 1..k).map(move |b| (a, b)));
    pairs
        .filter(|(a, b)| own.iter().all(|i| same(*i, *a, *b)) && !own.iter().all(|i| held(*i, *a, *b)))
        .collect()
}

fn check_permutation(schema: &[ParamSpec], permutation: &[usize]) -> Result<()> {
    let k = schema.iter().find(|spec| spec.state_axes > 0).map_or(0, |spec| spec.shape[0]);
    let mut sorted = permutation.to_vec();
    sorted.sort_unstable();
    if sorted.iter().copied().eq(0..k) {
        Ok(())
    } else {
        let found = format!("{permutation:?}");
        Err(Error::argument("permutation", found, format!("each of the states 0 to {} once", k.max(1) - 1)))
    }
}

/// to\[p(i), p(j), …\] = from\[i, j, …\] over the axes that run over states.
fn permute_values<T: Copy>(spec: &ParamSpec, permutation: &[usize], from: &[T], to: &mut [T]) {
    let k = permutation.len();
    let cells = k.pow(spec.state_axes as u32);
    let stride = if spec.state_axes == 0 { from.len() } else { from.len() / cells };
    for cell in 0..cells {
        let (mut rest, mut place, mut target) = (cell, 1, 0);
        for _ in 0..spec.state_axes {
            target += permutation[rest % k] * place;
            (rest, place) = (rest / k, place * k);
        }
        to[target * stride..(target + 1) * stride]
            .copy_from_slice(&from[cell * stride..(cell + 1) * stride]);
    }
}
