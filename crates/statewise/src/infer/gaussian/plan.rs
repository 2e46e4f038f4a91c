//! Which sequences share their covariances, and where results lie.

use std::collections::HashMap;

use crate::data::{Dataset, Sequence};
use crate::error::Result;
use crate::infer::cut;

/// Sequences of equal length that miss the same entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Their indices in the dataset, rising.
    pub sequences: Vec<usize>,
    /// Their length.
    pub num_steps: usize,
    /// Row of their first covariance among those of all groups.
    pub start: usize,
}

/// The groups of a dataset, in the order of their first sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    groups: Vec<Group>,
    /// For each sequence the row of its first covariance.
    starts: Vec<usize>,
    num_rows: usize,
}

impl Plan {
    /// Groups the sequences of a dataset; without `share`, each is a group of its own.
    pub fn new(data: &Dataset<'_>, share: bool) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        let mut known: HashMap<(usize, Vec<u64>), usize> = HashMap::new();
        let mut group_of = Vec::with_capacity(data.num_sequences());
        for (n, sequence) in data.sequences().enumerate() {
            let num_steps = sequence.num_steps();
            let fresh = groups.len();
            let index = if share {
                let pattern = if data.is_complete() { Vec::new() } else { pattern(sequence) };
                *known.entry((num_steps, pattern)).or_insert(fresh)
            } else {
                fresh
            };
            if index == fresh {
                groups.push(Group { sequences: Vec::new(), num_steps, start: 0 });
            }
            groups[index].sequences.push(n);
            group_of.push(index);
        }
        let mut num_rows = 0;
        for group in &mut groups {
            group.start = num_rows;
            num_rows += group.num_steps;
        }
        let starts = group_of.into_iter().map(|g| groups[g].start).collect();
        Plan { groups, starts, num_rows }
    }

    /// The groups.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// For each sequence the row of its first covariance; sequences that share have the same.
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// Rows of covariances over all groups.
    pub fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// Cuts an array with `width` values per row of the plan into one slice per group; no slices where
    /// there is no array.
    pub(super) fn split<'b>(
        &self,
        name: &str,
        buffer: Option<&'b mut [f64]>,
        width: usize,
    ) -> Result<Vec<&'b mut [f64]>> {
        let lengths: Vec<usize> = self.groups.iter().map(|group| group.num_steps * width).collect();
        buffer.map_or_else(|| Ok(Vec::new()), |buffer| cut(name, buffer, lengths.into_iter()))
    }
}

/// The missing entries of a sequence, a bit each; nothing where none is missing.
fn pattern(sequence: Sequence<'_>) -> Vec<u64> {
    if !sequence.emissions.iter().any(|y| y.is_nan()) {
        return Vec::new();
    }
    let word = |entries: &[f64]| {
        entries.iter().enumerate().fold(0, |bits, (i, y)| bits | (u64::from(y.is_nan()) << i))
    };
    sequence.emissions.chunks(64).map(word).collect()
}

/// Covariances of all rows of a dataset; sequences that share them share the memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Covariances {
    /// All blocks, \[rows of the plan, n, n\].
    pub values: Vec<f64>,
    /// Values of one covariance.
    pub len: usize,
    /// For each sequence the row of its first covariance.
    pub starts: Vec<usize>,
}

impl Covariances {
    /// Room for covariances of `len` values.
    pub(super) fn zeros(plan: &Plan, len: usize) -> Self {
        Covariances { values: vec![0.0; plan.num_rows() * len], len, starts: plan.starts().to_vec() }
    }

    /// √Var of each of the n variables, \[rows, n\], in the order of the dataset.
    pub fn standard_deviations(&self, data: &Dataset<'_>) -> Vec<f64> {
        let size = self.len.isqrt();
        let steps = (0..data.num_sequences()).flat_map(|n| (0..data.range(n).len()).map(move |t| (n, t)));
        steps.flat_map(|(n, t)| deviations(self.of(n, t), size)).collect()
    }

    /// The covariance of step t of sequence n, row-major.
    pub fn of(&self, n: usize, t: usize) -> &[f64] {
        let row = self.starts[n] + t;
        &self.values[row * self.len..(row + 1) * self.len]
    }
}

/// Roots of the diagonal of one covariance.
pub(super) fn deviations(cov: &[f64], size: usize) -> impl Iterator<Item = f64> {
    // Below 0 by rounding only.
    cov.iter().step_by(size + 1).map(|variance| variance.max(0.0).sqrt())
}

/// Means and covariances of the states of all rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// \[rows, D\].
    pub means: Vec<f64>,
    /// \[D, D\] each.
    pub covs: Covariances,
}

impl Moments {
    pub(super) fn zeros(plan: &Plan, rows: usize, dim: usize) -> Self {
        Moments { means: vec![0.0; rows * dim], covs: Covariances::zeros(plan, dim * dim) }
    }
}
