//! What leaves the library: model files, and how a file is written whole.

mod json;
mod model_file;
mod model_spec;
mod whole_file;

pub use model_file::{FORMAT, ModelFile, VERSION};
pub use model_spec::ModelSpec;
pub use whole_file::write_whole;
