//! The model of a synthetic system: its own law as p(x, z), and an inference network to be learned.

use statewise::{Result, Seed};

use super::{SyntheticSystem, SyntheticTransition};
use crate::array::Real;
use crate::deep_markov_model::DeepMarkovModel;
use crate::layers::{Function, Operation};
use crate::model::{DmmConfig, EmissionKind, Initial, TransitionKind};

impl SyntheticSystem {
    /// Names that the tensors of the law start with: what [`crate::learn::FitOptions::frozen`] holds fixed.
    pub const LAW: [&'static str; 3] = ["transition", "emission", "initial"];

    /// The options of a model with this law; the inference network's are those of `guide`.
    pub fn config(&self, guide: &DmmConfig) -> DmmConfig {
        let (transition, function) = match &self.transition {
            SyntheticTransition::Affine { .. } => (TransitionKind::LinearGaussian, None),
            SyntheticTransition::Sine => (TransitionKind::Function, Some(sine())),
            SyntheticTransition::TanhSine { alpha, beta } => {
                (TransitionKind::Function, Some(tanh_sine(*alpha, *beta)))
            }
        };
        DmmConfig {
            emission_dim: self.emission_dim(),
            latent_dim: self.state_dim(),
            emission: EmissionKind::Gaussian,
            emission_layers: 0,
            emission_constant_variance: true,
            emission_residual: false,
            emission_previous: false,
            transition,
            transition_function: function,
            transition_previous: false,
            input_dim: 0,
            initial: Initial::Learned,
            ..guide.clone()
        }
    }

    /// A model with exactly this law and an inference network that knows nothing yet.
    ///
    /// # Errors
    /// Options that make no model; a system whose parts do not fit.
    pub fn model<R: Real>(&self, guide: &DmmConfig, seed: Seed) -> Result<DeepMarkovModel<R>> {
        self.check()?;
        let config = self.config(guide);
        let mut model = DeepMarkovModel::new(&config, seed)?;
        let (d, m) = (self.state_dim(), self.emission_dim());
        let mut set = |name: &str, values: Vec<f64>| -> Result<()> {
            let tensor = model.tensor_mut(name)?;
            tensor.iter_mut().zip(values).for_each(|(x, value)| *x = R::from_f64(value));
            Ok(())
        };
        if let SyntheticTransition::Affine { weights, bias } = &self.transition {
            set("transition.mean.weight", transposed(weights.values(), d, d))?;
            set("transition.mean.bias", bias.clone())?;
        }
        set("transition.spread", vec![config.spread.raw(self.transition_variance); d])?;
        set("emission.output.weight", transposed(self.emission_weights.values(), m, d))?;
        set("emission.output.bias", vec![0.0; m])?;
        set("emission.spread", vec![crate::layers::Spread::Variance.raw(self.emission_variance); m])?;
        set("initial.mean", vec![0.0; d])?;
        set("initial.spread", vec![config.spread.raw(self.initial_variance); d])?;
        Ok(model)
    }
}

/// The transpose of a matrix (rows × columns): a layer's weight is \[inputs, outputs\].
fn transposed(values: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|j| (0..rows).map(move |i| values[i * columns + j])).collect()
}

/// z + 2 sin z.
fn sine() -> Function {
    use Operation::*;
    let operations = vec![
        Input { index: 0 },
        Sin { a: 0 },
        Constant { value: 2.0 },
        Multiply { a: 2, b: 1 },
        Add { a: 0, b: 3 },
    ];
    Function { operations, outputs: vec![4], parameters: Vec::new() }
}

/// (0.2 z⁰ + tanh(α z¹), 0.2 z¹ + sin(β z⁰)) with θ = (α, β).
fn tanh_sine(alpha: f64, beta: f64) -> Function {
    use Operation::*;
    let operations = vec![
        Input { index: 0 },
        Input { index: 1 },
        Parameter { index: 0 },
        Parameter { index: 1 },
        Constant { value: 0.2 },
        Multiply { a: 4, b: 0 },
        Multiply { a: 2, b: 1 },
        Tanh { a: 6 },
        Add { a: 5, b: 7 },
        Multiply { a: 4, b: 1 },
        Multiply { a: 3, b: 0 },
        Sin { a: 10 },
        Add { a: 9, b: 11 },
    ];
    Function { operations, outputs: vec![8, 12], parameters: vec![alpha, beta] }
}
