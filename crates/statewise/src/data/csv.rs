//! Tables from and to CSV: a header line, comma (or tab or semicolon) between fields, a dot in
//! numbers whatever the locale, nothing or `NA` or `NaN` where an entry is missing.

use std::io::Write;
use std::path::Path;

use super::table::{Column, Table, Values};
use crate::error::{Error, Result};

/// What stands for a missing entry, besides nothing at all.
const MISSING: [&str; 6] = ["NA", "N/A", "NaN", "nan", "null", "NULL"];

impl Table {
    /// Reads a CSV file.
    ///
    /// A column whose entries are all numbers is numeric, any other is text; so is one with whole
    /// numbers too long for doubles, which would make different ids equal. Empty lines are
    /// skipped. Fields are separated by commas, or by tabs or semicolons if the header has those
    /// and no comma.
    ///
    /// # Errors
    /// [`Error::Table`] with the line: no or a repeated header, rows of another number of fields,
    /// text that is not UTF-8; and whatever the file system answers.
    pub fn read_csv(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        match std::fs::read(path) {
            Ok(bytes) => Table::from_csv(&bytes, &name),
            Err(source) => Err(Error::Io { path: name, source }),
        }
    }

    /// Reads the bytes of a CSV file; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As [`Table::read_csv`].
    pub fn from_csv(bytes: &[u8], name: &str) -> Result<Self> {
        let fail = |message: String| Error::Table { path: name.into(), message };
        let text = std::str::from_utf8(bytes).map_err(|e| {
            let line = 1 + bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count();
            fail(format!("line {line}: not UTF-8; save the file with that encoding"))
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = ::csv::ReaderBuilder::new()
            .flexible(true)
            .delimiter(delimiter(text))
            .from_reader(text.as_bytes());
        let names = read_header(reader.headers().map_err(|e| fail(e.to_string()))?).map_err(fail)?;

        // The cells of a column, in the order of the rows; they stay where the file has them.
        let mut records = ::csv::StringRecord::new();
        let mut builders: Vec<Builder> = names.iter().map(|_| Builder::default()).collect();
        while reader.read_record(&mut records).map_err(|e| fail(e.to_string()))? {
            if records.len() != names.len() {
                let line = line_of(text, records.position());
                let (found, expected) = (records.len(), names.len());
                return Err(fail(format!("line {line}: {found} fields where the header has {expected}")));
            }
            builders.iter_mut().zip(&records).for_each(|(builder, field)| builder.push(field));
        }
        let columns = names.into_iter().zip(builders);
        Table::new(columns.map(|(name, builder)| Column { name, values: builder.finish() }).collect())
            .map_err(|e| fail(e.to_string()))
    }

    /// Writes the table as CSV; numbers read back exactly, missing entries are empty.
    ///
    /// # Errors
    /// Whatever the writer answers.
    pub fn write_csv(&self, out: impl Write) -> std::io::Result<()> {
        let mut writer = ::csv::Writer::from_writer(out);
        writer.write_record(self.columns().iter().map(|column| &column.name))?;
        for row in 0..self.num_rows() {
            writer.write_record(self.columns().iter().map(|column| column.values.cell(row)))?;
        }
        writer.flush()
    }
}

/// The line on which a record starts, 1-based; its position is that of the empty lines before it.
fn line_of(text: &str, position: Option<&::csv::Position>) -> usize {
    let start = position.map_or(0, |position| position.byte() as usize).min(text.len());
    let bytes = text.as_bytes();
    let blank = bytes[start..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    1 + bytes[..start + blank].iter().filter(|b| **b == b'\n').count()
}

/// The separator that the header uses.
fn delimiter(text: &str) -> u8 {
    let header = text.lines().find(|line| !line.is_empty()).unwrap_or("");
    let count = |byte| header.bytes().filter(|b| *b == byte).count();
    match count(b',') {
        0 if count(b'\t') > 0 => b'\t',
        0 if count(b';') > 0 => b';',
        _ => b',',
    }
}

fn read_header(header: &::csv::StringRecord) -> std::result::Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::with_capacity(header.len());
    for (i, field) in header.iter().enumerate() {
        let field = field.trim();
        let name = if field.is_empty() { format!("column{}", i + 1) } else { field.to_owned() };
        names.push(name);
    }
    if names.is_empty() {
        return Err("empty; the first line must name the columns".into());
    }
    if header.iter().all(|field| field.trim().parse::<f64>().is_ok()) {
        return Err("line 1: only numbers; the first line must name the columns".into());
    }
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("line 1: two columns are named '{}'", pair[0])),
        None => Ok(names),
    }
}

/// One column in the making: numbers as long as all entries are, with their text for the case
/// that a later one is not.
#[derive(Default)]
struct Builder {
    numbers: Vec<f64>,
    is_text: bool,
    text: String,
    ends: Vec<usize>,
}

impl Builder {
    fn push(&mut self, field: &str) {
        let field = field.trim();
        if !self.is_text {
            match field.parse() {
                _ if is_missing(field) => self.numbers.push(f64::NAN),
                Ok(number) if is_exact(field, number) => self.numbers.push(number),
                _ => (self.is_text, self.numbers) = (true, Vec::new()),
            }
        }
        self.text.push_str(field);
        self.ends.push(self.text.len());
    }

    fn finish(self) -> Values {
        if !self.is_text {
            return Values::Numbers(self.numbers);
        }
        let starts = std::iter::once(&0).chain(&self.ends);
        let fields = starts.zip(&self.ends).map(|(start, end)| &self.text[*start..*end]);
        Values::text(fields.map(|field| (!is_missing(field)).then_some(field)))
    }
}

fn is_missing(field: &str) -> bool {
    field.is_empty() || MISSING.contains(&field)
}

/// Whether a whole number is one that a double holds.
fn is_exact(field: &str, number: f64) -> bool {
    number.abs() < 9_007_199_254_740_992.0
        || field.parse::<i128>().is_ok_and(|whole| whole == number as i128)
        || field.bytes().any(|b| !b.is_ascii_digit() && !b"+-".contains(&b))
}
