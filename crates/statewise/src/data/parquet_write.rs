//! Tables to Parquet: numbers as doubles, text as strings, missing entries as nulls.

use std::io::{Error as IoError, Write};
use std::sync::Arc;

use ::parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use ::parquet::schema::types::Type;

use super::table::{Column, Table, Values};

impl Table {
    /// Writes the table as a Parquet file (Zstandard); NaN and missing texts become nulls.
    ///
    /// # Errors
    /// Whatever the writer answers.
    pub fn write_parquet(&self, out: impl Write + Send) -> std::io::Result<()> {
        write(self.columns(), out).map_err(IoError::other)
    }
}

fn write(columns: &[Column], out: impl Write + Send) -> Result<(), ParquetError> {
    let fields = columns.iter().map(|column| field(column).map(Arc::new)).collect::<Result<_, _>>()?;
    let schema = Arc::new(Type::group_type_builder("table").with_fields(fields).build()?);
    let properties =
        WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut file = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
    let mut rows = file.next_row_group()?;
    for column in columns {
        if let Some(mut writer) = rows.next_column()? {
            fill(&column.values, &mut writer)?;
            writer.close()?;
        }
    }
    rows.close()?;
    file.close()?;
    Ok(())
}

fn field(column: &Column) -> Result<Type, ParquetError> {
    let (physical, logical) = match column.values {
        Values::Numbers(_) => (Physical::DOUBLE, None),
        Values::Text { .. } => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    Type::primitive_type_builder(&column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()
}

/// Writes the entries that are there; a level says of each row whether its entry is.
fn fill(values: &Values, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
    match values {
        Values::Numbers(numbers) => {
            let levels: Vec<i16> = numbers.iter().map(|x| i16::from(!x.is_nan())).collect();
            let there: Vec<f64> = numbers.iter().copied().filter(|x| !x.is_nan()).collect();
            writer.typed::<DoubleType>().write_batch(&there, Some(&levels), None)?;
        }
        Values::Text { codes, labels } => {
            let levels: Vec<i16> = codes.iter().map(|code| i16::from(code.is_some())).collect();
            let label = |code: &u32| ByteArray::from(labels[*code as usize].as_str());
            let there: Vec<ByteArray> = codes.iter().flatten().map(label).collect();
            writer.typed::<ByteArrayType>().write_batch(&there, Some(&levels), None)?;
        }
    }
    Ok(())
}
