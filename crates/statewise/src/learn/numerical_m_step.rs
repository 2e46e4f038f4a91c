//! The M-step of any family without a closed form, or with fixed entries and ties.

use super::Lbfgs;
use crate::model::hmm::emission::{Emission, MStep};
use crate::model::hmm::transition::Transition;
use crate::params::{Array, FreeSpace, ParamSpec, Params, Properties};

/// Something whose expected log-likelihood is a function of statistics and parameters.
pub(crate) trait Expected {
    /// Names, shapes, constraints.
    fn schema(&self) -> Vec<ParamSpec>;
    /// E log p(y, z | θ) (+ log prior).
    fn value(&self, params: &[Array], stats: &[f64], prior: bool) -> f64;
    /// Adds the gradient of [`Expected::value`].
    fn gradient(&self, params: &[Array], stats: &[f64], prior: bool, out: &mut [Array]);
}

impl<E: Emission + ?Sized> Expected for E {
    fn schema(&self) -> Vec<ParamSpec> {
        Emission::schema(self)
    }

    fn value(&self, params: &[Array], stats: &[f64], prior: bool) -> f64 {
        self.expected_log_prob(params, stats) + if prior { self.log_prior(params) } else { 0.0 }
    }

    fn gradient(&self, params: &[Array], stats: &[f64], prior: bool, out: &mut [Array]) {
        self.expected_log_prob_gradient(params, stats, out);
        if prior {
            self.log_prior_gradient(params, out);
        }
    }
}

impl Expected for dyn Transition + '_ {
    fn schema(&self) -> Vec<ParamSpec> {
        Transition::schema(self)
    }

    fn value(&self, params: &[Array], stats: &[f64], prior: bool) -> f64 {
        self.expected_log_prob(params, stats) + if prior { self.log_prior(params) } else { 0.0 }
    }

    fn gradient(&self, params: &[Array], stats: &[f64], prior: bool, out: &mut [Array]) {
        self.expected_log_prob_gradient(params, stats, out);
        if prior {
            self.log_prior_gradient(params, out);
        }
    }
}

/// Climbs the expected log-likelihood by L-BFGS over the free coordinates. Never goes down, and
/// leaves the parameters as they are where it can't go up.
pub(crate) fn maximise_numerically<E: Expected + ?Sized>(
    component: &E,
    step: &MStep<'_>,
    params: &mut [Array],
) {
    let schema = component.schema();
    let start = Params::new(params.to_vec());
    let space = FreeSpace::new(&schema, &Properties(step.properties.to_vec()), &start);
    let x = space.to_free(&start);
    let before = component.value(params, step.stats, step.prior);
    let minimum = Lbfgs::default().minimise(
        &x,
        |x, gradient| {
            let here = space.from_free(x);
            let mut slope = Params::zeros(&schema);
            component.gradient(here.arrays(), step.stats, step.prior, slope.arrays_mut());
            let free = space.pull_back(&here, &slope);
            gradient.iter_mut().zip(free).for_each(|(g, s)| *g = -s);
            -component.value(here.arrays(), step.stats, step.prior)
        },
        |_, _| true,
    );
    let best = space.from_free(&minimum.point);
    // Only an iterate that is inside the space, as rounding leaves it, replaces the parameters.
    if -minimum.value >= before && best.check(&schema).is_ok() {
        params.clone_from_slice(best.arrays());
    }
}
