//! Tables from Parquet: flat columns of numbers, booleans (0 and 1), text, dates and times.
//!
//! Dates and times become text in the form of ISO 8601, so that they serve as labels and ids.
//! Nested, repeated and binary columns are an error only if they are asked for.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ::parquet::basic::{ConvertedType, LogicalType, TimeUnit};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{ByteArray, DataType};
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use ::parquet::schema::types::ColumnDescriptor;

use super::table::{Column, Table, Values};
use crate::error::{Error, Result};

/// Records read at once; what a damaged file claims to hold is never allocated ahead.
const BATCH: usize = 8192;

impl Table {
    /// Reads a Parquet file (uncompressed, Snappy or Zstandard).
    ///
    /// # Errors
    /// [`Error::Table`] if the file is damaged or uses another codec; and whatever the file system
    /// answers.
    pub fn read_parquet(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => from_parquet(file, &name),
            Err(source) => Err(Error::Io { path: name, source }),
        }
    }
}

/// Reads any source; `name` stands for the file in messages.
fn from_parquet(source: impl ChunkReader + 'static, name: &str) -> Result<Table> {
    let fail = |message: String| Error::Table { path: name.into(), message };
    // The decoders of the parquet crate may panic on a damaged file; here that is an error too.
    match catch_unwind(AssertUnwindSafe(|| read(source))) {
        Ok(Ok(table)) => table.map_err(|e| fail(e.to_string())),
        Ok(Err(error)) => Err(fail(format!("not a readable Parquet file: {error}"))),
        Err(_) => Err(fail("a damaged Parquet file".into())),
    }
}

/// How the stored numbers or bytes are meant.
#[derive(Clone, Copy)]
enum Meaning {
    Plain,
    Unsigned,
    Decimal {
        scale: i32,
    },
    Date,
    /// Ticks of so many per second since 1970.
    Timestamp {
        per_second: i64,
    },
}

fn read(source: impl ChunkReader + 'static) -> std::result::Result<Result<Table>, ParquetError> {
    let reader = SerializedFileReader::new(source)?;
    let descriptors = reader.metadata().file_metadata().schema_descr_ptr();
    let mut columns = Vec::new();
    let mut unreadable = Vec::new();
    let mut num_rows = 0;
    for (index, descriptor) in descriptors.columns().iter().enumerate() {
        let name = descriptor.path().parts().first().cloned().unwrap_or_default();
        match read_column(&reader, index, descriptor)? {
            Ok(values) => {
                num_rows = values.len();
                columns.push(Column { name, values });
            }
            Err(reason) => unreadable.push((name, reason.to_owned())),
        }
    }
    Ok(Table::new(columns).map(|table| table.with_unreadable(num_rows, unreadable)))
}

/// A column over all row groups, or why it is of no use.
fn read_column(
    reader: &dyn FileReader,
    index: usize,
    descriptor: &ColumnDescriptor,
) -> std::result::Result<std::result::Result<Values, &'static str>, ParquetError> {
    if descriptor.max_rep_level() > 0 || descriptor.path().parts().len() > 1 {
        return Ok(Err("a list or nested column"));
    }
    let meaning = meaning(descriptor);
    let mut numbers: Vec<f64> = Vec::new();
    let mut texts: Vec<Option<String>> = Vec::new();
    let mut whole: Vec<Option<i64>> = Vec::new();
    for group in 0..reader.num_row_groups() {
        let chunk = reader.get_row_group(group)?.get_column_reader(index)?;
        match (chunk, meaning) {
            (ColumnReader::BoolColumnReader(chunk), _) => {
                each(chunk, |x| numbers.push(x.map_or(f64::NAN, |x| f64::from(u8::from(x)))))?;
            }
            (ColumnReader::Int32ColumnReader(chunk), Meaning::Date) => {
                each(chunk, |x| texts.push(x.map(|days| date(i64::from(days)))))?;
            }
            (ColumnReader::Int32ColumnReader(chunk), Meaning::Unsigned) => {
                each(chunk, |x| numbers.push(x.map_or(f64::NAN, |x| f64::from(x as u32))))?;
            }
            (ColumnReader::Int32ColumnReader(chunk), _) => {
                each(chunk, |x| numbers.push(x.map_or(f64::NAN, |x| scaled(f64::from(x), meaning))))?;
            }
            (ColumnReader::Int64ColumnReader(chunk), Meaning::Timestamp { per_second }) => {
                each(chunk, |x| texts.push(x.map(|ticks| timestamp(ticks, per_second))))?;
            }
            (ColumnReader::Int64ColumnReader(chunk), Meaning::Unsigned) => {
                each(chunk, |x| numbers.push(x.map_or(f64::NAN, |x| x as u64 as f64)))?;
            }
            (ColumnReader::Int64ColumnReader(chunk), Meaning::Plain) => each(chunk, |x| whole.push(x))?,
            (ColumnReader::Int64ColumnReader(chunk), _) => {
                each(chunk, |x| numbers.push(x.map_or(f64::NAN, |x| scaled(x as f64, meaning))))?;
            }
            (ColumnReader::FloatColumnReader(chunk), _) => {
                each(chunk, |x| numbers.push(x.map_or(f64::NAN, f64::from)))?;
            }
            (ColumnReader::DoubleColumnReader(chunk), _) => {
                each(chunk, |x| numbers.push(x.unwrap_or(f64::NAN)))?;
            }
            (ColumnReader::ByteArrayColumnReader(chunk), Meaning::Plain) => {
                let text = |x: ByteArray| String::from_utf8_lossy(x.data()).into_owned();
                each(chunk, |x| texts.push(x.map(text).filter(|text| !text.is_empty())))?;
            }
            _ => return Ok(Err("a binary column")),
        }
    }
    if whole.iter().flatten().all(|x| x.unsigned_abs() <= 1 << 53) {
        numbers.extend(whole.iter().map(|x| x.map_or(f64::NAN, |x| x as f64)));
    } else {
        // Doubles would make different ids equal.
        texts.extend(whole.iter().map(|x| x.map(|x| x.to_string())));
    }
    Ok(Ok(match texts.is_empty() {
        true => Values::Numbers(numbers),
        false => Values::text(texts.iter().map(Option::as_deref)),
    }))
}

