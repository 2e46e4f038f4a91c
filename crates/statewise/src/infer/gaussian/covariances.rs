//! Covariances of a group of sequences, in the form that they ask for.
//!
//! Covariances are computed once for all sequences of a group: a diffuse phase where the start is diffuse,
//! then the ordinary recursions. Where rounding would take more than a few digits, the group goes by square
//! roots of covariances instead, sequence by sequence.

use statewise_kernels::gaussian::{
    Collapse, DiffuseGains, DiffuseSmoothing, Gains, GaussianError, MeanRows, MeanState, Series,
    SmoothedRows, Smoothing, System, SystemGradient, advance_means, smooth_means,
};

use super::flat_smoothing::FlatSmoothing;
use super::flat_start::FlatStart;
use super::source::{Own, Source, collapse};
use super::{Buffers, Form, GaussianOptions, LotBuffers};

/// Filtered and smoothed covariances of one group.
pub(super) struct GroupCovariances<'b> {
    collapse: Option<Collapse>,
    /// Of a diffuse start that the data pin down.
    flat: Option<FlatSmoothing<'b>>,
    /// Of any other diffuse start.
    phase: Option<(DiffuseGains, DiffuseSmoothing)>,
    gains: &'b Gains,
    smoothing: &'b Smoothing,
    ill_conditioned: bool,
}

/// The diffuse phase of a system with these entries missing, if its start is diffuse.
pub(super) fn diffuse_phase(
    system: &System<'_>,
    emissions: &[f64],
) -> Result<Option<DiffuseGains>, GaussianError> {
    match system.initial_diffuse {
        Some(_) => DiffuseGains::compute(system, emissions).map(Some),
        None => Ok(None),
    }
}

impl<'b> GroupCovariances<'b> {
    /// Runs the covariance recursions both ways; `emissions` are those of one sequence of the group.
    pub(super) fn compute(
        system: &System<'b>,
        emissions: &[f64],
        options: &GaussianOptions,
        lag_one: bool,
        buffers: &'b mut Buffers,
    ) -> Result<Self, GaussianError> {
        let Buffers { riccati, gains, smoothing, .. } = buffers;
        if let Some(flat) = FlatStart::new(system, emissions, options.steady_state)? {
            let flat = Some(FlatSmoothing::new(flat, emissions, lag_one)?);
            return Ok(GroupCovariances {
                flat,
                collapse: None,
                phase: None,
                gains,
                smoothing,
                ill_conditioned: false,
            });
        }
        let collapse = collapse(system, emissions, options);
        let system = &collapse.as_ref().map_or(*system, |collapse| collapse.system(system));
        let emissions = collapse.as_ref().map_or(emissions, Collapse::pattern);
        let num_steps = emissions.len() / system.emission_dim;
        let phase = diffuse_phase(system, emissions)?;
        let first = phase.as_ref().map_or(0, DiffuseGains::num_steps);
        let start = phase.as_ref().map_or(Some(system.initial_cov), DiffuseGains::predicted_cov_after);
        riccati.start(system, start.unwrap_or(system.initial_cov), options.steady_state);
        let later = &emissions[first * system.emission_dim..];
        riccati.advance(system, later, first..num_steps, gains)?;
        smoothing.compute(system, gains, lag_one);
        let phase = phase.map(|gains| {
            let after = (first < num_steps).then(|| smoothing.predicted_precision(first));
            let backward = DiffuseSmoothing::compute(system, &gains, after);
            (gains, backward)
        });
        let rounding = riccati.report().ill_conditioned.is_some() || smoothing.is_ill_conditioned();
        let ill_conditioned = match options.form {
            Form::Auto => rounding && phase.is_none(),
            Form::Covariance => false,
            Form::SquareRoot => phase.is_none(),
        };
        Ok(GroupCovariances { flat: None, collapse, phase, gains, smoothing, ill_conditioned })
    }

    /// The system as the recursions saw it.
    pub(super) fn source<'a>(&'a self, system: &System<'a>) -> Source<'a> {
        let collapse = self.collapse.as_ref();
        let emission_dim = system.emission_dim;
        let system = collapse.map_or(*system, |collapse| collapse.system(system));
        Source { system, collapse, emission_dim }
    }

    /// Whether the group should go by square roots.
    pub(super) fn wants_roots(&self) -> bool {
        self.ill_conditioned
    }

    /// Whether the series shares nothing but the ordinary gains, so that lanes can take it.
    pub(super) fn ordinary(&self) -> Option<&Gains> {
        (self.phase.is_none() && self.flat.is_none()).then_some(self.gains)
    }

    /// Whether the data pin the state down.
    pub(super) fn identified(&self) -> Result<(), GaussianError> {
        self.phase.as_ref().map_or(Ok(()), |(gains, _)| gains.identified())
    }

    fn num_diffuse_steps(&self) -> usize {
        self.phase.as_ref().map_or(0, |(gains, _)| gains.num_steps())
    }

    /// Cov(z_t | y_{1:t}), \[D, D\], of a proper start.
    pub(super) fn filtered_cov(&self, t: usize) -> &[f64] {
        self.gains.filtered_cov(t)
    }

    /// Cov(z_t | y_{1:T}), \[D, D\].
    pub(super) fn cov(&self, t: usize) -> &[f64] {
        if let Some(flat) = &self.flat {
            return flat.cov(t);
        }
        match &self.phase {
            Some((gains, smoothing)) if t < gains.num_steps() => smoothing.cov(t),
            _ => self.smoothing.cov(t),
        }
    }

