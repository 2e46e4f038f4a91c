//! Where results go: a file or standard output.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use statewise::data::{Column, Table};

use crate::failure::Failure;

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

/// Writes a table as CSV to a file, or to standard output without one.
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
                table.write_csv(&mut out)?;
                out.flush()
            };
            write().map_err(|e| cannot_write(path, &e))
        }
    }
}

/// Writes text to a file.
pub(crate) fn write_text(text: &str, path: &Path) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|e| cannot_write(path, &e))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}
