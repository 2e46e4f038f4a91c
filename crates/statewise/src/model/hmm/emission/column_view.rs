//! A block of some columns of a sequence, as a sequence of its own.

use std::ops::Range;

use crate::data::Sequence;

/// A copy of some columns over a block of steps and over the rows before it that are read.
pub(super) struct ColumnView<'a> {
    rows: Vec<f64>,
    width: usize,
    inputs: &'a [f64],
    input_dim: usize,
    /// The steps of the block in the copy.
    pub(super) steps: Range<usize>,
}

impl<'a> ColumnView<'a> {
    /// Copies the columns over `steps` and up to `num_lags` rows before; rows that the sequence
    /// does not have yet are missing.
    pub(super) fn new(
        sequence: &Sequence<'a>,
        columns: Range<usize>,
        steps: Range<usize>,
        num_lags: usize,
    ) -> Self {
        let (width, input_dim) = (columns.len(), sequence.input_dim);
        let first = steps.start.saturating_sub(num_lags);
        let known = first.min(sequence.num_steps())..steps.end.min(sequence.num_steps());
        let mut rows = Vec::with_capacity((steps.end - first) * width);
        for row in sequence.emission_rows(known).chunks_exact(sequence.width) {
            rows.extend_from_slice(&row[columns.clone()]);
        }
        rows.resize((steps.end - first) * width, f64::NAN);
        let inputs = &sequence.inputs[first * input_dim..steps.end * input_dim];
        ColumnView { rows, width, inputs, input_dim, steps: steps.start - first..steps.end - first }
    }

    /// The copy as a sequence.
    pub(super) fn sequence(&self) -> Sequence<'_> {
        let (width, inputs, input_dim) = (self.width, self.inputs, self.input_dim);
        Sequence { emissions: &self.rows, width, inputs, input_dim }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_a_view_see_the_rows_lags_and_inputs_of_the_sequence() {
        let rows: Vec<f64> = (0..15).map(f64::from).collect();
        let inputs: Vec<f64> = (0..18).map(f64::from).collect();
        let whole = Sequence { emissions: &rows, width: 3, inputs: &inputs, input_dim: 2 };
        for (steps, num_lags) in [(0..2, 0), (1..3, 2), (3..5, 2), (4..6, 1), (5..6, 0), (8..9, 1)] {
            let view = ColumnView::new(&whole, 1..3, steps.clone(), num_lags);
            let part = view.sequence();
            assert_eq!(view.steps.len(), steps.len());
            assert_eq!(part.num_steps(), view.steps.end);
            for (t, local) in steps.zip(view.steps.clone()) {
                assert_eq!(part.input(local), whole.input(t));
                for lag in (0..=num_lags.min(t)).filter(|lag| t - lag < 5) {
                    assert_eq!(part.emission(local - lag), &whole.emission(t - lag)[1..3]);
                }
                if t >= 5 {
                    assert!(part.emission(local).iter().all(|y| y.is_nan()));
                }
            }
        }
    }
}
