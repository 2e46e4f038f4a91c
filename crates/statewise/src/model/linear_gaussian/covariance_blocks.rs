//! Covariances in blocks: a partition of the dimensions, with a form for each block.
//!
//! Σ = ⊕_b Σ_b;  Σ_b any covariance, diagonal, σ² I, or σ² ((1 − ρ) I + ρ 1 1ᵀ)
//!
//! Blocks that share a label share their value. Learning sees *groups*: the copies of one value.
//!
//! # Source
//! Holmes, Ward and Scheuerell (2012), MARSS: its "unconstrained", "diagonal and unequal", "diagonal and equal"
//! and "equalvarcov", here for each block.

use serde::{Deserialize, Serialize};

use super::covariance::CovarianceForm;
use crate::error::{Error, Result};
use crate::params::{Constraint, MatrixPattern, PatternGroup};

/// One block of a covariance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CovarianceBlock {
    /// The dimensions of the block, in its order.
    pub entries: Vec<usize>,
    /// Its form.
    #[serde(default)]
    pub form: BlockForm,
    /// Whether learning leaves it at its value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fixed: bool,
    /// Blocks with the same label, of one form and size, share their value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
}

/// The form of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockForm {
    /// Any covariance.
    #[default]
    Full,
    /// Independent noise.
    Diagonal,
    /// Independent noise of one variance.
    Scalar,
    /// One variance, and one covariance between any two dimensions.
    Equal,
}

/// The copies of one value within a covariance.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) kind: Kind,
    /// Dimensions of each copy.
    pub(super) copies: Vec<Vec<usize>>,
    pub(super) fixed: bool,
}

/// What a group holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A variance; copies have one dimension.
    Variance,
    /// A matrix.
    Full,
    /// A variance and a covariance.
    Equal,
}

impl CovarianceBlock {
    /// A block of these dimensions, free, with a value of its own.
    pub fn new(entries: &[usize], form: BlockForm) -> Self {
        CovarianceBlock { entries: entries.to_vec(), form, fixed: false, share: None }
    }

    pub(super) fn is_diagonal(&self) -> bool {
        self.entries.len() == 1 || matches!(self.form, BlockForm::Diagonal | BlockForm::Scalar)
    }

    /// The block, left at its value.
    pub fn fixed(mut self) -> Self {
        self.fixed = true;
        self
    }

    /// The block, with the value of all blocks of this label.
    pub fn shared(mut self, label: &str) -> Self {
        self.share = Some(label.into());
        self
    }
}

impl Group {
    /// Dimensions of a copy.
    pub(super) fn size(&self) -> usize {
        self.copies[0].len()
    }

    /// Σ over the copies of their parts of a matrix \[N, N\] (or of a diagonal \[N\]), shape \[size, size\].
    pub(super) fn sum_of(&self, matrix: &[f64], n: usize) -> Vec<f64> {
        let at = |i: usize, j: usize| if matrix.len() == n { matrix[i] } else { matrix[i * n + j] };
        let size = self.size();
        let entry = |place: usize| -> f64 {
            self.copies.iter().map(|copy| at(copy[place / size], copy[place % size])).sum()
        };
        (0..size * size).map(entry).collect()
    }

    /// The value nearest to a matrix: the mean of the copies, in the form of the group.
    pub(super) fn mean_of(&self, matrix: &[f64], n: usize) -> Vec<f64> {
        let mut mean = self.sum_of(matrix, n);
        mean.iter_mut().for_each(|x| *x /= self.copies.len() as f64);
        if self.kind == Kind::Equal {
            let size = self.size();
            let (variance, covariance) = variance_and_covariance(&mean, size);
            (0..size * size).for_each(|at| {
                mean[at] = if at / size == at % size { variance } else { covariance };
            });
        }
        mean
    }

    /// Writes a value into all copies within a matrix.
    pub(super) fn write(&self, value: &[f64], n: usize, matrix: &mut [f64]) {
        let size = self.size();
        for copy in &self.copies {
            (0..size * size).for_each(|at| matrix[copy[at / size] * n + copy[at % size]] = value[at]);
        }
    }
}

/// Means of the diagonal and of all else.
pub(super) fn variance_and_covariance(matrix: &[f64], size: usize) -> (f64, f64) {
    let (all, trace): (f64, f64) = (matrix.iter().sum(), (0..size).map(|i| matrix[i * size + i]).sum());
    (trace / size as f64, (all - trace) / (size * (size - 1)) as f64)
}

