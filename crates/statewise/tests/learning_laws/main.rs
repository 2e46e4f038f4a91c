//! Laws of learning, tested alike on every emission family and transition model.

mod alignment;
mod em;
mod gradient;
mod lbfgs;
mod online;
mod scene;
mod score;
mod selection;
mod warnings;
