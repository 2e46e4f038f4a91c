//! Diagnosis of fitted models.

pub(crate) mod backtest;
pub(crate) mod residuals;
pub(crate) mod tests;
pub(crate) mod uncertainty;
