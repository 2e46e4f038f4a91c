//! The four polyphonic sets of Boulanger-Lewandowski et al. (2012), as packed piano rolls.
//!
//! A file is an `.npz` of three arrays: `bits` \[Σ T, 11\], in which key k is bit k mod 8 of byte
//! ⌊k / 8⌋; `lengths` \[N\], the time steps of each sequence; and `split_sizes` \[3\], the sequences of
//! train, valid and test, in this order. A file with `pitch` \[Σ T, voices\] instead of `bits` holds
//! the MIDI pitch of each voice, −1 where it is silent.

use std::path::Path;

use statewise::data::Dataset;
use statewise::params::Array;
use statewise::{Error, Result};

use super::array_file::ArrayFile;

/// Keys of a piano, the width of every roll.
pub const NUM_KEYS: usize = 88;

/// MIDI number of key 0, A0.
pub const LOWEST_KEY: u8 = 21;

/// Bytes of one packed time step.
const BYTES: usize = NUM_KEYS / 8;

/// Piano rolls in three splits; x_t(k) = 1 where key k sounds at step t, else 0.
#[derive(Clone, Debug)]
pub struct PianoRolls {
    /// For learning.
    pub train: Dataset<'static>,
    /// For choosing among models.
    pub valid: Dataset<'static>,
    /// For the final score.
    pub test: Dataset<'static>,
}

impl PianoRolls {
    /// Reads a file of packed rolls.
    ///
    /// # Errors
    /// As [`ArrayFile::read`]; also arrays that are missing or do not fit together.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        PianoRolls::from_arrays(&ArrayFile::read(path)?)
    }

    /// Reads the bytes of an `.npz` file of packed rolls; `name` stands for it in messages.
    ///
    /// # Errors
    /// As [`PianoRolls::read`].
    pub fn from_npz(bytes: &[u8], name: &str) -> Result<Self> {
        PianoRolls::from_arrays(&ArrayFile::from_npz(bytes, name)?)
    }

    /// Unpacks the arrays of such a file.
    ///
    /// # Errors
    /// As [`PianoRolls::read`].
    pub fn from_arrays(file: &ArrayFile) -> Result<Self> {
        let fail = |message: String| Error::Table { path: file.name().into(), message };
        let lengths = counts(file, "lengths")?;
        let sizes = counts(file, "split_sizes")?;
        let &[train, valid, test] = sizes.as_slice() else {
            return Err(fail(format!("array 'split_sizes' has {} entries, expected 3", sizes.len())));
        };
        let total = [train, valid, test].iter().try_fold(0usize, |sum, n| sum.checked_add(*n));
        if total != Some(lengths.len()) {
            return Err(fail(format!("array 'split_sizes' does not sum to the {} lengths", lengths.len())));
        }
        let rolls = match file.find("pitch") {
            Some(pitch) => unpack_voices(pitch),
            None => unpack_bits(file.array("bits")?),
        };
        let rolls = rolls.map_err(fail)?;
        let num_rows = lengths.iter().try_fold(0usize, |sum, n| sum.checked_add(*n));
        if num_rows != Some(rolls.len() / NUM_KEYS) {
            return Err(fail(format!(
                "array 'lengths' does not sum to the {} rows",
                rolls.len() / NUM_KEYS
            )));
        }
        let mut rest = rolls.as_slice();
        let mut split = |lengths: &[usize]| {
            let (rows, others) = rest.split_at(lengths.iter().sum::<usize>() * NUM_KEYS);
            rest = others;
            Dataset::ragged(rows.to_vec(), lengths, NUM_KEYS)
        };
        Ok(PianoRolls {
            train: split(&lengths[..train])?,
            valid: split(&lengths[train..train + valid])?,
            test: split(&lengths[train + valid..])?,
        })
    }

    /// The three splits with their names, in order.
    pub fn splits(&self) -> [(&'static str, &Dataset<'static>); 3] {
        [("train", &self.train), ("valid", &self.valid), ("test", &self.test)]
    }
}

/// An array of whole numbers of at least 0.
fn counts(file: &ArrayFile, name: &str) -> Result<Vec<usize>> {
    let values = file.array(name)?.values();
    match values.iter().find(|x| !(x.fract() == 0.0 && (0.0..1e15).contains(*x))) {
        Some(bad) => Err(Error::argument(
            format!("{}: array '{name}'", file.name()),
            bad,
            "whole numbers, 0 or more",
        )),
        None => Ok(values.iter().map(|x| *x as usize).collect()),
    }
}

fn unpack_bits(bits: &Array) -> std::result::Result<Vec<f64>, String> {
    if !matches!(bits.shape(), [_, BYTES]) {
        return Err(format!("array 'bits' has shape {:?}, expected [T, {BYTES}]", bits.shape()));
    }
    let mut rolls = Vec::with_capacity(bits.values().len() * 8);
    for &byte in bits.values() {
        if !(byte.fract() == 0.0 && (0.0..256.0).contains(&byte)) {
            return Err(format!("array 'bits' holds {byte}, expected bytes"));
        }
        let byte = byte as u8;
        rolls.extend((0..8).map(|bit| f64::from((byte >> bit) & 1)));
    }
    Ok(rolls)
}

fn unpack_voices(pitch: &Array) -> std::result::Result<Vec<f64>, String> {
    let &[num_rows, voices] = pitch.shape() else {
        return Err(format!("array 'pitch' has shape {:?}, expected [T, voices]", pitch.shape()));
    };
    let (lowest, highest) = (f64::from(LOWEST_KEY), f64::from(LOWEST_KEY) + (NUM_KEYS - 1) as f64);
    let mut rolls = vec![0.0; num_rows * NUM_KEYS];
    for (roll, row) in rolls.chunks_exact_mut(NUM_KEYS).zip(pitch.values().chunks_exact(voices.max(1))) {
        for &p in row.iter().filter(|p| **p != -1.0) {
            if !(p.fract() == 0.0 && (lowest..=highest).contains(&p)) {
                return Err(format!("array 'pitch' holds {p}, expected -1 or {lowest} to {highest}"));
            }
            roll[(p - lowest) as usize] = 1.0;
        }
    }
    Ok(rolls)
}
