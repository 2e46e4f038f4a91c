//! MIDI files to piano rolls.
//!
//! Step t lasts from t Δ to (t + 1) Δ. A key sounds in it, by [`Sounding`], if it is held at the middle
//! of the step, at its start, or at any moment of it; a thousandth of a step does not count, since files
//! round their tempo. Velocities, pedals and programs play no part.

use std::path::Path;

use statewise::data::Dataset;
use statewise::{Error, Result};

use super::midi_notes::Score;
use super::polyphonic::{LOWEST_KEY, NUM_KEYS};

/// A roll of more steps is refused: the step is too short for the file, or the file is damaged.
const MAX_STEPS: f64 = 1e6;

/// Of a step: less than this is the rounding of a tempo, no overlap.
const ROUNDING: f64 = 1e-3;

/// Δ, the length of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MidiStep {
    /// In seconds, by the tempo of the file.
    Seconds(f64),
    /// In beats (quarter notes), whatever the tempo.
    Beats(f64),
}

/// When a key sounds in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sounding {
    /// Held at the middle of the step: early and late strikes of up to half a step do not matter.
    #[default]
    Middle,
    /// Held at the start of the step.
    Start,
    /// Held at any moment of the step, so that no note is lost, however short.
    Any,
}

/// How MIDI files are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MidiReadOptions {
    /// Δ; 0.3 s by default.
    pub step: MidiStep,
    /// The MIDI number of column 0; 21 (A0) by default.
    pub lowest_key: u8,
    /// The MIDI number of the last column; 108 (C8) by default. Keys outside are left out.
    pub highest_key: u8,
    /// When a key sounds in a step.
    pub sounding: Sounding,
    /// Whether the channel of percussion counts; not by default.
    pub percussion: bool,
    /// Whether silent steps at both ends are left out; not by default.
    pub trim: bool,
}

impl Default for MidiReadOptions {
    fn default() -> Self {
        MidiReadOptions {
            step: MidiStep::Seconds(0.3),
            lowest_key: LOWEST_KEY,
            highest_key: LOWEST_KEY + (NUM_KEYS - 1) as u8,
            sounding: Sounding::Middle,
            percussion: false,
            trim: false,
        }
    }
}

/// The rolls of a folder, with their files.
#[derive(Clone, Debug)]
pub struct MidiFolder {
    /// One sequence for each file, x_t(k) = 1 where key k sounds at step t, else 0.
    pub rolls: Dataset<'static>,
    /// The name of the file of each sequence, in ascending order.
    pub files: Vec<String>,
    /// The names of files that could not be used, with the reason.
    pub skipped: Vec<(String, String)>,
}

/// Reads a MIDI file as one sequence.
///
/// # Errors
/// [`Error::Io`] from the file system; [`Error::Table`] for a file that is no MIDI file, plays nothing
/// in the range of keys, or is too long for the step; [`Error::Argument`] for options that make no sense.
pub fn read_midi(path: impl AsRef<Path>, options: &MidiReadOptions) -> Result<Dataset<'static>> {
    let path = path.as_ref();
    let name = path.display().to_string();
    match std::fs::read(path) {
        Ok(bytes) => Dataset::single(roll_of_midi(&bytes, &name, options)?, width(options)?),
        Err(source) => Err(Error::Io { path: name, source }),
    }
}

