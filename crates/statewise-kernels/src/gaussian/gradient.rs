//! Where engines write gradients of log p(y_{1:T}).

use super::{GaussianError, Noise, System, length};

/// Memory for the derivatives by a vector or matrix: summed over the steps, or one per step.
#[derive(Debug)]
pub struct StepsMut<'a> {
    values: &'a mut [f64],
    /// Values of one step.
    len: usize,
    per_step: bool,
}

impl<'a> StepsMut<'a> {
    /// One set of values; what the steps contribute is summed.
    pub fn summed(values: &'a mut [f64]) -> Self {
        StepsMut { len: values.len(), values, per_step: false }
    }

    /// `len` values per step, concatenated.
    pub fn per_step(values: &'a mut [f64], len: usize) -> Self {
        StepsMut { values, len, per_step: true }
    }

    /// The values that step t adds to.
    #[inline(always)]
    pub fn at(&mut self, t: usize) -> &mut [f64] {
        let start = if self.per_step { t * self.len } else { 0 };
        &mut self.values[start..start + self.len]
    }

    fn check(
        &self,
        argument: &'static str,
        expected: usize,
        num_steps: usize,
    ) -> Result<(), GaussianError> {
        length(argument, self.len, expected)?;
        if self.per_step { length(argument, self.values.len(), num_steps * expected) } else { Ok(()) }
    }
}

/// Derivatives of log p(y_{1:T}) by every array of a [`System`] and of its series.
///
/// Engines *add* to what is there, so that gradients of several series sum up. What is `None` is not
/// computed. Covariances count as n² independent entries, and their derivatives G are symmetric:
/// d log p = Σ_ij G_ij dΣ_ij.
#[derive(Debug, Default)]
pub struct Gradient<'a> {
    /// By m, shape \[D\].
    pub initial_mean: Option<&'a mut [f64]>,
    /// By P, shape \[D, D\].
    pub initial_cov: Option<&'a mut [f64]>,
    /// By A_t, shape \[D, D\]; entry 0 stays as it is.
    pub transition: Option<StepsMut<'a>>,
    /// By b_t, shape \[D\]; entry 0 stays as it is.
    pub transition_offset: Option<StepsMut<'a>>,
    /// By Q_t, shape \[D, D\]; entry 0 stays as it is.
    pub transition_cov: Option<StepsMut<'a>>,
    /// By H_t, shape \[M, D\].
    pub emission: Option<StepsMut<'a>>,
    /// By d_t, shape \[M\].
    pub emission_offset: Option<StepsMut<'a>>,
    /// By R_t, shape \[M, M\], or by its diagonal, shape \[M\], whichever the system has.
    pub emission_cov: Option<StepsMut<'a>>,
    /// By y_t, shape \[T, M\]; missing entries stay as they are.
    pub emissions: Option<&'a mut [f64]>,
}

impl Gradient<'_> {
    /// Checks sizes against a system and a number of steps.
    ///
    /// # Errors
    /// [`GaussianError::Shape`] naming the argument.
    pub fn check(&self, system: &System<'_>, num_steps: usize) -> Result<(), GaussianError> {
        let (d, m) = (system.state_dim, system.emission_dim);
        let noise = match system.emission_cov {
            Noise::Full(_) => m * m,
            Noise::Diagonal(_) => m,
        };
        let whole = [
            ("gradient initial_mean", &self.initial_mean, d),
            ("gradient initial_cov", &self.initial_cov, d * d),
            ("gradient emissions", &self.emissions, num_steps * m),
        ];
        for (argument, values, expected) in whole {
            values.as_ref().map_or(Ok(()), |values| length(argument, values.len(), expected))?;
        }
        let stepwise = [
            ("gradient transition", &self.transition, d * d),
            ("gradient transition_offset", &self.transition_offset, d),
            ("gradient transition_cov", &self.transition_cov, d * d),
            ("gradient emission", &self.emission, m * d),
            ("gradient emission_offset", &self.emission_offset, m),
            ("gradient emission_cov", &self.emission_cov, noise),
        ];
        stepwise.into_iter().try_for_each(|(argument, steps, expected)| {
            steps.as_ref().map_or(Ok(()), |steps| steps.check(argument, expected, num_steps))
        })
    }
}
