//! What can go wrong, said so that a user can act on it.

use statewise_kernels::discrete::ChainError;
use statewise_kernels::gaussian::GaussianError;

/// The result of every fallible function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the library; input from users never panics.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An argument has the wrong value, shape or type.
    #[error("{argument}: found {found}, expected {expected}")]
    Argument {
        /// Name of the argument, with its place (`emissions[3]`, `params.initial.probs`).
        argument: String,
        /// What was given.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// An engine could not explain a sequence.
    #[error("sequence {sequence}: {source}")]
    Chain {
        /// Index of the sequence in its dataset, 0-based.
        sequence: usize,
        /// What the engine found.
        source: ChainError,
    },
    /// A Gaussian engine could not go on.
    #[error("sequence {sequence}: {source}")]
    Gaussian {
        /// Index of the sequence in its dataset, 0-based.
        sequence: usize,
        /// What the engine found.
        source: GaussianError,
    },
    /// A model file is damaged, of another version, or not a model file.
    #[error("model file: {0}")]
    ModelFile(String),
    /// A data file cannot be read as a table.
    #[error("{path}: {message}")]
    Table {
        /// The file.
        path: String,
        /// What is wrong, with the line where there is one.
        message: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the operating system says.
        source: std::io::Error,
    },
}

impl Error {
    /// Turns an engine's error into one that names the sequence.
    pub(crate) fn in_sequence(sequence: usize) -> impl Fn(ChainError) -> Self {
        move |source| Error::Chain { sequence, source }
    }

    /// An [`Error::Io`] at a path.
    pub fn in_file(path: &std::path::Path, source: std::io::Error) -> Self {
        Error::Io { path: path.display().to_string(), source }
    }

    /// An [`Error::Argument`] from anything that prints.
    pub fn argument(
        argument: impl Into<String>,
        found: impl std::fmt::Display,
        expected: impl std::fmt::Display,
    ) -> Self {
        Error::Argument {
            argument: argument.into(),
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }
}
