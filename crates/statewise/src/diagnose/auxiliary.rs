//! Auxiliary residuals: which disturbances the whole series blames, to find outliers and breaks.
//!
//! ε̂_t = E(ε_t | y) = R_t u_t,  Var ε̂_t = R_t C_t R_t;  η̂_t = E(η_t | y) = Q_t r_t,  Var η̂_t = Q_t N_t Q_t
//!
//! A large ε̂_t over its standard deviation points to an outlier, a large η̂_t to a break in the state it drives. The
//! adjoints u, r and their variances C, N are read off the gradient of log p(y) with R, Q and the biases set
//! free at every step: ∂d_t = u_t, ∂R_t = ½ (u_t u_tᵀ − C_t), ∂b_t = r_t, ∂Q_t = ½ (r_t r_tᵀ − N_t). So whatever
//! engine gives the gradient gives the residuals, and no covariance is inverted.

use super::information::outer;
use crate::data::{Dataset, Sequence};
use crate::error::Result;
use crate::infer::gaussian::GaussianOptions;
use crate::model::linear_gaussian::LgssmParams;
use crate::params::Array;
use crate::threads;

/// Smoothed disturbances of all rows of a dataset. Entry t of the state's drives the step into z_t.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuxiliaryResiduals {
    /// ε̂_t, \[rows, M\]; NaN where missing.
    pub observation: Vec<f64>,
    /// Var ε̂_t, \[rows, M, M\]; NaN in rows and columns of missing entries.
    pub observation_covs: Vec<f64>,
    /// ε̂_t over its standard deviation, \[rows, M\]; NaN where missing or without variance.
    pub observation_standardised: Vec<f64>,
    /// η̂_t, \[rows, D\]; NaN at the first step of a sequence, which nothing drives.
    pub state: Vec<f64>,
    /// Var η̂_t, \[rows, D, D\].
    pub state_covs: Vec<f64>,
    /// η̂_t over its standard deviation, \[rows, D\]; NaN where it has no variance.
    pub state_standardised: Vec<f64>,
}

/// A variance of a smoothed disturbance below this share of the disturbance's own is rounding.
const NO_VARIANCE: f64 = 1e-13;

impl LgssmParams {
    /// Smoothed disturbances of observations and states, their covariances, and both standardised.
    ///
    /// # Errors
    /// As [`LgssmParams::filter`].
    ///
    /// # Source
    /// Harvey and Koopman (1992); Koopman (1993); Durbin and Koopman (2012), §4.5 and §7.5.
    pub fn auxiliary_residuals(
        &self,
        data: &Dataset<'_>,
        options: &GaussianOptions,
    ) -> Result<AuxiliaryResiduals> {
        self.check(data)?;
        let parts = threads::map((0..data.num_sequences()).collect(), |n| {
            self.auxiliary_of(data.prefix(n, data.range(n).len())?, options)
        });
        let mut all = AuxiliaryResiduals::default();
        for part in parts {
            let part = part?;
            all.observation.extend(part.observation);
            all.observation_covs.extend(part.observation_covs);
            all.observation_standardised.extend(part.observation_standardised);
            all.state.extend(part.state);
            all.state_covs.extend(part.state_covs);
            all.state_standardised.extend(part.state_standardised);
        }
        Ok(all)
    }

    /// One sequence.
    fn auxiliary_of(&self, data: Dataset<'_>, options: &GaussianOptions) -> Result<AuxiliaryResiduals> {
        let (d, m, sequence) = (self.state_dim(), self.emission_dim(), data.sequence(0));
        let free = self.with_own_noise_at_every_step(sequence);
        let slopes = free.gradient(&data, options)?.params;
        let bias = |array: &Option<Array>| array.as_ref().map_or(Vec::new(), |a| a.values().to_vec());
        let observation = Disturbances {
            dim: m,
            noise: free.emissions_cov.values(),
            adjoints: &bias(&slopes.emissions_bias),
            slopes: slopes.emissions_cov.values(),
        };
        let state = Disturbances {
            dim: d,
            noise: free.dynamics_cov.values(),
            adjoints: &bias(&slopes.dynamics_bias),
            slopes: slopes.dynamics_cov.values(),
        };
        let mut out = AuxiliaryResiduals::default();
        for t in 0..sequence.num_steps() {
            let missing: Vec<bool> = sequence.emission(t).iter().map(|y| y.is_nan()).collect();
            let (mean, cov, standardised) = observation.at(t, &missing);
            out.observation.extend(mean);
            out.observation_covs.extend(cov);
            out.observation_standardised.extend(standardised);
            let (mean, cov, standardised) = state.at(t, &vec![t == 0; d]);
            out.state.extend(mean);
            out.state_covs.extend(cov);
            out.state_standardised.extend(standardised);
        }
        Ok(out)
    }

