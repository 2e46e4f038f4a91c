//! Which parameters learning may move: fixed arrays, fixed entries, tied states.

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
    /// A covariance matrix, or a row of stationary coefficients, is free or fixed as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<Vec<bool>>,
    /// Groups of entries of the first axis (states) that share their values; fixed entries keep
    /// their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tied: Vec<Vec<usize>>,
}

fn default_trainable() -> bool {
    true
}

impl Default for ParamProperties {
    fn default() -> Self {
        ParamProperties { trainable: true, free: None, tied: Vec::new() }
    }
}

impl ParamProperties {
    /// Whether all entries move freely, so that a closed-form M-step applies as it stands.
    pub fn is_plain(&self) -> bool {
        self.trainable && self.free.is_none() && self.tied.is_empty()
    }

    /// Whether the array is wholly free or wholly fixed.
    pub fn is_whole(&self) -> bool {
        self.free.is_none() && self.tied.is_empty()
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
                if spec.constraint.is_whole() && free.chunks(block.max(1)).any(mixed) {
                    let what = match spec.constraint {
                        super::Constraint::PositiveDefinite => "matrix",
                        _ => "row of coefficients",
                    };
                    return Err(Error::argument(
                        format!("props.{}.free", spec.path),
                        format!("a {what} fixed in part"),
                        format!("each {what} free or fixed as a whole"),
                    ));
                }
            }
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
