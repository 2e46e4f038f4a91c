//! Smoothing: what is known of a state from all observations.

use statewise_kernels::discrete::{self, Chain};

use super::{Schedule, cut, split, split_optional};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::hmm::Hmm;
use crate::params::Params;
use crate::threads;
use crate::workspace::Lent;

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

/// Where [`Hmm::smoother_into`] writes; what is `None` is not computed. All rows lie one after
/// another, as in the dataset.
#[derive(Debug)]
pub struct SmoothedSlices<'a> {
    /// p(z_t = k | y_{1:T}), \[rows, K\].
    pub smoothed_probs: &'a mut [f64],
    /// p(z_t = k | y_{1:t}), \[rows, K\].
    pub filtered_probs: Option<&'a mut [f64]>,
    /// p(z_t = k | y_{1:t-1}), \[rows, K\].
    pub predicted_probs: Option<&'a mut [f64]>,
    /// Σ_t p(z_t = i, z_{t+1} = j | y_{1:T}) of each sequence, \[N, K, K\].
    pub trans_probs: Option<&'a mut [f64]>,
}

impl Hmm {
    /// Smooths every sequence.
    ///
    /// # Errors
    /// As [`Hmm::filter`].
    pub fn smoother(&self, params: &Params, data: &Dataset<'_>) -> Result<Smoothed> {
        let k = self.num_states();
        let buffer = || vec![0.0; data.num_rows() * k];
        let (mut filtered_probs, mut predicted_probs, mut smoothed_probs) = (buffer(), buffer(), buffer());
        let mut trans_probs = vec![0.0; data.num_sequences() * k * k];
        let out = SmoothedSlices {
            smoothed_probs: &mut smoothed_probs,
            filtered_probs: Some(&mut filtered_probs),
            predicted_probs: Some(&mut predicted_probs),
            trans_probs: Some(&mut trans_probs),
        };
        let marginal_loglik = self.smoother_into(params, data, out)?;
        Ok(Smoothed { marginal_loglik, filtered_probs, predicted_probs, smoothed_probs, trans_probs })
    }

    /// Smooths every sequence into the caller's memory and returns log p(y_{1:T}) of each, \[N\].
    ///
    /// # Errors
    /// As [`Hmm::filter`]; also a slice of another length.
    pub fn smoother_into(
        &self,
        params: &Params,
        data: &Dataset<'_>,
        out: SmoothedSlices<'_>,
    ) -> Result<Vec<f64>> {
        self.check_data(data)?;
        let lowered = self.lower(params)?;
        let k = self.num_states();
        let smoothed = split("smoothed_probs", out.smoothed_probs, data, k)?;
        let mut filtered = split_optional("filtered_probs", out.filtered_probs, data, k)?.into_iter();
        let mut predicted = split_optional("predicted_probs", out.predicted_probs, data, k)?.into_iter();
        let mut pair_sums = match out.trans_probs {
            Some(pairs) => cut("trans_probs", pairs, std::iter::repeat_n(k * k, data.num_sequences()))?,
            None => Vec::new(),
        }
        .into_iter();
        let slices = smoothed.into_iter().map(|smoothed| discrete::Smoothed {
            smoothed,
            filtered: filtered.next(),
            predicted: predicted.next(),
            pair_sum: pair_sums.next(),
        });
        threads::map_sequences(data, slices.collect(), Lent::take, |workspace, n, out| {
            lowered
                .with_chain(data.sequence(n), |chain| discrete::smooth(chain, workspace, out))
                .map_err(Error::in_sequence(n))
        })
    }

    /// Smooths every sequence on a schedule of its own, which shares out time itself among threads:
    /// p(z_t = k | y_{1:T}), \[rows, K\], and log p(y_{1:T}) of each, \[N\].
    ///
    /// Worth it for one long sequence where likelihoods are cheap; each thread computes those it
    /// meets. The bits are the same for any number of threads, but not those of [`Hmm::smoother`].
    ///
    /// # Errors
    /// As [`Hmm::filter`].
    pub fn parallel_smoother(
        &self,
        params: &Params,
        data: &Dataset<'_>,
        schedule: Schedule,
    ) -> Result<(Vec<f64>, Vec<f64>)> {
        self.check_data(data)?;
        let lowered = self.lower(params)?;
        let k = self.num_states();
        let mut smoothed = vec![0.0; data.num_rows() * k];
        let mut workspace = Lent::take();
        let slices = split("smoothed", &mut smoothed, data, k)?;
        let smooth = |(n, out): (usize, _)| {
            let engine = |chain: &Chain<'_>| {
                threads::install(|| discrete::smooth_scheduled(chain, &mut workspace, schedule, out))
            };
            lowered.with_chain(data.sequence(n), engine).map_err(Error::in_sequence(n))
        };
        let marginal_loglik = slices.into_iter().enumerate().map(smooth).collect::<Result<_>>()?;
        Ok((smoothed, marginal_loglik))
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
        threads::map_sequences(data, items, Lent::take, |workspace, n, ()| {
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
        let slices = split("smoothed", &mut smoothed, data, self.num_states())?;
        threads::map_sequences(data, slices, Lent::take, |workspace, n, out| {
            lowered
                .with_chain(data.sequence(n), |chain| discrete::fixed_lag(chain, workspace, lag, out))
                .map_err(Error::in_sequence(n))
        })?;
        Ok(smoothed)
    }
}
