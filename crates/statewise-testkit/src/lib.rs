//! Oracles, generators and the allocation counter of statewise's own tests.
//!
//! Nothing here depends on the crates under test: plain slices in, plain arrays out.

mod allocation;
mod corpus;
mod diffuse_corpus;
mod double_double;
mod enumerate;
mod gaussian_corpus;
mod gaussian_problem;
mod joint_gaussian;

pub use allocation::{CountingAllocator, allocated_bytes, allocations};
pub use corpus::{Problem, corpus, random_problem};
pub use diffuse_corpus::{further_diffuse_problems, slow_season};
pub use enumerate::{Enumeration, enumerate};
pub use gaussian_corpus::{
    GaussianShape, diffuse_gaussian_corpus, gaussian_contradictions, gaussian_corpus,
    random_gaussian_problem,
};
pub use gaussian_problem::{GaussianProblem, GaussianSteps};
pub use joint_gaussian::{JointGaussian, joint_gaussian, joint_log_prob};
