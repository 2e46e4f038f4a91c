//! The state of an online filter as a document: all that is needed to go on later or elsewhere.
//!
//! It holds a checkpoint before the oldest step kept and what was given since; going on takes these
//! steps again, with the same bits.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use statewise_kernels::gaussian::{Directions, MeanState, OnlineKalmanState, RiccatiReport, RiccatiState};

use super::stream::GaussianOnlineFilter;
use super::stream_step::{GaussianStep, Given};
use crate::error::{Error, Result};

/// What [`GaussianOnlineFilter::state`] answers. Doubles are written so that they read back exactly;
/// those that are not finite are strings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianFilterState {
    checkpoint: Checkpoint,
    /// Steps since the checkpoint.
    steps: Vec<SavedStep>,
    /// Whether the last of them is open: predicted, not yet taken.
    open: bool,
    /// The input of the last step taken.
    last_input: Option<Vec<f64>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedStep {
    /// `None` where missing.
    emission: Vec<Option<f64>>,
    input: Vec<f64>,
    own: GaussianStep,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Checkpoint {
    num_steps: usize,
    #[serde(with = "exact")]
    mean: Vec<f64>,
    /// Σ log p, what rounding took from it, and the last change of the covariance.
    #[serde(with = "exact")]
    scalars: Vec<f64>,
    #[serde(with = "exact")]
    start: Vec<f64>,
    #[serde(with = "exact")]
    last: Vec<f64>,
    last_lost: Vec<u32>,
    observed: Vec<bool>,
    settled: bool,
    stalled: u32,
    #[serde(with = "exact")]
    floor: Vec<f64>,
    rank_lost: usize,
    ill_conditioned: Option<usize>,
    joseph_updates: usize,
    /// What is known of a diffuse start, and its estimate; empty for a proper one.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "exact")]
    directions: Vec<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "exact")]
    estimate: Vec<f64>,
}

impl GaussianOnlineFilter {
    /// All that is needed to go on later.
    pub fn state(&self) -> GaussianFilterState {
        let checkpoint = match self.kept.front() {
            Some(oldest) => Checkpoint::of(&oldest.before),
            None => Checkpoint::of(&self.engine.state()),
        };
        let mut steps: Vec<SavedStep> = self.kept.iter().map(|step| step.given.clone().into()).collect();
        if let Some(pending) = &self.pending {
            let (input, own) = (pending.input.clone(), pending.own.clone());
            let emission = vec![None; self.params.emission_dim()];
            steps.push(SavedStep { emission, input, own });
        }
        let (open, last_input) = (self.pending.is_some(), self.last_input.clone());
        GaussianFilterState { checkpoint, steps, open, last_input }
    }

    /// Goes on from a saved state of a filter with the same parameters, with the same bits.
    ///
    /// # Errors
    /// A state that does not fit the parameters; the filter then stays as it was.
    pub fn restore(&mut self, state: &GaussianFilterState) -> Result<()> {
        let checkpoint = state.checkpoint.engine_state()?;
        let mut next = self.clone();
        next.kept.clear();
        next.pending = None;
        next.engine.restore(&self.params.system(), &checkpoint).map_err(|error| {
            Error::argument("state.checkpoint", error, "the state of a filter with the same parameters")
        })?;
        let open = usize::from(state.open);
        for (i, step) in state.steps.iter().enumerate() {
            let given = Given::from(step.clone());
            next.check_emission(&given.emission)?;
            next.check_input(&given.input)?;
            given.own.check(self.params.state_dim(), self.params.emission_dim())?;
            if i + open < state.steps.len() {
                next.take(given)?;
            } else {
                next.open(given.input, given.own)?;
            }
        }
        state.last_input.as_ref().map_or(Ok(()), |input| self.check_input(input))?;
        next.last_input.clone_from(&state.last_input);
        *self = next;
        Ok(())
    }
}

impl Checkpoint {
    fn of(state: &OnlineKalmanState) -> Self {
        let OnlineKalmanState { num_steps, covariances, means, diffuse } = state.clone();
        let (directions, estimate) = diffuse.unwrap_or_default();
        Checkpoint {
            num_steps,
            mean: means.mean,
            scalars: vec![means.evidence, means.lost, covariances.change],
            start: covariances.start,
            last: covariances.last,
            last_lost: covariances.last_lost,
            observed: covariances.observed,
            settled: covariances.settled,
            stalled: covariances.stalled,
            floor: covariances.floor,
            rank_lost: covariances.report.rank_lost,
            ill_conditioned: covariances.report.ill_conditioned,
            joseph_updates: covariances.report.joseph_updates,
            directions: if state.diffuse.is_some() { directions.to_values() } else { Vec::new() },
            estimate,
        }
    }

    fn engine_state(&self) -> Result<OnlineKalmanState> {
        let own = self.clone();
        let [evidence, lost, change] = own.scalars[..] else {
            return Err(Error::argument("state.checkpoint.scalars", own.scalars.len(), "3 values"));
        };
        let report = RiccatiReport {
            rank_lost: own.rank_lost,
            ill_conditioned: own.ill_conditioned,
            joseph_updates: own.joseph_updates,
        };
        let diffuse = match &own.directions[..] {
            [] => None,
            values => {
                let found = Directions::from_values(values).ok_or_else(|| {
                    Error::argument(
                        "state.checkpoint.directions",
                        format!("{values:?}"),
                        "those of a filter",
                    )
                })?;
                Some((found, own.estimate))
            }
        };
        let is_predicted = own.num_steps == 0;
        Ok(OnlineKalmanState {
            num_steps: own.num_steps,
            covariances: RiccatiState {
                start: own.start,
                last: own.last,
                last_lost: own.last_lost,
                observed: own.observed,
                settled: own.settled,
                change,
                stalled: own.stalled,
                floor: own.floor,
                report,
            },
            means: MeanState { mean: own.mean, is_predicted, evidence, lost },
            diffuse,
        })
    }
}

impl From<Given> for SavedStep {
    fn from(given: Given) -> Self {
        let emission = given.emission.into_iter().map(|y| (!y.is_nan()).then_some(y)).collect();
        SavedStep { emission, input: given.input, own: given.own }
    }
}

impl From<SavedStep> for Given {
    fn from(step: SavedStep) -> Self {
        let emission = step.emission.into_iter().map(|y| y.unwrap_or(f64::NAN)).collect();
        Given { emission, input: step.input, own: step.own }
    }
}

/// Doubles of which some are not finite.
mod exact {
    use serde::de::Error as _;

    use super::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Number {
        Finite(f64),
        Other(String),
    }

    pub(super) fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        let number =
            |x: &f64| if x.is_finite() { Number::Finite(*x) } else { Number::Other(x.to_string()) };
        serializer.collect_seq(values.iter().map(number))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let number = |number: Number| match number {
            Number::Finite(x) => Ok(x),
            Number::Other(text) => text.parse().map_err(D::Error::custom),
        };
        Vec::<Number>::deserialize(deserializer)?.into_iter().map(number).collect()
    }
}
