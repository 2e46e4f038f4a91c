//! One transition matrix for all steps, with Dirichlet priors on its rows.
//!
//! A(k, ·) ~ Dirichlet(β 1 + κ e_k), restricted to a support if one is given (left-to-right chains,
//! banded chains, forbidden moves).

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::Transition;
use crate::error::{Error, Result};
use crate::model::hmm::component::{Component, MStep, Maximised, check_positive, check_size};
use crate::model::hmm::dirichlet::{self, Rows};
use crate::params::{Array, Constraint, ParamSpec};

/// A static transition matrix. Statistics: Σ_t p(z_{t-1} = i, z_t = j | y), \[K, K\].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandardTransitions {
    /// K.
    pub num_states: usize,
    /// β, the concentration of each row's Dirichlet prior.
    #[serde(default = "default_concentration")]
    pub transition_matrix_concentration: f64,
    /// κ, added to the concentration of staying.
    #[serde(default)]
    pub transition_matrix_stickiness: f64,
    /// Moves that are allowed, \[K\]\[K\]; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transition_support: Option<Vec<Vec<bool>>>,
}

fn default_concentration() -> f64 {
    1.1
}

impl StandardTransitions {
    /// K states with the default prior.
    pub fn new(num_states: usize) -> Self {
        StandardTransitions {
            num_states,
            transition_matrix_concentration: default_concentration(),
            transition_matrix_stickiness: 0.0,
            transition_support: None,
        }
    }

    fn support(&self) -> Option<Vec<bool>> {
        self.transition_support.as_ref().map(|rows| rows.concat())
    }

    fn rows(&self) -> Rows {
        Rows::new(self.num_states, self.num_states, self.transition_matrix_concentration)
            .with_diagonal(self.transition_matrix_stickiness)
            .with_support(self.support())
    }
}

impl Component for StandardTransitions {
    fn schema(&self) -> Vec<ParamSpec> {
        let shape = [self.num_states, self.num_states];
        let spec = ParamSpec::new(
            "transitions.transition_matrix",
            "transition_matrix",
            &shape,
            Constraint::Simplex,
        );
        vec![ParamSpec { support: self.support(), ..spec.with_state_axes(2) }]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_positive("transition_matrix_concentration", self.transition_matrix_concentration)?;
        if !(self.transition_matrix_stickiness >= 0.0 && self.transition_matrix_stickiness.is_finite()) {
            let found = self.transition_matrix_stickiness;
            return Err(Error::argument("transition_matrix_stickiness", found, "a number of at least 0"));
        }
        let Some(support) = &self.transition_support else { return Ok(()) };
        let k = self.num_states;
        if support.len() != k || support.iter().any(|row| row.len() != k || !row.contains(&true)) {
            return Err(Error::argument(
                "transition_support",
                format!("{} rows", support.len()),
                format!("{k} rows of {k} flags, each with a move that is allowed"),
            ));
        }
        Ok(())
    }

    fn num_stats(&self) -> usize {
        self.num_states * self.num_states
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        dirichlet::expected_log_prob(stats, params[0].values())
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        dirichlet::add_count_gradient(stats, params[0].values(), gradient[0].values_mut());
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        self.rows().log_density(params[0].values())
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        self.rows().add_log_density_gradient(params[0].values(), gradient[0].values_mut());
    }

    /// A(i, j) ∝ n_ij + β + κ [i = j] − 1 (the posterior mode), fixed entries kept.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        self.rows().maximise(step.stats, step.prior, &step.properties[0], params[0].values_mut());
        Maximised::Done { repairs: 0 }
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        vec![Array::new(&[self.num_states, self.num_states], self.rows().sample(rng))]
    }
}

impl Transition for StandardTransitions {
    fn matrix(&self, params: &[Array], _: &[f64], out: &mut [f64]) {
        out.copy_from_slice(params[0].values());
    }

    fn accumulate(&self, _: &[Array], _: &[f64], pairs: &[f64], stats: &mut [f64]) {
        stats.iter_mut().zip(pairs).for_each(|(s, x)| *s += x);
    }
}
