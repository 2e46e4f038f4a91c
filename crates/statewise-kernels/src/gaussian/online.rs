//! The Kalman filter fed one observation at a time.
//!
//! Each step is a batch of one: [`Riccati`] moves the covariance, [`advance_means`] the mean. So after
//! the same steps the filter holds the bits of the batch filter, steady state included. While a diffuse start
//! counts, so do [`Directions`] and what the series tells of δ.

use std::ops::Range;

use super::diffuse::{DiffuseRows, DiffuseStart, DiffuseTable, Directions};
use super::gains::Gains;
use super::means::{MeanRows, MeanScratch, MeanState, advance_means};
use super::riccati::{Riccati, RiccatiReport};
use super::riccati_state::RiccatiState;
use super::system::{GaussianError, Series, System, length};

/// A filter between two observations.
#[derive(Clone, Debug)]
pub struct OnlineKalman {
    riccati: Riccati,
    /// Given δ = 0 while a diffuse start counts.
    means: MeanState,
    diffuse: Option<OnlineDiffuse>,
    num_steps: usize,
    steady_state: bool,
    /// The last step.
    gains: Gains,
    predicted: Vec<f64>,
    innovation: Vec<f64>,
    log_prob: f64,
    /// The state before the last step.
    before: OnlineKalmanState,
    scratch: MeanScratch,
}

/// A diffuse start, and what has been learnt of it.
#[derive(Clone, Debug, Default)]
struct OnlineDiffuse {
    directions: Directions,
    estimate: Vec<f64>,
    /// The last step; empty where δ did not count.
    table: DiffuseTable,
    /// E(z_t | y_{1:t}) with its covariance, and E(y_t | y_{1:t-1}); after the last step that counts, the first
    /// of these given δ = 0.
    mean: Vec<f64>,
    cov: Vec<f64>,
    emission: Vec<f64>,
}

/// All that an [`OnlineKalman`] knows, to be stored and taken up again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OnlineKalmanState {
    /// t, the number of steps taken.
    pub num_steps: usize,
    /// The covariance recursion.
    pub covariances: RiccatiState,
    /// The mean and the evidence.
    pub means: MeanState,
    /// What is known of a diffuse start, and its estimate.
    pub diffuse: Option<(Directions, Vec<f64>)>,
}

impl OnlineKalman {
    /// Starts before the first step. With `steady_state`, the covariance of a system that is fixed is
    /// no longer computed once it has settled to rounding.
    ///
    /// # Errors
    /// [`GaussianError::Shape`] naming an argument of the wrong size; a diffuse part or noise that is not
    /// positive semi-definite.
    pub fn new(system: &System<'_>, steady_state: bool) -> Result<Self, GaussianError> {
        system.check(0)?;
        let start = DiffuseStart::of(system)?;
        let mut filter = OnlineKalman {
            riccati: Riccati::default(),
            means: MeanState::start(system.initial_mean),
            diffuse: start.as_ref().map(OnlineDiffuse::new),
            num_steps: 0,
            steady_state: steady_state && system.is_fixed(),
            gains: Gains::default(),
            predicted: vec![0.0; system.state_dim],
            innovation: vec![0.0; system.emission_dim],
            log_prob: 0.0,
            before: OnlineKalmanState::default(),
            scratch: MeanScratch::default(),
        };
        let cov = start.as_ref().map_or(system.initial_cov, DiffuseStart::cov);
        filter.riccati.start(system, cov, steady_state);
        filter.refresh();
        Ok(filter)
    }

    /// Takes the next step and returns log p(y_t | y_{1:t-1}). An entry that pins a direction of a diffuse start
    /// down counts −½ log 2πF∞ in it.
    ///
    /// * `system` – the one that the filter was started with. Step t reads entry t of its arrays.
    /// * `series` – its `emissions` are the one row y_t (NaN where missing); offsets are read at t.
    ///
    /// # Errors
    /// An array that has no entry t or another size, an observation that contradicts a noise-free
    /// prediction, or a state that is not finite. The filter then stays as it was.
    pub fn step(&mut self, system: &System<'_>, series: &Series<'_>) -> Result<f64, GaussianError> {
        self.guarded(system, series)
    }

    /// As [`OnlineKalman::step`], with a system that holds for this step only (dynamics over some time
    /// that has passed, say); its initial moments are not read. The bits are those of a batch over a
    /// system with one entry per step.
    ///
    /// # Errors
    /// As [`OnlineKalman::step`].
    pub fn step_with(&mut self, system: &System<'_>, series: &Series<'_>) -> Result<f64, GaussianError> {
        let held = (self.riccati.settled, self.riccati.change, self.riccati.stalled);
        self.riccati.renew();
        self.riccati.steady_state = false;
        let answer = self.guarded(system, series);
        self.riccati.steady_state = self.steady_state;
        self.riccati.scratch.has_transposes = false;
        if answer.is_err() {
            (self.riccati.settled, self.riccati.change, self.riccati.stalled) = held;
        }
        answer
    }

