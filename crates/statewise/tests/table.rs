//! Tables: what CSV and Parquet mean, and how rows become sequences.

use proptest::prelude::*;
use statewise::data::{Selection, Table, Values};

fn read(text: &str) -> Table {
    Table::from_csv(text.as_bytes(), "t.csv").unwrap()
}

fn refuse(text: impl AsRef<[u8]>) -> String {
    Table::from_csv(text.as_ref(), "t.csv").unwrap_err().to_string()
}

fn numbers<'a>(table: &'a Table, name: &str) -> &'a [f64] {
    match &table.column(name).unwrap().values {
        Values::Numbers(values) => values,
        other => panic!("{name} is {other:?}"),
    }
}

fn select(columns: &[&str], id: Option<&str>) -> Selection {
    let columns = columns.iter().map(|c| c.to_string()).collect();
    Selection { columns, id: id.map(str::to_owned), ..Selection::default() }
}

#[test]
fn quotes_byte_order_mark_line_ends_and_blank_lines_are_understood() {
    let table = read("\u{feff}\"a, b\",c\r\n1, 2.5 \r\n\r\n\"-1e3\",+4.\r\n");
    assert_eq!(table.num_rows(), 2);
    assert_eq!(numbers(&table, "a, b"), [1.0, -1000.0]);
    assert_eq!(numbers(&table, "c"), [2.5, 4.0]);
}

#[test]
fn empty_na_and_nan_are_missing_and_stay_numbers() {
    let table = read("x,y\n,1\nNA,2\nNaN,3\nnull,4\n7,5\n");
    let x = numbers(&table, "x");
    assert!(x[..4].iter().all(|x| x.is_nan()));
    assert_eq!(x[4], 7.0);
}

#[test]
fn text_columns_become_codes_of_sorted_labels() {
    let table = read("w\nsun\nrain\nNA\nsun\n");
    let Values::Text { codes, labels } = &table.column("w").unwrap().values else { panic!() };
    assert_eq!(labels, &["rain", "sun"]);
    assert_eq!(codes, &[Some(1), Some(0), None, Some(1)]);
    let data = table.dataset(&select(&["w"], None)).unwrap();
    assert_eq!(data.labels["w"], ["rain", "sun"]);
    assert_eq!(data.dataset.rows()[..2], [1.0, 0.0]);
    assert!(data.dataset.rows()[2].is_nan());
}

#[test]
fn given_labels_keep_their_codes_in_another_file() {
    let mut selection = select(&["w"], None);
    selection.labels.insert("w".into(), vec!["fog".into(), "rain".into(), "sun".into()]);
    assert_eq!(read("w\nsun\nrain\n").dataset(&selection).unwrap().dataset.rows(), [2.0, 1.0]);
    let error = read("w\nsun\nhail\n").dataset(&selection).unwrap_err().to_string();
    assert_eq!(error, "column 'w', row 2: found hail, expected fog, rain, sun");
}

#[test]
fn tabs_and_semicolons_separate_where_the_header_has_no_comma() {
    assert_eq!(numbers(&read("a\tb\n1\t2\n"), "b"), [2.0]);
    assert_eq!(numbers(&read("a;b\n1;2\n"), "b"), [2.0]);
}

#[test]
fn faults_name_the_file_and_the_line() {
    assert_eq!(refuse("a,b\n1,2\n\n3\n"), "t.csv: line 4: 1 fields where the header has 2");
    assert_eq!(refuse("a,b,a\n"), "t.csv: line 1: two columns are named 'a'");
    assert_eq!(refuse("1,2\n3,4\n"), "t.csv: line 1: only numbers; the first line must name the columns");
    assert_eq!(refuse(b"a\n1\n\xff\n"), "t.csv: line 3: not UTF-8; save the file with that encoding");
    assert!(refuse("").contains("empty"));
    assert!(refuse("\u{feff}").contains("empty"));
}

#[test]
fn rows_are_grouped_by_the_first_appearance_of_their_id() {
    let table = read("who,x\nb,1\na,2\nb,3\nc,4\na,5\n");
    let data = table.dataset(&select(&["x"], Some("who"))).unwrap();
    assert_eq!(data.ids, ["b", "a", "c"]);
    assert_eq!(data.dataset.rows(), [1.0, 3.0, 2.0, 5.0, 4.0]);
    assert_eq!(data.dataset.lengths().collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(data.rows, [0, 2, 1, 4, 3]);
}

#[test]
fn selections_that_do_not_fit_are_told() {
    let table = read("id,x,u\n1,1,1\n,2,2\n");
    let refuse = |selection: Selection| table.dataset(&selection).unwrap_err().to_string();
    assert_eq!(refuse(select(&["y"], None)), "column 'y': found no such column, expected one of id, x, u");
    assert_eq!(
        refuse(select(&["x"], Some("id"))),
        "column 'id', row 2: found no entry, expected an id in every row"
    );
    assert!(refuse(select(&["x", "x"], None)).contains("chosen twice"));
    assert!(refuse(select(&[], None)).contains("at least one column"));
    assert!(read("x\n").dataset(&select(&["x"], None)).unwrap_err().to_string().contains("no time steps"));
    assert!(read("x\ninf\n").dataset(&select(&["x"], None)).unwrap_err().to_string().contains("finite"));
}

#[test]
fn long_ids_stay_apart() {
    let table = read("id,x\n9007199254740993,1\n9007199254740992,2\n");
    assert_eq!(
        table.dataset(&select(&["x"], Some("id"))).unwrap().ids,
        ["9007199254740993", "9007199254740992"]
    );
    assert_eq!(numbers(&read("x\n1e300\n-18014398509481984\n"), "x"), [1e300, -18014398509481984.0]);
}

#[test]
fn inputs_go_with_their_rows() {
    let table = read("id,x,u\n1,1,10\n2,2,20\n1,3,30\n");
    let selection = Selection { inputs: vec!["u".into()], ..select(&["x"], Some("id")) };
    let data = table.dataset(&selection).unwrap();
    assert_eq!(data.dataset.sequence(0).inputs, [10.0, 30.0]);
    assert_eq!(data.dataset.sequence(1).inputs, [20.0]);
}

proptest! {
    #[test]
    fn written_numbers_read_back_exactly(values in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL, 1..20)) {
        let table = Table::default().with_numbers("x", values.clone()).unwrap();
        let mut bytes = Vec::new();
        table.write_csv(&mut bytes).unwrap();
        let back = Table::from_csv(&bytes, "t.csv").unwrap();
        prop_assert_eq!(numbers(&back, "x"), &values[..]);
    }

    /// What the fuzz target does, in small.
    #[test]
    fn any_bytes_are_a_table_or_an_error(bytes in prop::collection::vec(prop_oneof![Just(b','), Just(b'\n'), Just(b'"'), Just(b'\r'), Just(b'1'), Just(b'.'), Just(b'a'), any::<u8>()], 0..80)) {
        if let Ok(table) = Table::from_csv(&bytes, "t.csv") {
            let names: Vec<String> = table.columns().iter().map(|c| c.name.clone()).collect();
            let _ = table.dataset(&Selection { id: names.first().cloned(), columns: names[1..].to_vec(), ..Selection::default() });
            table.write_csv(std::io::sink()).unwrap();
        }
    }
}
