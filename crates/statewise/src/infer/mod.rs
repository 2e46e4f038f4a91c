//! Inference: one verb a file. Results of all sequences lie one after another, in the rows of the
//! dataset.

mod chain;
mod decode;
mod filter;
mod forecast;
pub mod gaussian;
mod sample;
mod smooth;
mod stream;

pub use statewise_kernels::discrete::Schedule;

pub use decode::ScoredPath;
pub use filter::Filtered;
pub use forecast::Forecast;
pub use smooth::{Smoothed, SmoothedSlices};
pub use stream::{FilterState, OnlineFilter};

use crate::data::Dataset;
use crate::error::{Error, Result};

/// Cuts an array into slices of these lengths.
fn cut<'b, T>(
    name: &str,
    mut buffer: &'b mut [T],
    lengths: impl Iterator<Item = usize> + Clone,
) -> Result<Vec<&'b mut [T]>> {
    let expected: usize = lengths.clone().sum();
    if buffer.len() != expected {
        return Err(Error::argument(name, format!("{} values", buffer.len()), expected));
    }
    let mut parts = Vec::new();
    for length in lengths {
        let (part, rest) = buffer.split_at_mut(length);
        parts.push(part);
        buffer = rest;
    }
    Ok(parts)
}

/// Cuts an array with `width` values per row of the dataset into one slice per sequence.
fn split<'b, T>(
    name: &str,
    buffer: &'b mut [T],
    data: &Dataset<'_>,
    width: usize,
) -> Result<Vec<&'b mut [T]>> {
    let lengths: Vec<usize> = data.lengths().map(|length| length * width).collect();
    cut(name, buffer, lengths.into_iter())
}

/// As [`split`]; no slices where there is no array.
fn split_optional<'b>(
    name: &str,
    buffer: Option<&'b mut [f64]>,
    data: &Dataset<'_>,
    width: usize,
) -> Result<Vec<&'b mut [f64]>> {
    buffer.map_or_else(|| Ok(Vec::new()), |buffer| split(name, buffer, data, width))
}
