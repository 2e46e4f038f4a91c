//! The one data type: concatenated rows plus the ends of the sequences.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::{Error, Result};

/// The form in which the data came, so that results can be given back in the same form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One sequence, \[T, E\].
    Single,
    /// N sequences of one length, \[N, T, E\].
    Batch,
    /// N sequences of any lengths.
    Ragged,
}

/// Sequences of observations, with optional inputs and weights. NaN marks a missing entry.
///
/// Labels and counts are doubles too, so that one type serves every family; families check that
/// they are whole numbers in range.
#[derive(Clone, Debug)]
pub struct Dataset<'a> {
    layout: Layout,
    rows: Cow<'a, [f64]>,
    width: usize,
    ends: Vec<usize>,
    inputs: Cow<'a, [f64]>,
    input_dim: usize,
    weights: Option<Vec<f64>>,
    /// Known to have no missing entry.
    is_complete: bool,
}

/// One sequence of a dataset.
#[derive(Clone, Copy, Debug)]
pub struct Sequence<'a> {
    /// y_t, shape \[T, width\]; NaN where missing.
    pub emissions: &'a [f64],
    /// Values in one row of `emissions`.
    pub width: usize,
    /// u_t, shape \[T, input_dim\]; entry t drives the step into z_t and the emission y_t.
    pub inputs: &'a [f64],
    /// Values in one row of `inputs`, 0 without inputs.
    pub input_dim: usize,
}

impl<'a> Sequence<'a> {
    /// T.
    pub fn num_steps(&self) -> usize {
        self.emissions.len() / self.width
    }

    /// y_t.
    pub fn emission(&self, t: usize) -> &'a [f64] {
        &self.emissions[t * self.width..(t + 1) * self.width]
    }

    /// y_t for a range of steps, shape \[len, width\].
    pub fn emission_rows(&self, steps: Range<usize>) -> &'a [f64] {
        &self.emissions[steps.start * self.width..steps.end * self.width]
    }

    /// u_t.
    pub fn input(&self, t: usize) -> &'a [f64] {
        &self.inputs[t * self.input_dim..(t + 1) * self.input_dim]
    }
}

impl<'a> Dataset<'a> {
    /// One sequence, `rows` of shape \[T, width\].
    ///
    /// # Errors
    /// No rows, a length that is no multiple of `width`, or an infinite value.
    pub fn single(rows: impl Into<Cow<'a, [f64]>>, width: usize) -> Result<Self> {
        let rows = rows.into();
        let num_steps = rows.len() / width.max(1);
        Self::build(Layout::Single, rows, width, &[num_steps])
    }

    /// `num_sequences` sequences of equal length, `rows` of shape \[N, T, width\].
    ///
    /// # Errors
    /// As [`Dataset::single`]; also a length that is no multiple of `num_sequences`.
    pub fn batch(rows: impl Into<Cow<'a, [f64]>>, num_sequences: usize, width: usize) -> Result<Self> {
        let rows = rows.into();
        let num_steps = rows.len() / width.max(1) / num_sequences.max(1);
        Self::build(Layout::Batch, rows, width, &vec![num_steps; num_sequences])
    }

    /// Sequences of the given lengths, `rows` concatenated, shape \[Σ lengths, width\].
    ///
    /// # Errors
    /// As [`Dataset::single`]; also an empty sequence or lengths that do not add up.
    pub fn ragged(rows: impl Into<Cow<'a, [f64]>>, lengths: &[usize], width: usize) -> Result<Self> {
        Self::build(Layout::Ragged, rows.into(), width, lengths)
    }

