//! Where matrices lie in a device's memory. Each batch lays them out anew, one after the other: it costs
//! nothing, and the memory only grows to what the largest batch needs.

use std::ops::Range;

/// Rows of reals in a device's memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    /// The place of the first.
    pub(super) at: usize,
    /// How many.
    pub(super) count: usize,
    /// Values of a row.
    pub(super) width: usize,
    /// From one row to the next.
    pub(super) stride: usize,
}

impl Rows {
    /// Some of the rows.
    pub(super) fn rows(self, rows: Range<usize>) -> Rows {
        debug_assert!(rows.end <= self.count, "rows {rows:?} of {}", self.count);
        Rows { at: self.at + rows.start * self.stride, count: rows.len(), ..self }
    }

    /// Some of the columns.
    pub(super) fn columns(self, columns: Range<usize>) -> Rows {
        debug_assert!(columns.end <= self.width, "columns {columns:?} of {}", self.width);
        Rows { at: self.at + columns.start, width: columns.len(), ..self }
    }

    /// All values, where rows follow each other without gaps.
    pub(super) fn len(self) -> usize {
        debug_assert_eq!(self.stride, self.width);
        self.count * self.width
    }
}

/// Lays matrices out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Layout {
    end: usize,
    too_large: bool,
}

/// Matrices start at multiples of so many reals, as wide loads want it.
const ALIGNMENT: usize = 64;

impl Layout {
    /// Room for a matrix.
    pub(super) fn rows(&mut self, count: usize, width: usize) -> Rows {
        // Kernels count values in 32 bits.
        let len = count.checked_mul(width).filter(|len| *len < i32::MAX as usize);
        self.too_large |= len.is_none();
        let at = self.end;
        self.end += len.unwrap_or(0).next_multiple_of(ALIGNMENT);
        Rows { at, count, width, stride: width }
    }

    /// Reals up to here.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// Whether a matrix had more values than kernels can count.
    pub(super) fn too_large(&self) -> bool {
        self.too_large
    }
}
