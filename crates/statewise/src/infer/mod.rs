//! Inference: one verb a file. Results of all sequences lie one after another, in the rows of the
//! dataset.

mod chain;
mod decode;
mod filter;
mod forecast;
mod sample;
mod smooth;
mod stream;

pub use filter::Filtered;
pub use forecast::Forecast;
pub use smooth::Smoothed;
pub use stream::{FilterState, OnlineFilter};

use crate::data::Dataset;

/// Cuts an array with `width` values per row of the dataset into one slice per sequence.
fn split<'b, T>(mut buffer: &'b mut [T], data: &Dataset<'_>, width: usize) -> Vec<&'b mut [T]> {
    let mut parts = Vec::with_capacity(data.num_sequences());
    for length in data.lengths() {
        let (part, rest) = buffer.split_at_mut(length * width);
        parts.push(part);
        buffer = rest;
    }
    parts
}