    /// Takes a step, or none on an error.
    fn guarded(&mut self, system: &System<'_>, series: &Series<'_>) -> Result<f64, GaussianError> {
        let t = self.num_steps;
        system.check(t + 1)?;
        length("state_dim", system.state_dim, self.means.mean.len())?;
        length("emissions", series.emissions.len(), self.innovation.len())?;
        if let Some(offset) = &series.transition_offset {
            super::system::steps("transition_offset", offset, system.state_dim, t + 1)?;
        }
        if let Some(offset) = &series.emission_offset {
            super::system::steps("emission_offset", offset, system.emission_dim, t + 1)?;
        }
        self.riccati.save(&mut self.before.covariances);
        self.before.means.clone_from(&self.means);
        self.before.diffuse = self.diffuse.as_ref().map(OnlineDiffuse::known);
        self.before.num_steps = t;
        let answer = self.advance(system, series, t..t + 1);
        match answer {
            Ok(()) => self.num_steps += 1,
            Err(_) => {
                self.riccati.load(&self.before.covariances);
                self.means.clone_from(&self.before.means);
                if let (Some(diffuse), Some((directions, estimate))) =
                    (&mut self.diffuse, &self.before.diffuse)
                {
                    diffuse.directions.clone_from(directions);
                    diffuse.estimate.clone_from(estimate);
                }
                self.refresh();
            }
        }
        answer.map(|()| self.log_prob)
    }

    fn advance(
        &mut self,
        system: &System<'_>,
        series: &Series<'_>,
        step: Range<usize>,
    ) -> Result<(), GaussianError> {
        self.riccati.advance(system, series.emissions, step.clone(), &mut self.gains)?;
        if let Some(diffuse) = &mut self.diffuse {
            diffuse.directions.advance(system, step.clone(), &self.gains, true, &mut diffuse.table)?;
            if !diffuse.table.range().is_empty() {
                return self.advance_diffuse(system, series);
            }
        }
        let rows = MeanRows {
            predicted: &mut self.predicted,
            filtered: &mut [],
            innovations: &mut self.innovation,
        };
        advance_means(system, series, step, &self.gains, &mut self.means, rows, &mut self.scratch)?;
        let square: f64 = self.innovation.iter().map(|w| w * w).sum();
        self.log_prob = self.gains.parts(0).log_norm - 0.5 * square;
        Ok(())
    }

    fn advance_diffuse(&mut self, system: &System<'_>, series: &Series<'_>) -> Result<(), GaussianError> {
        let Some(diffuse) = &mut self.diffuse else { return Ok(()) };
        diffuse.emission.resize(system.emission_dim, 0.0);
        let rows = DiffuseRows {
            predicted: &mut self.predicted,
            filtered: &mut [],
            emissions: &mut diffuse.emission,
            given_zero: &mut self.innovation,
        };
        // The step's own term alone, then the sum.
        let (evidence, lost) = (self.means.evidence, self.means.lost);
        (self.means.evidence, self.means.lost) = (0.0, 0.0);
        let (is_last, scratch) = (diffuse.directions.is_forgotten(), &mut self.scratch);
        let belief = (&mut self.means, &mut diffuse.estimate);
        let answer =
            diffuse.table.advance_means(system, series, &self.gains, belief, is_last, rows, scratch);
        self.log_prob = self.means.marginal_loglik();
        (self.means.evidence, self.means.lost) = (evidence, lost);
        answer?;
        self.means.add(self.log_prob);
        if is_last {
            diffuse.mean.clone_from(&self.means.mean);
            diffuse.table.take_off(&diffuse.estimate, &mut diffuse.mean);
        }
        self.refresh();
        Ok(())
    }

    /// Brings the moments with δ up to date.
    fn refresh(&mut self) {
        let cov = if self.means.is_predicted { &self.riccati.start } else { self.riccati.filtered_cov() };
        if let Some(diffuse) = self.diffuse.as_mut().filter(|diffuse| !diffuse.directions.is_forgotten()) {
            diffuse.mean.clone_from(&self.means.mean);
            diffuse.cov.clear();
            diffuse.cov.extend_from_slice(cov);
            diffuse.directions.add_to(&diffuse.estimate, &mut diffuse.mean, &mut diffuse.cov);
        }
    }

    /// The diffuse start, as long as it counts.
    fn counting(&self) -> Option<&OnlineDiffuse> {
        self.diffuse.as_ref().filter(|diffuse| !diffuse.directions.is_forgotten())
    }

    /// E(z_t | y_{1:t}), \[D\]; before the first step the initial mean.
    pub fn filtered_mean(&self) -> &[f64] {
        self.counting().map_or(&self.means.mean, |diffuse| &diffuse.mean)
    }

