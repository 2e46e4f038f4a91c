//! What leaves the library: model files.

mod json;
mod model_file;
mod model_spec;

pub use model_file::{FORMAT, ModelFile, VERSION};
pub use model_spec::ModelSpec;
