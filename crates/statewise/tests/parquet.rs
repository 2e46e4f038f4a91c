//! Parquet files written by pyarrow (`testdata/tables/make_types.py`) read as the same table.
#![cfg(feature = "parquet")]

use std::path::PathBuf;

use proptest::prelude::*;
use statewise::data::{Column, Selection, Table, Values};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/tables").join(name)
}

#[test]
fn every_flat_type_is_read_with_its_nulls() {
    let table = Table::read_parquet(file("types.parquet")).unwrap();
    let cells =
        |name: &str| (0..4).map(|row| table.column(name).unwrap().values.cell(row)).collect::<Vec<_>>();
    assert_eq!(table.num_rows(), 4);
    assert_eq!(cells("double"), ["1.5", "", "-3.25", "1e300"]);
    assert_eq!(cells("single"), ["0.5", "1.5", "", "2.5"]);
    assert_eq!(cells("int32"), ["1", "-2", "", "4"]);
    assert_eq!(cells("int64"), ["1", "", "3", "9007199254740992"]);
    assert_eq!(cells("uint8"), ["255", "0", "", "7"]);
    assert_eq!(cells("uint32"), ["4294967295", "", "0", "1"]);
    assert_eq!(cells("flag"), ["1", "0", "", "1"]);
    assert_eq!(cells("text"), ["sun", "", "rain", "sun"]);
    assert_eq!(cells("large"), ["b", "a", "b", ""]);
    assert_eq!(cells("dictionary"), ["x", "y", "", "x"]);
    assert_eq!(cells("date"), ["2024-02-29", "", "2024-02-29", "2024-02-29"]);
    assert_eq!(cells("time"), ["2024-02-29T12:30:00", "2024-02-29T12:30:00", "", "2024-02-29T12:30:00"]);
    assert_eq!(cells("decimal"), ["1.25", "", "-0.5", "2"]);
    assert_eq!(cells("required"), ["1", "2", "3", "4"]);
    assert_eq!(cells("hash"), ["9007199254740993", "9007199254740992", "", "-1"]);
    let error = table.column("list").unwrap_err().to_string();
    assert_eq!(error, "column 'list': found a list or nested column, expected numbers, booleans or text");
}

#[test]
fn snappy_is_read_and_becomes_sequences() {
    let table = Table::read_parquet(file("snappy.parquet")).unwrap();
    let columns = vec!["text".to_owned(), "double".to_owned()];
    let data = table.dataset(&Selection { columns, ..Selection::default() }).unwrap();
    assert_eq!(data.labels["text"], ["rain", "sun"]);
    assert_eq!(data.dataset.rows()[..2], [1.0, 1.5]);
}

#[test]
fn a_table_that_is_written_reads_back_the_same() {
    let numbers = |values: &[f64]| Values::Numbers(values.to_vec());
    let column = |name: &str, values| Column { name: name.into(), values };
    let table = Table::new(vec![
        column("an odd, \"name\"", numbers(&[1.0, f64::NAN, -1e-300, 1.0 / 3.0])),
        column("empty", numbers(&[f64::NAN; 4])),
        column("label", Values::text([Some("sun"), None, Some("räin"), Some("sun")])),
    ]);
    let nothing = Table::new(vec![column("x", numbers(&[]))]);
    for table in [table.unwrap(), nothing.unwrap()] {
        let path = std::env::temp_dir().join(format!("statewise-written-{}.parquet", std::process::id()));
        table.write_parquet(std::fs::File::create(&path).unwrap()).unwrap();
        let read = Table::read_parquet(&path);
        std::fs::remove_file(&path).unwrap();
        let read = read.unwrap();
        assert_eq!(read.num_rows(), table.num_rows());
        for (read, written) in read.columns().iter().zip(table.columns()) {
            assert_eq!(read.name, written.name);
            for row in 0..table.num_rows() {
                assert_eq!(read.values.cell(row), written.values.cell(row), "{} {row}", read.name);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_files_are_errors_or_tables(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), keep in 0.0f64..=1.0) {
        let mut bytes = std::fs::read(file("snappy.parquet")).unwrap();
        for (place, byte) in edits {
            let i = place.index(bytes.len());
            bytes[i] = byte;
        }
        if keep < 0.3 {
            bytes.truncate((bytes.len() as f64 * keep / 0.3) as usize);
        }
        let path = std::env::temp_dir().join(format!("statewise-damaged-{}.parquet", std::process::id()));
        std::fs::write(&path, &bytes).unwrap();
        let _ = Table::read_parquet(&path);
        std::fs::remove_file(&path).unwrap();
    }
}
