//! Linear Gaussian systems: all that an engine for Gaussian states needs to know of a model.
//!
//! z_1 ~ N(m, P);  z_t = A_t z_{t-1} + b_t + N(0, Q_t);  y_t = H_t z_t + d_t + N(0, R_t)
//!
//! A [`System`] holds what sequences share, a [`Series`] what each has for itself. Means depend on a
//! series, covariances on the system and on which entries are missing only; the engines are built on
//! that split.

/// A vector or matrix for each step: the same at all, or one per step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steps<'a> {
    values: &'a [f64],
    /// Values of one step.
    len: usize,
    per_step: bool,
}

impl<'a> Steps<'a> {
    /// The same values at all steps.
    pub fn fixed(values: &'a [f64]) -> Self {
        Steps { values, len: values.len(), per_step: false }
    }

    /// `len` values per step, concatenated; entry t drives the step into z_t and the emission y_t.
    pub fn per_step(values: &'a [f64], len: usize) -> Self {
        Steps { values, len, per_step: true }
    }

    /// The values of step t.
    #[inline(always)]
    pub fn at(&self, t: usize) -> &'a [f64] {
        &self.values[self.range(t)]
    }

    /// Where the values of step t lie among all.
    #[inline(always)]
    pub fn range(&self, t: usize) -> std::ops::Range<usize> {
        let start = if self.per_step { t * self.len } else { 0 };
        start..start + self.len
    }

    /// The values of all steps.
    pub fn values(&self) -> &'a [f64] {
        self.values
    }

    /// Whether all steps have the same values.
    pub fn is_fixed(&self) -> bool {
        !self.per_step
    }

    /// Values of one step.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether a step has no values.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Steps for which there are values; `None` if for any number.
    pub fn num_steps(&self) -> Option<usize> {
        self.per_step.then(|| self.values.len() / self.len.max(1))
    }
}

/// Covariances of the observation noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise<'a> {
    /// R_t, shape \[M, M\].
    Full(Steps<'a>),
    /// The diagonal of R_t, shape \[M\].
    Diagonal(Steps<'a>),
}

impl<'a> Noise<'a> {
    /// The values of all steps, whatever their form.
    pub fn steps(&self) -> Steps<'a> {
        match *self {
            Noise::Full(steps) | Noise::Diagonal(steps) => steps,
        }
    }
}

/// What all series of a linear Gaussian model share. D is the state's dimension, M the observation's.
///
/// Covariances may be singular or zero. Entry 0 of A and Q is not read: z_1 has the initial moments.
#[derive(Clone, Copy, Debug)]
pub struct System<'a> {
    /// D.
    pub state_dim: usize,
    /// M.
    pub emission_dim: usize,
    /// m = E z_1, shape \[D\].
    pub initial_mean: &'a [f64],
    /// P = Cov z_1, shape \[D, D\]; of the proper part where there is a diffuse one.
    pub initial_cov: &'a [f64],
    /// P∞ where z_1 has covariance P + κ P∞ with κ → ∞, shape \[D, D\].
    pub initial_diffuse: Option<&'a [f64]>,
    /// A_t, shape \[D, D\].
    pub transition: Steps<'a>,
    /// Q_t, shape \[D, D\].
    pub transition_cov: Steps<'a>,
    /// H_t, shape \[M, D\].
    pub emission: Steps<'a>,
    /// R_t.
    pub emission_cov: Noise<'a>,
}

impl System<'_> {
    /// Whether no matrix changes with time, so that covariances settle.
    pub fn is_fixed(&self) -> bool {
        self.transition.is_fixed()
            && self.transition_cov.is_fixed()
            && self.emission.is_fixed()
            && self.emission_cov.steps().is_fixed()
    }
}

/// One series: its observations and offsets.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    /// y_t, shape \[T, M\]; NaN where missing.
    pub emissions: &'a [f64],
    /// b_t plus what inputs add, shape \[D\]; `None`: zero. Entry 0 is not read.
    pub transition_offset: Option<Steps<'a>>,
    /// d_t plus what inputs add, shape \[M\]; `None`: zero.
    pub emission_offset: Option<Steps<'a>>,
}

impl<'a> Series<'a> {
    /// A series without offsets.
    pub fn new(emissions: &'a [f64]) -> Self {
        Series { emissions, transition_offset: None, emission_offset: None }
    }

    /// Writes E(z_t | z_{t-1}) = A_t z_{t-1} + b_t, \[D\].
    pub fn transition_mean(&self, system: &System<'_>, t: usize, before: &[f64], out: &mut [f64]) {
        affine(&system.transition, &self.transition_offset, t, before, out);
    }

