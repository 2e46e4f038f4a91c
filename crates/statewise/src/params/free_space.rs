//! The flat unconstrained vector that gradient learners move.
//!
//! A free space is a schema, the properties that fix and tie its entries, and the values that the
//! fixed entries keep. Its coordinates are the unconstrained values of the free blocks, one copy
//! per group of tied states or equal entries.

use std::ops::Range;

use super::{Constraint, ParamSpec, Params, Properties};

/// A block of an array that is moved by its own coordinates, with the blocks tied to it.
#[derive(Clone, Debug)]
struct Block {
    array: usize,
    /// Offsets of the block and of the blocks tied to it.
    offsets: Vec<usize>,
    len: usize,
    free: Vec<bool>,
    coordinates: Range<usize>,
}

/// The map between parameters and free coordinates.
#[derive(Clone, Debug)]
pub struct FreeSpace {
    schema: Vec<ParamSpec>,
    base: Params,
    blocks: Vec<Block>,
    dim: usize,
}

impl FreeSpace {
    /// Frees what `properties` allow; all else keeps its value of `base`. Both must fit the schema.
    pub fn new(schema: &[ParamSpec], properties: &Properties, base: &Params) -> Self {
        let mut blocks = Vec::new();
        let mut dim = 0;
        for (array, (spec, property)) in schema.iter().zip(&properties.0).enumerate() {
            let size: usize = spec.shape.iter().product();
            if !property.trainable || size == 0 {
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
                let width = spec.constraint.free_len(&free);
                blocks.push(Block { array, offsets, len, free, coordinates: dim..dim + width });
                dim += width;
            }
        }
        FreeSpace { schema: schema.to_vec(), base: base.clone(), blocks, dim }
    }

    /// Number of free coordinates (also the number of parameters that information criteria count).
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The coordinates of `params` (of the first of tied states).
    pub fn to_free(&self, params: &Params) -> Vec<f64> {
        let mut x = vec![0.0; self.dim];
        for block in &self.blocks {
            let values = &params.arrays()[block.array].values()[block.offsets[0]..][..block.len];
            let constraint = self.schema[block.array].constraint;
            constraint.unconstrain(values, &block.free, &mut x[block.coordinates.clone()]);
        }
        x
    }

    /// The parameters at coordinates `x`.
    pub fn from_free(&self, x: &[f64]) -> Params {
        let mut params = self.base.clone();
        for block in &self.blocks {
            let constraint = self.schema[block.array].constraint;
            let values = params.arrays_mut()[block.array].values_mut();
            for &offset in &block.offsets {
                let x = &x[block.coordinates.clone()];
                constraint.constrain(x, &block.free, &mut values[offset..offset + block.len]);
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
            let entries = |offset: usize| block.free.iter().enumerate().map(move |(i, f)| (offset + i, *f));
            let first = block.offsets[0];
            let mass = |values: &[f64], offset: usize| -> f64 {
                1.0 - entries(offset).filter(|(_, free)| !free).map(|(i, _)| values[i]).sum::<f64>()
            };
            for &offset in &block.offsets[1..] {
                let (from, to) = (mass(values, first), mass(values, offset));
                let simplex = self.schema[block.array].constraint == Constraint::Simplex;
                let ratio = if simplex && from != to { to / from } else { 1.0 };
                for (i, _) in entries(0).filter(|(_, free)| *free) {
                    values[offset + i] = ratio * values[first + i];
                }
            }
        }
        tied
    }

    /// The gradient with respect to the coordinates, given the one with respect to the parameters.
    pub fn pull_back(&self, params: &Params, gradient: &Params) -> Vec<f64> {
        let mut out = vec![0.0; self.dim];
        for block in &self.blocks {
            let constraint = self.schema[block.array].constraint;
            for &offset in &block.offsets {
                constraint.pull_back(
                    &params.arrays()[block.array].values()[offset..offset + block.len],
                    &gradient.arrays()[block.array].values()[offset..offset + block.len],
                    &block.free,
                    &mut out[block.coordinates.clone()],
                );
            }
        }
        out
    }

    /// log |d params / d x| over all free blocks (the term that samplers add to the log density).
    pub fn log_det_jacobian(&self, params: &Params) -> f64 {
        let term = |block: &Block| {
            let values = &params.arrays()[block.array].values()[block.offsets[0]..][..block.len];
            self.schema[block.array].constraint.log_det_jacobian(values, &block.free)
        };
        self.blocks.iter().map(term).sum()
    }

    /// The gradient of [`FreeSpace::log_det_jacobian`] with respect to the coordinates.
    pub fn log_det_jacobian_gradient(&self, params: &Params) -> Vec<f64> {
        let mut out = vec![0.0; self.dim];
        for block in &self.blocks {
            let values = &params.arrays()[block.array].values()[block.offsets[0]..][..block.len];
            let constraint = self.schema[block.array].constraint;
            let out = &mut out[block.coordinates.clone()];
            constraint.add_log_det_jacobian_gradient(values, &block.free, out);
        }
        out
    }
}
