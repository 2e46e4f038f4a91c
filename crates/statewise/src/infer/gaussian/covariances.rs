//! Covariances of a group of sequences, in the form that they ask for.
//!
//! Covariances are computed once for all sequences of a group, a diffuse start by least squares beside a proper
//! one. Where rounding would take more than a few digits, the group goes by square roots of covariances
//! instead, sequence by sequence.

use statewise_kernels::gaussian::{
    Collapse, Gains, GaussianError, MeanRows, MeanState, Series, SmoothedRows, Smoothing, System,
    SystemGradient, advance_means, smooth_means,
};

use super::flat_smoothing::FlatSmoothing;
use super::flat_start::FlatStart;
use super::source::{Own, Source, collapse};
use super::{Buffers, Form, GaussianOptions, LotBuffers};

/// Filtered and smoothed covariances of one group.
pub(super) struct GroupCovariances<'b> {
    collapse: Option<Collapse>,
    /// Of a diffuse start.
    flat: Option<FlatSmoothing<'b>>,
    gains: &'b Gains,
    smoothing: &'b Smoothing,
    ill_conditioned: bool,
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
        if let Some(flat) = FlatStart::new(system, emissions, options.steady_state, false)? {
            let flat = Some(FlatSmoothing::new(flat, emissions, lag_one)?);
            return Ok(GroupCovariances { flat, collapse: None, gains, smoothing, ill_conditioned: false });
        }
        let collapse = collapse(system, emissions, options);
        let system = &collapse.as_ref().map_or(*system, |collapse| collapse.system(system));
        let emissions = collapse.as_ref().map_or(emissions, Collapse::pattern);
        let num_steps = emissions.len() / system.emission_dim;
        riccati.start(system, system.initial_cov, options.steady_state);
        riccati.advance(system, emissions, 0..num_steps, gains)?;
        smoothing.compute(system, gains, lag_one);
        let rounding = riccati.report().ill_conditioned.is_some() || smoothing.is_ill_conditioned();
        let ill_conditioned = match options.form {
            Form::Auto => rounding,
            Form::Covariance => false,
            Form::SquareRoot => true,
        };
        Ok(GroupCovariances { flat: None, collapse, gains, smoothing, ill_conditioned })
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
        self.flat.is_none().then_some(self.gains)
    }

    /// Whether the data pin the state down.
    pub(super) fn identified(&self) -> Result<(), GaussianError> {
        self.flat.as_ref().map_or(Ok(()), FlatSmoothing::identified)
    }

    /// Cov(z_t | y_{1:t}), \[D, D\], of a proper start.
    pub(super) fn filtered_cov(&self, t: usize) -> &[f64] {
        self.gains.filtered_cov(t)
    }

    /// Cov(z_t | y_{1:T}), \[D, D\].
    pub(super) fn cov(&self, t: usize) -> &[f64] {
        match &self.flat {
            Some(flat) => flat.cov(t),
            None => self.smoothing.cov(t),
        }
    }

    /// Cov(z_t, z_{t+1} | y_{1:T}), \[D, D\].
    pub(super) fn lag_one_cov(&self, t: usize) -> &[f64] {
        match &self.flat {
            Some(flat) => flat.lag_one_cov(t),
            None => self.smoothing.lag_one_cov(t),
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
            gradient.add_covariances(system, series, self.gains, self.smoothing, weight);
            return;
        };
        let collapsed = collapse.system(system);
        let mut own = SystemGradient::zeros(&collapsed);
        let pattern = Series::new(collapse.pattern());
        own.add_covariances(&collapsed, &pattern, self.gains, self.smoothing, weight);
        collapse.expand_gradient(system, &own, weight, gradient);
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
            return flat.smooth_series(series, filtered, [smoothed, states, emissions]);
        }
        let LotBuffers { means, scratch, innovations, .. } = buffers;
        let num_steps = series.num_steps(system);
        innovations.resize(series.emissions.len(), 0.0);
        let mut state = MeanState::start(system.initial_mean);
        let rows =
            MeanRows { predicted: &mut [], filtered: &mut *filtered, innovations: &mut *innovations };
        advance_means(system, series, 0..num_steps, self.gains, &mut state, rows, means)?;
        let rows = SmoothedRows {
            filtered,
            innovations,
            smoothed,
            state_adjoints: states,
            emission_adjoints: emissions,
        };
        smooth_means(system, self.gains, rows, scratch);
        Ok(state.marginal_loglik())
    }
}
