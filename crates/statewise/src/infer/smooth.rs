//! Smoothing: what is known of a state from all observations.

use statewise_kernels::discrete::{self, Workspace};

use super::split;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::hmm::Hmm;
use crate::params::Params;
use crate::threads;

/// Smoothed state probabilities, with the filtered and predicted ones met on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Smoothed {
    /// log p(y_{1:T}) of each sequence, \[N\].
    pub marginal_loglik: Vec<f64>,
    /// p(z_t = k | y_{1:t}), \[rows, K\].
    pub filtered_probs: Vec<f64>,
    /// p(z_t = k | y_{1:t-1}), \[rows, K\].
    pub predicted_probs: Vec<f64>,
    /// p(z_t = k | y_{1:T}), \[rows, K\].
    pub smoothed_probs: Vec<f64>,
    /// Σ_t p(z_t = i, z_{t+1} = j | y_{1:T}) of each sequence, \[N, K, K\].
    pub trans_probs: Vec<f64>,
}

impl Hmm {
    /// Smooths every sequence.
    ///
    /// # Errors
    /// As [`Hmm::filter`].
    pub fn smoother(&self, params: &Params, data: &Dataset<'_>) -> Result<Smoothed> {
        self.check_data(data)?;
        let lowered = self.lower(params)?;
        let k = self.num_states();
        let buffer = || vec![0.0; data.num_rows() * k];
        let (mut filtered_probs, mut predicted_probs, mut smoothed_probs) = (buffer(), buffer(), buffer());
        let mut trans_probs = vec![0.0; data.num_sequences() * k * k];
        let slices = split(&mut smoothed_probs, data, k)
            .into_iter()
            .zip(split(&mut filtered_probs, data, k))
            .zip(split(&mut predicted_probs, data, k))
            .zip(trans_probs.chunks_exact_mut(k * k))
            .map(|(((smoothed, filtered), predicted), pair_sum)| discrete::Smoothed {
                smoothed,
                filtered: Some(filtered),
                predicted: Some(predicted),
                pair_sum: Some(pair_sum),
            });
        let marginal_loglik =
            threads::map_sequences(data, slices.collect(), Workspace::default, |workspace, n, out| {
                lowered
                    .with_chain(data.sequence(n), |chain| discrete::smooth(chain, workspace, out))
                    .map_err(Error::in_sequence(n))
            })?;
        Ok(Smoothed { marginal_loglik, filtered_probs, predicted_probs, smoothed_probs, trans_probs })
    }

    /// p(z_t = i, z_{t+1} = j | y_{1:T}) for every step, \[T−1, K, K\] of each sequence.
    ///
    /// # Errors
    /// As [`Hmm::filter`].
    pub fn pairwise(&self, params: &Params, data: &Dataset<'_>) -> Result<Vec<Vec<f64>>> {
        self.check_data(data)?;
        let lowered = self.lower(params)?;
        let size = self.num_states() * self.num_states();
        let items = vec![(); data.num_sequences()];
        threads::map_sequences(data, items, Workspace::default, |workspace, n, ()| {
            let sequence = data.sequence(n);
            let mut pairs = vec![0.0; (sequence.num_steps() - 1) * size];
            let mut keep = |t: usize, xi: &[f64]| pairs[(t - 1) * size..t * size].copy_from_slice(xi);
            lowered
                .with_chain(sequence, |chain| discrete::pairwise(chain, workspace, &mut keep))
                .map_err(Error::in_sequence(n))?;
            Ok(pairs)
        })
    }

    /// p(z_t = k | y_{1:min(T, t+lag)}), \[rows, K\].
    ///
    /// # Errors
    /// As [`Hmm::filter`].
    pub fn fixed_lag_smoother(&self, params: &Params, data: &Dataset<'_>, lag: usize) -> Result<Vec<f64>> {
        self.check_data(data)?;
        let lowered = self.lower(params)?;
        let mut smoothed = vec![0.0; data.num_rows() * self.num_states()];
        let slices = split(&mut smoothed, data, self.num_states());
        threads::map_sequences(data, slices, Workspace::default, |workspace, n, out| {
            lowered
                .with_chain(data.sequence(n), |chain| discrete::fixed_lag(chain, workspace, lag, out))
                .map_err(Error::in_sequence(n))
        })?;
        Ok(smoothed)
    }
}
