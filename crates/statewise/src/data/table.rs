//! A table of named columns, and the way from its rows to sequences.

use std::collections::{BTreeMap, HashMap};

use super::Dataset;
use crate::error::{Error, Result};

/// Columns of equal length, each with a name of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    num_rows: usize,
    /// Columns of the file that cannot be read, with the reason; an error only once asked for.
    unreadable: Vec<(String, String)>,
}

/// One column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name, unlike that of any other column.
    pub name: String,
    /// Its entries.
    pub values: Values,
}

/// The entries of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers, NaN where missing.
    Numbers(Vec<f64>),
    /// Text, as codes into a list of labels.
    Text {
        /// Index into `labels`, `None` where missing.
        codes: Vec<Option<u32>>,
        /// The distinct texts in ascending order.
        labels: Vec<String>,
    },
}

/// Which columns become which part of a dataset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Columns of the emissions, in order.
    pub columns: Vec<String>,
    /// The column that tells sequences apart; all rows are one sequence without one.
    pub id: Option<String>,
    /// Columns of the inputs, in order.
    pub inputs: Vec<String>,
    /// The labels of text columns, where their order is already fixed (by a fitted model).
    pub labels: BTreeMap<String, Vec<String>>,
}

/// A dataset, and how its rows hang together with those of the table.
#[derive(Clone, Debug)]
pub struct TableData {
    /// The sequences. Text columns are category codes 0, 1, ….
    pub dataset: Dataset<'static>,
    /// The row of the table behind each row of the dataset, 0-based.
    pub rows: Vec<usize>,
    /// The id of each sequence; empty without an id column.
    pub ids: Vec<String>,
    /// The labels behind the category codes of each text column that was used.
    pub labels: BTreeMap<String, Vec<String>>,
}

impl Values {
    /// Text from any strings; the labels are sorted.
    pub fn text<'a>(entries: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let mut codes = Vec::new();
        let mut labels: Vec<&str> = Vec::new();
        let mut known: HashMap<&str, u32> = HashMap::new();
        for entry in entries {
            codes.push(entry.map(|text| {
                *known.entry(text).or_insert_with(|| {
                    labels.push(text);
                    (labels.len() - 1) as u32
                })
            }));
        }
        let mut order: Vec<u32> = (0..labels.len() as u32).collect();
        order.sort_unstable_by_key(|code| labels[*code as usize]);
        let mut rank = vec![0; labels.len()];
        for (new, old) in order.iter().enumerate() {
            rank[*old as usize] = new as u32;
        }
        codes.iter_mut().flatten().for_each(|code| *code = rank[*code as usize]);
        let labels = order.iter().map(|old| labels[*old as usize].to_owned()).collect();
        Values::Text { codes, labels }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        match self {
            Values::Numbers(values) => values.len(),
            Values::Text { codes, .. } => codes.len(),
        }
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Entry `row` as text, empty where missing.
    pub fn cell(&self, row: usize) -> String {
        match self {
            Values::Numbers(values) => number(values[row]),
            Values::Text { codes, labels } => {
                codes[row].map_or_else(String::new, |code| labels[code as usize].clone())
            }
        }
    }
}

/// The shortest text that reads back as the same number; empty for NaN.
fn number(x: f64) -> String {
    if x.is_nan() {
        String::new()
    } else if x.fract() == 0.0 && x.abs() < 1e18 {
        format!("{x:.0}")
    } else {
        format!("{x:?}")
    }
}

impl Table {
    /// A table of these columns.
    ///
    /// # Errors
    /// A name that occurs twice, or columns of different lengths.
    pub fn new(columns: Vec<Column>) -> Result<Self> {
        let num_rows = columns.first().map_or(0, |column| column.values.len());
        for (i, column) in columns.iter().enumerate() {
            if column.values.len() != num_rows {
                let found = format!("{} rows", column.values.len());
                return Err(Error::argument(&column.name, found, format!("{num_rows} rows")));
            }
            if columns[..i].iter().any(|other| other.name == column.name) {
                return Err(Error::argument(&column.name, "two columns of this name", "one"));
            }
        }
        Ok(Table { columns, num_rows, unreadable: Vec::new() })
    }

    #[cfg(feature = "parquet")]
    pub(super) fn with_unreadable(mut self, num_rows: usize, unreadable: Vec<(String, String)>) -> Self {
        (self.num_rows, self.unreadable) = (num_rows, unreadable);
        self
    }

    /// Adds a column of numbers, NaN where missing.
    ///
    /// # Errors
    /// As [`Table::new`].
    pub fn with_numbers(self, name: impl Into<String>, values: Vec<f64>) -> Result<Self> {
        self.with(Column { name: name.into(), values: Values::Numbers(values) })
    }

    /// Adds a column of any kind.
    ///
    /// # Errors
    /// As [`Table::new`].
    pub fn with(mut self, column: Column) -> Result<Self> {
        self.columns.push(column);
        Table::new(self.columns)
    }

