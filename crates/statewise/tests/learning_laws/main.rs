//! Laws of learning, tested alike on every emission family and transition model.

mod alignment;
mod em;
mod floors;
mod gradient;
mod lbfgs;
mod online;
mod prior_draws;
mod scene;
mod score;
mod selection;
mod warnings;
