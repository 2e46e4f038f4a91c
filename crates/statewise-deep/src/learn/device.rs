//! Where passes run: on the processor, or on a device that a build may know.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use statewise::data::Dataset;
use statewise::{Error, Result, Seed};

use super::gradient::{ObjectiveCall, PathTerms};
use super::options::Objective;
use crate::model::{DmmConfig, Network};

/// Where passes run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// On the processor, on all threads.
    #[default]
    Cpu,
    /// On the first NVIDIA GPU that the driver shows, in single precision; needs the feature `cuda`.
    Cuda,
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "cpu" => Ok(Device::Cpu),
            "cuda" => Ok(Device::Cuda),
            _ => Err(Error::argument("device", format!("{name:?}"), "cpu or cuda")),
        }
    }
}

/// Passes elsewhere than on the processor.
pub(crate) trait Engine {
    /// Sends the weights, for all that follows.
    fn set_weights(&mut self, theta: &[f64]);

    /// An objective over the sequences and its gradient in every weight, as
    /// [`super::gradient::run_shards`].
    ///
    /// # Errors
    /// Batches beyond the device's memory; whatever the device says.
    fn objective(
        &mut self,
        network: &Network,
        data: &Dataset<'_>,
        sequences: &[usize],
        call: ObjectiveCall,
        gradient: &mut [f64],
    ) -> Result<PathTerms>;

    /// Sums of −log p(x | z) and of the divergence over the drawn paths of each sequence of a group.
    ///
    /// # Errors
    /// As [`Engine::objective`].
    fn bound(
        &mut self,
        network: &Network,
        data: &Dataset<'_>,
        group: &[usize],
        num_samples: usize,
        seed: Seed,
    ) -> Result<GroupSums>;
}

/// Sequences of the dataset, and nll and divergence of each.
pub(crate) type GroupSums = (Vec<usize>, Vec<[f64; 2]>);

/// The engine of a device, none for the processor.
///
/// # Errors
/// A build without the feature; libraries or a GPU that are not there; options that the device does not know.
pub(crate) fn open(
    device: Device,
    config: &DmmConfig,
    objective: Objective,
) -> Result<Option<Box<dyn Engine>>> {
    match device {
        Device::Cpu => Ok(None),
        Device::Cuda => open_cuda(config, objective).map(Some),
    }
}

#[cfg(feature = "cuda")]
use crate::device::open as open_cuda;

#[cfg(not(feature = "cuda"))]
fn open_cuda(_: &DmmConfig, _: Objective) -> Result<Box<dyn Engine>> {
    let found = "cuda, in a build without the feature `cuda`";
    Err(Error::argument("device", found, "cpu, or a build with it"))
}
