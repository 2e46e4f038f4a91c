//! Reports for reading: aligned tables of parameters, and paths as runs of equal states.

use std::collections::BTreeMap;
use std::fmt::Write;

use statewise::params::{Array, ParamSpec, Params};

/// Runs shown of one sequence before the rest is only counted.
const MAX_RUNS: usize = 40;

/// Sequences shown before the rest is only counted.
const MAX_SEQUENCES: usize = 12;

/// What the axes of parameters are called.
pub(crate) struct Names<'a> {
    /// The columns of the emissions.
    pub(crate) columns: &'a [String],
    /// The labels of text columns.
    pub(crate) labels: &'a BTreeMap<String, Vec<String>>,
}

/// All parameters, one aligned table for each.
pub(crate) fn parameters(schema: &[ParamSpec], params: &Params, names: &Names<'_>) -> String {
    let mut out = String::new();
    for (spec, array) in schema.iter().zip(params.arrays()).filter(|(_, array)| !array.values().is_empty())
    {
        let _ = writeln!(out, "{}", spec.path);
        blocks(spec, array, names, &mut out);
        out.push('\n');
    }
    out
}

/// An array as matrices of its last two axes, each with a heading where there are several.
fn blocks(spec: &ParamSpec, array: &Array, names: &Names<'_>, out: &mut String) {
    let shape = array.shape();
    let decimals = decimals(array.values());
    let leading = shape.len().saturating_sub(2);
    let size: usize = shape[leading..].iter().product();
    let labels = |axis: usize| axis_labels(spec, shape, axis, names);
    for (index, block) in array.values().chunks_exact(size.max(1)).enumerate() {
        if leading > 0 {
            let _ = writeln!(out, "  {}", heading(&shape[..leading], index, spec.state_axes));
        }
        let (rows, heads) = match shape.len() {
            0 => (vec![String::new()], None),
            1 => (labels(0), None),
            n => (labels(n - 2), Some(labels(n - 1))),
        };
        let width = block.len() / rows.len().max(1);
        let cells: Vec<Vec<String>> = block
            .chunks_exact(width.max(1))
            .map(|row| row.iter().map(|x| number(*x, decimals)).collect())
            .collect();
        table(&rows, heads.as_deref(), &cells, out);
    }
}

/// `state 1, component 0`-like words for the position of a block among the leading axes.
fn heading(shape: &[usize], mut index: usize, state_axes: usize) -> String {
    let mut parts = Vec::new();
    for (axis, n) in shape.iter().enumerate().rev() {
        let word = if axis < state_axes { "state" } else { "index" };
        parts.push(format!("{word} {}", index % n));
        index /= n;
    }
    parts.reverse();
    parts.join(", ")
}

/// What the entries of an axis are called.
fn axis_labels(spec: &ParamSpec, shape: &[usize], axis: usize, names: &Names<'_>) -> Vec<String> {
    let n = shape[axis];
    // Classes are the last axis; their labels are known if one text column alone has so many.
    let mut lists = names.labels.values().filter(|list| axis + 1 == shape.len() && list.len() == n);
    let classes = lists.next().filter(|_| lists.next().is_none());
    let numbered = |word: &str| (0..n).map(|i| format!("{word}{i}")).collect();
    match axis {
        0 if spec.state_axes == 2 => numbered("from "),
        1 if spec.state_axes == 2 => numbered("to "),
        0 if spec.state_axes >= 1 => numbered("state "),
        _ if n == names.columns.len() && !of_state(spec, axis) => names.columns.to_vec(),
        _ if classes.is_some() => classes.cloned().unwrap_or_default(),
        _ => numbered(""),
    }
}

/// Whether an axis counts the dimensions of a continuous state.
fn of_state(spec: &ParamSpec, axis: usize) -> bool {
    let parts = ["initial.", "dynamics."];
    spec.state_axes == 0
        && (parts.iter().any(|part| spec.path.starts_with(part))
            || spec.path == "emissions.weights" && axis == 1)
}

