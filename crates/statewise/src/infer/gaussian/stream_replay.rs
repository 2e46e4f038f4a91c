//! Measurements that come late: the steps kept are taken again from the checkpoint before the change.
//!
//! The result has the bits of a filter that had every observation in its place from the start.

use super::stream::GaussianOnlineFilter;
use super::stream_step::{GaussianStep, GaussianTransition, Given};
use crate::error::{Error, Result};

impl GaussianOnlineFilter {
    /// Takes in an observation of step `step` (counted from 0) that was missing then; NaN entries stay as
    /// they are. Returns what it adds to log p(y_{1:t}).
    ///
    /// # Errors
    /// A step that is no longer kept, a row of another size, an entry that was observed already, or an
    /// observation that contradicts a noise-free state; the filter then stays as it was.
    pub fn late_update(&mut self, step: usize, emission: &[f64]) -> Result<f64> {
        self.check_emission(emission)?;
        let kept = self.position(step)?;
        let mut row = self.kept[kept].given.emission.clone();
        for (i, (old, new)) in row.iter_mut().zip(emission).enumerate().filter(|(_, (_, y))| !y.is_nan()) {
            if !old.is_nan() {
                let found = format!("{new} where {old} was observed at step {step}");
                return Err(Error::argument(format!("emission[{i}]"), found, "a missing entry"));
            }
            *old = *new;
        }
        self.revise(step, &row)
    }

    /// Puts another row (NaN where missing) in the place of that of step `step`. Returns what it adds to
    /// log p(y_{1:t}).
    ///
    /// # Errors
    /// As [`GaussianOnlineFilter::late_update`], but for entries observed already.
    pub fn revise(&mut self, step: usize, emission: &[f64]) -> Result<f64> {
        self.check_emission(emission)?;
        let kept = self.position(step)?;
        let mut steps: Vec<Given> = self.kept.range(kept..).map(|step| step.given.clone()).collect();
        steps[0].emission = emission.to_vec();
        self.replay(kept, steps)
    }

    /// Inserts a step between steps `step − 1` and `step`: dynamics `into` it, its observation and its
    /// input, and dynamics `onward` from it to the step that was `step`. Returns what it adds to
    /// log p(y_{1:t}).
    ///
    /// # Errors
    /// As [`GaussianOnlineFilter::late_update`]; also dynamics that do not fit, a place before the first
    /// step or after the last, or parameters with one entry per step, which would belong to other steps.
    pub fn insert_step(
        &mut self,
        step: usize,
        into: GaussianTransition,
        onward: GaussianTransition,
        emission: &[f64],
        input: &[f64],
    ) -> Result<f64> {
        self.check_emission(emission)?;
        self.check_input(input)?;
        into.check(self.params.state_dim())?;
        onward.check(self.params.state_dim())?;
        if self.params.check_num_steps(usize::MAX).is_err() {
            return Err(Error::argument("params", "arrays with one entry per step", "fixed parameters"));
        }
        let kept = self.place_to_insert(step)?;
        let own = self.own(step, None, input)?;
        let own = GaussianStep { transition: Some(into), ..own };
        let inserted = Given { emission: emission.to_vec(), input: input.to_vec(), own };
        let mut steps = vec![inserted];
        steps.extend(self.kept.range(kept..).map(|step| step.given.clone()));
        steps[1].own.transition = Some(onward);
        self.replay(kept, steps)
    }

    /// As [`GaussianOnlineFilter::insert_step`], of a model whose steps follow from their inputs (time
    /// stamps, say): the dynamics into the step and onward from it are made of its input and its neighbours'.
    ///
    /// # Errors
    /// As [`GaussianOnlineFilter::insert_step`]; also a filter without such a model, a model in which steps
    /// differ by their number, or a place at the first of the steps kept.
    pub fn insert_observation(&mut self, step: usize, emission: &[f64], input: &[f64]) -> Result<f64> {
        self.check_emission(emission)?;
        self.check_input(input)?;
        if self.model.as_ref().is_none_or(|model| model.counts_steps()) {
            let found = "none, where steps do not follow from their inputs alone";
            return Err(Error::argument(
                "transition",
                found,
                "the dynamics into the step and onward from it",
            ));
        }
        let kept = self.place_to_insert(step)?;
        let Some(before) = kept.checked_sub(1).map(|k| self.kept[k].given.input.clone()) else {
            let expected = "one of the steps kept, but not the first of them, whose neighbour is gone";
            return Err(Error::argument("step", step, expected));
        };
        let own = self.own(step, Some(&before), input)?;
        let mut steps = vec![Given { emission: emission.to_vec(), input: input.to_vec(), own }];
        steps.extend(self.kept.range(kept..).map(|step| step.given.clone()));
        steps[1].own = self.own(step + 1, Some(input), &steps[1].input)?;
        self.replay(kept, steps)
    }

    fn place_to_insert(&self, step: usize) -> Result<usize> {
        if step == 0 {
            return Err(Error::argument("step", 0, "at least 1: nothing comes before the initial state"));
        }
        self.position(step)
    }

    /// Where a step lies among those kept.
    fn position(&self, step: usize) -> Result<usize> {
        let num_steps = self.num_steps();
        let oldest = num_steps - self.kept.len();
        if (oldest..num_steps).contains(&step) {
            return Ok(step - oldest);
        }
        Err(Error::argument("step", step, format!("one of the steps kept, {oldest}..{num_steps}")))
    }

    /// Takes steps again from before the one at position `kept`, then the open one.
    fn replay(&mut self, kept: usize, steps: Vec<Given>) -> Result<f64> {
        let mut next = self.clone();
        let checkpoint = &self.kept[kept].before;
        next.engine.restore(&self.params.system(), checkpoint).map_err(Error::in_series(0))?;
        next.kept.truncate(kept);
        for step in steps {
            next.take(step)?;
        }
        next.reopen()?;
        let gained = next.marginal_loglik() - self.marginal_loglik();
        *self = next;
        Ok(gained)
    }

    /// Predicts the open step anew.
    pub(super) fn reopen(&mut self) -> Result<()> {
        match self.pending.take() {
            Some(pending) => self.open(pending.input, pending.own),
            None => Ok(()),
        }
    }
}
