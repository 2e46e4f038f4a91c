//! The first steps of a filter that starts diffuse.
//!
//! Until the observations pin the state down there is no proper belief to go on from. The steps are kept
//! and the filter runs over all of them each time, which is cheap while they are few; then the engine takes
//! over from the filtered moments.

use statewise_kernels::gaussian::{DiffuseGains, MeanState, OnlineKalmanState, RiccatiState};

use super::GaussianOptions;
use super::stream::{GaussianBelief, GaussianOnlineFilter};
use super::stream_step::Given;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::linear_gaussian::LgssmParams;
use crate::params::Array;

/// What is known while the state is diffuse.
#[derive(Clone, Debug)]
pub(super) struct Early {
    pub(super) steps: Vec<Given>,
    pub(super) belief: GaussianBelief,
    evidence: f64,
    /// Whether the steps pin the state down.
    identified: bool,
}

impl Early {
    pub(super) fn start(params: &LgssmParams) -> Self {
        let (mean, cov) = (params.initial_mean.values().to_vec(), params.initial_cov.values().to_vec());
        Early { steps: vec![], belief: GaussianBelief { mean, cov }, evidence: 0.0, identified: false }
    }

    pub(super) fn num_steps(&self) -> usize {
        self.steps.len()
    }

    pub(super) fn marginal_loglik(&self) -> f64 {
        self.evidence
    }

    /// The same after one step more.
    pub(super) fn with(&self, params: &LgssmParams, given: Given) -> Result<Early> {
        let mut steps = self.steps.clone();
        steps.push(given);
        let params = stacked(params, &steps)?;
        let rows: Vec<f64> = steps.iter().flat_map(|given| &given.emission).copied().collect();
        let data = Dataset::single(rows, params.emission_dim())?;
        let found = params.filter(&data, &GaussianOptions::default())?;
        let gains = DiffuseGains::compute(&params.system(), data.rows()).map_err(Error::in_series(0))?;
        let (d, last) = (params.state_dim(), steps.len() - 1);
        let belief = GaussianBelief {
            mean: found.filtered.means[last * d..].to_vec(),
            cov: found.filtered.covs.of(0, last).to_vec(),
        };
        let (evidence, identified) = (found.marginal_loglik[0], gains.identified().is_ok());
        Ok(Early { steps, belief, evidence, identified })
    }

    /// Where the engine goes on.
    fn engine_state(self, emission_dim: usize) -> OnlineKalmanState {
        let (d, m) = (self.belief.mean.len(), emission_dim);
        // Of the last step only the filtered covariance counts: the predicted one of the next follows from it.
        let mut last = vec![0.0; 2 * d * d + 2 * m * d + m * m + 1];
        last[..d * d].copy_from_slice(&self.belief.cov);
        last[d * d..2 * d * d].copy_from_slice(&self.belief.cov);
        OnlineKalmanState {
            num_steps: self.steps.len(),
            covariances: RiccatiState {
                last,
                observed: vec![false; m],
                change: f64::INFINITY,
                floor: vec![0.0; d],
                ..RiccatiState::default()
            },
            means: MeanState {
                mean: self.belief.mean,
                is_predicted: false,
                evidence: self.evidence,
                lost: 0.0,
            },
        }
    }
}

impl GaussianOnlineFilter {
    /// Takes a step of a diffuse start; `early` is what was known before it. On an error all stays as it was.
    pub(super) fn take_early(&mut self, early: Early, given: Given) -> Result<f64> {
        let before = early.evidence;
        let answer = early.with(&self.params, given);
        let next = match answer {
            Ok(next) => next,
            Err(error) => {
                self.early = Some(early);
                return Err(error);
            }
        };
        let log_prob = next.evidence - before;
        if next.identified {
            let state = next.engine_state(self.params.emission_dim());
            self.engine.restore(&self.params.system(), &state).map_err(Error::in_series(0))?;
        } else {
            self.early = Some(next);
        }
        Ok(log_prob)
    }
}

/// Parameters with one entry per step, of the steps given.
fn stacked(params: &LgssmParams, steps: &[Given]) -> Result<LgssmParams> {
    params.check_num_steps(steps.len())?;
    let (d, m, n) = (params.state_dim(), params.emission_dim(), steps.len());
    let [mut f, mut b, mut q] = [vec![], vec![], vec![]];
    let [mut h, mut c, mut r] = [vec![], vec![], vec![]];
    for (t, given) in steps.iter().enumerate() {
        let system = given.system(params);
        let (transition, emission) = given.offsets(params, t);
        f.extend_from_slice(system.transition.at(t));
        q.extend_from_slice(system.transition_cov.at(t));
        h.extend_from_slice(system.emission.at(t));
        r.extend_from_slice(system.emission_cov.steps().at(t));
        b.extend(transition);
        c.extend(emission);
    }
    let noise =
        if params.diagonal_emissions_cov { Array::new(&[n, m], r) } else { Array::new(&[n, m, m], r) };
    Ok(LgssmParams {
        initial_diffuse: params.initial_diffuse.clone(),
        dynamics_bias: Some(Array::new(&[n, d], b)),
        emissions_bias: Some(Array::new(&[n, m], c)),
        diagonal_emissions_cov: params.diagonal_emissions_cov,
        ..LgssmParams::new(
            params.initial_mean.clone(),
            params.initial_cov.clone(),
            Array::new(&[n, d, d], f),
            Array::new(&[n, d, d], q),
            Array::new(&[n, m, d], h),
            noise,
        )
    })
}
