//! Observed data: one sequence, a batch or a ragged list, with inputs, weights and gaps; and the
//! tables that they are read from.

mod csv;
mod dataset;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "parquet")]
mod parquet_write;
mod table;

pub use dataset::{Dataset, Layout, Sequence};
pub use table::{Column, Selection, Table, TableData, Values};