    fn build(layout: Layout, rows: Cow<'a, [f64]>, width: usize, lengths: &[usize]) -> Result<Self> {
        if width == 0 {
            return Err(Error::argument("emissions", "rows without columns", "at least one column"));
        }
        if lengths.is_empty() {
            return Err(Error::argument("emissions", "no sequence", "at least one sequence"));
        }
        if let Some(n) = lengths.iter().position(|length| *length == 0) {
            return Err(Error::argument(
                format!("emissions[{n}]"),
                "no time steps",
                "at least one time step",
            ));
        }
        let total: usize = lengths.iter().sum();
        if rows.len() != total * width {
            return Err(Error::argument(
                "emissions",
                format!("{} values", rows.len()),
                format!("{total} rows of {width} values"),
            ));
        }
        let is_complete = all_finite(&rows);
        if !is_complete && let Some(i) = rows.iter().position(|x| x.is_infinite()) {
            let place = format!("emissions row {}, column {}", i / width, i % width);
            return Err(Error::argument(place, rows[i], "finite values, or NaN where missing"));
        }
        let mut end = 0;
        let ends = lengths
            .iter()
            .map(|length| {
                end += length;
                end
            })
            .collect();
        let inputs = Cow::Borrowed(&[][..]);
        Ok(Dataset { layout, rows, width, ends, inputs, input_dim: 0, weights: None, is_complete })
    }

    /// Adds inputs u_t, concatenated like the rows, shape \[Σ lengths, input_dim\].
    ///
    /// # Errors
    /// Another number of rows than the emissions have, or a value that is not finite.
    pub fn with_inputs(mut self, inputs: impl Into<Cow<'a, [f64]>>, input_dim: usize) -> Result<Self> {
        let inputs = inputs.into();
        if input_dim == 0 || inputs.len() != self.num_rows() * input_dim {
            return Err(Error::argument(
                "inputs",
                format!("{} values of dimension {input_dim}", inputs.len()),
                format!("{} rows, as many as emissions", self.num_rows()),
            ));
        }
        if !all_finite(&inputs)
            && let Some(i) = inputs.iter().position(|x| !x.is_finite())
        {
            let place = format!("inputs row {}, column {}", i / input_dim, i % input_dim);
            return Err(Error::argument(place, inputs[i], "finite values"));
        }
        (self.inputs, self.input_dim) = (inputs, input_dim);
        Ok(self)
    }

    /// Weighs each sequence's log-likelihood and statistics.
    ///
    /// # Errors
    /// Another number of weights than sequences, or one that is negative or not finite.
    pub fn with_weights(mut self, weights: Vec<f64>) -> Result<Self> {
        if weights.len() != self.num_sequences() {
            return Err(Error::argument(
                "weights",
                weights.len(),
                format!("{} sequences", self.num_sequences()),
            ));
        }
        if let Some(bad) = weights.iter().find(|w| !(w.is_finite() && **w >= 0.0)) {
            return Err(Error::argument("weights", bad, "finite weights of at least 0"));
        }
        self.weights = Some(weights);
        Ok(self)
    }

    /// The form in which the data came.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// N.
    pub fn num_sequences(&self) -> usize {
        self.ends.len()
    }

    /// Rows over all sequences.
    pub fn num_rows(&self) -> usize {
        self.rows.len() / self.width
    }

    /// Values in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Values in a row of the inputs, 0 without inputs.
    pub fn input_dim(&self) -> usize {
        self.input_dim
    }

    /// Whether no entry is known to be missing; `false` where nobody has looked.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// All rows, concatenated.
    pub fn rows(&self) -> &[f64] {
        &self.rows
    }

    /// The rows of sequence n among all rows.
    pub fn range(&self, n: usize) -> Range<usize> {
        let start = if n == 0 { 0 } else { self.ends[n - 1] };
        start..self.ends[n]
    }

