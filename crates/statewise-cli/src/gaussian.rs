//! Commands on models with a continuous state: columns of means and standard deviations.

use std::ops::Range;

use statewise::Seed;
use statewise::data::{Column, Dataset, Sequence};
use statewise::infer::gaussian::{GaussianForecast, GaussianOptions, Moments};
use statewise::model::linear_gaussian::{LgssmParams, LinearGaussianSsm};
use statewise::model::structural::StructuralTimeSeries;
use statewise::params::Params;

use crate::failure::Failure;
use crate::fit::numbers;

/// A model that becomes [`LgssmParams`] before inference.
pub(crate) enum GaussianModel {
    /// Fixed matrices.
    Linear(Box<LinearGaussianSsm>),
    /// A sum of components.
    Structural(StructuralTimeSeries),
}

impl GaussianModel {
    pub(crate) fn input_dim(&self) -> usize {
        match self {
            GaussianModel::Linear(model) => model.spec().input_dim,
            GaussianModel::Structural(model) => model.input_dim(),
        }
    }

    pub(crate) fn emission_dim(&self) -> usize {
        match self {
            GaussianModel::Linear(model) => model.spec().emission_dim,
            GaussianModel::Structural(model) => model.emission_dim(),
        }
    }

    /// `0`, `1`, …, or `trend.level`, `trend.slope`, ….
    pub(crate) fn state_names(&self) -> Vec<String> {
        match self {
            GaussianModel::Linear(model) => (0..model.spec().state_dim).map(|i| i.to_string()).collect(),
            GaussianModel::Structural(model) => model.state_names(),
        }
    }

    /// log p(y) of each sequence.
    pub(crate) fn score(&self, params: &Params, data: &Dataset<'_>) -> Result<Vec<f64>, Failure> {
        let mut logliks = Vec::new();
        for (lowered, sequences) in self.lower(params, data)? {
            logliks.extend(lowered.marginal_log_prob(&part(data, sequences), &GaussianOptions::default())?);
        }
        Ok(logliks)
    }

    /// Moments of the state of every row given the rows up to it.
    pub(crate) fn filter(&self, params: &Params, data: &Dataset<'_>) -> Result<Vec<Column>, Failure> {
        self.moments(params, data, |lowered, data, options| Ok(lowered.filter(data, options)?.filtered))
    }

    /// Moments of the state of every row given all rows.
    pub(crate) fn smooth(&self, params: &Params, data: &Dataset<'_>) -> Result<Vec<Column>, Failure> {
        self.moments(params, data, |lowered, data, options| Ok(lowered.smoother(data, options)?.smoothed))
    }

    /// Moments of the steps to come, with bounds that hold each observation with probability `level`.
    pub(crate) fn forecast(
        &self,
        params: &Params,
        data: &Dataset<'_>,
        (horizon, future): (usize, &[f64]),
        level: f64,
        names: &[String],
    ) -> Result<Vec<Column>, Failure> {
        let options = GaussianOptions::default();
        let forecasts = match self {
            GaussianModel::Linear(model) => {
                model.lower(params)?.forecast(data, horizon, future, &options)?
            }
            GaussianModel::Structural(model) => model.forecast(params, data, horizon, future, &options)?,
        };
        let ends = forecasts.iter().map(|f| f.intervals(level)).collect::<statewise::Result<Vec<_>>>()?;
        let all = |take: &dyn Fn(&GaussianForecast) -> Vec<f64>| forecasts.iter().flat_map(take).collect();
        let parts: [(&str, Vec<f64>); 4] = [
            ("mean", all(&|forecast| forecast.emission_means.clone())),
            ("sd", all(&GaussianForecast::emission_standard_deviations)),
            ("lower", ends.iter().flat_map(|(lower, _)| lower.clone()).collect()),
            ("upper", ends.iter().flat_map(|(_, upper)| upper.clone()).collect()),
        ];
        let column = |m: usize, name: &String, (part, values): &(&str, Vec<f64>)| Column {
            name: format!("{name}_{part}"),
            values: numbers(values.iter().skip(m).step_by(names.len()).copied()),
        };
        let by_series =
            names.iter().enumerate().flat_map(|(m, name)| parts.iter().map(move |p| column(m, name, p)));
        Ok(by_series.collect())
    }

    /// States and emissions drawn from the model.
    pub(crate) fn sample(
        &self,
        params: &Params,
        seed: Seed,
        index: u64,
        num_steps: usize,
        inputs: &[f64],
    ) -> Result<(Vec<f64>, Vec<f64>), Failure> {
        let width = self.emission_dim();
        let unseen = vec![f64::NAN; num_steps * width];
        let sequence = Sequence { emissions: &unseen, width, inputs, input_dim: self.input_dim() };
        match self {
            GaussianModel::Linear(model) => {
                Ok(model.lower(params)?.sample(seed, index, num_steps, inputs)?)
            }
            // Its inputs are within its matrices.
            GaussianModel::Structural(model) => {
                Ok(model.lower_sequence(params, sequence)?.sample(seed, index, num_steps, &[])?)
            }
        }
    }

    fn moments(
        &self,
        params: &Params,
        data: &Dataset<'_>,
        infer: impl Fn(&LgssmParams, &Dataset<'_>, &GaussianOptions) -> statewise::Result<Moments>,
    ) -> Result<Vec<Column>, Failure> {
        let names = self.state_names();
        let (mut means, mut deviations) = (Vec::new(), Vec::new());
        for (lowered, sequences) in self.lower(params, data)? {
            let part = part(data, sequences);
            let moments = infer(&lowered, &part, &GaussianOptions::default())?;
            deviations.extend(moments.covs.standard_deviations(&part));
            means.extend(moments.means);
        }
        let column = |prefix: &str, i: usize, values: &[f64]| Column {
            name: format!("{prefix}_{}", names[i]),
            values: numbers(values.iter().skip(i).step_by(names.len()).copied()),
        };
        let columns =
            (0..names.len()).flat_map(|i| [column("mean", i, &means), column("sd", i, &deviations)]);
        Ok(columns.collect())
    }

    /// Linear Gaussian parameters, each with the sequences that follow them.
    fn lower(
        &self,
        params: &Params,
        data: &Dataset<'_>,
    ) -> Result<Vec<(LgssmParams, Range<usize>)>, Failure> {
        let all = 0..data.num_sequences();
        match self {
            GaussianModel::Linear(model) => Ok(vec![(model.lower(params)?, all)]),
            GaussianModel::Structural(model) if model.input_dim() == 0 => {
                Ok(vec![(model.lower(params, data)?, all)])
            }
            // Inputs are within the matrices.
            GaussianModel::Structural(model) => {
                all.map(|n| Ok((model.lower_sequence(params, data.sequence(n))?, n..n + 1))).collect()
            }
        }
    }
}

fn part(data: &Dataset<'_>, sequences: Range<usize>) -> Dataset<'static> {
    data.select(&sequences.collect::<Vec<_>>())
}
