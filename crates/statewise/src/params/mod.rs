//! Parameters: named arrays, what constrains them, and the flat unconstrained vector behind them.
//!
//! Every model declares a *schema*, a list of [`ParamSpec`]. A [`Params`] holds one [`Array`] per
//! entry of the schema, in its order. [`Properties`] say which entries are fixed or tied; a
//! [`FreeSpace`] turns schema and properties into the flat vector that gradient learners move.

mod array;
mod compound_symmetry;
mod constraint;
mod free_space;
mod pattern;
mod properties;
pub(crate) mod stationary;

pub use array::Array;
pub use constraint::Constraint;
pub(crate) use constraint::{logistic, softplus};
pub use free_space::FreeSpace;
pub use pattern::{MatrixPattern, PatternGroup};
pub use properties::{ParamProperties, Properties};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One parameter array of a model: its name, shape and constraint.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamSpec {
    /// Dotted name, `emissions.means`.
    pub path: String,
    /// The keyword under which `initialize` takes a value for it, `emission_means`.
    pub keyword: String,
    /// Shape of the array.
    pub shape: Vec<usize>,
    /// Where its values live.
    pub constraint: Constraint,
    /// Entries that may be non-zero; those outside are zero and stay so. `None`: all.
    pub support: Option<Vec<bool>>,
    /// Blocks within one positive definite matrix, and which of them share their value. `None`: one block.
    pub pattern: Option<MatrixPattern>,
    /// How many leading axes run over the states: 1 for values of each state, 2 for values of each
    /// pair of states, 0 for values that all states share.
    pub state_axes: usize,
    /// Whether values at the edge of the constraint are values too: variances of zero, singular
    /// covariances.
    pub closed: bool,
}

impl ParamSpec {
    /// A spec of values of each state, without a restricted support.
    pub fn new(path: &str, keyword: &str, shape: &[usize], constraint: Constraint) -> Self {
        ParamSpec {
            path: path.into(),
            keyword: keyword.into(),
            shape: shape.to_vec(),
            constraint,
            support: None,
            pattern: None,
            state_axes: 1,
            closed: false,
        }
    }

    /// Says how many leading axes run over the states.
    pub fn with_state_axes(mut self, state_axes: usize) -> Self {
        self.state_axes = state_axes;
        self
    }

    /// Allows values at the edge of the constraint.
    pub fn with_closed(mut self) -> Self {
        self.closed = true;
        self
    }

    /// Restricts a matrix to blocks.
    pub fn with_pattern(mut self, pattern: MatrixPattern) -> Self {
        self.support = Some(pattern.support(self.shape.iter().product()));
        self.pattern = Some(pattern);
        self
    }

    /// Whether the entries of the first axis lie in one constrained block (a distribution over
    /// states, a matrix that all states share), so that whole entries cannot be tied.
    pub fn is_one_block(&self) -> bool {
        match self.constraint {
            Constraint::Simplex => self.shape.len() == 1,
            Constraint::PositiveDefinite | Constraint::CompoundSymmetric => self.shape.len() == 2,
            _ => false,
        }
    }

    /// Checks shape, finiteness and constraint of a value.
    ///
    /// # Errors
    /// [`Error::Argument`] with the path, what was found and what was expected.
    pub fn check(&self, value: &Array) -> Result<()> {
        if value.shape() != self.shape {
            return Err(Error::argument(
                &self.path,
                format!("shape {:?}", value.shape()),
                format!("shape {:?}", self.shape),
            ));
        }
        if let Some(bad) = value.values().iter().find(|x| !x.is_finite()) {
            return Err(Error::argument(&self.path, bad, "finite numbers"));
        }
        if let Some(support) = &self.support
            && value.values().iter().zip(support).any(|(x, inside)| !inside && *x != 0.0)
        {
            return Err(Error::argument(&self.path, "a non-zero entry outside the support", "zero there"));
        }
        let checked = match &self.pattern {
            Some(pattern) => pattern.check(value, self.closed),
            None => self.constraint.check(value, self.closed),
        };
        checked.map_err(|(found, expected)| Error::argument(&self.path, found, expected))
    }
}

/// The parameters of a model: one array per entry of its schema, in its order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Params {
    arrays: Vec<Array>,
}

impl Params {
    /// Takes the arrays in the order of the model's schema.
    pub fn new(arrays: Vec<Array>) -> Self {
        Params { arrays }
    }

    /// All arrays, in the order of the schema.
    pub fn arrays(&self) -> &[Array] {
        &self.arrays
    }

    /// All arrays, to be changed in place.
    pub fn arrays_mut(&mut self) -> &mut [Array] {
        &mut self.arrays
    }

    /// The array of this dotted name.
    pub fn get(&self, schema: &[ParamSpec], path: &str) -> Option<&Array> {
        schema.iter().position(|spec| spec.path == path).map(|i| &self.arrays[i])
    }

    /// Zeros of the shapes of a schema (a gradient to be accumulated, say).
    pub fn zeros(schema: &[ParamSpec]) -> Self {
        Params { arrays: schema.iter().map(|spec| Array::zeros(&spec.shape)).collect() }
    }

    /// Checks every array against the schema.
    ///
    /// # Errors
    /// [`Error::Argument`] naming the first array that does not fit.
    pub fn check(&self, schema: &[ParamSpec]) -> Result<()> {
        if self.arrays.len() != schema.len() {
            return Err(Error::argument(
                "params",
                format!("{} arrays", self.arrays.len()),
                format!("{} arrays", schema.len()),
            ));
        }
        schema.iter().zip(&self.arrays).try_for_each(|(spec, value)| spec.check(value))
    }
}

/// Puts given values, by path or keyword, into their places.
///
/// # Errors
/// A path that the schema does not have, or a value that does not fit.
pub(crate) fn set_given(
    schema: &[ParamSpec],
    arrays: &mut [Array],
    given: &[(String, Array)],
) -> Result<()> {
    for (path, value) in given {
        let Some(index) = schema.iter().position(|spec| spec.path == *path || spec.keyword == *path) else {
            let known: Vec<&str> = schema.iter().map(|spec| spec.keyword.as_str()).collect();
            return Err(Error::argument(path, "no such parameter", known.join(", ")));
        };
        schema[index].check(value)?;
        arrays[index] = value.clone();
    }
    Ok(())
}
