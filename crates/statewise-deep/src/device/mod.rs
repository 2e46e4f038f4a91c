//! Passes on a GPU: the networks' passes once more, as kernels and products of a [`driver::Driver`].
//!
//! Each room of the passes has its mirror here, of the same name: [`layers`], [`recurrent`], [`readers`],
//! [`guide`], [`transition`], [`emission`], [`pass`]. Weights and their layout are those of the networks; noise
//! and dropout come from the same streams; the optimiser stays on the host. A batch is laid out in one block of
//! memory ([`memory`]), uploaded at once, and worked through without waiting; sums come down at its end.
//!
//! What is elementwise stands in `kernels/`, C and CUDA C++ at once, so that tests run the same text on the
//! host, in double precision, against the passes of the CPU. An option without a mirror is refused by [`scope`].

#[cfg(feature = "cuda")]
mod cuda;
mod driver;
mod emission;
mod engine;
mod guide;
#[cfg(test)]
mod host;
mod layers;
mod memory;
mod pass;
mod readers;
mod recurrent;
mod scope;
mod stage;
mod step;
#[cfg(test)]
mod tests;
mod transition;

/// The first GPU, for this model and objective.
///
/// # Errors
/// Libraries or a GPU that are not there; options that devices do not know.
#[cfg(feature = "cuda")]
pub(crate) fn open(
    config: &crate::model::DmmConfig,
    objective: crate::learn::Objective,
) -> statewise::Result<Box<dyn crate::learn::device::Engine>> {
    scope::check(config, objective)?;
    Ok(Box::new(engine::DeviceEngine::new(cuda::Cuda::new()?)))
}
