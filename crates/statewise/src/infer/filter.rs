//! Filtering: what is known of a state from the observations up to it.

use statewise_kernels::discrete;

use super::{split, split_optional};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::hmm::Hmm;
use crate::params::Params;
use crate::threads;
use crate::workspace::Lent;

/// Filtered and one-step predicted state probabilities.
#[derive(Clone, Debug, PartialEq)]
pub struct Filtered {
    /// log p(y_{1:T}) of each sequence, \[N\].
    pub marginal_loglik: Vec<f64>,
    /// p(z_t = k | y_{1:t}), \[rows, K\].
    pub filtered_probs: Vec<f64>,
    /// p(z_t = k | y_{1:t-1}), \[rows, K\]; the first row of a sequence is π.
    pub predicted_probs: Vec<f64>,
}

impl Hmm {
    /// Filters every sequence.
    ///
    /// # Errors
    /// Parameters or data that do not fit, or the first observation that no reachable state
    /// explains.
    pub fn filter(&self, params: &Params, data: &Dataset<'_>) -> Result<Filtered> {
        let k = self.num_states();
        let mut filtered_probs = vec![0.0; data.num_rows() * k];
        let mut predicted_probs = vec![0.0; data.num_rows() * k];
        let marginal_loglik =
            self.filter_into(params, data, &mut filtered_probs, Some(&mut predicted_probs))?;
        Ok(Filtered { marginal_loglik, filtered_probs, predicted_probs })
    }

    /// Filters every sequence into the caller's memory, \[rows, K\], and returns log p(y_{1:T}) of
    /// each, \[N\]. Predictions are left out where they are `None`.
    ///
    /// # Errors
    /// As [`Hmm::filter`]; also a slice of another length.
    pub fn filter_into(
        &self,
        params: &Params,
        data: &Dataset<'_>,
        filtered_probs: &mut [f64],
        predicted_probs: Option<&mut [f64]>,
    ) -> Result<Vec<f64>> {
        self.check_data(data)?;
        let lowered = self.lower(params)?;
        let k = self.num_states();
        let mut predicted = split_optional("predicted_probs", predicted_probs, data, k)?.into_iter();
        let slices = split("filtered_probs", filtered_probs, data, k)?
            .into_iter()
            .map(|filtered| (filtered, predicted.next()));
        threads::map_sequences(data, slices.collect(), Lent::take, |workspace, n, (filtered, predicted)| {
            lowered
                .with_chain(data.sequence(n), |chain| {
                    discrete::filter(chain, workspace, filtered, predicted)
                })
                .map_err(Error::in_sequence(n))
        })
    }

    /// log p(y_{1:T} | θ) of each sequence, priors and weights left out; −∞ where a sequence is
    /// impossible.
    ///
    /// # Errors
    /// Parameters or data that do not fit, or a likelihood that is not a number.
    pub fn marginal_log_prob(&self, params: &Params, data: &Dataset<'_>) -> Result<Vec<f64>> {
        self.check_data(data)?;
        let lowered = self.lower(params)?;
        let items = vec![(); data.num_sequences()];
        threads::map_sequences(data, items, Lent::take, |workspace, n, ()| {
            lowered
                .with_chain(data.sequence(n), |chain| discrete::marginal_loglik(chain, workspace))
                .map_err(Error::in_sequence(n))
        })
    }
}
