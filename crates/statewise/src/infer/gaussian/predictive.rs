//! The posterior predictive: emissions like those observed, given all observations.

use statewise_kernels::gaussian::{Noise, System};

use super::GaussianOptions;
use super::plan::{Covariances, Plan};
use super::smooth::GaussianSmoothedSlices;
use crate::data::Dataset;
use crate::error::Result;
use crate::model::linear_gaussian::LgssmParams;

/// Moments of new emissions at every step.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianPredictive {
    /// H E(z_t | y_{1:T}) + d + D u_t, \[rows, M\].
    pub means: Vec<f64>,
    /// H Cov(z_t | y_{1:T}) Hᵀ + R, \[M, M\] each.
    pub covs: Covariances,
}

impl LgssmParams {
    /// p(y'_t | y_{1:T}) of new emissions y' at every step, which fills in missing ones.
    ///
    /// # Errors
    /// As [`LgssmParams::smoother`].
    pub fn posterior_predictive(
        &self,
        data: &Dataset<'_>,
        options: &GaussianOptions,
    ) -> Result<GaussianPredictive> {
        let plan = Plan::new(data, options.share);
        let (d, m) = (self.state_dim(), self.emission_dim());
        let mut means = vec![0.0; data.num_rows() * d];
        let mut covs = Covariances::zeros(&plan, d * d);
        let slices = GaussianSmoothedSlices {
            smoothed_means: Some(&mut means),
            smoothed_covs: Some(&mut covs.values),
            ..Default::default()
        };
        self.smoother_into(&plan, data, options, slices)?;
        let system = self.system();
        let mut predictive = GaussianPredictive {
            means: vec![0.0; data.num_rows() * m],
            covs: Covariances::zeros(&plan, m * m),
        };
        for n in 0..data.num_sequences() {
            let offsets = self.offsets(data.sequence(n));
            let series = offsets.series();
            for (t, row) in data.range(n).enumerate() {
                let out = &mut predictive.means[row * m..(row + 1) * m];
                series.emission_mean(&system, t, &means[row * d..(row + 1) * d], out);
            }
        }
        for group in plan.groups() {
            for t in 0..group.num_steps {
                let cov = covs.of(group.sequences[0], t);
                let row = group.start + t;
                add_emission_cov(
                    &system,
                    t,
                    cov,
                    &mut predictive.covs.values[row * m * m..(row + 1) * m * m],
                );
            }
        }
        Ok(predictive)
    }
}

/// Adds H P Hᵀ + R to `out`, \[M, M\].
pub(crate) fn add_emission_cov(system: &System<'_>, t: usize, cov: &[f64], out: &mut [f64]) {
    let (d, m) = (system.state_dim, system.emission_dim);
    let h = system.emission.at(t);
    let mut row = vec![0.0; d];
    for i in 0..m {
        for (x, column) in row.iter_mut().zip(0..d) {
            *x = (0..d).map(|k| h[i * d + k] * cov[k * d + column]).sum();
        }
        for j in 0..m {
            out[i * m + j] += row.iter().zip(&h[j * d..(j + 1) * d]).map(|(x, h)| x * h).sum::<f64>();
        }
    }
    match system.emission_cov {
        Noise::Full(r) => out.iter_mut().zip(r.at(t)).for_each(|(x, r)| *x += r),
        Noise::Diagonal(r) => r.at(t).iter().enumerate().for_each(|(i, r)| out[i * m + i] += r),
    }
}
