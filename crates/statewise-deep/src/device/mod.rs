//! Passes on a GPU: the networks' passes once more, as kernels and products of a [`driver::Driver`].
//!
//! Each room of the passes has its mirror here, of the same name: [`layers`], [`recurrent`], [`readers`],
//! [`guide`], [`transition`], [`emission`], [`pass`]. Weights and their layout are those of the networks; noise
//! and dropout come from the same streams; the optimiser stays on the host. A batch is laid out in one block of
//! memory ([`memory`]), uploaded at once, and worked through without waiting; sums come down at its end.
//!
//! What is elementwise stands in `kernels/`, C and CUDA C++ at once, so that tests run the same text on the
//! host, in double precision, against the passes of the CPU.

#[cfg(feature = "cuda")]
mod cuda;
#[cfg(any(feature = "cuda", test))]
mod driver;
#[cfg(any(feature = "cuda", test))]
mod emission;
#[cfg(any(feature = "cuda", test))]
mod engine;
#[cfg(any(feature = "cuda", test))]
mod guide;
#[cfg(test)]
mod host;
#[cfg(any(feature = "cuda", test))]
mod layers;
#[cfg(any(feature = "cuda", test))]
mod memory;
#[cfg(any(feature = "cuda", test))]
mod pass;
#[cfg(any(feature = "cuda", test))]
mod readers;
#[cfg(any(feature = "cuda", test))]
mod recurrent;
#[cfg(any(feature = "cuda", test))]
mod scope;
#[cfg(any(feature = "cuda", test))]
mod stage;
#[cfg(any(feature = "cuda", test))]
mod step;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "cuda", test))]
mod transition;

use serde::{Deserialize, Serialize};
use statewise::data::Dataset;
use statewise::{Result, Seed};

use crate::learn::Objective;
use crate::learn::gradient::{ObjectiveCall, PathTerms};
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

/// Passes elsewhere than on the processor.
pub(crate) trait Engine {
    /// Sends the weights, for all that follows.
    fn set_weights(&mut self, theta: &[f64]);

    /// An objective over the sequences and its gradient in every weight, as
    /// [`crate::learn::gradient::run_shards`].
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
#[cfg(feature = "cuda")]
pub(crate) fn open(
    device: Device,
    config: &DmmConfig,
    objective: Objective,
) -> Result<Option<Box<dyn Engine>>> {
    match device {
        Device::Cpu => Ok(None),
        Device::Cuda => {
            scope::check(config, objective)?;
            Ok(Some(Box::new(engine::DeviceEngine::new(cuda::Cuda::new()?))))
        }
    }
}

/// As with the feature `cuda`, which this build does not have.
///
/// # Errors
/// Any device but the processor.
#[cfg(not(feature = "cuda"))]
pub(crate) fn open(device: Device, _: &DmmConfig, _: Objective) -> Result<Option<Box<dyn Engine>>> {
    match device {
        Device::Cpu => Ok(None),
        Device::Cuda => Err(statewise::Error::argument(
            "device",
            "cuda, in a build without the feature `cuda`",
            "cpu, or a build with it",
        )),
    }
}
