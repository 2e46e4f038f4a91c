//! Deep Markov models: p(x, z) = p(z₁) Π p(z_t | z_{t−1}) Π p(x_t | z_t) with networks for every
//! factor, and structured inference networks q(z_t | z_{t−1}, x) beside them.

pub mod data;
