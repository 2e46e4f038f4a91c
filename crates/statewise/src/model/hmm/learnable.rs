//! The hidden Markov model as learners see it.
//!
//! Statistics, in this order: Σ_n p(z_1 = k) \[K\]; Σ_t p(z_t = k) \[K\] (occupancy, for
//! warnings); the transition model's; the emission family's.

use std::ops::Range;

use statewise_kernels::discrete;

use super::Hmm;
use super::component::{Component, MStep, climb};
use super::lower::Lowered;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::learn::{Learnable, MStepOutcome, Statistics};
use crate::params::{ParamSpec, Params, Properties};
use crate::threads;
use crate::workspace::Lent;

/// States with a smaller expected number of visits than this are reported.
const HARDLY_VISITED: f64 = 1.0;

/// Where each part of the statistics lies.
struct Parts {
    initial: Range<usize>,
    occupancy: Range<usize>,
    transitions: Range<usize>,
    emissions: Range<usize>,
}

impl Hmm {
    fn parts(&self) -> Parts {
        let k = self.num_states();
        let a = 2 * k + self.transition().num_stats();
        Parts {
            initial: 0..k,
            occupancy: k..2 * k,
            transitions: 2 * k..a,
            emissions: a..a + self.emission().num_stats(),
        }
    }

    /// Adds the statistics of the sequences of one group.
    fn accumulate_group(
        &self,
        params: &Params,
        lowered: &Lowered<'_>,
        data: &Dataset<'_>,
        group: Range<usize>,
    ) -> Result<Statistics> {
        let k = self.num_states();
        let parts = self.parts();
        let mut total = Statistics::zeros(parts.emissions.end);
        let mut workspace = Lent::take();
        let mut pair_sum = vec![0.0; k * k];
        let mut scaled = Vec::new();
        for n in group {
            let sequence = data.sequence(n);
            let weight = data.weight(n);
            let values = &mut total.values;
            let mut visit = |steps: Range<usize>, gamma: &[f64]| {
                let gamma = if weight == 1.0 {
                    gamma
                } else {
                    scaled.clear();
                    scaled.extend(gamma.iter().map(|g| g * weight));
                    &scaled
                };
                if steps.start == 0 {
                    values[parts.initial.clone()].iter_mut().zip(gamma).for_each(|(s, g)| *s += g);
                }
                let occupancy = &mut values[parts.occupancy.clone()];
                for row in gamma.chunks_exact(k) {
                    occupancy.iter_mut().zip(row).for_each(|(s, g)| *s += g);
                }
                lowered.emission.accumulate(&sequence, steps, gamma, &mut values[parts.emissions.clone()]);
            };
            let loglik = if lowered.is_static() {
                pair_sum.fill(0.0);
                let loglik = lowered.with_chain(sequence, |chain| {
                    discrete::expected_statistics(chain, &mut workspace, &mut pair_sum, &mut visit)
                });
                pair_sum.iter_mut().for_each(|x| *x *= weight);
                let stats = &mut total.values[parts.transitions.clone()];
                self.transition().accumulate(self.transition_params(params), &[], &pair_sum, stats);
                loglik
            } else {
                let mut stats = vec![0.0; parts.transitions.len()];
                let mut visit_pair = |t: usize, pairs: &[f64]| {
                    pair_sum.iter_mut().zip(pairs).for_each(|(s, x)| *s = x * weight);
                    self.transition().accumulate(
                        self.transition_params(params),
                        sequence.input(t),
                        &pair_sum,
                        &mut stats,
                    );
                };
                let loglik = lowered.with_chain(sequence, |chain| {
                    discrete::expected_statistics_with_pairs(
                        chain,
                        &mut workspace,
                        &mut visit,
                        &mut visit_pair,
                    )
                });
                total.values[parts.transitions.clone()].iter_mut().zip(&stats).for_each(|(s, x)| *s += x);
                loglik
            };
            let loglik = loglik.map_err(Error::in_sequence(n))?;
            total.marginal_loglik += weight * loglik;
            total.num_sequences += weight;
            total.num_steps += weight * sequence.num_steps() as f64;
        }
        Ok(total)
    }
}

