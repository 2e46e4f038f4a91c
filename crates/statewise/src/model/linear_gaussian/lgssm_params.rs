//! Parameters of a linear Gaussian state space model as plain arrays, static or per step.
//!
//! z_1 ~ N(m, S);  z_t = F_t z_{t-1} + B_t u_t + b_t + N(0, Q_t);  y_t = H_t z_t + D_t u_t + d_t + N(0, R_t)
//!
//! Entry t of a per-step array, and u_t, drive the step *into* z_t and the emission y_t.

use statewise_kernels::gaussian::{Noise, System};

use super::array_checks::{check_num_steps, check_widths, not_negative, semidefinite, shape};
use super::offsets::{Offsets, offset_at, steps};
use crate::data::{Dataset, Sequence};
use crate::error::{Error, Result};
use crate::params::Array;

/// What every linear Gaussian model becomes before inference: the only bridge to the engines.
///
/// D is the dimension of the state, M of the emission, U of the inputs. A matrix with a leading axis
/// of length T (of the longest sequence at least) has one entry per step.
#[derive(Clone, Debug, PartialEq)]
pub struct LgssmParams {
    /// m, shape \[D\].
    pub initial_mean: Array,
    /// S, shape \[D, D\]; positive semi-definite.
    pub initial_cov: Array,
    /// P∞ where the initial state has covariance S + κ P∞, κ → ∞; shape \[D, D\].
    pub initial_diffuse: Option<Array>,
    /// F, shape \[D, D\] or \[T, D, D\].
    pub dynamics_weights: Array,
    /// b, shape \[D\] or \[T, D\].
    pub dynamics_bias: Option<Array>,
    /// B, shape \[D, U\] or \[T, D, U\].
    pub dynamics_input_weights: Option<Array>,
    /// Q, shape \[D, D\] or \[T, D, D\]; positive semi-definite.
    pub dynamics_cov: Array,
    /// H, shape \[M, D\] or \[T, M, D\].
    pub emissions_weights: Array,
    /// d, shape \[M\] or \[T, M\].
    pub emissions_bias: Option<Array>,
    /// D, shape \[M, U\] or \[T, M, U\].
    pub emissions_input_weights: Option<Array>,
    /// R, shape \[M, M\], \[T, M, M\], or of a diagonal one \[M\] (or \[T, M\], with `diagonal_emissions_cov`).
    pub emissions_cov: Array,
    /// Whether `emissions_cov` holds diagonals; tells \[T, M\] from \[M, M\] where T = M.
    pub diagonal_emissions_cov: bool,
}

impl LgssmParams {
    /// Parameters without biases, inputs or a diffuse start.
    pub fn new(
        initial_mean: Array,
        initial_cov: Array,
        dynamics_weights: Array,
        dynamics_cov: Array,
        emissions_weights: Array,
        emissions_cov: Array,
    ) -> Self {
        let diagonal_emissions_cov = emissions_cov.shape().len() == 1;
        LgssmParams {
            initial_mean,
            initial_cov,
            initial_diffuse: None,
            dynamics_weights,
            dynamics_bias: None,
            dynamics_input_weights: None,
            dynamics_cov,
            emissions_weights,
            emissions_bias: None,
            emissions_input_weights: None,
            emissions_cov,
            diagonal_emissions_cov,
        }
    }

    /// D.
    pub fn state_dim(&self) -> usize {
        self.initial_mean.values().len()
    }

    /// M.
    pub fn emission_dim(&self) -> usize {
        let shape = self.emissions_weights.shape();
        shape.len().checked_sub(2).map_or(0, |axis| shape[axis])
    }

    /// U: 0 where no input has weights.
    pub fn input_dim(&self) -> usize {
        let weights = [&self.dynamics_input_weights, &self.emissions_input_weights];
        weights.into_iter().flatten().map(|w| w.shape().last().copied().unwrap_or(0)).max().unwrap_or(0)
    }

