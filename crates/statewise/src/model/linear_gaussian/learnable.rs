//! The linear Gaussian model as learners see it.
//!
//! Statistics, in this order: those of the initial state, the dynamics and the emissions, each n,
//! Σ E y xᵀ, Σ E x xᵀ, Σ E y yᵀ (see `regression.rs`).

use super::e_step;
use super::regression::Regression;
use super::ssm::LinearGaussianSsm;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::infer::gaussian::GaussianOptions;
use crate::learn::{Learnable, MStepOutcome, Statistics};
use crate::params::{ParamSpec, Params, Properties};

/// An initial variance below this share of the mean square that the state has later has collapsed.
const COLLAPSED: f64 = 1e-3;

impl Learnable for LinearGaussianSsm {
    fn schema(&self) -> &[ParamSpec] {
        LinearGaussianSsm::schema(self)
    }

    fn check_data(&self, data: &Dataset<'_>) -> Result<()> {
        LinearGaussianSsm::check_data(self, data)
    }

    fn e_step(&self, params: &Params, data: &Dataset<'_>) -> Result<Statistics> {
        e_step::e_step(self, params, data)
    }

    fn m_step(
        &self,
        params: &Params,
        properties: &Properties,
        statistics: &Statistics,
        prior: bool,
    ) -> Result<MStepOutcome> {
        params.check(self.schema())?;
        properties.check(self.schema())?;
        if statistics.values.len() != self.num_stats() {
            let found = format!("{} values", statistics.values.len());
            return Err(Error::argument("statistics", found, format!("{} values", self.num_stats())));
        }
        let mut params = params.clone();
        let mut repairs = 0;
        for part in self.parts() {
            repairs += part.maximise(&statistics.values, prior, &properties.0, params.arrays_mut());
        }
        Ok(MStepOutcome { params, repairs })
    }

    /// NaN where a variance is zero or a covariance singular: the statistics do not tell the score there.
    fn score(&self, params: &Params, statistics: &Statistics) -> Params {
        let mut gradient = Params::zeros(self.schema());
        for part in self.parts() {
            part.add_gradient(params.arrays(), &part.sums(&statistics.values), gradient.arrays_mut());
        }
        gradient
    }

    /// Where a covariance is singular, so that the statistics do not tell the score, it is that of the
    /// filter's reverse sweep, which needs no inverse.
    fn e_step_and_score(&self, params: &Params, data: &Dataset<'_>) -> Result<(Statistics, Params)> {
        let statistics = self.e_step(params, data)?;
        let regular = |part: &&Regression| {
            part.precision(params.arrays()).is_some_and(|p| p.noisy.len() == part.outputs)
        };
        let score = if self.parts().iter().all(regular) {
            self.score(params, &statistics)
        } else {
            let sweep = self.lower(params)?.gradient(data, &GaussianOptions::default())?;
            self.raise_gradient(&sweep.params)
        };
        Ok((statistics, score))
    }

    fn log_prior(&self, params: &Params) -> f64 {
        self.parts().iter().map(|part| part.log_prior(params.arrays())).sum()
    }

    fn log_prior_gradient(&self, params: &Params) -> Params {
        let mut gradient = Params::zeros(self.schema());
        for part in self.parts() {
            if let Some(sums) = part.prior_sums() {
                part.add_gradient(params.arrays(), &sums, gradient.arrays_mut());
            }
        }
        gradient
    }

    fn warnings(&self, statistics: &Statistics) -> Vec<String> {
        let d = self.spec().state_dim;
        let (initial, dynamics) =
            (self.initial.sums(&statistics.values), self.dynamics.sums(&statistics.values));
        let square = |yy: &[f64], i: usize| if yy.len() > d { yy[i * d + i] } else { yy[i] };
        let collapsed = |i: &usize| {
            let mean = initial.yx[*i] / initial.counts[0];
            let variance = square(&initial.yy, *i) / initial.counts[0] - mean * mean;
            variance > 0.0 && variance < COLLAPSED * square(&dynamics.yy, *i) / dynamics.counts[0]
        };
        let found: Vec<usize> = (0..d).filter(collapsed).collect();
        if initial.counts[0] >= 2.0 || found.is_empty() {
            return Vec::new();
        }
        vec![format!(
            "the initial variance of states {found:?} has collapsed, as it does where one sequence is all there \
             is to learn it from, and EM then hardly moves initial.mean; fix initial.cov, or give it a prior"
        )]
    }
}
