//! A diffuse start over a whole series: the proper system beside it, and what the data tell of δ.

use std::ops::Range;

use statewise_kernels::gaussian::{
    DiffuseRows, DiffuseStart, DiffuseTable, Directions, Gains, GaussianError, MeanRows, MeanScratch,
    MeanState, Riccati, Series, System, advance_means,
};

/// What series of one pattern share.
pub(super) struct FlatStart<'a> {
    system: System<'a>,
    start: DiffuseStart,
    directions: Directions,
    gains: Gains,
    table: DiffuseTable,
    /// A V R⁻¹, column by column, \[D\] each: with these starts, δ given the data has covariance I.
    columns: Vec<Vec<f64>>,
}

/// What one series tells: log p(y_{1:T}), and the mean of z_1 given all of it, open directions at 0.
pub(super) struct FlatEstimate {
    pub(super) marginal_loglik: f64,
    pub(super) start: Vec<f64>,
}

impl<'a> FlatStart<'a> {
    /// Prepares a group; `emissions` are those of one of its series. `None` where the start is proper. With
    /// `moments` the table can tell moments of steps, else the evidence only.
    pub(super) fn new(
        system: &System<'a>,
        emissions: &[f64],
        steady_state: bool,
        moments: bool,
    ) -> Result<Option<Self>, GaussianError> {
        let Some(start) = DiffuseStart::of(system)? else { return Ok(None) };
        let steps = 0..emissions.len() / system.emission_dim;
        let proper = proper(system, &start);
        let (mut riccati, mut gains) = (Riccati::default(), Gains::default());
        riccati.start(&proper, start.cov(), steady_state);
        riccati.advance(&proper, emissions, steps.clone(), &mut gains)?;
        let (mut directions, mut table) = (start.directions(), DiffuseTable::default());
        directions.advance(&proper, steps, &gains, moments, &mut table)?;
        let columns = start.columns(&directions);
        Ok(Some(FlatStart { system: *system, start, directions, gains, table, columns }))
    }

    /// The evidence of one series and its start.
    pub(super) fn estimate(&self, series: &Series<'_>) -> Result<FlatEstimate, GaussianError> {
        let mut state = MeanState::start(self.system.initial_mean);
        let estimate =
            self.advance(series, &mut state, [DiffuseRows::default(), DiffuseRows::default()])?;
        let start = self.start.mean(&self.directions, self.system.initial_mean, &estimate);
        Ok(FlatEstimate { marginal_loglik: state.marginal_loglik(), start })
    }

    /// The filter over one series: `early` rows are those of [`FlatStart::diffuse_steps`], of the `late` ones
    /// innovations are not written. Answers z_T.
    pub(super) fn advance(
        &self,
        series: &Series<'_>,
        state: &mut MeanState,
        [early, late]: [DiffuseRows<'_>; 2],
    ) -> Result<Vec<f64>, GaussianError> {
        let (system, steps) = (self.system(), self.diffuse_steps());
        let (mut estimate, scratch) = (Vec::new(), &mut MeanScratch::default());
        let split = steps.end * system.emission_dim;
        let own = Series { emissions: &series.emissions[..split], ..*series };
        let is_last = self.directions.is_forgotten();
        let belief = (&mut *state, &mut estimate);
        self.table.advance_means(&system, &own, &self.gains, belief, is_last, early, scratch)?;
        let own = Series { emissions: &series.emissions[split..], ..*series };
        let rows = MeanRows { predicted: late.predicted, filtered: late.filtered, innovations: &mut [] };
        let steps = steps.end..self.gains.num_steps();
        advance_means(&system, &own, steps, &self.gains, state, rows, scratch)?;
        Ok(estimate)
    }

    /// Whether the observations pin the initial state down.
    pub(super) fn identified(&self) -> Result<(), GaussianError> {
        match self.directions.num_unseen() {
            0 => Ok(()),
            rank => Err(GaussianError::NotIdentified { num_steps: self.gains.num_steps(), rank }),
        }
    }

    /// The system with a proper start.
    pub(super) fn system(&self) -> System<'_> {
        proper(&self.system, &self.start)
    }

    /// Its gains.
    pub(super) fn gains(&self) -> &Gains {
        &self.gains
    }

    /// Steps at which δ counts.
    pub(super) fn diffuse_steps(&self) -> Range<usize> {
        self.table.range()
    }

    /// What is shared of these steps.
    pub(super) fn table(&self) -> &DiffuseTable {
        &self.table
    }

    /// A V R⁻¹, column by column.
    pub(super) fn columns(&self) -> &[Vec<f64>] {
        &self.columns
    }
}

/// The system that starts at m + N(0, P), whatever δ.
pub(super) fn proper<'b>(system: &System<'b>, start: &'b DiffuseStart) -> System<'b> {
    System { initial_cov: start.cov(), initial_diffuse: None, ..*system }
}
