//! One step ahead of a diffuse start: z_t and y_t given y_{1:t-1}.
//!
//! Covariances of y_t do not pass by those of z_t: where the first observations hardly tell directions apart,
//! these are huge and H P Hᵀ would be what rounding leaves of their difference.

use std::ops::Range;

use statewise_kernels::gaussian::{DiffuseRows, MeanState};

use super::GaussianOptions;
use super::flat_start::FlatStart;
use super::predictive::add_emission_cov;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::linear_gaussian::LgssmParams;

/// Moments of some steps of one sequence, infinite where an open direction moves them; means have open
/// directions at 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ahead {
    /// \[steps, D\].
    pub(crate) state_means: Vec<f64>,
    /// \[steps, D, D\].
    pub(crate) state_covs: Vec<f64>,
    /// \[steps, M\].
    pub(crate) emission_means: Vec<f64>,
    /// \[steps, M, M\].
    pub(crate) emission_covs: Vec<f64>,
}

impl LgssmParams {
    /// `steps` of `sequences` that miss the same entries; none for a proper start.
    pub(crate) fn one_step_ahead(
        &self,
        data: &Dataset<'_>,
        sequences: &[usize],
        steps: &Range<usize>,
        options: &GaussianOptions,
    ) -> Result<Vec<Ahead>> {
        let (system, first) = (self.system(), sequences[0]);
        let (d, m) = (system.state_dim, system.emission_dim);
        let emissions = data.sequence(first).emissions;
        let flat = FlatStart::new(&system, emissions, options.steady_state, true);
        let Some(flat) = flat.map_err(Error::in_series(first))? else { return Ok(Vec::new()) };
        let (early, table, gains) = (flat.diffuse_steps(), flat.table(), flat.gains());
        let mut shared = Ahead {
            state_covs: vec![0.0; steps.len() * d * d],
            emission_covs: vec![0.0; steps.len() * m * m],
            ..Ahead::default()
        };
        let states = shared.state_covs.chunks_exact_mut(d * d);
        for ((t, state), emission) in
            steps.clone().zip(states).zip(shared.emission_covs.chunks_exact_mut(m * m))
        {
            add_emission_cov(&system, t, gains.predicted_cov(t), emission);
            if early.contains(&t) {
                table.add_emission_cov(t, emission);
                table.predicted_cov(gains, t, state);
            } else {
                state.copy_from_slice(gains.predicted_cov(t));
            }
        }
        let ahead = |n: &usize| {
            let sequence = data.sequence(*n);
            let offsets = self.offsets(sequence);
            let series = offsets.series();
            let mut means = vec![0.0; sequence.num_steps() * d];
            let mut emissions = vec![0.0; sequence.num_steps() * m];
            let (before, after) = means.split_at_mut(early.end * d);
            let rows = [before, after].map(|predicted| DiffuseRows { predicted, ..Default::default() });
            let [before, after] = rows;
            let before = DiffuseRows { emissions: &mut emissions[..early.end * m], ..before };
            let mut state = MeanState::start(system.initial_mean);
            flat.advance(&series, &mut state, [before, after]).map_err(Error::in_series(*n))?;
            for t in early.end..sequence.num_steps() {
                series.emission_mean(
                    &system,
                    t,
                    &means[t * d..(t + 1) * d],
                    &mut emissions[t * m..(t + 1) * m],
                );
            }
            Ok(Ahead {
                state_means: means[steps.start * d..steps.end * d].to_vec(),
                emission_means: emissions[steps.start * m..steps.end * m].to_vec(),
                ..shared.clone()
            })
        };
        sequences.iter().map(ahead).collect()
    }

    /// Steps of sequence n before which some direction of the state is open: seen by no observation. 0 without
    /// a diffuse start.
    ///
    /// # Errors
    /// Covariances that are not positive semi-definite.
    pub fn num_diffuse_steps(&self, data: &Dataset<'_>, n: usize) -> Result<usize> {
        let flat = FlatStart::new(&self.system(), data.sequence(n).emissions, true, true);
        let Some(flat) = flat.map_err(Error::in_series(n))? else { return Ok(0) };
        Ok(flat.diffuse_steps().take_while(|t| flat.table().is_open(*t)).count())
    }
}
