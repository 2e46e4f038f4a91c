//! What a structural model is made of, as model files and Python say it.

use serde::{Deserialize, Serialize};

use super::block::BlockSpec;
use crate::params::Array;

/// A sum of components plus observation noise.
///
/// y_tm = Σ_c loading_cm h_ctᵀ z_ct + irregular_tm,  the sum over components c that series m sees
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StructuralSpec {
    /// The components, in the order of their states.
    pub components: Vec<ComponentSpec>,
    /// M, number of series.
    #[serde(default = "one")]
    pub emission_dim: usize,
    /// U, columns of the inputs.
    #[serde(default)]
    pub input_dim: usize,
    /// Observation noise.
    #[serde(default)]
    pub irregular: Irregular,
    /// The length Δ of steps.
    #[serde(default)]
    pub time: Time,
}

impl StructuralSpec {
    /// One series without inputs, with observation noise and steps of length 1.
    pub fn new(components: Vec<ComponentSpec>) -> Self {
        StructuralSpec {
            components,
            emission_dim: 1,
            input_dim: 0,
            irregular: Irregular::default(),
            time: Time::default(),
        }
    }
}

fn one() -> usize {
    1
}

/// A block under a name, and how series share it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentSpec {
    /// What comes before the dot in the names of its parameters; `None`: by the block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The block.
    pub model: BlockSpec,
    /// The series that see the component; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<usize>,
    /// How these series share it.
    #[serde(default)]
    pub across: Across,
    /// How the state starts; `None`: at its stationary law, or diffuse where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<Initial>,
}

impl<B: Into<BlockSpec>> From<B> for ComponentSpec {
    /// A component that each series has for itself, under the block's own name.
    fn from(block: B) -> Self {
        ComponentSpec {
            name: None,
            model: block.into(),
            series: vec![],
            across: Across::default(),
            initial: None,
        }
    }
}

impl ComponentSpec {
    /// The component under another name.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The component shared in another way.
    pub fn across(mut self, across: Across) -> Self {
        self.across = across;
        self
    }

    /// The component for these series only.
    pub fn of_series(mut self, series: Vec<usize>) -> Self {
        self.series = series;
        self
    }

    /// The component with another start.
    pub fn starting(mut self, initial: Initial) -> Self {
        self.initial = Some(initial);
        self
    }
}

/// How several series share a component. Parameters other than variances are always shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Across {
    /// A state for each series, with independent disturbances of their own variances.
    #[default]
    Independent,
    /// A state for each series, with independent disturbances of one variance.
    EqualVariance,
    /// A state for each series, with disturbances of a full covariance (seemingly unrelated).
    Correlated,
    /// One state, seen by all series through loadings, the first of which is 1.
    Common,
}

/// Covariance of the observation noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Irregular {
    /// A variance for each series.
    #[default]
    Independent,
    /// One variance for all series.
    EqualVariance,
    /// A full covariance matrix.
    Correlated,
    /// No noise.
    None,
}

/// The length Δ_t of the step into z_t.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Time {
    /// 1.
    #[default]
    Regular,
    /// Δ_t is a column of the inputs; its first entry is not read.
    Step {
        /// The column, from 0.
        input: usize,
    },
    /// Time stamps τ_t are a column of the inputs; Δ_t = τ_t − τ_{t-1}.
    Stamp {
        /// The column, from 0.
        input: usize,
    },
}

/// How the state of a component starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Initial {
    /// Anywhere: an exact diffuse start.
    Diffuse,
    /// With a known mean and covariance, the same for each series.
    Given {
        /// Shape \[dim\].
        mean: Array,
        /// Shape \[dim, dim\], positive semi-definite.
        cov: Array,
    },
}
