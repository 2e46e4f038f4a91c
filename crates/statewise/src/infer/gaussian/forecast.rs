//! Forecasting: states and emissions after the last observation.

use statewise_kernels::gaussian::{MeanRows, MeanState, Series, advance_means};
use statewise_kernels::math::normal_quantile;

use super::plan::{Plan, deviations};
use super::predictive::add_emission_cov;
use super::{Buffers, GaussianOptions, LotBuffers};
use crate::data::{Dataset, Sequence};
use crate::error::{Error, Result};
use crate::model::linear_gaussian::LgssmParams;
use crate::threads;
use crate::workspace::Loan;

/// Moments of the states and emissions of the steps after a sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianForecast {
    /// E(z_{T+h} | y_{1:T}), \[H, D\]; the first row is the one-step prediction.
    pub state_means: Vec<f64>,
    /// Cov(z_{T+h} | y_{1:T}), \[H, D, D\].
    pub state_covs: Vec<f64>,
    /// E(y_{T+h} | y_{1:T}), \[H, M\].
    pub emission_means: Vec<f64>,
    /// Cov(y_{T+h} | y_{1:T}), \[H, M, M\].
    pub emission_covs: Vec<f64>,
}

impl GaussianForecast {
    /// √Var(y_{T+h} | y_{1:T}) of each entry, \[H, M\].
    pub fn emission_standard_deviations(&self) -> Vec<f64> {
        let size = self.emission_covs.len() / self.emission_means.len().max(1);
        let covs = self.emission_covs.chunks_exact((size * size).max(1));
        covs.flat_map(|cov| deviations(cov, size)).collect()
    }

    /// Lower and upper ends of the central intervals that hold each emission with probability `level`,
    /// \[H, M\] each.
    ///
    /// # Errors
    /// A level that is not between 0 and 1.
    pub fn intervals(&self, level: f64) -> Result<(Vec<f64>, Vec<f64>)> {
        if !(level > 0.0 && level < 1.0) {
            return Err(Error::argument("level", level, "a probability between 0 and 1"));
        }
        let reach = normal_quantile(0.5 + 0.5 * level);
        let ends = |side: f64| {
            let deviations = self.emission_standard_deviations();
            self.emission_means.iter().zip(deviations).map(|(mean, sd)| mean + side * reach * sd).collect()
        };
        Ok((ends(-1.0), ends(1.0)))
    }
}

