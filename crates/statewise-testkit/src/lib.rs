//! Oracles, generators and the allocation counter of statewise's own tests.
//!
//! Nothing here depends on the crates under test: plain slices in, plain arrays out.

mod allocation;
mod corpus;
mod enumerate;

pub use allocation::{CountingAllocator, allocated_bytes, allocations};
pub use corpus::{Problem, corpus, random_problem};
pub use enumerate::{Enumeration, enumerate};
