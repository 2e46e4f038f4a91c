//! Laws that every emission family obeys, each checked by two independent routes to one number.

#[macro_use]
mod laws;
mod case;
mod density;
mod learning;

mod boundaries;
mod channels;
mod counts;
mod gaussian;
