//! The flat unconstrained vector that gradient learners move.
//!
//! A free space is a schema, the properties that fix and tie its entries, and the values that the
//! fixed entries keep. Its coordinates are the unconstrained values of the free blocks, one copy
//! per group of tied states or equal entries.

use std::ops::Range;

use super::{Constraint, ParamSpec, Params, PatternGroup, Properties};

/// A block of an array that is moved by its own coordinates, with the blocks tied to it.
#[derive(Clone, Debug)]
struct Block {
    array: usize,
    constraint: Constraint,
    /// Places of the entries of the block and of the blocks tied to it.
    copies: Vec<Vec<usize>>,
    free: Vec<bool>,
    coordinates: Range<usize>,
}

impl Block {
    /// The values of a copy.
    fn read(&self, copy: usize, params: &Params) -> Vec<f64> {
        let values = params.arrays()[self.array].values();
        self.copies[copy].iter().map(|at| values[*at]).collect()
    }
}

/// The map between parameters and free coordinates.
#[derive(Clone, Debug)]
pub struct FreeSpace {
    base: Params,
    blocks: Vec<Block>,
    dim: usize,
}

impl FreeSpace {
    /// Frees what `properties` allow; all else keeps its value of `base`. Both must fit the schema.
    pub fn new(schema: &[ParamSpec], properties: &Properties, base: &Params) -> Self {
        let mut blocks: Vec<Block> = Vec::new();
        let mut dim = 0;
        let mut push = |array, constraint: Constraint, copies, free: Vec<bool>| {
            let width = constraint.free_len(&free);
            blocks.push(Block { array, constraint, copies, free, coordinates: dim..dim + width });
            dim += width;
        };
        for (array, (spec, property)) in schema.iter().zip(&properties.0).enumerate() {
            let size: usize = spec.shape.iter().product();
            if !property.trainable || size == 0 {
                continue;
            }
            if let Some(pattern) = &spec.pattern {
                let moves = |g: &&PatternGroup| !g.fixed && property.may_move(g.copies[0][0]);
                for group in pattern.groups.iter().filter(moves) {
                    let free = vec![true; group.copies[0].len()];
                    push(array, group.constraint, group.copies.clone(), free);
                }
                continue;
            }
            let len = spec.constraint.block_len(&spec.shape);
            let stride = size / spec.shape.first().copied().unwrap_or(1);
            let may_move = |i: usize| {
                property.free.as_ref().is_none_or(|f| f[i]) && spec.support.as_ref().is_none_or(|s| s[i])
            };
            for offset in (0..size).step_by(len) {
                let (state, within) = (offset / stride, offset % stride);
                let group = property.tied.iter().find(|group| group.contains(&state));
                let equal = property.equal.iter().find(|group| group.contains(&offset));
                let offsets: Vec<usize> = match (group, equal) {
                    (Some(group), _) if group[0] != state => continue,
                    (_, Some(equal)) if equal[0] != offset => continue,
                    (Some(group), _) => group.iter().map(|s| s * stride + within).collect(),
                    (None, Some(equal)) => equal.clone(),
                    (None, None) => vec![offset],
                };
                let free: Vec<bool> = (offset..offset + len).map(may_move).collect();
                let copies = offsets.iter().map(|offset| (*offset..offset + len).collect()).collect();
                push(array, spec.constraint, copies, free);
            }
        }
        FreeSpace { base: base.clone(), blocks, dim }
    }

    /// Number of free coordinates (also the number of parameters that information criteria count).
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The coordinates of `params` (of the first of tied states).
    pub fn to_free(&self, params: &Params) -> Vec<f64> {
        let mut x = vec![0.0; self.dim];
        for block in &self.blocks {
            let values = block.read(0, params);
            block.constraint.unconstrain(&values, &block.free, &mut x[block.coordinates.clone()]);
        }
        x
    }

    /// The parameters at coordinates `x`.
    pub fn from_free(&self, x: &[f64]) -> Params {
        let mut params = self.base.clone();
        for block in &self.blocks {
            for (copy, places) in block.copies.iter().enumerate() {
                let mut value = block.read(copy, &params);
                block.constraint.constrain(&x[block.coordinates.clone()], &block.free, &mut value);
                let values = params.arrays_mut()[block.array].values_mut();
                places.iter().zip(value).for_each(|(at, x)| values[*at] = x);
            }
        }
        params
    }

    /// `params` with the free entries of tied states set to those of the first of each group, and
    /// all else untouched.
    pub fn tie(&self, params: &Params) -> Params {
        let mut tied = params.clone();
        for block in &self.blocks {
            let values = tied.arrays_mut()[block.array].values_mut();
            let entries = |copy: usize| block.copies[copy].iter().copied().zip(block.free.iter().copied());
            let mass = |values: &[f64], copy: usize| -> f64 {
                1.0 - entries(copy).filter(|(_, free)| !free).map(|(at, _)| values[at]).sum::<f64>()
            };
            for copy in 1..block.copies.len() {
                let (from, to) = (mass(values, 0), mass(values, copy));
                let simplex = block.constraint == Constraint::Simplex;
                let ratio = if simplex && from != to { to / from } else { 1.0 };
                for ((at, free), (first, _)) in entries(copy).zip(entries(0)) {
                    if free {
                        values[at] = ratio * values[first];
                    }
                }
            }
        }
        tied
    }

    /// The gradient with respect to the coordinates, given the one with respect to the parameters.
    pub fn pull_back(&self, params: &Params, gradient: &Params) -> Vec<f64> {
        let mut out = vec![0.0; self.dim];
        for block in &self.blocks {
            for copy in 0..block.copies.len() {
                let (values, slopes) = (block.read(copy, params), block.read(copy, gradient));
                let out = &mut out[block.coordinates.clone()];
                block.constraint.pull_back(&values, &slopes, &block.free, out);
            }
        }
        out
    }

    /// log |d params / d x| over all free blocks (the term that samplers add to the log density).
    pub fn log_det_jacobian(&self, params: &Params) -> f64 {
        let term = |block: &Block| block.constraint.log_det_jacobian(&block.read(0, params), &block.free);
        self.blocks.iter().map(term).sum()
    }

    /// The gradient of [`FreeSpace::log_det_jacobian`] with respect to the coordinates.
    pub fn log_det_jacobian_gradient(&self, params: &Params) -> Vec<f64> {
        let mut out = vec![0.0; self.dim];
        for block in &self.blocks {
            let out = &mut out[block.coordinates.clone()];
            block.constraint.add_log_det_jacobian_gradient(&block.read(0, params), &block.free, out);
        }
        out
    }
}
