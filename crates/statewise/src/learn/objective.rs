//! The log posterior and its gradient over free coordinates, from one E-step.
//!
//! f(x) = s log p(y | θ(x)) + log p(θ(x)) + log |dθ/dx|,  the last two terms where asked for

use super::{Learnable, Statistics};
use crate::data::Dataset;
use crate::error::Result;
use crate::params::{FreeSpace, Params};

/// The function that gradient learners climb and samplers draw from.
///
/// Without the Jacobian term its maximum is the mode in the parameters themselves, as Dynamax's;
/// with it, the density is that of the free coordinates, which samplers need.
#[derive(Clone, Copy)]
pub struct Objective<'a> {
    /// The model.
    pub model: &'a dyn Learnable,
    /// The map between parameters and free coordinates.
    pub space: &'a FreeSpace,
    /// Whether log p(θ) counts.
    pub prior: bool,
    /// Whether log |dθ/dx| counts.
    pub log_det_jacobian: bool,
}

/// The objective at one point.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// θ(x).
    pub params: Params,
    /// f(x).
    pub log_prob: f64,
    /// df/dx.
    pub gradient: Vec<f64>,
    /// The E-step's statistics at θ(x).
    pub statistics: Statistics,
}

impl Evaluation {
    /// Whether value and gradient are numbers, as an optimiser needs them.
    pub fn is_finite(&self) -> bool {
        self.log_prob.is_finite() && self.gradient.iter().all(|g| g.is_finite())
    }
}

impl Objective<'_> {
    /// Value and gradient at `x`. `likelihood_scale` is s: N/|B| for a minibatch, 1 for all data.
    ///
    /// # Errors
    /// Coordinates whose parameters leave the space by rounding, or a sequence that they can't
    /// explain. The data have been checked.
    ///
    /// # Source
    /// Fisher's identity: ∇ log p(y | θ) = E[∇ log p(y, z | θ) | y, θ]. One E-step.
    pub fn evaluate(&self, x: &[f64], data: &Dataset<'_>, likelihood_scale: f64) -> Result<Evaluation> {
        let params = self.space.from_free(x);
        let (statistics, score) = self.model.e_step_and_score(&params, data)?;
        Ok(self.at_score(params, statistics, score, likelihood_scale))
    }

    /// As [`Objective::evaluate`], from statistics of an E-step at `params` (made elsewhere, say).
    pub fn from_statistics(&self, params: Params, statistics: Statistics, scale: f64) -> Evaluation {
        let score = self.model.score(&params, &statistics);
        self.at_score(params, statistics, score, scale)
    }

    fn at_score(
        &self,
        params: Params,
        statistics: Statistics,
        mut score: Params,
        scale: f64,
    ) -> Evaluation {
        let mut log_prob = scale * statistics.marginal_loglik;
        score.arrays_mut().iter_mut().flat_map(|a| a.values_mut()).for_each(|g| *g *= scale);
        if self.prior {
            log_prob += self.model.log_prior(&params);
            let prior = self.model.log_prior_gradient(&params);
            for (g, p) in score.arrays_mut().iter_mut().zip(prior.arrays()) {
                g.values_mut().iter_mut().zip(p.values()).for_each(|(g, p)| *g += p);
            }
        }
        let mut gradient = self.space.pull_back(&params, &score);
        if self.log_det_jacobian {
            log_prob += self.space.log_det_jacobian(&params);
            let jacobian = self.space.log_det_jacobian_gradient(&params);
            gradient.iter_mut().zip(jacobian).for_each(|(g, j)| *g += j);
        }
        Evaluation { params, log_prob, gradient, statistics }
    }
}