    /// The same model with Q, R and both biases given step by step, R as full matrices.
    fn with_own_noise_at_every_step(&self, sequence: Sequence<'_>) -> LgssmParams {
        let (d, m, num_steps) = (self.state_dim(), self.emission_dim(), sequence.num_steps());
        let (system, offsets) = (self.system(), self.offsets(sequence));
        let series = offsets.series();
        let gather = |at: &dyn Fn(usize) -> Vec<f64>| (0..num_steps).flat_map(at).collect::<Vec<f64>>();
        let noise = |t: usize| {
            let values = system.emission_cov.steps().at(t);
            if values.len() == m * m && !self.diagonal_emissions_cov {
                return values.to_vec();
            }
            let mut full = vec![0.0; m * m];
            values.iter().enumerate().for_each(|(i, r)| full[i * m + i] = *r);
            full
        };
        let b = |t: usize| series.transition_offset.map_or(vec![0.0; d], |b| b.at(t).to_vec());
        let e = |t: usize| series.emission_offset.map_or(vec![0.0; m], |b| b.at(t).to_vec());
        LgssmParams {
            dynamics_cov: Array::new(&[num_steps, d, d], gather(&|t| system.transition_cov.at(t).to_vec())),
            emissions_cov: Array::new(&[num_steps, m, m], gather(&noise)),
            diagonal_emissions_cov: false,
            dynamics_bias: Some(Array::new(&[num_steps, d], gather(&b))),
            emissions_bias: Some(Array::new(&[num_steps, m], gather(&e))),
            dynamics_input_weights: None,
            emissions_input_weights: None,
            ..self.clone()
        }
    }
}

/// Disturbances of one kind: the noise Σ_t, adjoints a_t, and ∂Σ_t = ½ (a_t a_tᵀ − V_t).
struct Disturbances<'a> {
    dim: usize,
    noise: &'a [f64],
    adjoints: &'a [f64],
    slopes: &'a [f64],
}

impl Disturbances<'_> {
    /// Σ a, Σ V Σ, and Σ a over its standard deviation; NaN where `missing`.
    fn at(&self, t: usize, missing: &[bool]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let n = self.dim;
        let sigma = &self.noise[t * n * n..(t + 1) * n * n];
        let a = &self.adjoints[t * n..(t + 1) * n];
        let slope = &self.slopes[t * n * n..(t + 1) * n * n];
        let spread: Vec<f64> = outer(a).iter().zip(slope).map(|(aa, s)| aa - 2.0 * s).collect();
        let times = |x: &[f64], y: &[f64], i: usize, j: usize| -> f64 {
            (0..n).map(|k| x[i * n + k] * y[k * n + j]).sum()
        };
        let half: Vec<f64> = (0..n * n).map(|ij| times(sigma, &spread, ij / n, ij % n)).collect();
        let hide = |hidden: bool, x: f64| if hidden { f64::NAN } else { x };
        let mean: Vec<f64> =
            (0..n).map(|i| hide(missing[i], (0..n).map(|k| sigma[i * n + k] * a[k]).sum())).collect();
        let cov: Vec<f64> = (0..n * n)
            .map(|ij| hide(missing[ij / n] || missing[ij % n], times(&half, sigma, ij / n, ij % n)))
            .collect();
        let standardised = (0..n)
            .map(|i| {
                let variance = cov[i * n + i];
                let counts = variance > NO_VARIANCE * sigma[i * n + i];
                hide(!counts, mean[i] / variance.sqrt())
            })
            .collect();
        (mean, cov, standardised)
    }
}