    /// Writes E(y_t | z_t) = H_t z_t + d_t, \[M\].
    pub fn emission_mean(&self, system: &System<'_>, t: usize, state: &[f64], out: &mut [f64]) {
        affine(&system.emission, &self.emission_offset, t, state, out);
    }

    /// T.
    pub fn num_steps(&self, system: &System<'_>) -> usize {
        self.emissions.len() / system.emission_dim
    }
}

fn affine(weights: &Steps<'_>, offset: &Option<Steps<'_>>, t: usize, x: &[f64], out: &mut [f64]) {
    for (i, (out, row)) in out.iter_mut().zip(weights.at(t).chunks_exact(x.len())).enumerate() {
        let bias = offset.as_ref().map_or(0.0, |offset| offset.at(t)[i]);
        *out = bias + row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
    }
}

/// What can be wrong with a system or a series.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GaussianError {
    /// An observation is impossible: it contradicts states and noise of zero variance.
    #[error(
        "observation {t} differs from a noise-free prediction by {residual:.3e}; \
         give the emissions, the dynamics or the initial state some variance"
    )]
    ImpossibleObservation {
        /// The step, 0-based.
        t: usize,
        /// How far it is off.
        residual: f64,
    },
    /// A covariance is not positive semi-definite.
    #[error("{argument} at step {t} is not positive semi-definite (pivot {pivot:.3e})")]
    Indefinite {
        /// Which covariance.
        argument: &'static str,
        /// The step, 0-based.
        t: usize,
        /// The pivot that is negative.
        pivot: f64,
    },
    /// A mean or covariance left the range of doubles.
    #[error("the state at step {t} is not finite; check the scale of the dynamics")]
    NotFinite {
        /// The step, 0-based.
        t: usize,
    },
    /// The observations never pin down the diffuse part of the initial state.
    #[error("the diffuse initial state is not identified by {num_steps} steps ({rank} directions remain)")]
    NotIdentified {
        /// T.
        num_steps: usize,
        /// Directions that are still diffuse.
        rank: usize,
    },
    /// An argument has the wrong size.
    #[error("{argument} has {found} entries, expected {expected}")]
    Shape {
        /// Name of the argument.
        argument: &'static str,
        /// Its length.
        found: usize,
        /// The length that fits.
        expected: usize,
    },
}

impl System<'_> {
    /// Checks sizes for a series of `num_steps`.
    ///
    /// # Errors
    /// [`GaussianError::Shape`] naming the argument.
    pub fn check(&self, num_steps: usize) -> Result<(), GaussianError> {
        let (d, m) = (self.state_dim, self.emission_dim);
        length("initial_mean", self.initial_mean.len(), d.max(1))?;
        length("initial_cov", self.initial_cov.len(), d * d)?;
        if let Some(diffuse) = self.initial_diffuse {
            length("initial_diffuse", diffuse.len(), d * d)?;
        }
        steps("transition", &self.transition, d * d, num_steps)?;
        steps("transition_cov", &self.transition_cov, d * d, num_steps)?;
        steps("emission", &self.emission, m.max(1) * d, num_steps)?;
        match &self.emission_cov {
            Noise::Full(r) => steps("emission_cov", r, m * m, num_steps),
            Noise::Diagonal(r) => steps("emission_cov", r, m, num_steps),
        }
    }
}

impl Series<'_> {
    /// Checks sizes against a system.
    ///
    /// # Errors
    /// [`GaussianError::Shape`] naming the argument.
    pub fn check(&self, system: &System<'_>) -> Result<(), GaussianError> {
        let num_steps = self.num_steps(system);
        length("emissions", self.emissions.len(), num_steps.max(1) * system.emission_dim)?;
        if let Some(offset) = &self.transition_offset {
            steps("transition_offset", offset, system.state_dim, num_steps)?;
        }
        if let Some(offset) = &self.emission_offset {
            steps("emission_offset", offset, system.emission_dim, num_steps)?;
        }
        Ok(())
    }
}

/// Checks one length.
pub(super) fn length(argument: &'static str, found: usize, expected: usize) -> Result<(), GaussianError> {
    if found == expected { Ok(()) } else { Err(GaussianError::Shape { argument, found, expected }) }
}

/// Checks the length of a per-step array.
pub(super) fn steps(
    argument: &'static str,
    steps: &Steps<'_>,
    expected: usize,
    num_steps: usize,
) -> Result<(), GaussianError> {
    length(argument, steps.len, expected)?;
    match steps.num_steps() {
        Some(found) if found < num_steps => {
            Err(GaussianError::Shape { argument, found: found * expected, expected: num_steps * expected })
        }
        _ => Ok(()),
    }
}