/// Writes rows of right-aligned cells below their heads.
pub(crate) fn table(rows: &[String], heads: Option<&[String]>, cells: &[Vec<String>], out: &mut String) {
    let length = |text: &String| text.chars().count();
    let first = rows.iter().map(length).max().unwrap_or(0);
    let num_columns = cells.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..num_columns)
        .map(|c| {
            let head = heads.map_or(0, |heads| length(&heads[c]));
            cells.iter().map(|row| length(&row[c])).max().unwrap_or(0).max(head)
        })
        .collect();
    if let Some(heads) = heads {
        let _ = write!(out, "  {:first$}", "");
        heads.iter().zip(&widths).for_each(|(head, width)| _ = write!(out, "  {head:>width$}"));
        out.push('\n');
    }
    for (name, row) in rows.iter().zip(cells) {
        let _ = write!(out, "  {name:first$}");
        row.iter().zip(&widths).for_each(|(cell, width)| _ = write!(out, "  {cell:>width$}"));
        out.push('\n');
    }
}

/// Decimals that give the largest of the values about six significant digits.
fn decimals(values: &[f64]) -> usize {
    let largest = values.iter().fold(0.0f64, |max, x| max.max(x.abs()));
    (5 - largest.max(1e-3).log10().floor() as i32).clamp(0, 8) as usize
}

/// A number with so many decimals, or with an exponent where those say nothing.
pub(crate) fn number(x: f64, decimals: usize) -> String {
    if x.abs() >= 1e9 { format!("{x:.5e}") } else { format!("{x:.decimals$}") }
}

/// One sequence of a decoded path.
pub(crate) struct Path<'a> {
    /// Its id, where sequences have one.
    pub(crate) id: Option<&'a str>,
    /// The states.
    pub(crate) states: &'a [u32],
    /// The name of a step, where rows have one.
    pub(crate) label: &'a dyn Fn(usize) -> Option<String>,
}

/// Paths as runs: `rows 0–27 (1871–1898): state 0`.
pub(crate) fn runs(paths: &[Path<'_>]) -> String {
    let mut out = String::new();
    for path in paths.iter().take(MAX_SEQUENCES) {
        if let Some(id) = path.id {
            let _ = writeln!(out, "  sequence {id}");
        }
        let indent = if path.id.is_some() { "    " } else { "  " };
        let runs = run_lengths(path.states);
        let lines: Vec<(String, String)> = runs
            .iter()
            .take(MAX_RUNS)
            .map(|run| {
                let (first, last) = (run.start, run.end - 1);
                let rows = span(&first.to_string(), &last.to_string());
                let labels = (path.label)(first).zip((path.label)(last));
                let labels = labels.map_or_else(String::new, |(a, b)| format!(" ({})", span(&a, &b)));
                let word = if first == last { "row" } else { "rows" };
                (format!("{word} {rows}{labels}:"), format!("state {}", path.states[first]))
            })
            .collect();
        let width = lines.iter().map(|(rows, _)| rows.chars().count()).max().unwrap_or(0);
        lines.iter().for_each(|(rows, state)| _ = writeln!(out, "{indent}{rows:width$} {state}"));
        if runs.len() > MAX_RUNS {
            let _ = writeln!(
                out,
                "{indent}… and {} more runs (all of them: --path-output)",
                runs.len() - MAX_RUNS
            );
        }
    }
    if paths.len() > MAX_SEQUENCES {
        let _ = writeln!(
            out,
            "  … and {} more sequences (all of them: --path-output)",
            paths.len() - MAX_SEQUENCES
        );
    }
    out
}

fn span(first: &str, last: &str) -> String {
    if first == last { first.to_owned() } else { format!("{first}–{last}") }
}

/// Maximal ranges of equal states.
pub(crate) fn run_lengths(states: &[u32]) -> Vec<std::ops::Range<usize>> {
    let mut start = 0;
    states
        .chunk_by(|a, b| a == b)
        .map(|run| {
            let range = start..start + run.len();
            start = range.end;
            range
        })
        .collect()
}
