//! MIDI files to piano rolls and back.

use std::path::PathBuf;

use numpy::{PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use statewise::Error;
use statewise_deep::data::{MidiReadOptions, MidiStep, MidiWriteOptions, Sounding, midi_of_roll};

use super::data::{DataTuple, data_tuple};
use crate::convert::{error, slice};

/// How MIDI files are read, by the names of Python's keywords.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct ReadArg {
    step: f64,
    in_beats: bool,
    lowest_key: u8,
    highest_key: u8,
    sounding: String,
    percussion: bool,
    trim: bool,
}

impl ReadArg {
    fn options(&self) -> PyResult<MidiReadOptions> {
        let sounding = match self.sounding.as_str() {
            "middle" => Sounding::Middle,
            "start" => Sounding::Start,
            "any" => Sounding::Any,
            other => {
                let expected = "'middle', 'start' or 'any'";
                return Err(error(Error::argument("sounding", format!("{other:?}"), expected)));
            }
        };
        let step = if self.in_beats { MidiStep::Beats(self.step) } else { MidiStep::Seconds(self.step) };
        let ReadArg { lowest_key, highest_key, percussion, trim, .. } = *self;
        Ok(MidiReadOptions { step, lowest_key, highest_key, sounding, percussion, trim })
    }
}

/// A MIDI file as a piano roll.
#[pyfunction]
#[pyo3(signature = (path: "str | PathLike[str]", options: "dict[str, object]") -> "tuple[NDArray[float64], list[int], NDArray[float64] | None]")]
pub(crate) fn read_midi(py: Python<'_>, path: PathBuf, options: ReadArg) -> PyResult<DataTuple<'_>> {
    let options = options.options()?;
    let roll = py.detach(|| statewise_deep::data::read_midi(&path, &options)).map_err(error)?;
    Ok(data_tuple(py, &roll))
}

/// Rolls, names of files, and names of files that could not be used with the reasons.
type FolderTuple<'py> = (DataTuple<'py>, Vec<String>, Vec<(String, String)>);

/// The MIDI files of a folder.
#[pyfunction]
#[pyo3(signature = (path: "str | PathLike[str]", options: "dict[str, object]") -> "tuple[tuple[NDArray[float64], list[int], NDArray[float64] | None], list[str], list[tuple[str, str]]]")]
pub(crate) fn read_midi_folder(
    py: Python<'_>,
    path: PathBuf,
    options: ReadArg,
) -> PyResult<FolderTuple<'_>> {
    let options = options.options()?;
    let folder = py.detach(|| statewise_deep::data::read_midi_folder(&path, &options)).map_err(error)?;
    Ok((data_tuple(py, &folder.rolls), folder.files, folder.skipped))
}

/// How MIDI files are written, by the names of Python's keywords.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct WriteArg {
    seconds_per_step: f64,
    lowest_key: u8,
    threshold: f64,
    restrike: bool,
    velocity: u8,
    program: u8,
}

/// Writes a roll [T, keys] as a MIDI file.
#[pyfunction]
#[pyo3(signature = (roll: "NDArray[float64]", path: "str | PathLike[str]", options: "dict[str, object]"))]
pub(crate) fn write_midi(
    roll: PyReadonlyArray2<'_, f64>,
    path: PathBuf,
    options: WriteArg,
) -> PyResult<()> {
    let WriteArg { seconds_per_step, lowest_key, threshold, restrike, velocity, program } = options;
    let options = MidiWriteOptions { seconds_per_step, lowest_key, threshold, restrike, velocity, program };
    let bytes = midi_of_roll(slice(&roll)?, roll.shape()[1], &options).map_err(error)?;
    std::fs::write(&path, bytes).map_err(|source| error(Error::in_file(&path, source)))
}
