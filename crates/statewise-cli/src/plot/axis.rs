//! Where the rows of a dataset lie on the x axis, and what its places are called.

use statewise::data::Values;

use crate::source::Source;

/// Rows drawn; a drawing of more would be a grey block.
const MAX_ROWS: usize = 5000;

/// Where the rows lie on the x axis.
pub(super) struct Axis {
    /// The place of every row drawn.
    pub(super) x: Vec<f64>,
    /// Names of the places where x only counts rows.
    pub(super) names: Option<Vec<String>>,
    pub(super) title: String,
    /// Rows of each sequence.
    pub(super) sequences: Vec<std::ops::Range<usize>>,
}

impl Axis {
    pub(super) fn new(source: &Source) -> Self {
        let data = &source.data.dataset;
        let num_rows = data.num_rows().min(MAX_ROWS);
        let sequences: Vec<_> = (0..data.num_sequences())
            .map(|n| data.range(n))
            .take_while(|range| range.start < num_rows)
            .map(|range| range.start..range.end.min(num_rows))
            .collect();
        let rows = &source.data.rows[..num_rows];
        let column = source.label.as_ref().and_then(|name| source.table.column(name).ok());
        let mut title = match &source.label {
            Some(name) => name.clone(),
            None => "row".to_owned(),
        };
        if num_rows < data.num_rows() {
            title += &format!(" (the first {num_rows} of {} rows)", data.num_rows());
        }
        let (mut x, mut names) = ((0..num_rows).map(|t| t as f64).collect::<Vec<_>>(), None);
        if let Some(column) = column {
            match &column.values {
                Values::Numbers(values) if sequences.len() == 1 && is_ascending(rows, values) => {
                    x = rows.iter().map(|row| values[*row]).collect();
                }
                values => names = Some(rows.iter().map(|row| values.cell(*row)).collect()),
            }
        }
        Axis { x, names, title, sequences }
    }

    /// The middle between a row and its neighbours: where its band of colour begins and ends.
    pub(super) fn band(&self, first: usize, last: usize) -> (f64, f64) {
        let x = &self.x;
        let half = |a: usize, b: usize| (x[b] - x[a]) / 2.0;
        let edge = x.len() - 1;
        let width = if edge > 0 { half(0, edge) / edge as f64 } else { 0.5 };
        let left = if first > 0 { half(first - 1, first) } else { width };
        let right = if last < edge { half(last, last + 1) } else { width };
        (x[first] - left, x[last] + right)
    }

    pub(super) fn range(&self) -> std::ops::Range<f64> {
        let (left, right) = self.band(0, self.x.len() - 1);
        left..right
    }

    pub(super) fn name(&self, x: f64) -> String {
        match &self.names {
            Some(names) if x.fract() == 0.0 => names.get(x as usize).cloned().unwrap_or_default(),
            Some(_) => String::new(),
            None => tick(x),
        }
    }
}

fn is_ascending(rows: &[usize], values: &[f64]) -> bool {
    rows.windows(2).all(|pair| values[pair[0]] < values[pair[1]])
}

/// A number on an axis: no more digits than it takes.
pub(super) fn tick(x: f64) -> String {
    let text = format!("{x:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}
