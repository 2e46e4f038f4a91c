//! From a file and the names of its columns to a dataset.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use statewise::data::{Column, Selection, Table, TableData, Values};

use crate::args::ColumnArgs;
use crate::failure::Failure;
use crate::kind::Model;
use crate::model::takes_labels;

/// A file read as sequences, with what its rows and columns are called.
pub(crate) struct Source {
    pub(crate) table: Table,
    pub(crate) selection: Selection,
    pub(crate) data: TableData,
    pub(crate) label: Option<String>,
}

/// Reads CSV or Parquet, by the ending of the name.
pub(crate) fn read_table(path: &Path) -> Result<Table, Failure> {
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes)?;
        return Ok(Table::from_csv(&bytes, "standard input")?);
    }
    if is_parquet(path) { read_parquet(path) } else { Ok(Table::read_csv(path)?) }
}

/// Whether a file's name says that it is Parquet.
pub(crate) fn is_parquet(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    ["parquet", "pq"].iter().any(|known| ending.eq_ignore_ascii_case(known))
}

#[cfg(feature = "parquet")]
fn read_parquet(path: &Path) -> Result<Table, Failure> {
    Ok(Table::read_parquet(path)?)
}

/// What a build without the feature says of Parquet files.
#[cfg(not(feature = "parquet"))]
pub(crate) const WITHOUT_PARQUET: &str = "this statewise was built without Parquet";

#[cfg(not(feature = "parquet"))]
fn read_parquet(path: &Path) -> Result<Table, Failure> {
    Err(Failure::new(format!("{}: {WITHOUT_PARQUET}", path.display())))
}

impl Source {
    /// Reads the file. `fallback` is what a fitted model remembers of its columns.
    pub(crate) fn read(path: &Path, args: &ColumnArgs, fallback: &Selection) -> Result<Self, Failure> {
        let table = read_table(path)?;
        Self::of_table(table, args, fallback)
    }

    /// Takes the columns that are asked for.
    pub(crate) fn of_table(table: Table, args: &ColumnArgs, fallback: &Selection) -> Result<Self, Failure> {
        let mut selection = Selection {
            columns: first_of(&args.columns, &fallback.columns),
            id: args.id.clone().or_else(|| fallback.id.clone()),
            inputs: first_of(&args.inputs, &fallback.inputs),
            labels: BTreeMap::new(),
        };
        check_names(&table, &selection, args.label.as_deref())?;
        if selection.columns.is_empty() {
            selection.columns = vec![only_column(&table, &selection, args.label.as_deref())?];
        }
        // Labels go by the place of a column, so that a model can be used on columns renamed.
        let old = fallback.columns.iter().chain(&fallback.inputs);
        let new = selection.columns.iter().chain(&selection.inputs);
        for (old, new) in old.zip(new) {
            if let Some(labels) = fallback.labels.get(old) {
                selection.labels.insert(new.clone(), labels.clone());
            }
        }
        let data = table.dataset(&selection)?;
        Ok(Source { table, selection, data, label: args.label.clone() })
    }

    /// Text stands for labels only; a family of numbers must not fit the codes of words.
    pub(crate) fn check_text(&self, model: &Model, name_of_model: &str) -> Result<(), Failure> {
        let labels_fit = |c: usize| match model {
            Model::Hmm(hmm) => takes_labels(&hmm.spec().emissions, c),
            Model::Gaussian(_) => false,
        };
        let columns = self.selection.columns.iter().enumerate();
        let inputs = self.selection.inputs.iter().map(|name| (false, name));
        let columns = columns.map(|(c, name)| (labels_fit(c), name)).chain(inputs);
        for (_, name) in columns.filter(|(labels, _)| !labels) {
            let Some(labels) = self.data.labels.get(name) else { continue };
            let example =
                labels.iter().find(|text| text.parse::<f64>().is_err()).map_or("", String::as_str);
            let comma = example.replace(',', ".").parse::<f64>().is_ok();
            let hint = match comma {
                true => "numbers need a dot, not a comma".to_owned(),
                false => "choose other --columns, or categorical-hmm for labels".to_owned(),
            };
            return Err(Failure::hinted(
                format!(
                    "column '{name}' holds text ('{example}'), but {name_of_model} needs numbers there"
                ),
                hint,
            ));
        }
        Ok(())
    }

    /// The label of row `row` of the dataset, if there is a label column.
    pub(crate) fn row_label(&self, row: usize) -> Option<String> {
        let column = self.table.column(self.label.as_ref()?).ok()?;
        Some(column.values.cell(self.data.rows[row]))
    }

    /// The columns that say which row is meant: id, label, and the step within the sequence.
    pub(crate) fn row_columns(&self) -> Vec<Column> {
        let mut columns = Vec::new();
        for name in self.selection.id.iter().chain(&self.label) {
            let Ok(column) = self.table.column(name) else { continue };
            let cells: Vec<String> = self.data.rows.iter().map(|row| column.values.cell(*row)).collect();
            let cells = cells.iter().map(|cell| (!cell.is_empty()).then_some(cell.as_str()));
            columns.push(Column { name: name.clone(), values: Values::text(cells) });
        }
        let steps = self.data.dataset.lengths().flat_map(|length| (0..length).map(|t| t as f64));
        columns.push(Column { name: "step".into(), values: Values::Numbers(steps.collect()) });
        columns
    }
}

fn first_of(given: &[String], fallback: &[String]) -> Vec<String> {
    if given.is_empty() { fallback.to_vec() } else { given.to_vec() }
}

/// Checks that every named column is there, with the nearest name as a hint.
fn check_names(table: &Table, selection: &Selection, label: Option<&str>) -> Result<(), Failure> {
    let named = selection.columns.iter().chain(&selection.inputs).chain(&selection.id);
    for name in named.map(String::as_str).chain(label) {
        if let Err(error) = table.column(name) {
            let known = table.columns().iter().map(|column| column.name.as_str());
            let hint = nearest(name, known).map(|near| format!("did you mean '{near}'?"));
            return Err(Failure::Message { text: error.to_string(), hint });
        }
    }
    Ok(())
}

/// The columns that are neither id nor input nor label.
pub(crate) fn columns_left<'a>(
    table: &'a Table,
    selection: &Selection,
    label: Option<&str>,
) -> Vec<&'a String> {
    let taken = |name: &String| {
        Some(name) == selection.id.as_ref()
            || Some(name.as_str()) == label
            || selection.inputs.contains(name)
    };
    table.columns().iter().map(|c| &c.name).filter(|name| !taken(name)).collect()
}

/// The one column that is left.
fn only_column(table: &Table, selection: &Selection, label: Option<&str>) -> Result<String, Failure> {
    let left = columns_left(table, selection, label);
    match left[..] {
        [only] => Ok(only.clone()),
        [] => Err(Failure::new("no column is left to be modelled")),
        [.., last] => {
            let names: Vec<&str> = left.iter().map(|name| name.as_str()).collect();
            Err(Failure::hinted(
                format!("which columns are the observations? There are {}", names.join(", ")),
                format!("--columns {last}, and --label for a column that only names the rows"),
            ))
        }
    }
}

/// The name that is at most two edits from the one given, if any is.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known.min_by_key(|other| distance(name, other)).filter(|other| distance(name, other) <= 2)
}

/// Edits between two names (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
