//! Any bytes are a table or an error, and a table makes a dataset or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use statewise::data::{Selection, Table};

fuzz_target!(|bytes: &[u8]| {
    let Ok(table) = Table::from_csv(bytes, "fuzz.csv") else { return };
    let names: Vec<String> = table.columns().iter().map(|column| column.name.clone()).collect();
    let _ = table.dataset(&Selection { columns: names.clone(), ..Selection::default() });
    let id = names.first().cloned();
    let _ = table.dataset(&Selection { id, columns: names[1..].to_vec(), ..Selection::default() });
    let mut written = Vec::new();
    table.write_csv(&mut written).expect("a vector takes everything");
});
