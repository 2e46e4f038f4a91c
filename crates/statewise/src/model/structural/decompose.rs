//! What each component adds to each series, and coefficients with their standard errors.

use super::StructuralTimeSeries;
use super::block::{Block, Weights};
use super::lower::longest;
use crate::data::Dataset;
use crate::error::Result;
use crate::infer::gaussian::{GaussianOptions, GaussianSmoothed};
use crate::params::Params;

/// What a component adds to a series, given all observations: N(mean, variance) at each row.
#[derive(Clone, Debug, PartialEq)]
pub struct ComponentSeries {
    /// The component.
    pub name: String,
    /// The series it is added to.
    pub series: usize,
    /// E(loading hᵀ z_t | y_{1:T}), \[rows\].
    pub mean: Vec<f64>,
    /// Var(loading hᵀ z_t | y_{1:T}), \[rows\].
    pub variance: Vec<f64>,
}

/// The coefficient of a regressor or an intervention, given all observations of a sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Coefficient {
    /// Its state, `regression.coefficient_0`; with the series where each has its own.
    pub name: String,
    /// The sequence.
    pub sequence: usize,
    /// Its mean at the last step.
    pub mean: f64,
    /// Its standard deviation there.
    pub std_error: f64,
}

impl StructuralTimeSeries {
    /// Takes the smoothed series apart by component: the means of all components of a series add up to
    /// the mean of what is seen without noise.
    ///
    /// Rows without observations have components too: forecasts by component are the decomposition of
    /// the data with their [`extension`](StructuralTimeSeries::extend).
    ///
    /// # Errors
    /// Parameters or data that do not fit.
    pub fn decompose(
        &self,
        params: &Params,
        data: &Dataset<'_>,
        options: &GaussianOptions,
    ) -> Result<Vec<ComponentSeries>> {
        let mut all: Vec<ComponentSeries> = Vec::new();
        for component in &self.components {
            all.extend(component.series.iter().map(|series| ComponentSeries {
                name: component.name.clone(),
                series: *series,
                mean: vec![0.0; data.num_rows()],
                variance: vec![0.0; data.num_rows()],
            }));
        }
        let values = self.values(params);
        self.visit_smoothed(params, data, options, |n, row, t, mean, cov| {
            let sequence = data.sequence(n);
            let mut out = all.iter_mut();
            for (component, values) in self.components.iter().zip(&values) {
                let fixed = component.block.matrices(&values.theta, 1.0).emission;
                component.with_weights(t, sequence.input(t), &fixed, |h| {
                    for (i, (loading, out)) in values.loadings.iter().zip(&mut out).enumerate() {
                        let states = component.copy_offset(i)..component.copy_offset(i) + component.dim;
                        out.mean[row] = loading * dot(h, &mean[states.clone()]);
                        let rows = cov.chunks_exact(self.state_dim).skip(states.start).take(component.dim);
                        let spread =
                            h.iter().zip(rows).map(|(weight, row)| weight * dot(h, &row[states.clone()]));
                        // Below 0 by rounding only.
                        out.variance[row] = (loading * loading * spread.sum::<f64>()).max(0.0);
                    }
                });
            }
        })?;
        Ok(all)
    }

    /// The coefficients of regressions and interventions at the last step of each sequence; where they
    /// don't change, their estimates by generalised least squares with standard errors.
    ///
    /// # Errors
    /// Parameters or data that do not fit.
    pub fn coefficients(
        &self,
        params: &Params,
        data: &Dataset<'_>,
        options: &GaussianOptions,
    ) -> Result<Vec<Coefficient>> {
        let names = self.state_names();
        let regressors = self.components.iter().filter(|c| c.block.weights() != Weights::Fixed);
        let states: Vec<usize> = regressors.flat_map(|component| component.states()).collect();
        let mut all = Vec::new();
        self.visit_smoothed(params, data, options, |n, _, t, mean, cov| {
            if t + 1 == data.range(n).len() {
                all.extend(states.iter().map(|i| Coefficient {
                    name: names[*i].clone(),
                    sequence: n,
                    mean: mean[*i],
                    std_error: cov[i * (self.state_dim + 1)].max(0.0).sqrt(),
                }));
            }
        })?;
        all.sort_by_key(|coefficient| coefficient.sequence);
        Ok(all)
    }

    /// Shows the smoothed state of every step: sequence, row, step, mean and covariance.
    fn visit_smoothed(
        &self,
        params: &Params,
        data: &Dataset<'_>,
        options: &GaussianOptions,
        mut visit: impl FnMut(usize, usize, usize, &[f64], &[f64]),
    ) -> Result<()> {
        self.check_data(data)?;
        for group in self.groups(data) {
            let lowered = self.lower_sequence(params, longest(data, &group))?;
            let part = data.select(&group);
            let GaussianSmoothed { smoothed, .. } = lowered.smoother(&part, options)?;
            for (i, n) in group.iter().enumerate() {
                let (rows, part_rows) = (data.range(*n), part.range(i));
                for (t, (row, part_row)) in rows.zip(part_rows).enumerate() {
                    let mean = &smoothed.means[part_row * self.state_dim..][..self.state_dim];
                    visit(*n, row, t, mean, smoothed.covs.of(i, t));
                }
            }
        }
        Ok(())
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
