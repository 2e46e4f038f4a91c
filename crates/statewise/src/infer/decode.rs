//! Decoding: the most likely path, or the best few.

use statewise_kernels::discrete;

use super::split;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::hmm::Hmm;
use crate::params::Params;
use crate::threads;
use crate::workspace::Lent;

/// A path z_{1:T} behind its log p(z, y).
pub type ScoredPath = (f64, Vec<u32>);

impl Hmm {
    /// argmax_z p(z_{1:T} | y_{1:T}) of each sequence by Viterbi's algorithm, \[rows\], and
    /// log p(z, y) of those paths, \[N\]. Ties go to the lowest state.
    ///
    /// # Errors
    /// As [`Hmm::filter`].
    pub fn most_likely_states(&self, params: &Params, data: &Dataset<'_>) -> Result<(Vec<u32>, Vec<f64>)> {
        self.check_data(data)?;
        let lowered = self.lower(params)?;
        let mut paths = vec![0; data.num_rows()];
        let slices = split("paths", &mut paths, data, 1)?;
        let log_probs = threads::map_sequences(data, slices, Lent::take, |workspace, n, path| {
            lowered
                .with_chain(data.sequence(n), |chain| discrete::viterbi(chain, workspace, path))
                .map_err(Error::in_sequence(n))
        })?;
        Ok((paths, log_probs))
    }

    /// The `count` most likely paths of each sequence with log p(z, y), best first; fewer where
    /// fewer paths are possible.
    ///
    /// # Errors
    /// As [`Hmm::filter`]; also a `count` of 0.
    pub fn k_best_states(
        &self,
        params: &Params,
        data: &Dataset<'_>,
        count: usize,
    ) -> Result<Vec<Vec<ScoredPath>>> {
        if count == 0 {
            return Err(Error::argument("count", 0, "at least 1"));
        }
        self.check_data(data)?;
        let lowered = self.lower(params)?;
        threads::map_sequences(
            data,
            vec![(); data.num_sequences()],
            || (),
            |(), n, ()| {
                lowered
                    .with_chain(data.sequence(n), |chain| discrete::k_best(chain, count))
                    .map_err(Error::in_sequence(n))
            },
        )
    }
}
