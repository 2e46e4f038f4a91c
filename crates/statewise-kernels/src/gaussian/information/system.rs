//! A linear Gaussian system, by precisions.

use super::super::system::{length, steps};
use super::super::{GaussianError, Noise, Series, Steps};

/// z_1 ~ N(m, Λ⁻¹);  z_t = A_t z_{t-1} + b_t + N(0, Q_t);  y_t = H_t z_t + d_t + N(0, R_t), with Λ, Q⁻¹ and
/// R⁻¹ given. D is the state's dimension, M the observation's.
///
/// Λ may be singular or zero: z_1 then has a flat density, equal to one, in the entries that Λ's Cholesky
/// factor has no pivot for. Entry 0 of A and Q⁻¹ is not read.
#[derive(Clone, Copy, Debug)]
pub struct InformationSystem<'a> {
    /// D.
    pub state_dim: usize,
    /// M.
    pub emission_dim: usize,
    /// m, shape \[D\]; any finite values where Λ is zero.
    pub initial_mean: &'a [f64],
    /// Λ, shape \[D, D\].
    pub initial_precision: &'a [f64],
    /// A_t, shape \[D, D\].
    pub transition: Steps<'a>,
    /// Q_t⁻¹, shape \[D, D\].
    pub transition_precision: Steps<'a>,
    /// H_t, shape \[M, D\].
    pub emission: Steps<'a>,
    /// R_t⁻¹, full or its diagonal.
    pub emission_precision: Noise<'a>,
}

impl InformationSystem<'_> {
    /// Checks sizes against a series; answers the number of steps.
    ///
    /// # Errors
    /// [`GaussianError::Shape`] naming the argument.
    pub fn check(&self, series: &Series<'_>) -> Result<usize, GaussianError> {
        let (d, m) = (self.state_dim, self.emission_dim);
        let num_steps = series.emissions.len() / m.max(1);
        length("initial_mean", self.initial_mean.len(), d.max(1))?;
        length("initial_precision", self.initial_precision.len(), d * d)?;
        length("emissions", series.emissions.len(), num_steps.max(1) * m.max(1))?;
        steps("transition", &self.transition, d * d, num_steps)?;
        steps("transition_precision", &self.transition_precision, d * d, num_steps)?;
        steps("emission", &self.emission, m * d, num_steps)?;
        match &self.emission_precision {
            Noise::Full(r) => steps("emission_precision", r, m * m, num_steps)?,
            Noise::Diagonal(r) => steps("emission_precision", r, m, num_steps)?,
        }
        if let Some(offset) = &series.transition_offset {
            steps("transition_offset", offset, d, num_steps)?;
        }
        if let Some(offset) = &series.emission_offset {
            steps("emission_offset", offset, m, num_steps)?;
        }
        Ok(num_steps)
    }
}