    /// Cov(z_t | y_{1:t}), \[D, D\]; before the first step the initial covariance. Infinite where an open
    /// direction of a diffuse start moves it.
    pub fn filtered_cov(&self) -> &[f64] {
        match self.counting() {
            Some(diffuse) => &diffuse.cov,
            None if self.num_steps == 0 => &self.riccati.start,
            None => self.riccati.filtered_cov(),
        }
    }

    /// E(z_t | y_{1:t}, δ = 0) where a diffuse start counted in the last step, else as
    /// [`OnlineKalman::filtered_mean`].
    pub fn mean_given_zero(&self) -> &[f64] {
        match &self.diffuse {
            Some(diffuse) if diffuse.directions.is_forgotten() && !diffuse.table.range().is_empty() => {
                &diffuse.mean
            }
            _ => &self.means.mean,
        }
    }

    /// Where a diffuse start counted in the last step: that step's table, what is known after it, and
    /// E(y_t | y_{1:t-1}).
    pub fn diffuse_step(&self) -> Option<(&DiffuseTable, &Directions, &[f64])> {
        let diffuse = self.diffuse.as_ref()?;
        let last = !diffuse.table.range().is_empty() && self.num_steps > 0;
        last.then_some((&diffuse.table, &diffuse.directions, &diffuse.emission[..]))
    }

    /// What is known of a diffuse start, and its estimate.
    pub fn known(&self) -> Option<(&Directions, &[f64])> {
        self.diffuse.as_ref().map(|diffuse| (&diffuse.directions, &diffuse.estimate[..]))
    }

    /// E(z_t | y_{1:t-1}) of the last step, \[D\]; unspecified after a failed step.
    pub fn predicted_mean(&self) -> &[f64] {
        &self.predicted
    }

    /// Covariances and gains of the last step, as a table of one step; unspecified after a failed step.
    pub fn gains(&self) -> &Gains {
        &self.gains
    }

    /// w_t = L⁻¹ (y_t − d_t − H_t m), the standardised innovation of the last step, \[M\]; 0 where
    /// missing. Unspecified after a failed step.
    pub fn innovation(&self) -> &[f64] {
        &self.innovation
    }

    /// log p(y_{1:t}).
    pub fn marginal_loglik(&self) -> f64 {
        self.means.marginal_loglik()
    }

    /// t, the number of steps taken.
    pub fn num_steps(&self) -> usize {
        self.num_steps
    }

    /// What the covariance recursion did so far.
    pub fn report(&self) -> RiccatiReport {
        self.riccati.report()
    }

    /// The state before the last step: a checkpoint to replay it from.
    pub fn state_before(&self) -> &OnlineKalmanState {
        &self.before
    }

    /// A copy of all that the filter knows.
    pub fn state(&self) -> OnlineKalmanState {
        let mut state = OnlineKalmanState {
            num_steps: self.num_steps,
            covariances: RiccatiState::default(),
            means: self.means.clone(),
            diffuse: self.diffuse.as_ref().map(OnlineDiffuse::known),
        };
        self.riccati.save(&mut state.covariances);
        state
    }

    /// Goes on from a saved state of a filter with the same system, with the same bits.
    ///
    /// # Errors
    /// [`GaussianError::Shape`] if sizes differ; the filter then stays as it was.
    pub fn restore(&mut self, system: &System<'_>, state: &OnlineKalmanState) -> Result<(), GaussianError> {
        state.covariances.check(system)?;
        length("mean", state.means.mean.len(), system.state_dim)?;
        let fresh = (state.num_steps == 0, state.means.is_predicted);
        if fresh.0 != fresh.1 || fresh.0 == state.covariances.start.is_empty() {
            let found = state.covariances.start.len();
            let expected = if fresh.0 { system.state_dim * system.state_dim } else { 0 };
            return Err(GaussianError::Shape { argument: "start", found, expected });
        }
        let found = state.diffuse.as_ref().map_or(0, |(directions, _)| directions.state_dim());
        length("diffuse", found, self.diffuse.as_ref().map_or(0, |_| system.state_dim))?;
        if let Some((directions, estimate)) = &state.diffuse {
            length("estimate", estimate.len(), directions.rank())?;
            let (directions, estimate) = (directions.clone(), estimate.clone());
            self.diffuse = Some(OnlineDiffuse { directions, estimate, ..OnlineDiffuse::default() });
        }
        self.riccati.load(&state.covariances);
        self.riccati.scratch.has_transposes = false;
        self.means.clone_from(&state.means);
        self.num_steps = state.num_steps;
        self.refresh();
        Ok(())
    }
}

impl OnlineDiffuse {
    fn new(start: &DiffuseStart) -> Self {
        OnlineDiffuse { directions: start.directions(), ..Default::default() }
    }

    fn known(&self) -> (Directions, Vec<f64>) {
        (self.directions.clone(), self.estimate.clone())
    }
}
