//! Layers as pairs of a forward and a backward pass over rows of a packed batch.
//!
//! A layer owns no numbers: weights lie in the flat parameter vector, activations on a tape. `forward`
//! and `backward` take a range of rows, so that they serve both a whole batch and one time step;
//! `gradient` adds the weights' gradients for all rows in one product, after the last step. Backward
//! passes add to the deltas of their inputs; whoever owns the deltas clears them first.

mod cells;
mod function;
mod linear;
mod mlp;
mod recurrent;
mod spread;

pub use function::{Function, Operation};
pub(crate) use function::{FunctionLayer, FunctionTape};
pub(crate) use linear::Linear;
pub(crate) use mlp::{Mlp, MlpTape};
pub use recurrent::Cell;
pub(crate) use recurrent::{Direction, Recurrent, RecurrentStart, RecurrentTape};
pub use spread::Spread;
