//! A matrix whose rows are the time steps of a packed batch, kept between passes.

use std::ops::Range;

use super::Real;

/// Rows of `width` values; grows to the largest batch seen and is then reused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grid<R> {
    width: usize,
    values: Vec<R>,
}

impl<R: Real> Grid<R> {
    pub(crate) fn new(width: usize) -> Self {
        Grid { width, values: Vec::new() }
    }

    /// Makes room for `rows` rows; what stands there is left over from the last pass.
    pub(crate) fn resize(&mut self, rows: usize) {
        self.values.resize(rows * self.width, R::ZERO);
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn all(&self) -> &[R] {
        &self.values
    }

    pub(crate) fn all_mut(&mut self) -> &mut [R] {
        &mut self.values
    }

    pub(crate) fn rows(&self, rows: Range<usize>) -> &[R] {
        &self.values[rows.start * self.width..rows.end * self.width]
    }

    pub(crate) fn rows_mut(&mut self, rows: Range<usize>) -> &mut [R] {
        &mut self.values[rows.start * self.width..rows.end * self.width]
    }

    pub(crate) fn row(&self, row: usize) -> &[R] {
        self.rows(row..row + 1)
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [R] {
        self.rows_mut(row..row + 1)
    }
}
