//! The model: networks and their weights.

use std::ops::Range;

use statewise::data::Dataset;
use statewise::{Error, Result, Seed};

use crate::array::Real;
use crate::checks::at_least_one;
use crate::model::{DmmConfig, EmissionKind, Network};
use crate::parameters::Tensor;

/// A deep Markov model p(x, z) with its inference network q(z | x), in single precision unless told.
///
/// # Source
/// Krishnan, Shalit and Sontag (2017), "Structured inference networks for nonlinear state space models".
#[derive(Clone, Debug)]
pub struct DeepMarkovModel<R = f32> {
    pub(crate) network: Network,
    pub(crate) theta: Vec<R>,
}

impl<R: Real> DeepMarkovModel<R> {
    /// A model with weights drawn by the configuration's scheme.
    ///
    /// # Errors
    /// Options that make no model ([`DmmConfig::check`]).
    pub fn new(config: &DmmConfig, seed: Seed) -> Result<Self> {
        let (network, values) = Network::new(config, seed)?;
        Ok(DeepMarkovModel { network, theta: values.into_iter().map(R::from_f64).collect() })
    }

    /// Its options.
    pub fn config(&self) -> &DmmConfig {
        &self.network.config
    }

    /// Name, shape and place of every tensor, in the order of [`DeepMarkovModel::parameters`].
    pub fn tensors(&self) -> &[Tensor] {
        &self.network.tensors
    }

    /// All weights, one tensor after the other.
    pub fn parameters(&self) -> &[R] {
        &self.theta
    }

    /// All weights, to be set.
    pub fn parameters_mut(&mut self) -> &mut [R] {
        &mut self.theta
    }

    /// The values of a tensor.
    ///
    /// # Errors
    /// A name that no tensor has.
    pub fn tensor(&self, name: &str) -> Result<&[R]> {
        Ok(&self.theta[self.range(name)?])
    }

    /// The values of a tensor, to be set.
    ///
    /// # Errors
    /// A name that no tensor has.
    pub fn tensor_mut(&mut self, name: &str) -> Result<&mut [R]> {
        let range = self.range(name)?;
        Ok(&mut self.theta[range])
    }

    fn range(&self, name: &str) -> Result<Range<usize>> {
        let found = self.network.tensors.iter().find(|tensor| tensor.name == name);
        found.map(|tensor| tensor.range.clone()).ok_or_else(|| {
            let names: Vec<&str> = self.network.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
            Error::argument("tensor", format!("{name:?}"), format!("one of {names:?}"))
        })
    }

    /// Checks that the model can read the data.
    ///
    /// # Errors
    /// Another number of features or inputs, or values that the emission does not know.
    pub fn check_data(&self, argument: &str, data: &Dataset<'_>) -> Result<()> {
        let config = self.config();
        if data.width() != config.emission_dim {
            let expected = format!("{} (emission_dim)", config.emission_dim);
            return Err(Error::argument(argument, format!("{} features", data.width()), expected));
        }
        if data.input_dim() != config.input_dim {
            let expected = format!("{} (input_dim)", config.input_dim);
            return Err(Error::argument(argument, format!("{} inputs", data.input_dim()), expected));
        }
        let (known, expected): (fn(f64, usize) -> bool, String) = match config.emission {
            EmissionKind::Bernoulli | EmissionKind::Nade => {
                (|x, _| (0.0..=1.0).contains(&x), "values from 0 to 1".into())
            }
            EmissionKind::Poisson => (|x, _| x >= 0.0 && x.fract() == 0.0, "counts 0, 1, 2, …".into()),
            EmissionKind::Categorical => (
                |x, classes| x >= 0.0 && x.fract() == 0.0 && x < classes as f64,
                format!("labels 0 to {}", config.num_classes.saturating_sub(1)),
            ),
            EmissionKind::Gaussian => (|_, _| true, String::new()),
        };
        match data.rows().iter().position(|x| !x.is_nan() && !known(*x, config.num_classes)) {
            None => Ok(()),
            Some(i) => {
                let place = format!("{argument} row {}, feature {}", i / data.width(), i % data.width());
                Err(Error::argument(place, data.rows()[i], expected))
            }
        }
    }

    /// Checks what every verb over drawn paths takes.
    pub(crate) fn check_samples(&self, data: &Dataset<'_>, num_samples: usize) -> Result<()> {
        at_least_one(&[("num_samples", num_samples)])?;
        self.check_data("data", data)
    }
}
