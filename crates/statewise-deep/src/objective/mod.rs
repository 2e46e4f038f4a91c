//! What training maximises: one pass forward along sampled latent paths, one pass back.

mod divergence;
mod noise;
mod particles;
mod pass;

pub use noise::Draws;
pub use particles::Resampling;
pub(crate) use pass::{Divergence, Pass, PathWeights};
