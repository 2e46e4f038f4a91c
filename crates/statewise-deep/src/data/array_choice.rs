//! How arrays of a file become sequences.
//!
//! | arrays | data |
//! |---|---|
//! | one, \[T, E\] or \[T\] | one sequence |
//! | one, \[N, T, E\] | N sequences of one length |
//! | one, \[N, T, E\], and lengths \[N\] or a mask \[N, T\] | N sequences, the rows after their ends left out |
//! | one, \[Σ T, E\], and lengths \[N\] | N sequences that lie end to end |
//! | several, \[T, E\] each | one sequence each, in the order of the file |

use statewise::data::Dataset;
use statewise::params::Array;
use statewise::{Error, Result};

use super::array_file::ArrayFile;

/// Which arrays of a file become which part of a dataset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArrayChoice {
    /// The array of emissions; without it all arrays but lengths and inputs are taken.
    pub emissions: Option<String>,
    /// The array of lengths, \[N\], or of masks, \[N, T\] of ones and then zeros; without it the array
    /// `lengths`, if there is one and `emissions` is not given.
    pub lengths: Option<String>,
    /// The array of inputs, of the same leading shape as the emissions; without it the array
    /// `inputs`, if there is one and `emissions` is not given.
    pub inputs: Option<String>,
}

