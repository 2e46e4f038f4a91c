//! Forecasting: states and emissions after the last observation.

use statewise_kernels::discrete;

use crate::data::{Dataset, Sequence};
use crate::error::{Error, Result};
use crate::model::hmm::Hmm;
use crate::params::Params;
use crate::threads;
use crate::workspace::Lent;

/// State probabilities and emission moments for the steps after a sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// p(z_{T+h} = k | y_{1:T}), \[H, K\]; the first row is the one-step prediction.
    pub state_probs: Vec<f64>,
    /// E[y_{T+h} | y_{1:T}], \[H, width\].
    pub means: Vec<f64>,
    /// Cov[y_{T+h} | y_{1:T}], \[H, width, width\], within and between states.
    pub covs: Vec<f64>,
}

impl Forecast {
    /// √Var[y_{T+h} | y_{1:T}] of each value, \[H, width\]; `width` is that of the emissions.
    pub fn standard_deviations(&self, width: usize) -> Vec<f64> {
        let variances = self.covs.chunks_exact(width * width);
        variances.flat_map(|cov| (0..width).map(|d| cov[d * (width + 1)].max(0.0).sqrt())).collect()
    }
}

impl Hmm {
    /// Forecasts `horizon` steps past the end of each sequence.
    ///
    /// `future_inputs` are u_{T+1}..u_{T+horizon}, one block per sequence, \[N, horizon, U\]. Families
    /// that read earlier observations (autoregressions) are iterated on their forecast means.
    ///
    /// # Errors
    /// As [`Hmm::filter`]; also a horizon of 0 or future inputs of another size.
    pub fn forecast(
        &self,
        params: &Params,
        data: &Dataset<'_>,
        horizon: usize,
        future_inputs: &[f64],
    ) -> Result<Vec<Forecast>> {
        if horizon == 0 {
            return Err(Error::argument("num_forecast_timesteps", 0, "at least 1"));
        }
        let block = horizon * self.input_dim();
        if future_inputs.len() != data.num_sequences() * block {
            return Err(Error::argument(
                "forecast_inputs",
                format!("{} values", future_inputs.len()),
                format!(
                    "{} sequences of {horizon} rows of dimension {}",
                    data.num_sequences(),
                    self.input_dim()
                ),
            ));
        }
        self.check_data(data)?;
        let lowered = self.lower(params)?;
        let (k, width) = (self.num_states(), self.emission_width());
        threads::map_sequences(data, vec![(); data.num_sequences()], Lent::take, |workspace, n, ()| {
            let past = data.sequence(n);
            let num_steps = past.num_steps();
            let mut filtered = vec![0.0; num_steps * k];
            lowered
                .with_chain(past, |chain| discrete::filter(chain, workspace, &mut filtered, None))
                .map_err(Error::in_sequence(n))?;

            let mut emissions = past.emissions.to_vec();
            emissions.resize((num_steps + horizon) * width, 0.0);
            let inputs = [past.inputs, &future_inputs[n * block..(n + 1) * block]].concat();
            let mut forecast = Forecast {
                state_probs: vec![0.0; horizon * k],
                means: vec![0.0; horizon * width],
                covs: vec![0.0; horizon * width * width],
            };
            let mut previous = filtered[(num_steps - 1) * k..].to_vec();
            let mut matrix = vec![0.0; k * k];
            for h in 0..horizon {
                let t = num_steps + h;
                let whole =
                    Sequence { emissions: &emissions, width, inputs: &inputs, input_dim: self.input_dim() };
                lowered.transition_matrix(whole.input(t), &mut matrix);
                let probs = &mut forecast.state_probs[h * k..(h + 1) * k];
                for (j, p) in probs.iter_mut().enumerate() {
                    *p = (0..k).map(|i| previous[i] * matrix[i * k + j]).sum();
                }
                previous.copy_from_slice(probs);
                let mean = &mut forecast.means[h * width..(h + 1) * width];
                let cov = &mut forecast.covs[h * width * width..(h + 1) * width * width];
                mix_moments(probs, width, mean, cov, |state, m, c| {
                    lowered.emission.moments(state, &whole, t, m, c);
                });
                emissions[t * width..(t + 1) * width].copy_from_slice(mean);
            }
            Ok(forecast)
        })
    }
}

/// Mean Σ p m and covariance Σ p (C + (m − mean)(m − mean)ᵀ) of a mixture.
fn mix_moments(
    probs: &[f64],
    width: usize,
    mean: &mut [f64],
    cov: &mut [f64],
    moments: impl Fn(usize, &mut [f64], &mut [f64]),
) {
    let k = probs.len();
    let mut means = vec![0.0; k * width];
    let mut covs = vec![0.0; k * width * width];
    for state in 0..k {
        let m = &mut means[state * width..(state + 1) * width];
        moments(state, m, &mut covs[state * width * width..(state + 1) * width * width]);
        mean.iter_mut().zip(&*m).for_each(|(total, m)| *total += probs[state] * m);
    }
    for state in 0..k {
        for a in 0..width {
            let da = means[state * width + a] - mean[a];
            for b in 0..width {
                let db = means[state * width + b] - mean[b];
                cov[a * width + b] += probs[state] * (covs[(state * width + a) * width + b] + da * db);
            }
        }
    }
}
