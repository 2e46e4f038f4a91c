//! Data of every kind that a deep Markov model reads, with the names of its rows and columns.

use std::path::Path;

use statewise::data::{Column, Dataset, Selection, Table, Values};
use statewise_deep::data::{
    ArrayChoice, ArrayFile, LOWEST_KEY, MidiReadOptions, MidiStep, PianoRolls, read_midi, read_midi_folder,
};

use super::args::{ReadArgs, Split};
use crate::args::ColumnArgs;
use crate::failure::Failure;
use crate::output::results;
use crate::source::{Source, columns_left, read_table};

/// Sequences, with what rows and columns are called.
pub(super) struct Sequences {
    pub(super) data: Dataset<'static>,
    /// Names of the observed features, of ids and inputs, and the labels behind codes.
    pub(super) selection: Selection,
    /// The name of each sequence, where sequences have names.
    id: Option<Column>,
    /// Columns that name each row.
    rows: Vec<Column>,
    /// Seconds of a step, where known.
    pub(super) seconds_per_step: Option<f64>,
}

/// What a file holds.
pub(super) enum Content {
    /// Sequences.
    Whole(Box<Sequences>),
    /// Sequences for learning, for choosing and for the final score.
    Splits(Box<[Sequences; 3]>),
}

impl Content {
    /// Reads a file or folder, of the kind that its name and content tell. `fallback` is what a fitted
    /// model remembers.
    pub(super) fn read(path: &Path, args: &ReadArgs, fallback: &Selection) -> Result<Self, Failure> {
        let whole = |sequences| Ok(Content::Whole(Box::new(sequences)));
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
        match ending.as_str() {
            _ if path.is_dir() => {
                let folder = read_midi_folder(path, &midi_options(args))?;
                for (file, reason) in &folder.skipped {
                    eprintln!("warning: {file} is left out: {reason}");
                }
                let files = Values::text(folder.files.iter().map(|file| Some(file.as_str())));
                let id = Column { name: "file".into(), values: files };
                let seconds = seconds_of_midi(args);
                whole(Sequences { seconds_per_step: seconds, ..Sequences::rolls(folder.rolls, Some(id))? })
            }
            "mid" | "midi" => {
                let rolls = read_midi(path, &midi_options(args))?;
                let seconds = seconds_of_midi(args);
                whole(Sequences { seconds_per_step: seconds, ..Sequences::rolls(rolls, None)? })
            }
            "npz" | "npy" | "safetensors" => {
                let file = ArrayFile::read(path)?;
                if args.array.is_none() && is_piano_rolls(&file) {
                    let PianoRolls { train, valid, test } = PianoRolls::from_arrays(&file)?;
                    let split = |data| Sequences::rolls(data, None);
                    return Ok(Content::Splits(Box::new([split(train)?, split(valid)?, split(test)?])));
                }
                let choice = ArrayChoice {
                    emissions: args.array.clone(),
                    lengths: args.lengths.clone(),
                    inputs: args.input_array.clone(),
                };
                whole(Sequences::unnamed(file.dataset(&choice)?, None, None)?)
            }
            _ => whole(Sequences::of_table(read_table(path)?, &args.columns, fallback)?),
        }
    }

    /// The sequences of a split; of a file without splits all of them.
    pub(super) fn split(self, split: Option<Split>) -> Result<Sequences, Failure> {
        match (self, split) {
            (Content::Whole(sequences), None) => Ok(*sequences),
            (Content::Whole(_), Some(_)) => {
                Err(Failure::hinted("the data have no splits", "leave out --split"))
            }
            (Content::Splits(splits), split) => {
                let [train, valid, test] = *splits;
                Ok(match split {
                    Some(Split::Train) => train,
                    Some(Split::Valid) => valid,
                    Some(Split::Test) | None => test,
                })
            }
        }
    }
}

impl Sequences {
    /// Columns of a table; without a choice all that are left.
    fn of_table(table: Table, args: &ColumnArgs, fallback: &Selection) -> Result<Self, Failure> {
        let mut fallback = fallback.clone();
        // New data are often one sequence of a model of many.
        fallback.id = fallback.id.filter(|id| table.columns().iter().any(|column| column.name == *id));
        let mut args = args.clone();
        if args.columns.is_empty() && fallback.columns.is_empty() {
            let taken =
                Selection { id: args.id.clone(), inputs: args.inputs.clone(), ..Selection::default() };
            args.columns =
                columns_left(&table, &taken, args.label.as_deref()).into_iter().cloned().collect();
        }
        let source = Source::of_table(table, &args, &fallback)?;
        let rows = source.row_columns();
        let Source { mut selection, data, .. } = source;
        let id = selection
            .id
            .clone()
            .map(|name| Column { name, values: Values::text(data.ids.iter().map(|id| Some(id.as_str()))) });
        selection.labels = data.labels;
        Ok(Sequences { data: data.dataset, selection, id, rows, seconds_per_step: None })
    }