impl ArrayFile {
    /// Turns arrays into sequences, as the table of this module says. NaN marks a missing entry.
    ///
    /// # Errors
    /// Arrays that do not exist, or whose shapes do not fit together; infinite values.
    pub fn dataset(&self, choice: &ArrayChoice) -> Result<Dataset<'static>> {
        let lengths = self.chosen(choice, &choice.lengths, "lengths")?;
        let inputs = self.chosen(choice, &choice.inputs, "inputs")?;
        let emissions: Vec<(&str, &Array)> = match &choice.emissions {
            Some(name) => vec![(name, self.array(name)?)],
            None => {
                let taken = [lengths, inputs].map(|part| part.map(|(name, _)| name));
                let all = self.arrays().iter().map(|(name, array)| (name.as_str(), array));
                all.filter(|(name, _)| !taken.contains(&Some(*name))).collect()
            }
        };
        match (emissions.as_slice(), lengths, inputs) {
            ([], ..) => Err(Error::argument(self.name(), "no array of emissions", "at least one")),
            ([one], lengths, inputs) => self.sequences_of_one(*one, lengths, inputs),
            (several, None, None) => self.sequences_of_several(several),
            ([_, second, ..], ..) => Err(Error::argument(
                format!("{}: array '{}'", self.name(), second.0),
                "several arrays of emissions beside lengths or inputs",
                "one array, by its name in `emissions`",
            )),
        }
    }

    /// The array that the choice names, or that has the usual name.
    fn chosen<'a>(
        &'a self,
        choice: &ArrayChoice,
        name: &'a Option<String>,
        usual: &'static str,
    ) -> Result<Option<(&'a str, &'a Array)>> {
        match name {
            Some(name) => Ok(Some((name, self.array(name)?))),
            None if choice.emissions.is_some() => Ok(None),
            None => Ok(self.find(usual).map(|array| (usual, array))),
        }
    }

    fn sequences_of_one(
        &self,
        emissions: (&str, &Array),
        lengths: Option<(&str, &Array)>,
        inputs: Option<(&str, &Array)>,
    ) -> Result<Dataset<'static>> {
        let (grid, width) = self.grid(emissions)?;
        let values = emissions.1.values().to_vec();
        let input = match inputs {
            Some(inputs) => {
                let (input_grid, input_dim) = self.grid(inputs)?;
                if input_grid != grid {
                    return Err(self.misfit(inputs, format!("leading shape {}", grid.text())));
                }
                Some((inputs.1.values().to_vec(), input_dim))
            }
            None => None,
        };
        let Some(lengths) = lengths else {
            let data = match grid {
                Grid::Rows(_) => Dataset::single(values, width)?,
                Grid::Padded(n, _) => Dataset::batch(values, n, width)?,
            };
            return with_inputs(data, input);
        };
        let num_steps = self.lengths(lengths, grid)?;
        let cut = |values: Vec<f64>, width: usize| match grid {
            Grid::Rows(_) => values,
            Grid::Padded(_, longest) => {
                let rows = values.chunks_exact((longest * width).max(1)).zip(&num_steps);
                rows.flat_map(|(row, steps)| &row[..steps * width]).copied().collect()
            }
        };
        let data = Dataset::ragged(cut(values, width), &num_steps, width)?;
        with_inputs(data, input.map(|(values, width)| (cut(values, width), width)))
    }

    fn sequences_of_several(&self, arrays: &[(&str, &Array)]) -> Result<Dataset<'static>> {
        let (mut rows, mut lengths, mut width) = (Vec::new(), Vec::new(), None);
        for array in arrays {
            let (Grid::Rows(num_steps), columns) = self.grid(*array)? else {
                return Err(self.misfit(*array, "shape [T, E], where there are several arrays"));
            };
            let expected = *width.get_or_insert(columns);
            if columns != expected {
                return Err(self.misfit(*array, format!("{expected} columns, as the first array has")));
            }
            rows.extend_from_slice(array.1.values());
            lengths.push(num_steps);
        }
        Dataset::ragged(rows, &lengths, width.unwrap_or(0))
    }

    /// How the rows of an array lie, and their width.
    fn grid(&self, array: (&str, &Array)) -> Result<(Grid, usize)> {
        match *array.1.shape() {
            [t] => Ok((Grid::Rows(t), 1)),
            [t, width] => Ok((Grid::Rows(t), width)),
            [n, t, width] => Ok((Grid::Padded(n, t), width)),
            _ => Err(self.misfit(array, "shape [T], [T, E] or [N, T, E]")),
        }
    }

    /// Lengths, from themselves or from a mask.
    fn lengths(&self, array: (&str, &Array), grid: Grid) -> Result<Vec<usize>> {
        let values = array.1.values();
        let (num_sequences, longest) = match grid {
            Grid::Rows(total) => (array.1.shape().first().copied().unwrap_or(0), total),
            Grid::Padded(n, t) => (n, t),
        };
        let lengths: Vec<usize> = match *array.1.shape() {
            [n] if n == num_sequences => {
                if let Some(bad) = values.iter().find(|x| !(x.fract() == 0.0 && **x >= 0.0)) {
                    let place = format!("{}: array '{}'", self.name(), array.0);
                    return Err(Error::argument(place, bad, "whole numbers of time steps"));
                }
                values.iter().map(|x| *x as usize).collect()
            }
            [n, t] if matches!(grid, Grid::Padded(..)) && (n, t) == (num_sequences, longest) => {
                let rows: Option<Vec<usize>> = values.chunks_exact(t.max(1)).map(length_of_mask).collect();
                rows.ok_or_else(|| self.misfit(array, "a mask: rows of ones and then zeros"))?
            }
            _ => {
                let expected = format!("[{num_sequences}], or a mask [{num_sequences}, {longest}]");
                return Err(self.misfit(array, expected));
            }
        };
        match lengths.iter().position(|length| *length > longest) {
            Some(n) => {
                let place = format!("{}: array '{}', entry {n}", self.name(), array.0);
                Err(Error::argument(place, lengths[n], format!("at most {longest} time steps")))
            }
            None => Ok(lengths),
        }
    }

    fn misfit(&self, array: (&str, &Array), expected: impl std::fmt::Display) -> Error {
        let place = format!("{}: array '{}'", self.name(), array.0);
        Error::argument(place, format!("shape {:?}", array.1.shape()), expected)
    }
}

/// How the rows of an array lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grid {
    /// T rows, end to end.
    Rows(usize),
    /// N sequences of T rows.
    Padded(usize, usize),
}

impl Grid {
    fn text(self) -> String {
        match self {
            Grid::Rows(t) => format!("[{t}]"),
            Grid::Padded(n, t) => format!("[{n}, {t}]"),
        }
    }
}

fn with_inputs(data: Dataset<'static>, input: Option<(Vec<f64>, usize)>) -> Result<Dataset<'static>> {
    match input {
        Some((values, input_dim)) => data.with_inputs(values, input_dim),
        None => Ok(data),
    }
}

/// The number of leading ones, if only zeros follow.
fn length_of_mask(row: &[f64]) -> Option<usize> {
    let length = row.iter().take_while(|x| **x == 1.0).count();
    row[length..].iter().all(|x| *x == 0.0).then_some(length)
}
