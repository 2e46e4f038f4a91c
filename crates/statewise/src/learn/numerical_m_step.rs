//! The M-step of any family without a closed form, or with fixed entries and ties.

use super::Lbfgs;
use crate::model::hmm::component::{Component, MStep};
use crate::params::{Array, FreeSpace, Params, Properties};

/// Climbs the expected log-likelihood by L-BFGS over the free coordinates. Never goes down, and
/// leaves the parameters as they are where it can't go up.
pub(crate) fn maximise_numerically<C: Component + ?Sized>(
    component: &C,
    step: &MStep<'_>,
    params: &mut [Array],
) {
    let schema = component.schema();
    let start = Params::new(params.to_vec());
    let space = FreeSpace::new(&schema, &Properties(step.properties.to_vec()), &start);
    let x = space.to_free(&start);
    let value = |params: &[Array]| {
        let prior = if step.prior { component.log_prior(params) } else { 0.0 };
        component.expected_log_prob(params, step.stats) + prior
    };
    let before = value(params);
    let minimum = Lbfgs::default().minimise(
        &x,
        |x, gradient| {
            let here = space.from_free(x);
            let mut slope = Params::zeros(&schema);
            component.expected_log_prob_gradient(here.arrays(), step.stats, slope.arrays_mut());
            if step.prior {
                component.log_prior_gradient(here.arrays(), slope.arrays_mut());
            }
            let free = space.pull_back(&here, &slope);
            gradient.iter_mut().zip(free).for_each(|(g, s)| *g = -s);
            -value(here.arrays())
        },
        |_, _| true,
    );
    let best = space.from_free(&minimum.point);
    // Only an iterate that is inside the space, as rounding leaves it, replaces the parameters.
    if -minimum.value >= before && best.check(&schema).is_ok() {
        params.clone_from_slice(best.arrays());
    }
}
