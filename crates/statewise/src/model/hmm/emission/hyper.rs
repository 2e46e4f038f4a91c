//! Hyper-parameters that are a number or an array.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::hmm::component::check_positive;
use crate::params::Array;

/// A number that stands for a constant vector or a multiple of the identity, or the array itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ScalarOrArray {
    /// One number for all entries (of the diagonal, for a matrix).
    Scalar(f64),
    /// All entries, as nested lists.
    Array(Array),
}

impl From<f64> for ScalarOrArray {
    fn from(value: f64) -> Self {
        ScalarOrArray::Scalar(value)
    }
}

impl ScalarOrArray {
    /// As a vector of length n. The shape must have been checked.
    pub(super) fn vector(&self, n: usize) -> Vec<f64> {
        match self {
            ScalarOrArray::Scalar(x) => vec![*x; n],
            ScalarOrArray::Array(array) => array.values().to_vec(),
        }
    }

    /// As an n × n matrix. The shape must have been checked.
    pub(super) fn matrix(&self, n: usize) -> Vec<f64> {
        match self {
            ScalarOrArray::Scalar(x) => Array::identities(1, n, *x).values().to_vec(),
            ScalarOrArray::Array(array) => array.values().to_vec(),
        }
    }

    /// Checks for finite numbers, one or n of them.
    pub(super) fn check_vector(&self, argument: &str, n: usize) -> Result<()> {
        self.check(argument, &[n], |x| x.is_finite(), "finite numbers")
    }

    /// Checks for positive numbers, one or n of them.
    pub(super) fn check_positive_vector(&self, argument: &str, n: usize) -> Result<()> {
        self.check(argument, &[n], |x| x.is_finite() && x > 0.0, "positive numbers")
    }

    /// Checks for a positive number or a symmetric positive definite n × n matrix.
    pub(super) fn check_matrix(&self, argument: &str, n: usize) -> Result<()> {
        match self {
            ScalarOrArray::Scalar(x) => check_positive(argument, *x),
            ScalarOrArray::Array(array) => {
                self.check(argument, &[n, n], f64::is_finite, "finite numbers")?;
                crate::params::Constraint::PositiveDefinite
                    .check(array, false)
                    .map_err(|(found, expected)| Error::argument(argument, found, expected))
            }
        }
    }

    fn check(
        &self,
        argument: &str,
        shape: &[usize],
        ok: impl Fn(f64) -> bool,
        expected: &str,
    ) -> Result<()> {
        let values = match self {
            ScalarOrArray::Scalar(x) => std::slice::from_ref(x),
            ScalarOrArray::Array(array) if array.shape() == shape => array.values(),
            ScalarOrArray::Array(array) => {
                let found = format!("shape {:?}", array.shape());
                return Err(Error::argument(argument, found, format!("a number or shape {shape:?}")));
            }
        };
        match values.iter().find(|x| !ok(**x)) {
            None => Ok(()),
            Some(bad) => Err(Error::argument(argument, bad, expected)),
        }
    }
}

/// Defaults of the constructors.
pub(super) fn zero() -> ScalarOrArray {
    ScalarOrArray::Scalar(0.0)
}

pub(super) fn one() -> f64 {
    1.0
}

pub(super) fn identity() -> ScalarOrArray {
    ScalarOrArray::Scalar(1.0)
}

pub(super) fn tiny_scale() -> ScalarOrArray {
    ScalarOrArray::Scalar(1e-4)
}

pub(super) fn tiny() -> f64 {
    1e-4
}

pub(super) fn tenth() -> f64 {
    0.1
}

pub(super) fn slightly_above_one() -> f64 {
    1.1
}
