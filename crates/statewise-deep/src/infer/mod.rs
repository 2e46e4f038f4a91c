//! What a trained model tells: posteriors, reconstructions, draws, forecasts, and states as data come in.

mod forecast;
mod generate;
mod posterior;
mod stream;

pub use forecast::Forecasts;
pub use generate::{Generated, PathKind};
pub use posterior::{Posterior, Reconstruction};
pub use stream::{DmmStream, StreamStep};
