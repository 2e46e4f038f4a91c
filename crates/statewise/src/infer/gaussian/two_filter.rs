//! Smoothing by two filters: one forward, one backward that knows nothing of the first.

use statewise_kernels::gaussian::{Estimates, two_filter_smoother};

use super::RootBuffers;
use super::filter::deal;
use super::plan::{Moments, Plan};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::infer::split_optional;
use crate::model::linear_gaussian::LgssmParams;
use crate::threads;
use crate::workspace::Loan;

impl LgssmParams {
    /// p(z_t | y_{1:T}) for every step, from what the past and what the future say of each state.
    ///
    /// The moments are those of [`LgssmParams::smoother`], by a route that shares nothing with it after the
    /// filter; that one is faster. Sequences share covariances, and go by square roots.
    ///
    /// # Errors
    /// As [`LgssmParams::filter`]; a diffuse start, or a singular R.
    ///
    /// # Source
    /// Fraser and Potter (1969); Kailath, Sayed and Hassibi (2000), §10.4, for square roots.
    pub fn two_filter_smoother(&self, data: &Dataset<'_>) -> Result<Moments> {
        self.check(data)?;
        if self.initial_diffuse.is_some() {
            return Err(Error::argument(
                "params.initial_diffuse",
                "a diffuse start",
                "a proper one, or `smoother`",
            ));
        }
        let (plan, d) = (Plan::new(data, true), self.state_dim());
        let mut smoothed = Moments::zeros(&plan, data.num_rows(), d);
        let means = deal(&plan, split_optional("means", Some(&mut smoothed.means), data, d)?);
        let covs = plan.split("covs", Some(&mut smoothed.covs.values), d * d)?;
        let tasks: Vec<_> = plan.groups().iter().zip(means.zip(covs)).collect();
        let parts = threads::map(tasks, |(group, (means, covs))| {
            let mut buffers = Loan::<RootBuffers>::take();
            let (system, mut covs) = (self.system(), Some(covs));
            for (&n, means) in group.sequences.iter().zip(means) {
                let offsets = self.offsets(data.sequence(n));
                let out = Estimates { means: Some(means), covs: covs.take(), chol_covs: None };
                two_filter_smoother(&system, &offsets.series(), &mut buffers.roots, out)
                    .map_err(Error::in_series(n))?;
            }
            Ok(())
        });
        parts.into_iter().collect::<Result<()>>()?;
        Ok(smoothed)
    }
}
