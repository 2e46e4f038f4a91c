//! Structural time series.

mod components;
mod model;

pub(crate) use components::{structural_coefficients, structural_decompose, structural_forecast};
pub(crate) use model::StructuralTimeSeries;
