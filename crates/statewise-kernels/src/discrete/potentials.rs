//! Chain potentials: all that an engine for discrete states needs to know of a model.
//!
//! p(z_{1:T}, y_{1:T}) = π(z_1) Π_{t≥2} A_t(z_{t-1}, z_t) Π_t b_t(z_t)

use std::ops::Range;

/// A hidden Markov chain with its observations already turned into likelihoods.
#[derive(Clone, Copy)]
pub struct Chain<'a> {
    /// π(k) = p(z_1 = k), shape \[K\].
    pub initial: &'a [f64],
    /// A_t(i, j) = p(z_t = j | z_{t-1} = i).
    pub transitions: Transitions<'a>,
    /// b_t(k) = p(y_t | z_t = k).
    pub observations: &'a dyn Observations,
}

/// Where the transition matrices come from.
#[derive(Clone, Copy)]
pub enum Transitions<'a> {
    /// One matrix for all steps, row-major, shape \[K, K\], A(i, j) = p(z_t = j | z_{t-1} = i).
    Static(&'a [f64]),
    /// One matrix a step, shape \[T-1, K, K\]: entry s moves z_s to z_{s+1} (0-based), so the step
    /// into z_t uses entry t-1.
    PerStep(&'a [f64]),
    /// Writes the matrix of the step into z_t (t ≥ 1, 0-based) into the slice of length K·K.
    Computed(&'a (dyn Fn(usize, &mut [f64]) + Sync)),
}

/// The likelihoods of one sequence's observations, computed on demand in blocks of steps, so that
/// no engine needs a \[T, K\] array that its caller did not ask for.
pub trait Observations: Sync {
    /// T, the number of steps.
    fn num_steps(&self) -> usize;

    /// K, the number of states.
    fn num_states(&self) -> usize;

    /// Writes log b_t(k) for the `steps`, shape \[len, K\]. −∞ is allowed, NaN and +∞ are not.
    fn log_likelihoods(&self, steps: Range<usize>, out: &mut [f64]);

    /// Writes b_t(k) / exp(shift_t) into `out`, shape \[len, K\], and shift_t into `shift`, \[len\].
    ///
    /// shift_t is max_k log b_t(k) unless an implementation has a cheaper one that keeps the
    /// largest scaled likelihood of every step in (1e-30, 1e30). A step with no positive
    /// likelihood, or with a NaN, gets a NaN or −∞ shift and is reported by the engine.
    fn scaled_likelihoods(&self, steps: Range<usize>, out: &mut [f64], shift: &mut [f64]) {
        self.log_likelihoods(steps, out);
        crate::math::exp_shifted_rows(out, shift);
    }
}

/// Log-likelihoods that are already an array, log b_t(k), shape \[T, K\].
#[derive(Clone, Copy, Debug)]
pub struct LogObs<'a> {
    /// log b_t(k), row-major, shape \[T, K\].
    pub values: &'a [f64],
    /// K.
    pub num_states: usize,
}

impl Observations for LogObs<'_> {
    fn num_steps(&self) -> usize {
        self.values.len() / self.num_states
    }

    fn num_states(&self) -> usize {
        self.num_states
    }

    fn log_likelihoods(&self, steps: Range<usize>, out: &mut [f64]) {
        let k = self.num_states;
        out.copy_from_slice(&self.values[steps.start * k..steps.end * k]);
    }

    fn scaled_likelihoods(&self, steps: Range<usize>, out: &mut [f64], shift: &mut [f64]) {
        let k = self.num_states;
        crate::math::exp_shifted_rows_from(&self.values[steps.start * k..steps.end * k], out, shift);
    }
}

/// What can be wrong with a chain.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ChainError {
    /// No reachable state gives an observation a positive, finite likelihood.
    #[error(
        "observation {t} has probability zero under all {num_states} reachable states; \
         check its units, widen the emission prior or allow more transitions"
    )]
    UnexplainedObservation {
        /// The first such step, 0-based.
        t: usize,
        /// K.
        num_states: usize,
    },
    /// A likelihood is NaN or +∞.
    #[error("the log-likelihood of observation {t} is NaN or +inf; check the parameters")]
    InvalidLikelihood {
        /// The first such step, 0-based.
        t: usize,
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
