//! Where results go: a file or standard output.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use statewise::data::{Column, Table};

use crate::failure::Failure;
use crate::source::is_parquet;

/// A table of columns of ours behind columns of the user's; where a name is taken, ours gets `_`.
pub(crate) fn results(columns: Vec<Column>) -> Result<Table, Failure> {
    let mut unique: Vec<Column> = Vec::with_capacity(columns.len());
    for mut column in columns {
        while unique.iter().any(|other| other.name == column.name) {
            column.name.push('_');
        }
        unique.push(column);
    }
    Ok(Table::new(unique)?)
}

/// Writes a table to a file, as Parquet if its name says so and else as CSV, or as CSV to standard output
/// without one.
pub(crate) fn write_table(table: &Table, path: Option<&Path>) -> Result<(), Failure> {
    match path {
        None => {
            let mut out = BufWriter::new(std::io::stdout().lock());
            table.write_csv(&mut out)?;
            Ok(out.flush()?)
        }
        Some(path) => {
            let write = || -> std::io::Result<()> {
                let mut out = BufWriter::new(File::create(path)?);
                if is_parquet(path) {
                    write_parquet(table, &mut out)?;
                } else {
                    table.write_csv(&mut out)?;
                }
                out.flush()
            };
            write().map_err(|e| cannot_write(path, &e))
        }
    }
}

#[cfg(feature = "parquet")]
fn write_parquet(table: &Table, out: impl Write + Send) -> std::io::Result<()> {
    table.write_parquet(out)
}

#[cfg(not(feature = "parquet"))]
fn write_parquet(_: &Table, _: impl Write) -> std::io::Result<()> {
    Err(std::io::Error::other(crate::source::WITHOUT_PARQUET))
}

/// Writes text to a file.
pub(crate) fn write_text(text: &str, path: &Path) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|e| cannot_write(path, &e))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}
