//! What leaves the library: model files and summaries of fits.

mod json;
mod model_file;
mod summary;

pub use model_file::{FORMAT, ModelFile, ModelSpec, VERSION};
pub use summary::Summary;
