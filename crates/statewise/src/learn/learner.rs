//! What all learners have in common: data in, a report out.

use super::{FitReport, Learnable, Progress};
use crate::data::Dataset;
use crate::error::Result;
use crate::params::{FreeSpace, Params, Properties};

/// A way to fit a model.
pub trait Learner: Sync {
    /// Fits `model` to `data` from `start`; `observe` sees every iteration and answers whether to go
    /// on. When it says no, the fit returns what it reached.
    ///
    /// # Errors
    /// Parameters, properties, settings or data that do not fit, or a sequence that can't be
    /// explained.
    fn fit(
        &self,
        model: &dyn Learnable,
        start: &Params,
        properties: &Properties,
        data: &Dataset<'_>,
        observe: &mut dyn FnMut(Progress<'_>) -> bool,
    ) -> Result<FitReport>;

    /// Whether the priors count (MAP) or not (maximum likelihood).
    fn prior(&self) -> bool;
}

/// Checks all that a learner is given, and answers the start with tied states made equal.
pub(crate) fn prepare(
    model: &dyn Learnable,
    start: &Params,
    properties: &Properties,
    data: &Dataset<'_>,
) -> Result<Params> {
    model.check_data(data)?;
    prepare_params(model, start, properties)
}

/// As [`prepare`], without data.
pub(super) fn prepare_params(
    model: &dyn Learnable,
    start: &Params,
    properties: &Properties,
) -> Result<Params> {
    start.check(model.schema())?;
    properties.check(model.schema())?;
    Ok(FreeSpace::new(model.schema(), properties, start).tie(start))
}
