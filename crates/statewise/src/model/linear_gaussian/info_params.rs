//! Parameters of a linear Gaussian state space model by precisions, static or per step.
//!
//! z_1 ~ N(m, Λ⁻¹);  z_t = F_t z_{t-1} + B_t u_t + b_t + N(0, Q_t);  y_t = H_t z_t + D_t u_t + d_t + N(0, R_t),
//! with Λ, Q⁻¹ and R⁻¹ given.
//!
//! Entry t of a per-step array, and u_t, drive the step *into* z_t and the emission y_t.

use statewise_kernels::gaussian::{InformationSystem, Noise};

use super::Offsets;
use super::array_checks::{check_num_steps, check_widths, not_negative, semidefinite, shape};
use super::offsets::steps;
use crate::data::{Dataset, Sequence};
use crate::error::{Error, Result};
use crate::params::Array;

/// What the information filter takes, with Dynamax's names.
///
/// D is the dimension of the state, M of the emission, U of the inputs. A matrix with a leading axis
/// of length T (of the longest sequence at least) has one entry per step.
#[derive(Clone, Debug, PartialEq)]
pub struct LgssmInfoParams {
    /// m, shape \[D\].
    pub initial_mean: Array,
    /// F, shape \[D, D\] or \[T, D, D\].
    pub dynamics_weights: Array,
    /// H, shape \[M, D\] or \[T, M, D\].
    pub emission_weights: Array,
    /// Λ, shape \[D, D\]; positive semi-definite, zero for a flat start.
    pub initial_precision: Array,
    /// Q⁻¹, shape \[D, D\] or \[T, D, D\]; positive semi-definite.
    pub dynamics_precision: Array,
    /// R⁻¹, shape \[M, M\], \[T, M, M\], or of a diagonal one \[M\] (or \[T, M\], with
    /// `diagonal_emission_precision`).
    pub emission_precision: Array,
    /// B, shape \[D, U\] or \[T, D, U\].
    pub dynamics_input_weights: Option<Array>,
    /// b, shape \[D\] or \[T, D\].
    pub dynamics_bias: Option<Array>,
    /// D, shape \[M, U\] or \[T, M, U\].
    pub emission_input_weights: Option<Array>,
    /// d, shape \[M\] or \[T, M\].
    pub emission_bias: Option<Array>,
    /// Whether `emission_precision` holds diagonals; tells \[T, M\] from \[M, M\] where T = M.
    pub diagonal_emission_precision: bool,
}

impl LgssmInfoParams {
    /// D.
    pub fn state_dim(&self) -> usize {
        self.initial_mean.values().len()
    }

    /// M.
    pub fn emission_dim(&self) -> usize {
        let shape = self.emission_weights.shape();
        shape.len().checked_sub(2).map_or(0, |axis| shape[axis])
    }

    /// U: 0 where no input has weights.
    pub fn input_dim(&self) -> usize {
        let weights = [&self.dynamics_input_weights, &self.emission_input_weights];
        weights.into_iter().flatten().map(|w| w.shape().last().copied().unwrap_or(0)).max().unwrap_or(0)
    }

    /// The shared part, as the engines see it.
    pub fn system(&self) -> InformationSystem<'_> {
        let (d, m) = (self.state_dim(), self.emission_dim());
        InformationSystem {
            state_dim: d,
            emission_dim: m,
            initial_mean: self.initial_mean.values(),
            initial_precision: self.initial_precision.values(),
            transition: steps(&self.dynamics_weights, d * d, 2),
            transition_precision: steps(&self.dynamics_precision, d * d, 2),
            emission: steps(&self.emission_weights, m * d, 2),
            emission_precision: if self.diagonal_emission_precision {
                Noise::Diagonal(steps(&self.emission_precision, m, 1))
            } else {
                Noise::Full(steps(&self.emission_precision, m * m, 2))
            },
        }
    }

    /// b_t + B_t u_t and d_t + D_t u_t of one sequence.
    pub fn offsets<'a>(&'a self, sequence: Sequence<'a>) -> Offsets<'a> {
        Offsets::new(
            (&self.dynamics_bias, &self.dynamics_input_weights, self.state_dim()),
            (&self.emission_bias, &self.emission_input_weights, self.emission_dim()),
            sequence,
        )
    }

    /// Checks shapes, values and that the data fit.
    ///
    /// # Errors
    /// What does not fit, by its name.
    pub fn check(&self, data: &Dataset<'_>) -> Result<()> {
        self.check_params()?;
        check_widths(data, self.emission_dim(), self.input_dim())?;
        let noise_rank = if self.diagonal_emission_precision { 1 } else { 2 };
        let arrays = [
            ("dynamics_weights", Some(&self.dynamics_weights), 2),
            ("dynamics_precision", Some(&self.dynamics_precision), 2),
            ("emission_weights", Some(&self.emission_weights), 2),
            ("emission_precision", Some(&self.emission_precision), noise_rank),
            ("dynamics_bias", self.dynamics_bias.as_ref(), 1),
            ("dynamics_input_weights", self.dynamics_input_weights.as_ref(), 2),
            ("emission_bias", self.emission_bias.as_ref(), 1),
            ("emission_input_weights", self.emission_input_weights.as_ref(), 2),
        ];
        let arrays = arrays.into_iter().filter_map(|(name, value, rank)| Some((name, value?, rank)));
        check_num_steps(arrays, data.lengths().max().unwrap_or(0))
    }

    /// Checks shapes, finiteness, and that precisions are symmetric and positive semi-definite.
    ///
    /// # Errors
    /// What does not fit, by its name.
    pub fn check_params(&self) -> Result<()> {
        let (d, m, u) = (self.state_dim(), self.emission_dim(), self.input_dim());
        if d == 0 || m == 0 {
            let found = format!("state dimension {d}, emission dimension {m}");
            return Err(Error::argument("params", found, "at least 1"));
        }
        shape("initial_mean", &self.initial_mean, &[d], false)?;
        semidefinite("initial_precision", &self.initial_precision, d, false)?;
        shape("dynamics_weights", &self.dynamics_weights, &[d, d], true)?;
        semidefinite("dynamics_precision", &self.dynamics_precision, d, true)?;
        shape("emission_weights", &self.emission_weights, &[m, d], true)?;
        if self.diagonal_emission_precision {
            shape("emission_precision", &self.emission_precision, &[m], true)?;
            not_negative("emission_precision", &self.emission_precision, "precisions")?;
        } else {
            semidefinite("emission_precision", &self.emission_precision, m, true)?;
        }
        let optional = [
            ("dynamics_bias", &self.dynamics_bias, vec![d]),
            ("dynamics_input_weights", &self.dynamics_input_weights, vec![d, u]),
            ("emission_bias", &self.emission_bias, vec![m]),
            ("emission_input_weights", &self.emission_input_weights, vec![m, u]),
        ];
        for (name, value, expected) in optional {
            value.as_ref().map_or(Ok(()), |value| shape(name, value, &expected, true))?;
        }
        Ok(())
    }
}
