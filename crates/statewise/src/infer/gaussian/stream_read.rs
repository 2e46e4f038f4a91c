//! What an online filter says beyond its belief: innovations, smoothed last steps, forecasts.

use statewise_kernels::gaussian::{Series, SmoothedWindow, Steps, WindowStep, smooth_window};

use super::GaussianForecast;
use super::predictive::add_emission_cov;
use super::stream::GaussianOnlineFilter;
use super::stream_step::{Given, advance};
use super::whiten::whiten_observed;
use crate::error::{Error, Result};

/// How far the last observation was from its prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct Innovation {
    /// v = y − H m − d − D u, \[M\]; NaN where missing, or moved by an open direction of a diffuse start.
    pub residual: Vec<f64>,
    /// S = H P Hᵀ + R, \[M, M\], of all entries; infinite where an open direction moves them.
    pub cov: Vec<f64>,
    /// L⁻¹ v over the entries observed and not open, S = L Lᵀ, \[M\]; NaN elsewhere.
    pub standardised: Vec<f64>,
    /// vᵀ S⁻¹ v over the entries observed: χ² with `num_observed` degrees of freedom.
    pub nis: f64,
    /// Entries observed and not open.
    pub num_observed: usize,
}

impl GaussianOnlineFilter {
    /// The innovation of the last step taken; `None` before the first.
    pub fn innovation(&self) -> Option<Innovation> {
        let step = self.kept.back()?;
        let t = self.engine.num_steps() - 1;
        let (system, m) = (step.given.system(&self.params), self.params.emission_dim());
        let (_, offset) = step.given.offsets(&self.params, t);
        let y = &step.given.emission;
        let series = Series { emission_offset: Some(Steps::fixed(&offset)), ..Series::new(y) };
        let mut residual = vec![0.0; m];
        series.emission_mean(&system, t, &step.predicted, &mut residual);
        residual.iter_mut().zip(y).for_each(|(v, y)| *v = y - *v);
        let mut cov = vec![0.0; m * m];
        add_emission_cov(&system, t, step.gains.predicted_cov(t), &mut cov);
        if let Some(diffuse) = &step.diffuse {
            diffuse.table.add_emission_cov(t, &mut cov);
            return Some(Innovation::of(y, &diffuse.emission, cov));
        }
        let seen = |(w, y): (&f64, &f64)| if y.is_nan() { f64::NAN } else { *w };
        Some(Innovation {
            residual,
            cov,
            standardised: step.innovation.iter().zip(y).map(seen).collect(),
            nis: step.innovation.iter().map(|w| w * w).sum(),
            num_observed: y.iter().filter(|y| !y.is_nan()).count(),
        })
    }

    /// z_{t-lag}..z_t given y_{1:t}; from the first state on where the series is shorter.
    ///
    /// # Errors
    /// More steps than are kept, or no step taken.
    pub fn fixed_lag(&self, lag: usize) -> Result<SmoothedWindow> {
        let num_steps = self.engine.num_steps();
        let wanted = num_steps.min(lag.saturating_add(1));
        if wanted == 0 || wanted > self.kept.len() {
            let found = format!("{lag} with {num_steps} steps taken and {} kept", self.kept.len());
            return Err(Error::argument("lag", found, "less than the history, after a step"));
        }
        let system = self.params.system();
        let first = num_steps - wanted;
        let kept = (first..num_steps).zip(self.kept.range(self.kept.len() - wanted..));
        let steps: Vec<WindowStep<'_>> = kept
            .map(|(t, step)| WindowStep {
                gains: &step.gains,
                transition: match &step.given.own.transition {
                    Some(own) => &own.weights,
                    None => system.transition.at(t),
                },
                filtered: &step.filtered,
                innovation: &step.innovation,
                diffuse: step.diffuse.as_ref().map(|diffuse| (&diffuse.table, &diffuse.directions)),
            })
            .collect();
        Ok(smooth_window(&system, &steps, self.engine.known()))
    }

    /// States and emissions of the `horizon` steps after the last one taken; `future_inputs` are their
    /// inputs, \[horizon, U\]. The step that is open, if there is one, is the first of them, by its own
    /// dynamics.
    ///
    /// # Errors
    /// A horizon of 0, inputs of another size, or arrays that end.
    pub fn forecast(&self, horizon: usize, future_inputs: &[f64]) -> Result<GaussianForecast> {
        let (d, m, u) = (self.params.state_dim(), self.params.emission_dim(), self.input_dim());
        if horizon == 0 || future_inputs.len() != horizon * u {
            let found = format!("horizon {horizon} with {} input values", future_inputs.len());
            return Err(Error::argument(
                "future_inputs",
                found,
                format!("at least 1 step, {u} values each"),
            ));
        }
        let first = self.engine.num_steps();
        self.params.check_num_steps(first + horizon)?;
        let mut engine = self.engine.clone();
        let mut open = self.pending.as_ref().map(|pending| pending.own.clone());
        let mut before = self.last_input.clone();
        let mut forecast = GaussianForecast {
            state_means: Vec::with_capacity(horizon * d),
            state_covs: Vec::with_capacity(horizon * d * d),
            emission_means: vec![0.0; horizon * m],
            emission_covs: vec![0.0; horizon * m * m],
        };
        for h in 0..horizon {
            let t = first + h;
            let input = future_inputs[h * u..(h + 1) * u].to_vec();
            let own = open.take().map_or_else(|| self.own(t, before.as_deref(), &input), Ok)?;
            before = Some(input.clone());
            let given = Given { emission: vec![f64::NAN; m], input, own };
            advance(&self.params, &mut engine, &given)?;
            let (system, (_, offset)) = (given.system(&self.params), given.offsets(&self.params, t));
            let series =
                Series { emission_offset: Some(Steps::fixed(&offset)), ..Series::new(&given.emission) };
            let (mean, emission) =
                (engine.predicted_mean(), &mut forecast.emission_means[h * m..(h + 1) * m]);
            series.emission_mean(&system, t, mean, emission);
            let cov = engine.gains().predicted_cov(t);
            let emission_cov = &mut forecast.emission_covs[h * m * m..(h + 1) * m * m];
            add_emission_cov(&system, t, cov, emission_cov);
            forecast.state_means.extend_from_slice(mean);
            forecast.state_covs.extend_from_slice(cov);
            if let Some((table, _, mean)) = engine.diffuse_step() {
                emission.copy_from_slice(mean);
                table.add_emission_cov(t, emission_cov);
                let start = h * d * d;
                table.predicted_cov(engine.gains(), t, &mut forecast.state_covs[start..]);
            }
        }
        Ok(forecast)
    }
}

impl Innovation {
    /// From y_t and its moments; entries of infinite variance are left out.
    fn of(y: &[f64], mean: &[f64], cov: Vec<f64>) -> Self {
        let m = y.len();
        let innovation = |i: usize| if cov[i * (m + 1)].is_finite() { y[i] - mean[i] } else { f64::NAN };
        let residual: Vec<f64> = (0..m).map(innovation).collect();
        let standardised = whiten_observed(&residual, &cov);
        let nis = standardised.iter().filter(|e| !e.is_nan()).map(|e| e * e).sum();
        let num_observed = residual.iter().filter(|v| !v.is_nan()).count();
        Innovation { residual, cov, standardised, nis, num_observed }
    }
}
