//! Blocked Gibbs sampling: states given parameters, parameters given states, each in one exact draw.
//!
//! z ~ p(z | y, θ);  y_missing ~ p(y_missing | z, y_observed, θ);  θ ~ p(θ | z, y)
//!
//! A sweep depends on the seed, its number and the parameters before it only, so a chain goes on where it
//! stopped as if it had not stopped.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use statewise_kernels::random::Seed;

use super::e_step::{Accumulator, EmissionNoise};
use super::ssm::LinearGaussianSsm;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::infer::gaussian::GaussianOptions;
use crate::learn::{Learnable, Progress, Statistics};
use crate::params::{FreeSpace, Params, Properties};
use crate::threads;

/// Settings of a chain.
#[derive(Clone, Copy, Debug)]
pub struct Gibbs {
    /// Draws that are kept.
    pub num_samples: usize,
    /// Sweeps before the first that is kept.
    pub burn_in: usize,
    /// Sweeps from one draw that is kept to the next.
    pub thin: usize,
    /// Where the draws come from.
    pub seed: Seed,
}

impl Default for Gibbs {
    fn default() -> Self {
        Gibbs { num_samples: 1000, burn_in: 500, thin: 1, seed: Seed(0) }
    }
}

/// Where a chain is: all it needs to go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GibbsState {
    /// The last draw.
    pub params: Params,
    /// Sweeps made so far.
    pub sweeps: u64,
}

impl GibbsState {
    /// A chain that starts here.
    pub fn start(params: Params) -> Self {
        GibbsState { params, sweeps: 0 }
    }
}

/// What a chain leaves.
#[derive(Clone, Debug)]
pub struct GibbsSamples {
    /// Draws of the parameters; the start is none of them.
    pub params: Vec<Params>,
    /// log p(y | θ) + log p(θ) of each draw.
    pub log_probs: Vec<f64>,
    /// Where the chain ended.
    pub state: GibbsState,
    /// Whether the observer stopped it.
    pub interrupted: bool,
}

impl LinearGaussianSsm {
    /// Draws parameters from p(θ | y) by Gibbs sampling; fixed parameters are conditioned on, and any entry
    /// may be missing.
    ///
    /// * `observe` – sees every sweep, and answers whether to go on; the log probability is that of the
    ///   parameters it sees.
    ///
    /// # Errors
    /// A model without priors, parameters, properties or data that do not fit, weighted sequences, or a
    /// draw that rounding makes singular.
    ///
    /// # Source
    /// Carter and Kohn (1994). A sweep is one simulation smoother and one filter.
    pub fn fit_blocked_gibbs(
        &self,
        gibbs: &Gibbs,
        start: &GibbsState,
        properties: &Properties,
        data: &Dataset<'_>,
        observe: &mut dyn FnMut(Progress<'_>) -> bool,
    ) -> Result<GibbsSamples> {
        self.check_data(data)?;
        start.params.check(self.schema())?;
        properties.check(self.schema())?;
        if gibbs.thin == 0 {
            return Err(Error::argument("thin", 0, "at least 1"));
        }
        if let Some(n) = (0..data.num_sequences()).find(|n| data.weight(*n) != 1.0) {
            return Err(Error::argument(format!("weights[{n}]"), data.weight(n), "1, or no weights"));
        }
        let num_iters = gibbs.burn_in + gibbs.num_samples * gibbs.thin;
        let tied = FreeSpace::new(self.schema(), properties, &start.params).tie(&start.params);
        let mut chain = GibbsSamples {
            params: Vec::with_capacity(gibbs.num_samples),
            log_probs: Vec::with_capacity(gibbs.num_samples),
            state: GibbsState { params: tied, sweeps: start.sweeps },
            interrupted: false,
        };
        for iteration in 0..num_iters {
            let seed = gibbs.seed.child("gibbs sweep", chain.state.sweeps);
            let (params, _) = self.gibbs_sweep(&chain.state.params, properties, data, seed)?;
            let logliks = self.lower(&params)?.marginal_log_prob(data, &GaussianOptions::default())?;
            let log_prob = logliks.iter().sum::<f64>() + self.log_prior(&params);
            if iteration >= gibbs.burn_in && (iteration - gibbs.burn_in + 1).is_multiple_of(gibbs.thin) {
                chain.params.push(params.clone());
                chain.log_probs.push(log_prob);
            }
            chain.state = GibbsState { params, sweeps: chain.state.sweeps + 1 };
            if !observe(Progress { iteration, num_iters, log_prob, params: &chain.state.params }) {
                chain.interrupted = true;
                break;
            }
        }
        Ok(chain)
    }

    /// One sweep: draws states, \[rows, D\], missing emissions and then parameters. Answers the latter and
    /// the states.
    ///
    /// # Errors
    /// As [`LinearGaussianSsm::fit_blocked_gibbs`]. Data and properties have been checked.
    pub fn gibbs_sweep(
        &self,
        params: &Params,
        properties: &Properties,
        data: &Dataset<'_>,
        seed: Seed,
    ) -> Result<(Params, Vec<f64>)> {
        let lowered = self.lower(params)?;
        let d = self.spec().state_dim;
        let states = lowered.posterior_sample(data, &GaussianOptions::default(), seed, 1)?;
        let noise = EmissionNoise::new(self, params);
        let parts = threads::map_groups(data, |group| {
            let mut accumulator = Accumulator::new(self, &noise);
            for n in group {
                let rows = data.range(n);
                let mut rng = seed.stream("gibbs missing entries", n as u64);
                let path = &states[rows.start * d..rows.end * d];
                accumulator.add_states(&data.sequence(n), path, &mut rng);
            }
            accumulator.total
        });
        let mut total = Statistics::zeros(self.num_stats());
        parts.iter().for_each(|part| total.merge(part));
        let mut params = params.clone();
        self.draw_params(&total, properties, &mut params, &mut seed.stream("gibbs parameters", 0))?;
        Ok((params, states))
    }

    /// Draws parameters from the priors.
    ///
    /// # Errors
    /// A model without priors.
    pub fn sample_prior(&self, seed: Seed) -> Result<Params> {
        // Any regular noise does: it is drawn first.
        let (mut params, properties) = self.initialize(super::Start::Default, seed, &[])?;
        let nothing = Statistics::zeros(self.num_stats());
        self.draw_params(&nothing, &properties, &mut params, &mut seed.stream("prior", 0))?;
        Ok(params)
    }

    fn draw_params(
        &self,
        statistics: &Statistics,
        properties: &Properties,
        params: &mut Params,
        rng: &mut ChaCha8Rng,
    ) -> Result<()> {
        let draw = |part: &super::regression::Regression, params: &mut Params| {
            part.draw(&statistics.values, &properties.0, params.arrays_mut(), rng)
        };
        let mut draw = draw;
        self.parts().into_iter().try_for_each(|part| draw(part, params))
    }
}
