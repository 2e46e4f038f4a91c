//! Data of the deep Markov literature: arrays from files, piano rolls, MIDI, the synthetic systems.
//!
//! Tables (CSV, Parquet) are read by [`statewise::data::Table`]; whatever its form on disk, data
//! become a [`statewise::data::Dataset`].

mod array_choice;
mod array_file;
mod known_model;
mod legacy_random;
mod midi_notes;
mod midi_read;
mod midi_write;
mod noiseless;
mod npy;
mod number_format;
mod polyphonic;
mod synthetic;
mod synthetic_system;

pub use array_choice::ArrayChoice;
pub use array_file::ArrayFile;
pub use legacy_random::LegacyRandom;
pub use midi_read::{
    MidiFolder, MidiReadOptions, MidiStep, Sounding, read_midi, read_midi_folder, roll_of_midi,
};
pub use midi_write::{MidiWriteOptions, midi_of_roll};
pub use noiseless::noiseless_linear;
pub use polyphonic::{LOWEST_KEY, NUM_KEYS, PianoRolls};
pub use synthetic::{SyntheticData, SyntheticSplit};
pub use synthetic_system::{SyntheticSystem, SyntheticTransition};