/// Checks that blocks are a partition of N dimensions and that those of one label can share a value.
pub(super) fn check_blocks(name: &str, blocks: &[CovarianceBlock], n: usize) -> Result<()> {
    let mut seen = vec![false; n];
    for (b, block) in blocks.iter().enumerate() {
        if block.entries.is_empty() {
            return Err(Error::argument(format!("{name}.blocks[{b}]"), "no entries", "at least one"));
        }
        for &entry in &block.entries {
            if entry >= n || std::mem::replace(&mut seen[entry], true) {
                let found = format!("entry {entry}, out of range or twice");
                let expected = format!("a partition of the dimensions below {n}");
                return Err(Error::argument(format!("{name}.blocks[{b}]"), found, expected));
            }
        }
        let first = blocks.iter().find(|other| block.share.is_some() && other.share == block.share);
        if let Some(first) = first.filter(|first| {
            first.form != block.form
                || first.fixed != block.fixed
                || first.entries.len() != block.entries.len()
        }) {
            let what = |block: &CovarianceBlock| {
                let fixed = if block.fixed { ", fixed" } else { "" };
                format!("{} entries, {:?}{fixed}", block.entries.len(), block.form)
            };
            return Err(Error::argument(format!("{name}.blocks[{b}]"), what(block), what(first)));
        }
    }
    match seen.iter().position(|seen| !seen) {
        Some(entry) => {
            let found = format!("no block with entry {entry}");
            Err(Error::argument(format!("{name}.blocks"), found, format!("a partition of {n} dimensions")))
        }
        None => Ok(()),
    }
}

impl CovarianceForm {
    /// The groups of an N-dimensional covariance; `equal` holds dimensions of a diagonal one that are tied.
    pub(super) fn groups(&self, n: usize, equal: &[Vec<usize>]) -> Vec<Group> {
        let singles = |entries: &[usize]| entries.iter().map(|i| vec![*i]).collect::<Vec<_>>();
        let variance =
            |entries: &[usize]| Group { kind: Kind::Variance, copies: singles(entries), fixed: false };
        let all: Vec<usize> = (0..n).collect();
        match self {
            CovarianceForm::Full => vec![Group { kind: Kind::Full, copies: vec![all], fixed: false }],
            CovarianceForm::Diagonal => {
                let alone = all.iter().filter(|i| !equal.iter().flatten().any(|e| e == *i));
                let alone = alone.map(|i| variance(&[*i]));
                alone.chain(equal.iter().map(|group| variance(group))).collect()
            }
            CovarianceForm::Scalar => vec![variance(&all)],
            CovarianceForm::Blocks(blocks) => {
                let label = |block: &CovarianceBlock| block.share.clone();
                let is_first = |b: usize| {
                    let earlier = &blocks[..b];
                    blocks[b].share.is_none() || !earlier.iter().any(|o| label(o) == label(&blocks[b]))
                };
                let copies_of = |b: usize| -> Vec<&[usize]> {
                    let shared = |o: &&CovarianceBlock| label(o) == label(&blocks[b]);
                    match blocks[b].share {
                        Some(_) => blocks.iter().filter(shared).map(|o| &o.entries[..]).collect(),
                        None => vec![&blocks[b].entries[..]],
                    }
                };
                let groups = (0..blocks.len()).filter(|b| is_first(*b));
                groups.flat_map(|b| groups_of_block(&blocks[b], &copies_of(b))).collect()
            }
        }
    }

    /// What the parameters of a covariance in blocks know of its structure.
    pub(super) fn pattern(&self, n: usize) -> MatrixPattern {
        let group = |group: Group| {
            let places = |copy: &Vec<usize>| {
                copy.iter().flat_map(|i| copy.iter().map(move |j| i * n + j)).collect::<Vec<usize>>()
            };
            let constraint = match group.kind {
                Kind::Variance => Constraint::Positive,
                Kind::Full => Constraint::PositiveDefinite,
                Kind::Equal => Constraint::CompoundSymmetric,
            };
            PatternGroup {
                constraint,
                copies: group.copies.iter().map(places).collect(),
                fixed: group.fixed,
            }
        };
        MatrixPattern { groups: self.groups(n, &[]).into_iter().map(group).collect() }
    }
}

/// The groups of a block and of those that share its value.
fn groups_of_block(block: &CovarianceBlock, copies: &[&[usize]]) -> Vec<Group> {
    let fixed = block.fixed;
    let variance = |entries: Vec<usize>| Group {
        kind: Kind::Variance,
        copies: entries.into_iter().map(|i| vec![i]).collect(),
        fixed,
    };
    let matrix =
        |kind: Kind| vec![Group { kind, copies: copies.iter().map(|c| c.to_vec()).collect(), fixed }];
    match block.form {
        BlockForm::Scalar => vec![variance(copies.concat())],
        // Of one dimension all forms are one.
        BlockForm::Full if block.entries.len() > 1 => matrix(Kind::Full),
        BlockForm::Equal if block.entries.len() > 1 => matrix(Kind::Equal),
        _ => (0..block.entries.len()).map(|k| variance(copies.iter().map(|c| c[k]).collect())).collect(),
    }
}
