//! What a person wants to know of a fitted model, in numbers.

use crate::data::Dataset;
use crate::error::Result;
use crate::model::hmm::Hmm;
use crate::params::{FreeSpace, Params, Properties};

/// A fitted hidden Markov model on its data.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Σ_n w_n log p(y_n | θ).
    pub marginal_loglik: f64,
    /// p, the number of parameters that were free to move.
    pub num_free_params: usize,
    /// 2 p − 2 log p(y | θ).
    pub aic: f64,
    /// p log T − 2 log p(y | θ), T the rows of all sequences.
    pub bic: f64,
    /// 1 / (1 − A(k, k)), the expected steps of a visit to each state; infinite for a state that
    /// is never left. `None` where inputs drive the transitions.
    pub dwell_times: Option<Vec<f64>>,
}

impl Hmm {
    /// Sums up the fit of `params` to `data`.
    ///
    /// # Errors
    /// As [`Hmm::marginal_log_prob`], and properties that do not fit.
    ///
    /// # Source
    /// Akaike (1974); Schwarz (1978).
    pub fn summary(&self, params: &Params, properties: &Properties, data: &Dataset<'_>) -> Result<Summary> {
        properties.check(self.schema())?;
        let logliks = self.marginal_log_prob(params, data)?;
        let marginal_loglik: f64 = logliks.iter().enumerate().map(|(n, x)| data.weight(n) * x).sum();
        let num_free_params = FreeSpace::new(self.schema(), properties, params).dim();
        let count = num_free_params as f64;
        let (k, lowered) = (self.num_states(), self.lower(params)?);
        let dwell_times = lowered.is_static().then(|| {
            let mut matrix = vec![0.0; k * k];
            lowered.transition_matrix(&[], &mut matrix);
            // NUMERICS: summing the ways out keeps a long dwell time exact where 1 − A(k, k) cancels.
            let leave = |i: usize| (0..k).filter(|j| *j != i).map(|j| matrix[i * k + j]).sum::<f64>();
            (0..k).map(|i| 1.0 / leave(i)).collect()
        });
        Ok(Summary {
            marginal_loglik,
            num_free_params,
            aic: 2.0 * count - 2.0 * marginal_loglik,
            bic: count * (data.num_rows() as f64).ln() - 2.0 * marginal_loglik,
            dwell_times,
        })
    }
}
