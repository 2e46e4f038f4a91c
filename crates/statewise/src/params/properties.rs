//! Which parameters learning may move: fixed arrays, fixed entries, tied states and tied entries.

use serde::{Deserialize, Serialize};

use super::ParamSpec;
use crate::error::{Error, Result};

/// What learning may do with one parameter array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParamProperties {
    /// Whether learning may change the array at all.
    #[serde(default = "default_trainable")]
    pub trainable: bool,
    /// Entries that learning may change, in row-major order; `None`: all of them.
    ///
    /// A covariance matrix (or each of its blocks, where it has some), or a row of stationary coefficients, is
    /// free or fixed as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<Vec<bool>>,
    /// Groups of entries of the first axis (states) that share their values; fixed entries keep
    /// their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tied: Vec<Vec<usize>>,
    /// Groups of single entries, by their place in row-major order, that share one value.
    ///
    /// For arrays whose entries are constrained one by one; not beside `tied`, nor on fixed entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub equal: Vec<Vec<usize>>,
}

fn default_trainable() -> bool {
    true
}

impl Default for ParamProperties {
    fn default() -> Self {
        ParamProperties { trainable: true, free: None, tied: Vec::new(), equal: Vec::new() }
    }
}

impl ParamProperties {
    /// Whether all entries move freely, so that a closed-form M-step applies as it stands.
    pub fn is_plain(&self) -> bool {
        self.trainable && self.is_whole()
    }

    /// Whether the array is wholly free or wholly fixed.
    pub fn is_whole(&self) -> bool {
        self.free.is_none() && self.tied.is_empty() && self.equal.is_empty()
    }

    /// Whether learning may change this entry, by its place in row-major order.
    pub fn may_move(&self, entry: usize) -> bool {
        self.trainable && self.free.as_ref().is_none_or(|free| free[entry])
    }

    /// Checks the groups of single entries.
    fn check_equal(&self, spec: &ParamSpec) -> Result<()> {
        let refuse = |found: String, expected: &str| {
            Err(Error::argument(format!("props.{}.equal", spec.path), found, expected))
        };
        if self.equal.is_empty() {
            return Ok(());
        }
        if !spec.constraint.is_by_entry() {
            let found = format!("ties within {:?} values", spec.constraint);
            return refuse(found, "ties in an array whose entries are constrained one by one");
        }
        if !self.tied.is_empty() {
            return refuse("groups beside those of tied".into(), "either tied states or equal entries");
        }
        let mut seen = vec![false; spec.shape.iter().product()];
        for &entry in self.equal.iter().flatten() {
            if entry >= seen.len() || std::mem::replace(&mut seen[entry], true) {
                let expected = format!("disjoint groups of indices below {}", seen.len());
                return refuse(format!("index {entry} out of range or twice"), &expected);
            }
            let inside = spec.support.as_ref().is_none_or(|support| support[entry]);
            if !inside || self.free.as_ref().is_some_and(|free| !free[entry]) {
                return refuse(format!("entry {entry}, which is fixed"), "entries that may move");
            }
        }
        Ok(())
    }
}

/// The properties of all parameters of a model, in the order of its schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Properties(pub Vec<ParamProperties>);

impl Properties {
    /// Everything trainable.
    pub fn trainable(schema: &[ParamSpec]) -> Self {
        Properties(vec![ParamProperties::default(); schema.len()])
    }

    /// Checks masks and groups against the schema.
    ///
    /// # Errors
    /// [`Error::Argument`] naming the array whose mask or groups do not fit.
    pub fn check(&self, schema: &[ParamSpec]) -> Result<()> {
        if self.0.len() != schema.len() {
            return Err(Error::argument("props", self.0.len(), format!("{} entries", schema.len())));
        }
        for (spec, property) in schema.iter().zip(&self.0) {
            let size: usize = spec.shape.iter().product();
            if let Some(free) = &property.free
                && free.len() != size
            {
                return Err(Error::argument(format!("props.{}.free", spec.path), free.len(), size));
            }
            if let Some(free) = &property.free {
                let block = spec.constraint.block_len(&spec.shape);
                let mixed = |b: &[bool]| b.iter().any(|x| *x) && b.iter().any(|x| !*x);
                if let Some(pattern) = &spec.pattern {
                    pattern.check_free(property).map_err(|(found, expected)| {
                        Error::argument(format!("props.{}.free", spec.path), found, expected)
                    })?;
                } else if spec.constraint.is_whole() && free.chunks(block.max(1)).any(mixed) {
                    let what = if spec.constraint.is_matrix() { "matrix" } else { "row of coefficients" };
                    return Err(Error::argument(
                        format!("props.{}.free", spec.path),
                        format!("a {what} fixed in part"),
                        format!("each {what} free or fixed as a whole"),
                    ));
                }
            }
            property.check_equal(spec)?;
            if !property.tied.is_empty() && (spec.state_axes == 0 || spec.is_one_block()) {
                return Err(Error::argument(
                    format!("props.{}.tied", spec.path),
                    "ties within values that the states share or that form one distribution",
                    "ties between states that each have their own values",
                ));
            }
            let mut seen = vec![false; spec.shape.first().copied().unwrap_or(0)];
            for &state in property.tied.iter().flatten() {
                if state >= seen.len() || std::mem::replace(&mut seen[state], true) {
                    return Err(Error::argument(
                        format!("props.{}.tied", spec.path),
                        format!("index {state} out of range or twice"),
                        format!("disjoint groups of indices below {}", seen.len()),
                    ));
                }
            }
            let stride = size / seen.len().max(1);
            for masks in [&property.free, &spec.support].into_iter().flatten() {
                let mask = |state: usize| &masks[state * stride..(state + 1) * stride];
                let differ = |group: &Vec<usize>| group.iter().any(|s| mask(*s) != mask(group[0]));
                if let Some(group) = property.tied.iter().find(|group| differ(group)) {
                    return Err(Error::argument(
                        format!("props.{}.tied", spec.path),
                        format!("entries {group:?} with different fixed values or supports"),
                        "tied entries with the same pattern",
                    ));
                }
            }
        }
        Ok(())
    }
}