/// Reads the MIDI files of a folder (`.mid`, `.midi`), not of folders within it.
///
/// Files that cannot be used are listed, not fatal.
///
/// # Errors
/// [`Error::Io`] from the file system; [`Error::Table`] where no file can be used;
/// [`Error::Argument`] for options that make no sense.
pub fn read_midi_folder(path: impl AsRef<Path>, options: &MidiReadOptions) -> Result<MidiFolder> {
    let path = path.as_ref();
    let folder = path.display().to_string();
    let width = width(options)?;
    let io = |source| Error::Io { path: folder.clone(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(io)? {
        let name = entry.map_err(io)?.file_name().to_string_lossy().into_owned();
        let lower = name.to_lowercase();
        if lower.ends_with(".mid") || lower.ends_with(".midi") {
            names.push(name);
        }
    }
    names.sort_unstable();
    let (mut rows, mut lengths, mut files, mut skipped) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for name in names {
        let roll = std::fs::read(path.join(&name))
            .map_err(|source| Error::Io { path: name.clone(), source })
            .and_then(|bytes| roll_of_midi(&bytes, &name, options));
        match roll {
            Ok(roll) => {
                lengths.push(roll.len() / width);
                rows.extend(roll);
                files.push(name);
            }
            Err(e) => skipped.push((name, e.to_string())),
        }
    }
    if files.is_empty() {
        let message = match skipped.first() {
            Some((_, reason)) => format!("no MIDI file that can be used; the first: {reason}"),
            None => "no file whose name ends in .mid or .midi".into(),
        };
        return Err(Error::Table { path: folder, message });
    }
    Ok(MidiFolder { rolls: Dataset::ragged(rows, &lengths, width)?, files, skipped })
}

/// The roll of the bytes of a MIDI file, shape \[T, keys\]; `name` stands for it in messages.
///
/// The roll ends with the last sounding step or with the last track, whichever is later.
///
/// # Errors
/// As [`read_midi`].
pub fn roll_of_midi(bytes: &[u8], name: &str, options: &MidiReadOptions) -> Result<Vec<f64>> {
    let width = width(options)?;
    let fail = |message: String| Error::Table { path: name.into(), message };
    let score = Score::parse(bytes, options.percussion).map_err(fail)?;
    let steps_at = |tick: u64| match options.step {
        MidiStep::Seconds(step) => Ok(score.seconds(tick) / step),
        MidiStep::Beats(step) => score.beats(tick).map(|beats| beats / step).ok_or_else(|| {
            fail("a clock of film frames, which has no beats; give the step in seconds".into())
        }),
    };
    let end = steps_at(score.end)?;
    if end > MAX_STEPS {
        return Err(fail(format!("{end:.3e} steps, at most {MAX_STEPS:e}; take a longer step")));
    }
    let mut held = Vec::new();
    for note in &score.notes {
        if !(options.lowest_key..=options.highest_key).contains(&note.key) {
            continue;
        }
        let (first, last) = sounding_steps(options.sounding, steps_at(note.start)?, steps_at(note.end)?);
        if first < last {
            held.push((usize::from(note.key - options.lowest_key), first, last));
        }
    }
    let start = if options.trim { held.iter().map(|(_, first, _)| *first).min().unwrap_or(0) } else { 0 };
    let sounding_end = held.iter().map(|(.., last)| *last).max().unwrap_or(0);
    let num_steps =
        if options.trim { sounding_end - start } else { sounding_end.max(end.round() as usize) };
    if held.is_empty() || num_steps == 0 {
        let (low, high) = (options.lowest_key, options.highest_key);
        return Err(fail(format!("no key from {low} to {high} sounds in any step")));
    }
    let mut roll = vec![0.0; num_steps * width];
    for (column, first, last) in held {
        (first - start..last - start).for_each(|t| roll[t * width + column] = 1.0);
    }
    Ok(roll)
}

/// The steps in which a note sounds that is held from a to b, in steps.
fn sounding_steps(rule: Sounding, a: f64, b: f64) -> (usize, usize) {
    let (first, last) = match rule {
        Sounding::Middle => ((a - 0.5 - ROUNDING).ceil(), (b - 0.5 - ROUNDING).ceil()),
        Sounding::Start => ((a - ROUNDING).ceil(), (b - ROUNDING).ceil()),
        Sounding::Any => {
            let first = (a + ROUNDING).floor();
            (first, (b - ROUNDING).ceil().max(first + 1.0))
        }
    };
    (first.max(0.0) as usize, last.max(0.0) as usize)
}

/// Columns of a roll; checks the options.
fn width(options: &MidiReadOptions) -> Result<usize> {
    let (MidiStep::Seconds(step) | MidiStep::Beats(step)) = options.step;
    if !(step.is_finite() && step > 0.0) {
        return Err(Error::argument("step", step, "a positive length"));
    }
    if options.lowest_key > options.highest_key || options.highest_key > 127 {
        let found = format!("{} to {}", options.lowest_key, options.highest_key);
        return Err(Error::argument("lowest_key, highest_key", found, "a range within 0 to 127"));
    }
    Ok(usize::from(options.highest_key - options.lowest_key) + 1)
}