impl LgssmParams {
    /// Forecasts `horizon` steps past the end of each sequence: the filter goes on with every entry missing.
    ///
    /// `future_inputs` are u_{T+1}..u_{T+horizon}, one block per sequence, \[N, horizon, U\]. Arrays with one
    /// entry per step must have entries for these steps too.
    ///
    /// # Errors
    /// As [`LgssmParams::filter`]; also a horizon of 0, future inputs of another size, or arrays that end.
    ///
    /// With a diffuse start that the data leave open, moments that an open direction moves are infinite.
    pub fn forecast(
        &self,
        data: &Dataset<'_>,
        horizon: usize,
        future_inputs: &[f64],
        options: &GaussianOptions,
    ) -> Result<Vec<GaussianForecast>> {
        if horizon == 0 {
            return Err(Error::argument("num_forecast_timesteps", 0, "at least 1"));
        }
        self.check(data)?;
        let longest = data.lengths().max().unwrap_or(0) + horizon;
        self.check_num_steps(longest)?;
        let block = horizon * data.input_dim();
        if future_inputs.len() != data.num_sequences() * block {
            let expected = format!(
                "{} sequences of {horizon} rows of dimension {}",
                data.num_sequences(),
                data.input_dim()
            );
            let found = format!("{} values", future_inputs.len());
            return Err(Error::argument("forecast_inputs", found, expected));
        }
        if self.initial_diffuse.is_some() {
            return self.forecast_from_diffuse(data, horizon, future_inputs, options);
        }
        let plan = Plan::new(data, options.share);
        let parts = threads::map(plan.groups().iter().collect(), |group| {
            let mut buffers = Loan::<Buffers>::take();
            let Buffers { riccati, gains, ahead, .. } = &mut *buffers;
            let (system, past) = (self.system(), group.num_steps);
            let (d, m) = (system.state_dim, system.emission_dim);
            let first = group.sequences[0];
            let future = vec![f64::NAN; horizon * m];
            let seen = data.sequence(first).emissions;
            riccati.start(&system, system.initial_cov, options.steady_state);
            riccati
                .advance(&system, seen, 0..past, gains)
                .and_then(|()| riccati.advance(&system, &future, past..past + horizon, ahead))
                .map_err(Error::in_series(first))?;
            let (gains, ahead) = (&*gains, &*ahead);
            let parts = threads::map(group.sequences.clone(), |n| {
                let mut buffers = Loan::<LotBuffers>::take();
                let sequence = data.sequence(n);
                let emissions = [sequence.emissions, &future].concat();
                let inputs = [sequence.inputs, &future_inputs[n * block..(n + 1) * block]].concat();
                let offsets = self.offsets(Sequence { emissions: &emissions, inputs: &inputs, ..sequence });
                let series = offsets.series();
                let mut forecast = GaussianForecast {
                    state_means: vec![0.0; horizon * d],
                    state_covs: Vec::with_capacity(horizon * d * d),
                    emission_means: vec![0.0; horizon * m],
                    emission_covs: vec![0.0; horizon * m * m],
                };
                let mut state = MeanState::start(system.initial_mean);
                let seen = Series { emissions: sequence.emissions, ..series };
                let rows = MeanRows::default();
                advance_means(&system, &seen, 0..past, gains, &mut state, rows, &mut buffers.means)
                    .and_then(|()| {
                        let unseen = Series { emissions: &future, ..series };
                        let rows = MeanRows {
                            predicted: &mut forecast.state_means,
                            filtered: &mut [],
                            innovations: &mut [],
                        };
                        let steps = past..past + horizon;
                        advance_means(&system, &unseen, steps, ahead, &mut state, rows, &mut buffers.means)
                    })
                    .map_err(Error::in_series(n))?;
                for (h, t) in (past..past + horizon).enumerate() {
                    let cov = ahead.predicted_cov(t);
                    forecast.state_covs.extend_from_slice(cov);
                    let mean = &forecast.state_means[h * d..(h + 1) * d];
                    series.emission_mean(
                        &system,
                        t,
                        mean,
                        &mut forecast.emission_means[h * m..(h + 1) * m],
                    );
                    add_emission_cov(
                        &system,
                        t,
                        cov,
                        &mut forecast.emission_covs[h * m * m..(h + 1) * m * m],
                    );
                }
                Ok((n, forecast))
            });
            parts.into_iter().collect::<Result<Vec<_>>>()
        });
        let mut all: Vec<(usize, GaussianForecast)> =
            parts.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        all.sort_by_key(|(n, _)| *n);
        Ok(all.into_iter().map(|(_, forecast)| forecast).collect())
    }

    /// A diffuse start: the filter of series that go on with every entry missing. Moments that an open
    /// direction moves are infinite.
    fn forecast_from_diffuse(
        &self,
        data: &Dataset<'_>,
        horizon: usize,
        future_inputs: &[f64],
        options: &GaussianOptions,
    ) -> Result<Vec<GaussianForecast>> {
        let (m, block) = (self.emission_dim(), horizon * data.input_dim());
        let (mut rows, mut inputs, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        for (n, sequence) in data.sequences().enumerate() {
            rows.extend_from_slice(sequence.emissions);
            rows.resize(rows.len() + horizon * m, f64::NAN);
            inputs.extend_from_slice(sequence.inputs);
            inputs.extend_from_slice(&future_inputs[n * block..(n + 1) * block]);
            lengths.push(sequence.num_steps() + horizon);
        }
        let mut longer = Dataset::ragged(rows, &lengths, m)?;
        if data.input_dim() > 0 {
            longer = longer.with_inputs(inputs, data.input_dim())?;
        }
        let plan = Plan::new(&longer, options.share);
        let parts = threads::map(plan.groups().iter().collect(), |group| {
            let steps = group.num_steps - horizon..group.num_steps;
            self.one_step_ahead(&longer, &group.sequences, &steps, options)
        });
        let mut forecasts: Vec<Option<GaussianForecast>> = vec![None; data.num_sequences()];
        for (group, part) in plan.groups().iter().zip(parts) {
            for (n, ahead) in group.sequences.iter().zip(part?) {
                forecasts[*n] = Some(GaussianForecast {
                    state_means: ahead.state_means,
                    state_covs: ahead.state_covs,
                    emission_means: ahead.emission_means,
                    emission_covs: ahead.emission_covs,
                });
            }
        }
        Ok(forecasts.into_iter().flatten().collect())
    }
}
