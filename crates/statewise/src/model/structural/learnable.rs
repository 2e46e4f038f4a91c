//! The structural model as learners see it.
//!
//! Its statistics are the exact score: d log p(y | θ) / dθ, parameter by parameter, which adds up over
//! sequences. L-BFGS is its natural learner.

use super::StructuralTimeSeries;
use super::lower::longest;
use super::m_step::maximise_variances;
use super::pull_back::ArrayGradients;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::infer::gaussian::GaussianOptions;
use crate::learn::{Learnable, MStepOutcome, Statistics};
use crate::params::{ParamSpec, Params, Properties};
use crate::threads;

impl StructuralTimeSeries {
    /// log p(y) of each sequence; diffuse where the start is.
    ///
    /// # Errors
    /// Parameters or data that do not fit, or an observation that the model excludes.
    pub fn marginal_log_prob(
        &self,
        params: &Params,
        data: &Dataset<'_>,
        options: &GaussianOptions,
    ) -> Result<Vec<f64>> {
        self.check_data(data)?;
        let mut logliks = vec![0.0; data.num_sequences()];
        for group in self.groups(data) {
            let lowered = self.lower_sequence(params, longest(data, &group))?;
            let found = lowered.marginal_log_prob(&data.select(&group), options)?;
            group.iter().zip(found).for_each(|(n, loglik)| logliks[*n] = loglik);
        }
        Ok(logliks)
    }

    /// The score of the sequences of one group, which follow the same matrices.
    fn accumulate(&self, params: &Params, data: &Dataset<'_>, group: &[usize]) -> Result<Statistics> {
        let sequence = longest(data, group);
        let lowered = self.lower_sequence(params, sequence)?;
        let gradient = lowered.gradient(&data.select(group), &GaussianOptions::default())?;
        let score = self.pull_back(params, sequence, ArrayGradients::of(&gradient.params))?;
        let mut statistics = Statistics::zeros(0);
        statistics.values = score.arrays().iter().flat_map(|a| a.values()).copied().collect();
        for (n, loglik) in group.iter().zip(&gradient.marginal_loglik) {
            let weight = data.weight(*n);
            statistics.marginal_loglik += weight * loglik;
            statistics.num_sequences += weight;
            statistics.num_steps += weight * data.range(*n).len() as f64;
        }
        Ok(statistics)
    }
}

impl Learnable for StructuralTimeSeries {
    fn schema(&self) -> &[ParamSpec] {
        StructuralTimeSeries::schema(self)
    }

    fn check_data(&self, data: &Dataset<'_>) -> Result<()> {
        StructuralTimeSeries::check_data(self, data)
    }

    fn e_step(&self, params: &Params, data: &Dataset<'_>) -> Result<Statistics> {
        let len = self.schema().iter().map(|spec| spec.shape.iter().product::<usize>()).sum();
        let mut total = Statistics::zeros(len);
        for part in threads::map(self.groups(data), |group| self.accumulate(params, data, &group)) {
            total.merge(&part?);
        }
        Ok(total)
    }

    /// Variances and covariances by EM; any other parameter has to be fixed.
    ///
    /// # Errors
    /// A free parameter that is no variance; statistics or properties that do not fit.
    fn m_step(
        &self,
        params: &Params,
        properties: &Properties,
        statistics: &Statistics,
        _prior: bool,
    ) -> Result<MStepOutcome> {
        properties.check(self.schema())?;
        params.check(self.schema())?;
        let score = self.score(params, statistics);
        let len: usize = score.arrays().iter().map(|a| a.values().len()).sum();
        if statistics.values.len() != len {
            let found = format!("{} values", statistics.values.len());
            return Err(Error::argument("statistics", found, format!("{len} values")));
        }
        maximise_variances(self, params, properties, statistics, &score)
    }

    fn score(&self, _params: &Params, statistics: &Statistics) -> Params {
        let mut score = Params::zeros(self.schema());
        let slots = score.arrays_mut().iter_mut().flat_map(|a| a.values_mut());
        slots.zip(&statistics.values).for_each(|(slot, value)| *slot = *value);
        score
    }

    /// 0: structural models have no priors.
    fn log_prior(&self, _params: &Params) -> f64 {
        0.0
    }

    fn log_prior_gradient(&self, _params: &Params) -> Params {
        Params::zeros(self.schema())
    }

    fn warnings(&self, _statistics: &Statistics) -> Vec<String> {
        vec![]
    }
}
