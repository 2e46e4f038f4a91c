//! Checks of parameters as arrays, and of the data that go with them. Errors name the array.

use statewise_kernels::gaussian::GaussianError;

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::params::Array;

/// Checks that rows of the data have as many entries as the parameters ask for.
pub(super) fn check_widths(data: &Dataset<'_>, emission_dim: usize, input_dim: usize) -> Result<()> {
    if data.width() != emission_dim {
        return Err(Error::argument(
            "emissions",
            format!("{} columns", data.width()),
            format!("{emission_dim} (emission_dim)"),
        ));
    }
    if data.input_dim() != input_dim && input_dim > 0 {
        return Err(Error::argument(
            "inputs",
            format!("dimension {}", data.input_dim()),
            format!("dimension {input_dim}"),
        ));
    }
    Ok(())
}

/// Checks that arrays with one entry per step, given with the rank of an entry, reach to `num_steps`.
pub(super) fn check_num_steps<'a>(
    arrays: impl Iterator<Item = (&'static str, &'a Array, usize)>,
    num_steps: usize,
) -> Result<()> {
    for (name, value, rank) in arrays {
        if value.shape().len() > rank && value.shape()[0] < num_steps {
            return Err(Error::argument(
                format!("params.{name}"),
                format!("{} steps", value.shape()[0]),
                format!("at least {num_steps}"),
            ));
        }
    }
    Ok(())
}

/// Checks the shape, with a leading axis of steps where it may vary, and that all numbers are finite.
pub(super) fn shape(name: &str, value: &Array, expected: &[usize], may_vary: bool) -> Result<()> {
    let fits = value.shape() == expected
        || may_vary && value.shape().len() == expected.len() + 1 && value.shape()[1..] == *expected;
    if !fits {
        let or = if may_vary { format!(" or [T, {expected:?}]") } else { String::new() };
        return Err(Error::argument(
            format!("params.{name}"),
            format!("shape {:?}", value.shape()),
            format!("{expected:?}{or}"),
        ));
    }
    match value.values().iter().find(|x| !x.is_finite()) {
        Some(bad) => Err(Error::argument(format!("params.{name}"), bad, "finite numbers")),
        None => Ok(()),
    }
}

/// Checks square matrices for symmetry and non-negative pivots (to rounding).
pub(super) fn semidefinite(name: &str, value: &Array, n: usize, may_vary: bool) -> Result<()> {
    shape(name, value, &[n, n], may_vary)?;
    for (index, block) in value.values().chunks_exact(n * n).enumerate() {
        let scale = (0..n).map(|i| block[i * n + i].abs()).fold(0.0, f64::max);
        for i in 0..n {
            for j in 0..i {
                if (block[i * n + j] - block[j * n + i]).abs() > 1e-8 * scale {
                    let found = format!(
                        "matrix {index} with entries {} and {}",
                        block[i * n + j],
                        block[j * n + i]
                    );
                    return Err(Error::argument(format!("params.{name}"), found, "a symmetric matrix"));
                }
            }
        }
        if let Some(pivot) = statewise_kernels::linalg::negative_pivot(block, n) {
            return Err(Error::argument(
                format!("params.{name}"),
                format!("matrix {index} with pivot {pivot:.3e}"),
                "a positive semi-definite matrix",
            ));
        }
    }
    Ok(())
}

/// Checks the entries of a diagonal.
pub(super) fn not_negative(name: &str, value: &Array, what: &str) -> Result<()> {
    match value.values().iter().find(|r| **r < 0.0) {
        Some(bad) => Err(Error::argument(format!("params.{name}"), bad, format!("{what} of at least 0"))),
        None => Ok(()),
    }
}

impl Error {
    /// Turns an engine's error into one that names the sequence.
    pub(crate) fn in_series(sequence: usize) -> impl Fn(GaussianError) -> Self {
        move |source| Error::Gaussian { sequence, source }
    }
}
