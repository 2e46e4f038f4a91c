//! The epochs of a fit as a table.

use std::path::Path;

use statewise::data::{Column, Table, Values};
use statewise_deep::learn::EpochRecord;

use crate::failure::Failure;
use crate::output::write_table;

type Field = (&'static str, fn(&EpochRecord) -> f64);

const FIELDS: [Field; 10] = [
    ("epoch", |record| record.epoch as f64),
    ("updates", |record| record.updates as f64),
    ("seconds", |record| record.seconds),
    ("train_bound", |record| record.train_bound),
    ("nll", |record| record.nll),
    ("kl", |record| record.kl),
    ("kl_weight", |record| record.kl_weight),
    ("gradient_norm", |record| record.gradient_norm),
    ("learning_rate", |record| record.learning_rate),
    ("valid_bound", |record| record.valid_bound.unwrap_or(f64::NAN)),
];

/// Writes one row for each epoch.
pub(super) fn write(history: &[EpochRecord], path: &Path) -> Result<(), Failure> {
    let column = |(name, field): Field| Column {
        name: name.into(),
        values: Values::Numbers(history.iter().map(field).collect()),
    };
    write_table(&Table::new(FIELDS.map(column).into())?, Some(path))
}