    /// The lengths of all sequences.
    pub fn lengths(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.num_sequences()).map(|n| self.range(n).len())
    }

    /// Sequence n.
    pub fn sequence(&self, n: usize) -> Sequence<'_> {
        let range = self.range(n);
        Sequence {
            emissions: &self.rows[range.start * self.width..range.end * self.width],
            width: self.width,
            inputs: &self.inputs[range.start * self.input_dim..range.end * self.input_dim],
            input_dim: self.input_dim,
        }
    }

    /// All sequences.
    pub fn sequences(&self) -> impl Iterator<Item = Sequence<'_>> {
        (0..self.num_sequences()).map(|n| self.sequence(n))
    }

    /// The weight of sequence n, 1 unless given.
    pub fn weight(&self, n: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |w| w[n])
    }

    /// The first `num_steps` of sequence n as a dataset of its own, of weight 1.
    ///
    /// # Errors
    /// No steps, or more than the sequence has.
    pub fn prefix(&self, n: usize, num_steps: usize) -> Result<Dataset<'_>> {
        let length = self.range(n).len();
        if num_steps == 0 || num_steps > length {
            return Err(Error::argument(
                "num_steps",
                num_steps,
                format!("1 to {length}, the steps there are"),
            ));
        }
        let sequence = self.sequence(n);
        let data = Dataset::single(sequence.emission_rows(0..num_steps), self.width)?;
        match self.input_dim {
            0 => Ok(data),
            u => data.with_inputs(&sequence.inputs[..num_steps * u], u),
        }
    }

    /// The first `num_steps` of every sequence, or all of a shorter one, with their weights.
    ///
    /// # Errors
    /// No steps.
    pub fn truncated(&self, num_steps: usize) -> Result<Dataset<'static>> {
        let lengths: Vec<usize> = self.lengths().map(|length| length.min(num_steps)).collect();
        let (mut rows, mut inputs) = (Vec::new(), Vec::new());
        for (sequence, &length) in self.sequences().zip(&lengths) {
            rows.extend_from_slice(&sequence.emissions[..length * self.width]);
            inputs.extend_from_slice(&sequence.inputs[..length * self.input_dim]);
        }
        let mut data = Dataset::ragged(rows, &lengths, self.width)?;
        if self.input_dim > 0 {
            data = data.with_inputs(inputs, self.input_dim)?;
        }
        data.weights = self.weights.clone();
        Ok(data)
    }

    /// A copy with the rows missing for which `missing` (sequence, step) says so.
    pub fn with_missing(&self, missing: impl Fn(usize, usize) -> bool) -> Dataset<'static> {
        let all: Vec<usize> = (0..self.num_sequences()).collect();
        let mut copy = self.select(&all);
        copy.layout = self.layout;
        copy.is_complete = false;
        let rows = copy.rows.to_mut();
        for n in all {
            for (_, row) in self.range(n).enumerate().filter(|(t, _)| missing(n, *t)) {
                rows[row * self.width..(row + 1) * self.width].fill(f64::NAN);
            }
        }
        copy
    }

    /// The sequences of these indices as a ragged dataset of its own (a minibatch, a fold).
    pub fn select(&self, indices: &[usize]) -> Dataset<'static> {
        let mut rows = Vec::new();
        let mut inputs = Vec::new();
        let mut end = 0;
        let mut ends = Vec::with_capacity(indices.len());
        for &n in indices {
            let sequence = self.sequence(n);
            rows.extend_from_slice(sequence.emissions);
            inputs.extend_from_slice(sequence.inputs);
            end += sequence.num_steps();
            ends.push(end);
        }
        Dataset {
            layout: Layout::Ragged,
            rows: Cow::Owned(rows),
            width: self.width,
            ends,
            inputs: Cow::Owned(inputs),
            input_dim: self.input_dim,
            weights: self.weights.as_ref().map(|w| indices.iter().map(|n| w[*n]).collect()),
            is_complete: self.is_complete,
        }
    }
}

/// Whether all values are finite.
///
/// PERF: no exit within a block, so that the compiler compares several values at a time.
fn all_finite(values: &[f64]) -> bool {
    values.chunks(512).all(|block| block.iter().fold(true, |finite, x| finite & x.is_finite()))
}
