//! Laws that every emission family obeys, each checked by two independent routes to one number.

#[macro_use]
mod laws;
mod case;

mod counts;
mod gaussian;
