//! What the transition matrix says without any data.

use statewise_kernels::discrete;

use crate::error::{Error, Result};
use crate::model::hmm::Hmm;
use crate::params::Params;

impl Hmm {
    /// π with π A = π, \[K\].
    ///
    /// # Errors
    /// Parameters that do not fit, transitions driven by inputs, or a chain without a unique
    /// stationary distribution.
    pub fn stationary_distribution(&self, params: &Params) -> Result<Vec<f64>> {
        let matrix = self.static_matrix(params)?;
        discrete::stationary_distribution(&matrix, self.num_states()).map_err(Error::in_sequence(0))
    }

    /// The expected number of steps that each stay in a state lasts, 1 / (1 − A(k, k)), \[K\]; infinite
    /// for states that are never left.
    ///
    /// # Errors
    /// Parameters that do not fit, or transitions driven by inputs.
    pub fn expected_dwell_times(&self, params: &Params) -> Result<Vec<f64>> {
        let matrix = self.static_matrix(params)?;
        discrete::expected_dwell_times(&matrix, self.num_states()).map_err(Error::in_sequence(0))
    }

    fn static_matrix(&self, params: &Params) -> Result<Vec<f64>> {
        let lowered = self.lower(params)?;
        if !lowered.is_static() {
            return Err(Error::argument("transitions", "a matrix for every step", "one for all steps"));
        }
        let mut matrix = vec![0.0; self.num_states() * self.num_states()];
        lowered.transition_matrix(&[], &mut matrix);
        Ok(matrix)
    }
}
