//! Smoothing of diffuse starts by generalised least squares.
//!
//! Given the data, starts are m + A' (z + N(0, I)) with A' = A V R⁻¹ (see [`FlatStart`]): smoothed means are
//! those of the proper system that starts at m + A' z, and with M_j the smoothed means of a series of zeros that
//! starts at A'_j
//!
//! Cov(z_t | y) = P_t + Σ_j M_jt M_jtᵀ;  Cov(z_t, z_{t+1} | y) = C_t + Σ_j M_jt M_{j,t+1}ᵀ
//!
//! where P_t and C_t are those of the proper system. Every term of the gradient that is quadratic in the
//! adjoints gains that of the columns, as if each were one more series. Directions that stay open move no
//! observation: they count as 0, and the evidence has the same gradient whatever they are.

use statewise_kernels::gaussian::{
    Adjoints, GaussianError, MeanRows, MeanScratch, MeanState, Series, SmoothedRows, Smoothing, System,
    SystemGradient, advance_means, smooth_means,
};

use super::flat_start::FlatStart;

/// What smoothed series of one group share.
pub(super) struct FlatSmoothing<'a> {
    flat: FlatStart<'a>,
    smoothing: Smoothing,
    /// For each column its smoothed means, adjoints of states and adjoints of emissions.
    columns: Vec<[Vec<f64>; 3]>,
    /// \[T, D, D\].
    covs: Vec<f64>,
    lag_one_covs: Vec<f64>,
}

impl<'a> FlatSmoothing<'a> {
    /// Smooths what the group shares; `emissions` are those of one of its series.
    pub(super) fn new(
        flat: FlatStart<'a>,
        emissions: &[f64],
        lag_one: bool,
    ) -> Result<Self, GaussianError> {
        let system = flat.system();
        let d = system.state_dim;
        let steps = flat.gains().num_steps();
        let mut smoothing = Smoothing::default();
        smoothing.compute(&system, flat.gains(), lag_one);
        let zeros: Vec<f64> = emissions.iter().map(|y| if y.is_nan() { *y } else { 0.0 }).collect();
        let mut columns = Vec::with_capacity(flat.columns().len());
        for start in flat.columns() {
            // NUMERICS: a column may be long, and noise-free observations are checked against 1.
            let length = start.iter().fold(1.0f64, |a, x| a.max(x.abs()));
            let start: Vec<f64> = start.iter().map(|x| x / length).collect();
            let mut rows = [vec![0.0; steps * d], vec![0.0; steps * d], vec![0.0; emissions.len()]];
            let outputs = rows.each_mut().map(|rows| &mut rows[..]);
            smooth(&system, &flat, &Series::new(&zeros), &start, &mut vec![0.0; steps * d], outputs)?;
            rows.iter_mut().flatten().for_each(|x| *x *= length);
            columns.push(rows);
        }
        let size = d * d;
        let mut covs = Vec::with_capacity(steps * size);
        let mut lag_one_covs = vec![0.0; if lag_one { steps * size } else { 0 }];
        for t in 0..steps {
            covs.extend_from_slice(smoothing.cov(t));
            let last = t + 1 == steps;
            if lag_one && !last {
                lag_one_covs[t * size..(t + 1) * size].copy_from_slice(smoothing.lag_one_cov(t));
            }
            for [means, ..] in &columns {
                let now = &means[t * d..(t + 1) * d];
                add_outer(now, now, &mut covs[t * size..]);
                if lag_one && !last {
                    add_outer(now, &means[(t + 1) * d..(t + 2) * d], &mut lag_one_covs[t * size..]);
                }
            }
        }
        Ok(FlatSmoothing { flat, smoothing, columns, covs, lag_one_covs })
    }

    /// Cov(z_t | y_{1:T}), \[D, D\].
    pub(super) fn cov(&self, t: usize) -> &[f64] {
        let size = self.covs.len() / self.flat.gains().num_steps();
        &self.covs[t * size..(t + 1) * size]
    }

    /// Cov(z_t, z_{t+1} | y_{1:T}), \[D, D\].
    pub(super) fn lag_one_cov(&self, t: usize) -> &[f64] {
        let size = self.covs.len() / self.flat.gains().num_steps();
        &self.lag_one_covs[t * size..(t + 1) * size]
    }

    /// Adds the terms of the gradient that series share, `weight` times.
    pub(super) fn add_to_gradient(&self, series: &Series<'_>, weight: f64, gradient: &mut SystemGradient) {
        let system = &self.flat.system();
        let initial_mean = gradient.initial_mean.clone();
        gradient.add_covariances(system, series, self.flat.gains(), &self.smoothing, weight);
        for [smoothed, states, emissions] in &self.columns {
            gradient.add_means(system, Adjoints { smoothed, states, emissions }, weight);
        }
        // The one term that is linear.
        gradient.initial_mean = initial_mean;
    }

    /// Smooths one series; answers log p(y_{1:T}). The filtered rows are no filtered means of the diffuse
    /// model.
    pub(super) fn smooth_series(
        &self,
        series: &Series<'_>,
        scratch: &mut [f64],
        outputs: [&mut [f64]; 3],
    ) -> Result<f64, GaussianError> {
        let estimate = self.flat.estimate(series)?;
        smooth(&self.flat.system(), &self.flat, series, &estimate.start, scratch, outputs)?;
        Ok(estimate.marginal_loglik)
    }

    /// Whether the observations pin the state down.
    pub(super) fn identified(&self) -> Result<(), GaussianError> {
        self.flat.identified()
    }
}

/// Both passes over a series that starts at this mean.
fn smooth(
    system: &System<'_>,
    flat: &FlatStart<'_>,
    series: &Series<'_>,
    start: &[f64],
    filtered: &mut [f64],
    [smoothed, state_adjoints, emission_adjoints]: [&mut [f64]; 3],
) -> Result<(), GaussianError> {
    let mut state = MeanState::start(start);
    let mut innovations = vec![0.0; series.emissions.len()];
    let rows = MeanRows { predicted: &mut [], filtered: &mut *filtered, innovations: &mut innovations };
    let steps = 0..flat.gains().num_steps();
    advance_means(system, series, steps, flat.gains(), &mut state, rows, &mut MeanScratch::default())?;
    let rows =
        SmoothedRows { filtered, innovations: &innovations, smoothed, state_adjoints, emission_adjoints };
    smooth_means(system, flat.gains(), rows, &mut Vec::new());
    Ok(())
}

/// C += x yᵀ.
fn add_outer(x: &[f64], y: &[f64], c: &mut [f64]) {
    for (row, x) in c.chunks_exact_mut(y.len()).zip(x) {
        row.iter_mut().zip(y).for_each(|(c, y)| *c += x * y);
    }
}
