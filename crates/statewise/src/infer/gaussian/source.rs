//! What the engines see of a sequence: its rows as they are, or collapsed to as many numbers as there are
//! states where there are many more sensors.

use std::borrow::Cow;
use std::ops::Range;

use statewise_kernels::gaussian::{Collapse, CollapsedRows, Series, System};

use super::{Form, GaussianOptions};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::linear_gaussian::Offsets;

/// The collapse of a group, where it pays; `emissions` are those of one of its sequences.
pub(super) fn collapse(
    system: &System<'_>,
    emissions: &[f64],
    options: &GaussianOptions,
) -> Option<Collapse> {
    let mut collapse = Collapse::default();
    let wanted = options.form != Form::SquareRoot && Collapse::pays(system, emissions);
    (wanted && collapse.compute(system, emissions)).then_some(collapse)
}

/// The system of a group as its engines see it.
pub(super) struct Source<'a> {
    /// Collapsed where there is a collapse.
    pub(super) system: System<'a>,
    pub(super) collapse: Option<&'a Collapse>,
    /// M before any collapse.
    pub(super) emission_dim: usize,
}

/// The rows of some steps of a sequence as the engines see them.
pub(super) struct Own<'a> {
    emissions: Cow<'a, [f64]>,
    offsets: Series<'a>,
    /// What a collapse adds to the evidence.
    pub(super) correction: f64,
    /// What a collapse needs to bring adjoints back, \[T, M\]; else empty.
    pub(super) residuals: Vec<f64>,
}

impl Own<'_> {
    /// The series, with these rows.
    pub(super) fn series(&self) -> Series<'_> {
        Series { emissions: &self.emissions, ..self.offsets }
    }
}

impl<'a> Source<'a> {
    /// The rows of `steps` of sequence n.
    pub(super) fn take<'b>(
        &self,
        data: &'b Dataset<'_>,
        n: usize,
        offsets: &'b Offsets<'_>,
        steps: &Range<usize>,
    ) -> Result<Own<'b>> {
        self.rows(data, n, offsets, steps, false)
    }

    /// As [`Source::take`], for all steps, with what adjoints need.
    pub(super) fn take_all<'b>(
        &self,
        data: &'b Dataset<'_>,
        n: usize,
        offsets: &'b Offsets<'_>,
        adjoints: bool,
    ) -> Result<Own<'b>> {
        self.rows(data, n, offsets, &(0..data.sequence(n).num_steps()), adjoints)
    }

    fn rows<'b>(
        &self,
        data: &'b Dataset<'_>,
        n: usize,
        offsets: &'b Offsets<'_>,
        steps: &Range<usize>,
        adjoints: bool,
    ) -> Result<Own<'b>> {
        let rows = data.sequence(n).emission_rows(steps.clone());
        self.see(rows, n, offsets.series(), steps, adjoints)
    }

    /// As [`Source::take`], of rows of the caller's in the place of all those of sequence n.
    pub(super) fn take_rows<'b>(
        &self,
        rows: &'b [f64],
        n: usize,
        offsets: &'b Offsets<'_>,
    ) -> Result<Own<'b>> {
        let series = offsets.series();
        let num_steps = rows.len() / self.emission_dim;
        self.see(rows, n, series, &(0..num_steps), false)
    }

    fn see<'b>(
        &self,
        rows: &'b [f64],
        n: usize,
        offsets: Series<'b>,
        steps: &Range<usize>,
        adjoints: bool,
    ) -> Result<Own<'b>> {
        let Some(collapse) = self.collapse else {
            let emissions = Cow::Borrowed(rows);
            return Ok(Own { emissions, offsets, correction: 0.0, residuals: Vec::new() });
        };
        let mut emissions = vec![0.0; steps.len() * self.system.emission_dim];
        let mut residuals = vec![0.0; if adjoints { rows.len() } else { 0 }];
        let out = CollapsedRows { emissions: &mut emissions, residuals: &mut residuals };
        let correction = collapse
            .emissions(&Series { emissions: rows, ..offsets }, steps.clone(), out)
            .map_err(Error::in_series(n))?;
        let offsets = Series { emission_offset: None, ..offsets };
        Ok(Own { emissions: Cow::Owned(emissions), offsets, correction, residuals })
    }
}
