//! Fixed-lag smoothing: the backward pass over the last few steps of an online filter.
//!
//! E(z_s | y_{1:t}) and Cov(z_s | y_{1:t}) for s = t−L..t, from the gains and innovations of these steps.

use super::gains::Gains;
use super::smoothed_means::{SmoothedRows, smooth_means};
use super::smoothing::Smoothing;
use super::system::{Steps, System};

/// What a window keeps of a step.
#[derive(Clone, Copy, Debug)]
pub struct WindowStep<'a> {
    /// Its covariances and gains, as a table of one step.
    pub gains: &'a Gains,
    /// A_t, \[D, D\]; of the window's first step not read.
    pub transition: &'a [f64],
    /// E(z_t | y_{1:t}), \[D\].
    pub filtered: &'a [f64],
    /// w_t, \[M\].
    pub innovation: &'a [f64],
}

/// Moments of the states of a window given all observations up to its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SmoothedWindow {
    /// E(z_s | y_{1:t}), \[L + 1, D\].
    pub means: Vec<f64>,
    /// Cov(z_s | y_{1:t}), \[L + 1, D, D\].
    pub covs: Vec<f64>,
    /// Cov(z_s, z_{s+1} | y_{1:t}), \[L, D, D\]; rows are z_s.
    pub lag_one_covs: Vec<f64>,
}

/// Smooths a window of at least one step, oldest first. O(L D³) time.
pub fn smooth_window(system: &System<'_>, steps: &[WindowStep<'_>]) -> SmoothedWindow {
    let mut out = SmoothedWindow::default();
    let Some(first) = steps.first() else { return out };
    let mut gains = Gains::default();
    gains.clear(first.gains.layout, 0);
    let mut transitions = Vec::with_capacity(steps.len() * first.transition.len());
    let (mut filtered, mut innovations) = (Vec::new(), Vec::new());
    for step in steps {
        gains.append_step(step.gains);
        transitions.extend_from_slice(step.transition);
        filtered.extend_from_slice(step.filtered);
        innovations.extend_from_slice(step.innovation);
    }
    let (d, len) = (system.state_dim, first.transition.len());
    let alike = steps.len() < 2 || steps[1..].iter().all(|step| step.transition == steps[1].transition);
    let transition = if alike {
        Steps::fixed(&transitions[transitions.len() - len..])
    } else {
        Steps::per_step(&transitions, len)
    };
    let window = System { transition, ..*system };
    let mut smoothing = Smoothing::default();
    smoothing.compute(&window, &gains, true);
    out.means.resize(steps.len() * d, 0.0);
    let rows = SmoothedRows {
        filtered: &filtered,
        innovations: &innovations,
        smoothed: &mut out.means,
        state_adjoints: &mut [],
        emission_adjoints: &mut [],
    };
    smooth_means(&window, &gains, rows, &mut Vec::new());
    for s in 0..steps.len() {
        out.covs.extend_from_slice(smoothing.cov(s));
        if s + 1 < steps.len() {
            out.lag_one_covs.extend_from_slice(smoothing.lag_one_cov(s));
        }
    }
    out
}
