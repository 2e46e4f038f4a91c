//! What training maximises: one pass forward along sampled latent paths, one pass back.

mod divergence;
mod noise;
mod particles;
mod pass;

pub(crate) use noise::{Draws, fill_noise, noise_stream};
pub(crate) use particles::{Resampling, systematic};
pub(crate) use pass::{Divergence, Pass, PathWeights};
