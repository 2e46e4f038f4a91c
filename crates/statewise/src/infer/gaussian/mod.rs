//! Inference in linear Gaussian models: one verb a file, all of them methods of [`LgssmParams`].
//!
//! Sequences that miss the same entries share their covariances: a [`Plan`] groups them, covariances are
//! computed once a group, means pass over the data of each sequence. Sequences that are alone in their groups go
//! eight at a time, one a lane.
//!
//! [`LgssmParams`]: crate::model::linear_gaussian::LgssmParams

mod ahead;
mod covariances;
mod filter;
mod flat_smoothing;
mod flat_start;
mod forecast;
mod gradient;
mod information;
mod parallel;
mod plan;
mod predictive;
mod sample;
mod separate;
mod smooth;
mod source;
mod square_root;
mod stream;
mod stream_read;
mod stream_replay;
mod stream_state;
mod stream_step;
mod two_filter;
mod whiten;

pub use filter::{FilteredSlices, GaussianFiltered};
pub use forecast::GaussianForecast;
pub use gradient::LgssmGradient;
pub use information::{InformationFiltered, InformationSmoothed, info_to_moment_form};
pub use plan::{Covariances, Group, Moments, Plan};
pub use predictive::GaussianPredictive;
pub(crate) use predictive::add_emission_cov;
pub use smooth::{GaussianSmoothed, GaussianSmoothedSlices};
pub(crate) use smooth::{SmoothedLot, Wanted};
pub use stream::{GaussianBelief, GaussianOnlineFilter};
pub use stream_read::Innovation;
pub use stream_state::GaussianFilterState;
pub use stream_step::{GaussianStep, GaussianTransition, StepModel};
pub(crate) use whiten::{whiten, whiten_observed};

use serde::{Deserialize, Serialize};
use statewise_kernels::gaussian::{
    Gains, LaneScratch, MeanScratch, Riccati, Smoothing, SquareRootWorkspace,
};

/// What the engines carry from step to step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Covariances, and their square roots for sequences where rounding would take more than a few digits.
    #[default]
    Auto,
    /// Covariances, whatever the conditioning.
    Covariance,
    /// Square roots of covariances, which stay definite whatever the conditioning. A diffuse start goes by
    /// covariances all the same.
    SquareRoot,
}

/// How the engines work; results differ by rounding only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GaussianOptions {
    /// What is carried from step to step.
    pub form: Form,
    /// Whether a covariance recursion that has settled to rounding is not repeated.
    pub steady_state: bool,
    /// Whether sequences that miss the same entries share covariances.
    pub share: bool,
}

impl Default for GaussianOptions {
    fn default() -> Self {
        GaussianOptions { form: Form::Auto, steady_state: true, share: true }
    }
}

/// What a thread keeps between calls: covariances of one group.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    riccati: Riccati,
    gains: Gains,
    /// Of steps after the data.
    ahead: Gains,
    smoothing: Smoothing,
}

/// What a thread keeps between calls: rows of one sequence that its caller did not ask for.
#[derive(Debug, Default)]
pub(crate) struct LotBuffers {
    means: MeanScratch,
    lanes: LaneScratch,
    scratch: Vec<f64>,
    filtered: Vec<f64>,
    innovations: Vec<f64>,
    lot: Vec<f64>,
}

/// What a thread keeps between calls: the workspace of the square-root engines.
#[derive(Debug, Default)]
pub(crate) struct RootBuffers {
    roots: SquareRootWorkspace,
}
