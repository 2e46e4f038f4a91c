//! The blocks by name: what a model file or Python says to get one.

use serde::{Deserialize, Serialize};

use super::{
    Arma, Autoregressive, Block, Brownian, ConstantAcceleration, ConstantVelocity, Cycle, DampedTrend,
    Disturbance, Intervention, LocalLevel, LocalLinearTrend, Matern, Matrices, OrnsteinUhlenbeck,
    Parameter, Regression, Scale, Seasonal, Start, TrigonometricSeasonal, Weights,
};
use crate::dual::Real;
use crate::error::Result;

/// Declares the enum of blocks, and what follows from the list alone.
macro_rules! blocks {
    ($($(#[$doc:meta])* $block:ident as $name:literal,)+) => {
        /// A block with its sizes and choices, without parameters.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "block", rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum BlockSpec {
            $($(#[$doc])* $block($block),)+
        }

        impl BlockSpec {
            /// The name of a component that is given none.
            pub fn default_name(&self) -> &'static str {
                match self {
                    $(BlockSpec::$block(_) => $name,)+
                }
            }
        }

        impl Block for BlockSpec {
            fn check(&self, path: &str) -> Result<()> {
                match self { $(BlockSpec::$block(block) => block.check(path),)+ }
            }
            fn states(&self) -> Vec<String> {
                match self { $(BlockSpec::$block(block) => block.states(),)+ }
            }
            fn state_dim(&self) -> usize {
                match self { $(BlockSpec::$block(block) => block.state_dim(),)+ }
            }
            fn parameters(&self) -> Vec<Parameter> {
                match self { $(BlockSpec::$block(block) => block.parameters(),)+ }
            }
            fn disturbances(&self) -> Vec<Disturbance> {
                match self { $(BlockSpec::$block(block) => block.disturbances(),)+ }
            }
            fn is_stationary(&self) -> bool {
                match self { $(BlockSpec::$block(block) => block.is_stationary(),)+ }
            }
            fn diffuse(&self) -> Vec<bool> {
                match self { $(BlockSpec::$block(block) => block.diffuse(),)+ }
            }
            fn reads_time(&self) -> bool {
                match self { $(BlockSpec::$block(block) => block.reads_time(),)+ }
            }
            fn matrices<R: Real>(&self, theta: &[R], step: f64) -> Matrices<R> {
                match self { $(BlockSpec::$block(block) => block.matrices(theta, step),)+ }
            }
            fn weights(&self) -> Weights {
                match self { $(BlockSpec::$block(block) => block.weights(),)+ }
            }
            fn inputs(&self) -> &[usize] {
                match self { $(BlockSpec::$block(block) => block.inputs(),)+ }
            }
            fn emission(&self, t: usize, inputs: &[f64], out: &mut [f64]) {
                match self { $(BlockSpec::$block(block) => block.emission(t, inputs, out),)+ }
            }
            fn start(&self, scale: &Scale) -> Start {
                match self { $(BlockSpec::$block(block) => block.start(scale),)+ }
            }
        }

        $(impl From<$block> for BlockSpec {
            fn from(block: $block) -> Self {
                BlockSpec::$block(block)
            }
        })+
    };
}

blocks! {
    /// A random walk.
    LocalLevel as "level",
    /// A random walk whose drift is a random walk.
    LocalLinearTrend as "trend",
    /// A random walk whose drift returns to a long-run value.
    DampedTrend as "trend",
    /// A pattern over a whole number of rows that sums to nearly zero.
    Seasonal as "seasonal",
    /// A sum of waves over any period.
    TrigonometricSeasonal as "seasonal",
    /// A wave of unknown period.
    Cycle as "cycle",
    /// A stationary autoregression.
    Autoregressive as "ar",
    /// A stationary autoregression with moving-average noise.
    Arma as "arma",
    /// Inputs with coefficients.
    Regression as "regression",
    /// A change at a known step.
    Intervention as "intervention",
    /// A random walk in continuous time.
    Brownian as "level",
    /// A position whose velocity is a random walk in continuous time.
    ConstantVelocity as "motion",
    /// A position whose acceleration is a random walk in continuous time.
    ConstantAcceleration as "motion",
    /// A random walk in continuous time that is pulled to zero.
    OrnsteinUhlenbeck as "ou",
    /// A Gaussian process with a Matérn covariance.
    Matern as "matern",
}