impl Learnable for Hmm {
    fn schema(&self) -> &[ParamSpec] {
        Hmm::schema(self)
    }

    fn check_data(&self, data: &Dataset<'_>) -> Result<()> {
        Hmm::check_data(self, data)
    }

    fn e_step(&self, params: &Params, data: &Dataset<'_>) -> Result<Statistics> {
        let lowered = self.lower(params)?;
        let mut total = Statistics::zeros(self.parts().emissions.end);
        for part in threads::map_groups(data, |group| self.accumulate_group(params, &lowered, data, group))
        {
            total.merge(&part?);
        }
        Ok(total)
    }

    fn m_step(
        &self,
        params: &Params,
        properties: &Properties,
        statistics: &Statistics,
        prior: bool,
    ) -> Result<MStepOutcome> {
        properties.check(self.schema())?;
        let parts = self.parts();
        if statistics.values.len() != parts.emissions.end {
            let expected = format!("{} values", parts.emissions.end);
            return Err(Error::argument(
                "statistics",
                format!("{} values", statistics.values.len()),
                expected,
            ));
        }
        let mut params = params.clone();
        let (first, second) = (self.transition_arrays.start, self.emission_arrays.start);
        let (heads, emissions) = params.arrays_mut().split_at_mut(second);
        let (initial, transitions) = heads.split_at_mut(first);
        let step = |stats: Range<usize>, arrays: Range<usize>| MStep {
            stats: &statistics.values[stats],
            prior,
            properties: &properties.0[arrays],
        };
        let repairs = climb(&self.spec.initial, &step(parts.initial, 0..first), initial)
            + climb(self.transition(), &step(parts.transitions, first..second), transitions)
            + climb(self.emission(), &step(parts.emissions, self.emission_arrays.clone()), emissions);
        Ok(MStepOutcome { params, repairs })
    }

    fn score(&self, params: &Params, statistics: &Statistics) -> Params {
        let parts = self.parts();
        let stats = &statistics.values;
        let mut gradient = Params::zeros(self.schema());
        let (heads, emissions) = gradient.arrays_mut().split_at_mut(self.emission_arrays.start);
        let (initial, transitions) = heads.split_at_mut(self.transition_arrays.start);
        self.spec.initial.expected_log_prob_gradient(
            self.initial_params(params),
            &stats[parts.initial],
            initial,
        );
        self.transition().expected_log_prob_gradient(
            self.transition_params(params),
            &stats[parts.transitions],
            transitions,
        );
        self.emission().expected_log_prob_gradient(
            self.emission_params(params),
            &stats[parts.emissions],
            emissions,
        );
        gradient
    }

    fn log_prior(&self, params: &Params) -> f64 {
        Hmm::log_prior(self, params)
    }

    fn log_prior_gradient(&self, params: &Params) -> Params {
        let mut gradient = Params::zeros(self.schema());
        let (heads, emissions) = gradient.arrays_mut().split_at_mut(self.emission_arrays.start);
        let (initial, transitions) = heads.split_at_mut(self.transition_arrays.start);
        self.spec.initial.log_prior_gradient(self.initial_params(params), initial);
        self.transition().log_prior_gradient(self.transition_params(params), transitions);
        self.emission().log_prior_gradient(self.emission_params(params), emissions);
        gradient
    }

    fn classification_log_prob(&self, params: &Params, data: &Dataset<'_>) -> Result<Option<f64>> {
        let (_, joint) = self.most_likely_states(params, data)?;
        Ok(Some(joint.iter().enumerate().map(|(n, joint)| data.weight(n) * joint).sum()))
    }

    fn warnings(&self, statistics: &Statistics) -> Vec<String> {
        let occupancy = &statistics.values[self.parts().occupancy];
        let warn = |(state, visits): (usize, &f64)| {
            (*visits < HARDLY_VISITED).then(|| {
                format!("state {state} is dying: the data visit it {visits:.2e} times; use fewer states or another start")
            })
        };
        occupancy.iter().enumerate().filter_map(warn).collect()
    }
}
