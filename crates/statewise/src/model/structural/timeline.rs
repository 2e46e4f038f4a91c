//! The lengths of the steps of a sequence, each distinct one named once.

use std::collections::HashMap;

use super::block::Block;
use super::spec::Time;
use super::{Component, StructuralTimeSeries};
use crate::data::Sequence;
use crate::error::{Error, Result};

/// Distinct lengths, and which of them each step has.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    /// Distinct Δ, in the order of their first step.
    pub distinct: Vec<f64>,
    /// The place of Δ_t among them; empty where there is one only.
    pub of_step: Vec<usize>,
}

impl StructuralTimeSeries {
    /// The steps of a sequence, as far as blocks read them.
    ///
    /// # Errors
    /// A step that goes back, or is not finite.
    pub(crate) fn timeline(&self, sequence: &Sequence<'_>) -> Result<Timeline> {
        let reads_time = |component: &Component| component.block.reads_time();
        let steps =
            if self.components.iter().any(reads_time) { steps(self.spec.time, sequence)? } else { vec![] };
        // Nothing moves into the first state, so its step takes the length of any other.
        let mut distinct = Vec::new();
        let mut places = HashMap::new();
        let mut of_step = Vec::with_capacity(steps.len() + 1);
        of_step.push(0);
        for step in steps {
            let place = *places.entry(step.to_bits()).or_insert_with(|| {
                distinct.push(step);
                distinct.len() - 1
            });
            of_step.push(place);
        }
        if distinct.len() < 2 {
            of_step.clear();
        }
        if distinct.is_empty() {
            distinct.push(1.0);
        }
        Ok(Timeline { distinct, of_step })
    }

    /// Δ_1.. of a sequence as far as blocks read them; empty where all are 1.
    pub(crate) fn steps(&self, sequence: &Sequence<'_>) -> Result<Vec<f64>> {
        steps(self.spec.time, sequence)
    }
}

/// Δ_t for t ≥ 1; empty where all are 1.
fn steps(time: Time, sequence: &Sequence<'_>) -> Result<Vec<f64>> {
    if time == Time::Regular {
        return Ok(vec![]);
    }
    let rows = 1..sequence.num_steps();
    rows.map(|t| step_length(time, t, sequence.input(t - 1), sequence.input(t))).collect()
}

/// Δ_t from the inputs before the step and of it.
///
/// # Errors
/// A step that goes back, or is not finite.
pub(super) fn step_length(time: Time, t: usize, before: &[f64], input: &[f64]) -> Result<f64> {
    let step = match time {
        Time::Regular => 1.0,
        Time::Step { input: column } => input[column],
        Time::Stamp { input: column } => input[column] - before[column],
    };
    if step.is_finite() && step >= 0.0 {
        return Ok(step);
    }
    let place = format!("inputs: the step into row {t}");
    Err(Error::argument(place, step, "a finite length of at least 0"))
}
