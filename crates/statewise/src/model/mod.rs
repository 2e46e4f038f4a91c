//! Models: what generates a sequence. No model holds a recursion over time; the engines do.

pub mod hmm;
pub mod linear_gaussian;
pub mod structural;