    /// Cov(z_t, z_{t+1} | y_{1:T}), \[D, D\].
    pub(super) fn lag_one_cov(&self, t: usize) -> &[f64] {
        if let Some(flat) = &self.flat {
            return flat.lag_one_cov(t);
        }
        match &self.phase {
            Some((gains, smoothing)) if t < gains.num_steps() => smoothing.lag_one_cov(t),
            _ => self.smoothing.lag_one_cov(t),
        }
    }

    /// Adds the terms of covariances of the gradient, `weight` times.
    pub(super) fn add_to_gradient(
        &self,
        system: &System<'_>,
        series: &Series<'_>,
        weight: f64,
        gradient: &mut SystemGradient,
    ) {
        if let Some(flat) = &self.flat {
            flat.add_to_gradient(series, weight, gradient);
            return;
        }
        let Some(collapse) = &self.collapse else {
            self.add_terms(system, series, weight, gradient);
            return;
        };
        let collapsed = collapse.system(system);
        let mut own = SystemGradient::zeros(&collapsed);
        self.add_terms(&collapsed, &Series::new(collapse.pattern()), weight, &mut own);
        collapse.expand_gradient(system, &own, weight, gradient);
    }

    fn add_terms(
        &self,
        system: &System<'_>,
        series: &Series<'_>,
        weight: f64,
        gradient: &mut SystemGradient,
    ) {
        if self.gains.num_steps() > 0 {
            gradient.add_covariances(system, series, self.gains, self.smoothing, weight);
        }
        if let Some((gains, smoothing)) = &self.phase {
            smoothing.add_covariances(gradient, system, gains, weight);
        }
    }

    /// Brings adjoints of collapsed emissions, \[T, D\], back to those of the emissions, \[T, M\].
    pub(super) fn expand_adjoints(&self, collapsed: &[f64], own: &Own<'_>, out: &mut [f64]) {
        if let Some(collapse) = &self.collapse {
            let num_steps = collapse.pattern().len() / collapse.emission_dim();
            collapse.expand_adjoints(0..num_steps, collapsed, &own.residuals, out);
        }
    }

    /// Both passes over the data of one series; answers log p(y_{1:T}). `rows` but for `filtered` may be
    /// empty: smoothed means, adjoints of states, adjoints of emissions.
    pub(super) fn smooth_series(
        &self,
        system: &System<'_>,
        series: &Series<'_>,
        filtered: &mut [f64],
        [smoothed, states, emissions]: [&mut [f64]; 3],
        buffers: &mut LotBuffers,
    ) -> Result<f64, GaussianError> {
        if let Some(flat) = &self.flat {
            // Noise-free observations that hold for one δ only went the other way.
            let found = flat.smooth_series(series, filtered, [smoothed, states, emissions])?;
            return found.ok_or(GaussianError::ImpossibleObservation { t: 0, residual: f64::NAN });
        }
        let LotBuffers { means, scratch, innovations, adjoints, .. } = buffers;
        let (d, m, first) = (system.state_dim, system.emission_dim, self.num_diffuse_steps());
        let num_steps = series.num_steps(system);
        innovations.resize(series.emissions.len(), 0.0);
        let mut own = std::mem::take(adjoints);
        let states = if first > 0 && states.is_empty() {
            // The phase goes on from the adjoint of the first ordinary step.
            own.resize(num_steps * d, 0.0);
            &mut own[..]
        } else {
            states
        };
        let (early_filtered, late_filtered) = filtered.split_at_mut(first * d);
        let (early_innovations, late_innovations) = innovations.split_at_mut(first * m);
        let (early_smoothed, late_smoothed) = split(smoothed, first * d);
        let (early_states, late_states) = split(states, first * d);
        let (early_emissions, late_emissions) = split(emissions, first * m);

        let mut state = MeanState::start(system.initial_mean);
        if let Some((gains, _)) = &self.phase {
            let rows =
                MeanRows { predicted: &mut [], filtered: early_filtered, innovations: early_innovations };
            state = gains.advance_means(system, series, rows)?;
        }
        let later = Series { emissions: &series.emissions[first * m..], ..*series };
        let rows = MeanRows {
            predicted: &mut [],
            filtered: &mut *late_filtered,
            innovations: &mut *late_innovations,
        };
        advance_means(system, &later, first..num_steps, self.gains, &mut state, rows, means)?;
        let rows = SmoothedRows {
            filtered: late_filtered,
            innovations: late_innovations,
            smoothed: late_smoothed,
            state_adjoints: &mut *late_states,
            emission_adjoints: late_emissions,
        };
        smooth_means(system, self.gains, rows, scratch);
        if let Some((gains, _)) = &self.phase {
            let rows = SmoothedRows {
                filtered: early_filtered,
                innovations: early_innovations,
                smoothed: early_smoothed,
                state_adjoints: early_states,
                emission_adjoints: early_emissions,
            };
            gains.smooth_means(system, (first < num_steps).then(|| &late_states[..d]), rows);
        }
        *adjoints = own;
        Ok(state.marginal_loglik())
    }
}

/// Splits rows that there are.
fn split(rows: &mut [f64], at: usize) -> (&mut [f64], &mut [f64]) {
    let at = if rows.is_empty() { 0 } else { at };
    rows.split_at_mut(at)
}

/// The limit of finite + κ diffuse for κ → ∞.
pub(super) fn write_limit(finite: &[f64], diffuse: &[f64], out: &mut [f64]) {
    for ((out, finite), diffuse) in out.iter_mut().zip(finite).zip(diffuse) {
        *out = if *diffuse == 0.0 { *finite } else { f64::INFINITY.copysign(*diffuse) };
    }
}