    fn rolls(data: Dataset<'static>, id: Option<Column>) -> Result<Self, Failure> {
        let keys = (0..data.width()).map(|key| format!("key_{}", usize::from(LOWEST_KEY) + key)).collect();
        Self::unnamed(data, id, Some(keys))
    }

    /// Sequences that are counted where they have no names.
    fn unnamed(
        data: Dataset<'static>,
        id: Option<Column>,
        columns: Option<Vec<String>>,
    ) -> Result<Self, Failure> {
        let numbers = |values: Vec<usize>| Values::Numbers(values.into_iter().map(|n| n as f64).collect());
        let id = id.unwrap_or_else(|| Column {
            name: "sequence".into(),
            values: numbers((0..data.num_sequences()).collect()),
        });
        let steps = numbers(data.lengths().flat_map(|length| 0..length).collect());
        let lengths: Vec<usize> = data.lengths().collect();
        let rows = vec![repeated(&id, &lengths), Column { name: "step".into(), values: steps }];
        let columns = columns.unwrap_or_else(|| (0..data.width()).map(|d| format!("y{d}")).collect());
        let inputs = (0..data.input_dim()).map(|d| format!("u{d}")).collect();
        let selection = Selection { columns, inputs, ..Selection::default() };
        Ok(Sequences { data, selection, id: Some(id), rows, seconds_per_step: None })
    }

    /// Ours behind the columns that name rows.
    pub(super) fn with_rows(&self, columns: Vec<Column>) -> Result<Table, Failure> {
        let mut all = self.rows.clone();
        all.extend(columns);
        results(all)
    }

    /// The column of the sequences' names, each repeated.
    pub(super) fn ids(&self, repeat: usize) -> Option<Column> {
        Some(repeated(self.id.as_ref()?, &vec![repeat; self.data.num_sequences()]))
    }

    /// K of labels 0..K: of text its labels, of numbers one more than the largest.
    pub(super) fn num_classes(&self) -> usize {
        let of_labels = self.selection.labels.values().map(Vec::len).max();
        let largest = self.data.rows().iter().copied().filter(|x| !x.is_nan()).fold(0.0, f64::max);
        of_labels.unwrap_or(0).max(largest as usize + 1)
    }

    /// Text is for labels; other families must not read the codes of words.
    pub(super) fn check_text(&self, labels_fit: bool) -> Result<(), Failure> {
        let features = self.selection.columns.iter().filter(|_| !labels_fit);
        let mut texts = features.chain(&self.selection.inputs).filter_map(|name| {
            Some((name, self.selection.labels.get(name)?.iter().find(|text| text.parse::<f64>().is_err())?))
        });
        match texts.next() {
            None => Ok(()),
            Some((name, example)) => Err(Failure::hinted(
                format!("column '{name}' holds text ('{example}'), expected numbers"),
                "choose other --columns, or --emission categorical for labels",
            )),
        }
    }
}

fn is_piano_rolls(file: &ArrayFile) -> bool {
    let has = |name: &str| file.arrays().iter().any(|(other, _)| other == name);
    has("split_sizes") && has("lengths") && (has("bits") || has("pitch"))
}

fn midi_options(args: &ReadArgs) -> MidiReadOptions {
    let default = MidiReadOptions::default();
    let step = match (args.midi_seconds, args.midi_beats) {
        (Some(seconds), _) => MidiStep::Seconds(seconds),
        (None, Some(beats)) => MidiStep::Beats(beats),
        (None, None) => default.step,
    };
    MidiReadOptions { step, ..default }
}

fn seconds_of_midi(args: &ReadArgs) -> Option<f64> {
    match midi_options(args).step {
        MidiStep::Seconds(seconds) => Some(seconds),
        MidiStep::Beats(_) => None,
    }
}

/// Entry n so many times.
fn repeated(column: &Column, times: &[usize]) -> Column {
    let entries = || times.iter().enumerate().flat_map(|(n, times)| std::iter::repeat_n(n, *times));
    let values = match &column.values {
        Values::Numbers(numbers) => Values::Numbers(entries().map(|n| numbers[n]).collect()),
        text => {
            let cells: Vec<String> = (0..text.len()).map(|n| text.cell(n)).collect();
            Values::text(entries().map(|n| Some(cells[n].as_str())))
        }
    };
    Column { name: column.name.clone(), values }
}
