//! What leaves the library: model files.

mod json;
mod model_file;

pub use model_file::{FORMAT, ModelFile, ModelSpec, VERSION};
