//! What a trained model tells: posteriors, reconstructions, draws, forecasts, and states as data come in.

mod forecast;
mod forecast_summary;
mod generate;
mod posterior;
mod stream;

pub use forecast::Forecasts;
pub use forecast_summary::ForecastSummary;
pub use generate::{Generated, PathKind};
pub use posterior::{Posterior, Reconstruction};
pub use stream::{DmmStream, StreamStep};
