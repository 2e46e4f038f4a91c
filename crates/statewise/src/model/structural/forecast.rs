//! Forecasts: the filter goes on over rows without observations.

use super::StructuralTimeSeries;
use crate::data::{Dataset, Sequence};
use crate::error::{Error, Result};
use crate::infer::gaussian::{GaussianForecast, GaussianOptions};
use crate::params::Params;

impl StructuralTimeSeries {
    /// States and emissions of the `horizon` steps after each sequence; the first is the one-step
    /// prediction. Emissions have the observation noise in them: mean ± 1.96 √cov is where the next
    /// observation lies with probability 0.95.
    ///
    /// * `future_inputs` – u_{T+1}..u_{T+horizon} (regressors, steps or time stamps), one block per
    ///   sequence, \[N, horizon, U\]; empty without inputs.
    ///
    /// # Errors
    /// Parameters or data that do not fit, a horizon of 0, future inputs of another size, or steps that
    /// go back.
    pub fn forecast(
        &self,
        params: &Params,
        data: &Dataset<'_>,
        horizon: usize,
        future_inputs: &[f64],
        options: &GaussianOptions,
    ) -> Result<Vec<GaussianForecast>> {
        let extended = self.extend(data, horizon, future_inputs)?;
        let mut forecasts = Vec::with_capacity(data.num_sequences());
        let block = horizon * self.input_dim();
        for n in 0..data.num_sequences() {
            let lowered = self.lower_sequence(params, extended.sequence(n))?;
            let future = &future_inputs[n * block..(n + 1) * block];
            forecasts.extend(lowered.forecast(&data.select(&[n]), horizon, future, options)?);
        }
        Ok(forecasts)
    }

    /// The data with `horizon` rows more for each sequence, all missing: whatever is inferred of these
    /// rows is a forecast.
    ///
    /// # Errors
    /// Data that do not fit, a horizon of 0, or future inputs of another size.
    pub fn extend(
        &self,
        data: &Dataset<'_>,
        horizon: usize,
        future_inputs: &[f64],
    ) -> Result<Dataset<'static>> {
        self.check_data(data)?;
        if horizon == 0 {
            return Err(Error::argument("horizon", 0, "at least 1"));
        }
        let block = horizon * self.input_dim();
        if future_inputs.len() != data.num_sequences() * block {
            let expected = format!(
                "{} sequences of {horizon} rows of dimension {}",
                data.num_sequences(),
                self.input_dim()
            );
            return Err(Error::argument(
                "future_inputs",
                format!("{} values", future_inputs.len()),
                expected,
            ));
        }
        let (mut rows, mut inputs, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        for (n, Sequence { emissions, inputs: past, width, .. }) in data.sequences().enumerate() {
            rows.extend_from_slice(emissions);
            rows.resize(rows.len() + horizon * width, f64::NAN);
            inputs.extend_from_slice(past);
            inputs.extend_from_slice(&future_inputs[n * block..(n + 1) * block]);
            lengths.push(data.range(n).len() + horizon);
        }
        let extended = Dataset::ragged(rows, &lengths, data.width())?;
        let extended = if block > 0 { extended.with_inputs(inputs, self.input_dim())? } else { extended };
        self.check_data(&extended)?;
        Ok(extended)
    }
}