    /// The shared part, as the engines see it.
    pub fn system(&self) -> System<'_> {
        let (d, m) = (self.state_dim(), self.emission_dim());
        System {
            state_dim: d,
            emission_dim: m,
            initial_mean: self.initial_mean.values(),
            initial_cov: self.initial_cov.values(),
            initial_diffuse: self.initial_diffuse.as_ref().map(Array::values),
            transition: steps(&self.dynamics_weights, d * d, 2),
            transition_cov: steps(&self.dynamics_cov, d * d, 2),
            emission: steps(&self.emissions_weights, m * d, 2),
            emission_cov: if self.diagonal_emissions_cov {
                Noise::Diagonal(steps(&self.emissions_cov, m, 1))
            } else {
                Noise::Full(steps(&self.emissions_cov, m * m, 2))
            },
        }
    }

    /// b_t + B_t u_t and d_t + D_t u_t of one sequence.
    pub fn offsets<'a>(&'a self, sequence: Sequence<'a>) -> Offsets<'a> {
        let (d, m) = (self.state_dim(), self.emission_dim());
        Offsets::new(
            (&self.dynamics_bias, &self.dynamics_input_weights, d),
            (&self.emissions_bias, &self.emissions_input_weights, m),
            sequence,
        )
    }

    /// b_t + B_t u_t, \[D\], and d_t + D_t u_t, \[M\], of one step with an input of U values.
    pub(crate) fn offsets_at(&self, t: usize, input: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let row = |bias: &Option<Array>, weights: &Option<Array>, len: usize| {
            let bias = bias.as_ref().map(|b| steps(b, len, 1));
            let weights = weights.as_ref().filter(|w| !input.is_empty() && !w.values().is_empty());
            let weights = weights.map(|w| steps(w, len * input.len(), 2));
            let mut row = vec![0.0; len];
            offset_at(bias.as_ref(), weights.as_ref(), t, input, &mut row);
            row
        };
        (
            row(&self.dynamics_bias, &self.dynamics_input_weights, self.state_dim()),
            row(&self.emissions_bias, &self.emissions_input_weights, self.emission_dim()),
        )
    }

    /// Checks shapes, values and that the data fit.
    ///
    /// # Errors
    /// What does not fit, by its name.
    pub fn check(&self, data: &Dataset<'_>) -> Result<()> {
        self.check_params()?;
        check_widths(data, self.emission_dim(), self.input_dim())?;
        self.check_num_steps(data.lengths().max().unwrap_or(0))
    }

    /// Checks that arrays with one entry per step have entries for `num_steps`.
    ///
    /// # Errors
    /// The array that ends before.
    pub fn check_num_steps(&self, num_steps: usize) -> Result<()> {
        check_num_steps(self.per_step_arrays(), num_steps)
    }

    /// Checks shapes, finiteness, and that covariances are symmetric and positive semi-definite.
    ///
    /// # Errors
    /// What does not fit, by its name.
    pub fn check_params(&self) -> Result<()> {
        let (d, m, u) = (self.state_dim(), self.emission_dim(), self.input_dim());
        if d == 0 || m == 0 {
            return Err(Error::argument(
                "params",
                format!("state dimension {d}, emission dimension {m}"),
                "at least 1",
            ));
        }
        shape("initial.mean", &self.initial_mean, &[d], false)?;
        semidefinite("initial.cov", &self.initial_cov, d, false)?;
        if let Some(diffuse) = &self.initial_diffuse {
            semidefinite("initial.diffuse", diffuse, d, false)?;
        }
        shape("dynamics.weights", &self.dynamics_weights, &[d, d], true)?;
        semidefinite("dynamics.cov", &self.dynamics_cov, d, true)?;
        shape("emissions.weights", &self.emissions_weights, &[m, d], true)?;
        if self.diagonal_emissions_cov {
            shape("emissions.cov", &self.emissions_cov, &[m], true)?;
            not_negative("emissions.cov", &self.emissions_cov, "variances")?;
        } else {
            semidefinite("emissions.cov", &self.emissions_cov, m, true)?;
        }
        let optional = [
            ("dynamics.bias", &self.dynamics_bias, vec![d]),
            ("dynamics.input_weights", &self.dynamics_input_weights, vec![d, u]),
            ("emissions.bias", &self.emissions_bias, vec![m]),
            ("emissions.input_weights", &self.emissions_input_weights, vec![m, u]),
        ];
        for (name, value, expected) in optional {
            value.as_ref().map_or(Ok(()), |value| shape(name, value, &expected, true))?;
        }
        Ok(())
    }

    /// Arrays that may have one entry per step, with the rank of one entry.
    fn per_step_arrays(&self) -> impl Iterator<Item = (&'static str, &Array, usize)> {
        let cov_rank = if self.diagonal_emissions_cov { 1 } else { 2 };
        let optional = [
            ("dynamics.bias", &self.dynamics_bias, 1),
            ("dynamics.input_weights", &self.dynamics_input_weights, 2),
            ("emissions.bias", &self.emissions_bias, 1),
            ("emissions.input_weights", &self.emissions_input_weights, 2),
        ];
        [
            ("dynamics.weights", &self.dynamics_weights, 2),
            ("dynamics.cov", &self.dynamics_cov, 2),
            ("emissions.weights", &self.emissions_weights, 2),
            ("emissions.cov", &self.emissions_cov, cov_rank),
        ]
        .into_iter()
        .chain(optional.into_iter().filter_map(|(name, value, rank)| Some((name, value.as_ref()?, rank))))
    }
}
