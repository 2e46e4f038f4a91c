//! Where the time steps of a ragged batch stand: longest sequence first, time by time, no padding.
//!
//! Step t of the i-th longest sequence is row `rows(t).start + i`. The sequences still running at
//! step t are a prefix of those running at t − 1, so that a step of a recurrent layer is one product
//! over adjacent rows, and a layer without memory is one product over all rows of the batch.

use std::ops::Range;

/// The rows of a batch of sequences of any lengths, each repeated for `copies` particles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    order: Vec<usize>,
    starts: Vec<usize>,
    copies: usize,
}

impl Packed {
    /// Packs sequences of the given lengths; those of length zero have no rows.
    pub(crate) fn new(lengths: &[usize]) -> Self {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(lengths[*i]));
        let longest = order.first().map_or(0, |i| lengths[*i]);
        let mut active = order.len();
        let mut starts = Vec::with_capacity(longest + 1);
        starts.push(0);
        for t in 0..longest {
            while lengths[order[active - 1]] <= t {
                active -= 1;
            }
            starts.push(starts[t] + active);
        }
        Packed { order, starts, copies: 1 }
    }

    /// The same batch with every sequence repeated `copies` times, copies side by side.
    pub(crate) fn repeated(&self, copies: usize) -> Self {
        let starts = self.starts.iter().map(|start| start / self.copies * copies).collect();
        Packed { order: self.order.clone(), starts, copies }
    }

    /// T of the longest sequence.
    pub(crate) fn num_steps(&self) -> usize {
        self.starts.len() - 1
    }

    /// Rows of all steps, Σ_i T_i times the copies.
    pub(crate) fn num_rows(&self) -> usize {
        self.starts[self.num_steps()]
    }

    /// Sequences, without copies.
    pub(crate) fn num_sequences(&self) -> usize {
        self.order.len()
    }

    /// Copies of each sequence.
    pub(crate) fn copies(&self) -> usize {
        self.copies
    }

    /// The rows of step t.
    pub(crate) fn rows(&self, t: usize) -> Range<usize> {
        self.starts[t]..self.starts[t + 1]
    }

    /// Rows (of step t or of any later one) that go on from step t − 1 are its first so many.
    pub(crate) fn active(&self, t: usize) -> usize {
        if t < self.num_steps() { self.starts[t + 1] - self.starts[t] } else { 0 }
    }

    /// The given index of the sequence that is the i-th longest.
    pub(crate) fn sequence(&self, i: usize) -> usize {
        self.order[i]
    }

    /// Every row with its step and its place among the rows of the step, in order.
    pub(crate) fn places(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.num_steps()).flat_map(|t| (0..self.active(t)).map(move |i| (t, i)))
    }
}