fn meaning(descriptor: &ColumnDescriptor) -> Meaning {
    let per_second = |unit: &TimeUnit| match unit {
        TimeUnit::MILLIS => 1_000,
        TimeUnit::MICROS => 1_000_000,
        TimeUnit::NANOS => 1_000_000_000,
    };
    match (descriptor.logical_type_ref(), descriptor.converted_type()) {
        (Some(LogicalType::Timestamp(kind)), _) => {
            Meaning::Timestamp { per_second: per_second(&kind.unit) }
        }
        (_, ConvertedType::TIMESTAMP_MILLIS) => Meaning::Timestamp { per_second: 1_000 },
        (_, ConvertedType::TIMESTAMP_MICROS) => Meaning::Timestamp { per_second: 1_000_000 },
        (Some(LogicalType::Date), _) | (_, ConvertedType::DATE) => Meaning::Date,
        (Some(LogicalType::Decimal(_)), _) | (_, ConvertedType::DECIMAL) => {
            Meaning::Decimal { scale: descriptor.type_scale() }
        }
        (Some(LogicalType::Integer(kind)), _) if !kind.is_signed => Meaning::Unsigned,
        (
            _,
            ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64,
        ) => Meaning::Unsigned,
        _ => Meaning::Plain,
    }
}

/// Hands over every entry of a column chunk, `None` where it is null.
fn each<T: DataType>(
    mut chunk: ColumnReaderImpl<T>,
    mut take: impl FnMut(Option<T::T>),
) -> std::result::Result<(), ParquetError> {
    loop {
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        let (records, _, _) = chunk.read_records(BATCH, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            return Ok(());
        }
        let mut values = values.into_iter();
        // A required column has no definition levels: all its entries are there.
        for i in 0..records {
            let present = levels.get(i).is_none_or(|level| *level > 0);
            take(if present { values.next() } else { None });
        }
    }
}

fn scaled(x: f64, meaning: Meaning) -> f64 {
    match meaning {
        Meaning::Decimal { scale } => x / 10f64.powi(scale),
        _ => x,
    }
}

/// `2026-11-22` from days since 1970.
///
/// # Source
/// H. Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
fn date(days: i64) -> String {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-11-22T04:35:26.5` from ticks since 1970; a midnight is its date alone.
fn timestamp(ticks: i64, per_second: i64) -> String {
    let (seconds, fraction) = (ticks.div_euclid(per_second), ticks.rem_euclid(per_second));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    if second == 0 && fraction == 0 {
        return date(days);
    }
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    let mut text = format!("{}T{hour:02}:{minute:02}:{:02}", date(days), second % 60);
    if fraction > 0 {
        let digits = per_second.ilog10() as usize;
        let fraction = format!("{fraction:0digits$}");
        text.push('.');
        text.push_str(fraction.trim_end_matches('0'));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_ticks_become_iso_dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(19_782), "2024-02-29");
        assert_eq!(timestamp(19_782 * 86_400_000, 1_000), "2024-02-29");
        assert_eq!(timestamp(-1, 1_000), "1969-12-31T23:59:59.999");
        assert_eq!(timestamp(3_661_500_000, 1_000_000), "1970-01-01T01:01:01.5");
    }
}
