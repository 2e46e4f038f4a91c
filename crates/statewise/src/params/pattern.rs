//! The structure of a matrix that is made of blocks, some of them copies of one value.

use super::{Array, Constraint, ParamProperties};

/// What may be within a matrix; everything outside its groups is zero.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixPattern {
    /// Values, each with its copies.
    pub groups: Vec<PatternGroup>,
}

/// One value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct PatternGroup {
    /// Where the value lives: a number or a square matrix.
    pub constraint: Constraint,
    /// The entries of each copy, by their places in row-major order; those of a matrix row by row.
    pub copies: Vec<Vec<usize>>,
    /// Whether learning leaves it as it is.
    pub fixed: bool,
}

impl MatrixPattern {
    /// Which entries of an array of this size lie in a block.
    pub fn support(&self, size: usize) -> Vec<bool> {
        let mut inside = vec![false; size];
        self.groups.iter().flat_map(|g| &g.copies).flatten().for_each(|at| inside[*at] = true);
        inside
    }

    /// Checks all blocks, and that copies are equal; the error tells what was found and what was expected.
    pub(super) fn check(&self, value: &Array, closed: bool) -> Result<(), (String, String)> {
        let values = value.values();
        for group in &self.groups {
            let first: Vec<f64> = group.copies[0].iter().map(|at| values[*at]).collect();
            let side = first.len().isqrt();
            let block = Array::new(&[side, side], first);
            let (entry, width) = (group.copies[0][0], value.shape()[1]);
            group.constraint.check(&block, closed).map_err(|(found, expected)| {
                (format!("in the block of entry ({}, {}), {found}", entry / width, entry % width), expected)
            })?;
            let scale = block.values().iter().fold(0.0, |a: f64, x| a.max(x.abs()));
            for copy in &group.copies {
                for (at, x) in copy.iter().zip(block.values()) {
                    if (values[*at] - x).abs() > 1e-8 * scale {
                        let found = format!("{} and {x} in blocks that share their value", values[*at]);
                        return Err((found, "the same values".into()));
                    }
                }
            }
        }
        Ok(())
    }

    /// Checks that each block, and all that share its value, are free or fixed as a whole.
    pub(super) fn check_free(&self, property: &ParamProperties) -> Result<(), (String, String)> {
        for group in &self.groups {
            let first = property.may_move(group.copies[0][0]);
            if group.copies.iter().flatten().any(|at| property.may_move(*at) != first) {
                let expected = "each block, with all that share its value, free or fixed as a whole";
                return Err(("a block fixed in part".into(), expected.into()));
            }
        }
        Ok(())
    }
}
