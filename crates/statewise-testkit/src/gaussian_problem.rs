//! A linear Gaussian model with one series, as plain arrays.

/// Values that are the same at all steps, or one set per step.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianSteps {
    /// One set of `len` values, or one per step, concatenated.
    pub values: Vec<f64>,
    /// Values of one step.
    pub len: usize,
    /// Whether there is one set per step.
    pub per_step: bool,
}

impl GaussianSteps {
    /// The same values at all steps.
    pub fn fixed(values: &[f64]) -> Self {
        GaussianSteps { values: values.to_vec(), len: values.len(), per_step: false }
    }

    /// One set of values per step.
    pub fn per_step(sets: &[Vec<f64>]) -> Self {
        GaussianSteps { values: sets.concat(), len: sets.first().map_or(0, Vec::len), per_step: true }
    }

    /// The values of step t.
    pub fn at(&self, t: usize) -> &[f64] {
        let start = if self.per_step { t * self.len } else { 0 };
        &self.values[start..start + self.len]
    }
}

/// z_1 ~ N(m, P);  z_t = F_t z_{t-1} + b_t + N(0, Q_t);  y_t = H_t z_t + d_t + N(0, R_t).
///
/// Where F, b and Q are per step, their entry 0 is filled with [`GaussianProblem::UNREAD`]: nothing may read it.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianProblem {
    /// What is special about it.
    pub name: String,
    /// D.
    pub state_dim: usize,
    /// M.
    pub emission_dim: usize,
    /// T.
    pub num_steps: usize,
    /// m, shape \[D\].
    pub initial_mean: Vec<f64>,
    /// P, shape \[D, D\].
    pub initial_cov: Vec<f64>,
    /// P∞, shape \[D, D\], of a diffuse start.
    pub initial_diffuse: Option<Vec<f64>>,
    /// F_t, shape \[D, D\].
    pub transition: GaussianSteps,
    /// b_t, shape \[D\].
    pub transition_offset: GaussianSteps,
    /// Q_t, shape \[D, D\].
    pub transition_cov: GaussianSteps,
    /// H_t, shape \[M, D\].
    pub emission: GaussianSteps,
    /// d_t, shape \[M\].
    pub emission_offset: GaussianSteps,
    /// R_t, shape \[M, M\], or its diagonal, shape \[M\].
    pub emission_cov: GaussianSteps,
    /// Whether `emission_cov` holds diagonals.
    pub diagonal_noise: bool,
    /// y, shape \[T, M\]; NaN where missing.
    pub emissions: Vec<f64>,
}

impl GaussianProblem {
    /// What fills entry 0 of F, b and Q (its diagonal) where they are per step.
    pub const UNREAD: f64 = 77.0;

    /// A model of fixed matrices without offsets.
    pub fn fixed(
        name: &str,
        initial: (&[f64], &[f64]),
        dynamics: (&[f64], &[f64]),
        emission: (&[f64], &[f64]),
        emissions: &[f64],
    ) -> Self {
        let state_dim = initial.0.len();
        let emission_dim = emission.0.len() / state_dim;
        Self {
            name: name.to_string(),
            state_dim,
            emission_dim,
            num_steps: emissions.len() / emission_dim,
            initial_mean: initial.0.to_vec(),
            initial_cov: initial.1.to_vec(),
            initial_diffuse: None,
            transition: GaussianSteps::fixed(dynamics.0),
            transition_offset: GaussianSteps::fixed(&vec![0.0; state_dim]),
            transition_cov: GaussianSteps::fixed(dynamics.1),
            emission: GaussianSteps::fixed(emission.0),
            emission_offset: GaussianSteps::fixed(&vec![0.0; emission_dim]),
            emission_cov: GaussianSteps::fixed(emission.1),
            diagonal_noise: false,
            emissions: emissions.to_vec(),
        }
    }

    /// The same model under another name.
    pub fn named(self, name: &str) -> Self {
        Self { name: name.to_string(), ..self }
    }

    /// The same model with z_1 ~ N(m, P + κ P∞), κ → ∞.
    pub fn diffuse(self, diffuse: &[f64]) -> Self {
        Self { initial_diffuse: Some(diffuse.to_vec()), ..self }
    }

    /// The same model with the entries (t, i) of y missing.
    pub fn missing(mut self, entries: &[(usize, usize)]) -> Self {
        for &(t, i) in entries {
            self.emissions[t * self.emission_dim + i] = f64::NAN;
        }
        self
    }

    /// The same model with all of y_t missing at the `steps`.
    pub fn missing_rows(self, steps: &[usize]) -> Self {
        let m = self.emission_dim;
        let entries: Vec<_> = steps.iter().flat_map(|&t| (0..m).map(move |i| (t, i))).collect();
        self.missing(&entries)
    }

    /// The same model with `horizon` more steps, all missing: forecasts. Only for fixed matrices.
    pub fn extended(mut self, horizon: usize) -> Self {
        self.num_steps += horizon;
        self.emissions.resize(self.num_steps * self.emission_dim, f64::NAN);
        self
    }

    /// R_t as a matrix, shape \[M, M\].
    pub fn noise(&self, t: usize) -> Vec<f64> {
        let (m, values) = (self.emission_dim, self.emission_cov.at(t));
        if !self.diagonal_noise {
            return values.to_vec();
        }
        diagonal(&values[..m])
    }
}

/// diag(`values`).
pub(crate) fn diagonal(values: &[f64]) -> Vec<f64> {
    let size = values.len();
    let mut out = vec![0.0; size * size];
    (0..size).for_each(|i| out[i * size + i] = values[i]);
    out
}