    /// The columns, in the order of the file.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Number of rows.
    pub fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// The column of this name.
    ///
    /// # Errors
    /// No such column (the message lists what there is), or one that cannot be read.
    pub fn column(&self, name: &str) -> Result<&Column> {
        if let Some(column) = self.columns.iter().find(|column| column.name == name) {
            return Ok(column);
        }
        if let Some((_, reason)) = self.unreadable.iter().find(|(other, _)| other == name) {
            return Err(Error::argument(format!("column '{name}'"), reason, "numbers, booleans or text"));
        }
        let known: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        Err(Error::argument(
            format!("column '{name}'"),
            "no such column",
            format!("one of {}", known.join(", ")),
        ))
    }

    /// Turns rows into sequences.
    ///
    /// Rows of one id form one sequence, in the order of the table; they need not be neighbours.
    /// Sequences come in the order in which their ids first appear. Rows are never sorted, so a
    /// table must be in the order of time.
    ///
    /// # Errors
    /// Columns that do not exist or are named twice, a missing id, a label outside a given list,
    /// infinite values, missing inputs, or a table without rows.
    pub fn dataset(&self, selection: &Selection) -> Result<TableData> {
        let mut labels = BTreeMap::new();
        let (rows, lengths, ids) = self.group(selection.id.as_deref())?;
        let used: Vec<&String> =
            selection.columns.iter().chain(&selection.inputs).chain(&selection.id).collect();
        if let Some((_, twice)) = used.iter().enumerate().find(|(i, name)| used[..*i].contains(name)) {
            return Err(Error::argument(format!("column '{twice}'"), "chosen twice", "each column once"));
        }
        let emissions = self.gather(&selection.columns, &rows, selection, &mut labels)?;
        let width = selection.columns.len();
        let mut dataset = match selection.id {
            Some(_) => Dataset::ragged(emissions, &lengths, width)?,
            None => Dataset::single(emissions, width)?,
        };
        if !selection.inputs.is_empty() {
            let inputs = self.gather(&selection.inputs, &rows, selection, &mut labels)?;
            dataset = dataset.with_inputs(inputs, selection.inputs.len())?;
        }
        Ok(TableData { dataset, rows, ids, labels })
    }

    /// Rows sequence by sequence, the lengths of the sequences, and their ids.
    fn group(&self, id: Option<&str>) -> Result<(Vec<usize>, Vec<usize>, Vec<String>)> {
        let Some(name) = id else {
            return Ok(((0..self.num_rows).collect(), vec![self.num_rows], Vec::new()));
        };
        let column = self.column(name)?;
        let key = |row: usize| match &column.values {
            Values::Numbers(values) => (!values[row].is_nan()).then(|| (values[row] + 0.0).to_bits()),
            Values::Text { codes, .. } => codes[row].map(u64::from),
        };
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut known = HashMap::new();
        for row in 0..self.num_rows {
            let key = key(row).ok_or_else(|| {
                let place = format!("column '{name}', row {}", row + 1);
                Error::argument(place, "no entry", "an id in every row")
            })?;
            let group = *known.entry(key).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[group].push(row);
        }
        let ids = groups.iter().map(|rows| column.values.cell(rows[0])).collect();
        let lengths = groups.iter().map(Vec::len).collect();
        Ok((groups.concat(), lengths, ids))
    }

    /// The entries of some columns, row by row.
    fn gather(
        &self,
        names: &[String],
        rows: &[usize],
        selection: &Selection,
        labels: &mut BTreeMap<String, Vec<String>>,
    ) -> Result<Vec<f64>> {
        let mut out = vec![0.0; rows.len() * names.len()];
        for (c, name) in names.iter().enumerate() {
            let column = self.column(name)?;
            let cells = out[c.min(rows.len() * names.len())..].iter_mut().step_by(names.len());
            match (&column.values, selection.labels.get(name)) {
                (Values::Numbers(values), None) => {
                    cells.zip(rows).for_each(|(cell, row)| *cell = values[*row]);
                }
                (values, fixed) => {
                    let list = match (fixed, values) {
                        (Some(list), _) => list.clone(),
                        (None, Values::Text { labels, .. }) => labels.clone(),
                        (None, Values::Numbers(_)) => Vec::new(),
                    };
                    let index: HashMap<&str, usize> =
                        list.iter().enumerate().map(|(i, label)| (label.as_str(), i)).collect();
                    for (cell, row) in cells.zip(rows) {
                        let text = values.cell(*row);
                        *cell = match index.get(text.as_str()) {
                            Some(code) => *code as f64,
                            None if text.is_empty() => f64::NAN,
                            None => {
                                let place = format!("column '{name}', row {}", row + 1);
                                return Err(Error::argument(place, text, list.join(", ")));
                            }
                        };
                    }
                    labels.insert(name.clone(), list);
                }
            }
        }
        Ok(out)
    }
}
