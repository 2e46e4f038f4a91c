//! Named arrays from `.npz`, `.npy` and safetensors files.

use std::cmp::Ordering;
use std::io::{Cursor, Read};
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use statewise::params::Array;
use statewise::{Error, Result};
use zip::ZipArchive;

use super::npy::read_npy;
use super::number_format::{Kind, NumberFormat};

/// Arrays that unpack to more bytes than this are refused.
const MAX_BYTES: u64 = 1 << 33;

/// The arrays of a file, by their names.
///
/// Every number becomes a double. Pickled objects are never read.
#[derive(Clone, Debug, PartialEq)]
pub struct ArrayFile {
    name: String,
    arrays: Vec<(String, Array)>,
}

impl ArrayFile {
    /// Reads a file; its name must end in `.npz`, `.npy` or `.safetensors`.
    ///
    /// # Errors
    /// [`Error::Io`] from the file system; [`Error::Table`] where the file is of another kind or
    /// damaged, or holds values that are no numbers.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let parse = match extension.as_str() {
            "npz" => ArrayFile::from_npz,
            "npy" => ArrayFile::from_npy,
            "safetensors" => ArrayFile::from_safetensors,
            _ => {
                let message =
                    "an unknown kind of array file; its name should end in .npz, .npy or .safetensors";
                return Err(Error::Table { path: name, message: message.into() });
            }
        };
        match std::fs::read(path) {
            Ok(bytes) => parse(&bytes, &name),
            Err(source) => Err(Error::Io { path: name, source }),
        }
    }

    /// Reads the bytes of a `.npz` file, a zip of `.npy` arrays; `name` stands for it in messages.
    ///
    /// The arrays keep the order of the archive, which is the order in which `numpy.savez` got them.
    ///
    /// # Errors
    /// As [`ArrayFile::read`].
    pub fn from_npz(bytes: &[u8], name: &str) -> Result<Self> {
        let fail = |message: String| Error::Table { path: name.into(), message };
        let mut zip =
            ZipArchive::new(Cursor::new(bytes)).map_err(|e| fail(format!("not an .npz archive: {e}")))?;
        let mut arrays = Vec::with_capacity(zip.len());
        let mut left = MAX_BYTES;
        for i in 0..zip.len() {
            let mut entry = zip.by_index(i).map_err(|e| fail(format!("entry {i}: {e}")))?;
            let full_name = entry.name().to_owned();
            let Some(array_name) = full_name.strip_suffix(".npy") else {
                return Err(fail(format!("'{full_name}' is not a .npy array")));
            };
            let mut content = Vec::new();
            let read = entry.by_ref().take(left).read_to_end(&mut content);
            read.map_err(|e| fail(format!("array '{array_name}': {e}")))?;
            left -= content.len() as u64;
            if left == 0 {
                return Err(fail(format!("more than {} GiB of arrays", MAX_BYTES >> 30)));
            }
            let array = read_npy(&content).map_err(|e| fail(format!("array '{array_name}': {e}")))?;
            arrays.push((array_name.to_owned(), array));
        }
        ArrayFile::new(name, arrays)
    }

    /// Reads the bytes of a `.npy` file, whose one array is called `data`.
    ///
    /// # Errors
    /// As [`ArrayFile::read`].
    pub fn from_npy(bytes: &[u8], name: &str) -> Result<Self> {
        let array = read_npy(bytes).map_err(|message| Error::Table { path: name.into(), message })?;
        ArrayFile::new(name, vec![("data".into(), array)])
    }

    /// Reads the bytes of a safetensors file; `name` stands for it in messages.
    ///
    /// Such files have no order of their own: arrays come in the order of their names, in which
    /// `part2` is before `part10`.
    ///
    /// # Errors
    /// As [`ArrayFile::read`].
    pub fn from_safetensors(bytes: &[u8], name: &str) -> Result<Self> {
        let fail = |message: String| Error::Table { path: name.into(), message };
        let file =
            SafeTensors::deserialize(bytes).map_err(|e| fail(format!("not a safetensors file: {e}")))?;
        let mut arrays = Vec::with_capacity(file.len());
        for (array_name, view) in file.iter() {
            let format = safetensors_format(view.dtype()).ok_or_else(|| {
                fail(format!("array '{array_name}': values of type {:?}, expected numbers", view.dtype()))
            })?;
            arrays.push((array_name.to_owned(), Array::new(view.shape(), format.decode(view.data()))));
        }
        arrays.sort_by(|(a, _), (b, _)| natural_order(a, b));
        ArrayFile::new(name, arrays)
    }

    fn new(name: &str, arrays: Vec<(String, Array)>) -> Result<Self> {
        let fail = |message: String| Err(Error::Table { path: name.into(), message });
        if arrays.is_empty() {
            return fail("no arrays".into());
        }
        let twice =
            arrays.iter().enumerate().find(|(i, (name, _))| arrays[..*i].iter().any(|a| a.0 == *name));
        match twice {
            Some((_, (array, _))) => fail(format!("two arrays are named '{array}'")),
            None => Ok(ArrayFile { name: name.into(), arrays }),
        }
    }

    /// What stands for the file in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All arrays with their names, in order.
    pub fn arrays(&self) -> &[(String, Array)] {
        &self.arrays
    }

    /// The array of this name.
    ///
    /// # Errors
    /// No such array; the message lists what there is.
    pub fn array(&self, name: &str) -> Result<&Array> {
        self.find(name).ok_or_else(|| {
            let known: Vec<&str> = self.arrays.iter().map(|(name, _)| name.as_str()).take(20).collect();
            Error::argument(
                format!("{}: array '{name}'", self.name),
                "no such array",
                format!("one of {}", known.join(", ")),
            )
        })
    }

    pub(super) fn find(&self, name: &str) -> Option<&Array> {
        self.arrays.iter().find(|(other, _)| other == name).map(|(_, array)| array)
    }
}

fn safetensors_format(dtype: Dtype) -> Option<NumberFormat> {
    let (kind, size) = match dtype {
        Dtype::BOOL => (Kind::Bool, 1),
        Dtype::U8 => (Kind::Unsigned, 1),
        Dtype::U16 => (Kind::Unsigned, 2),
        Dtype::U32 => (Kind::Unsigned, 4),
        Dtype::U64 => (Kind::Unsigned, 8),
        Dtype::I8 => (Kind::Signed, 1),
        Dtype::I16 => (Kind::Signed, 2),
        Dtype::I32 => (Kind::Signed, 4),
        Dtype::I64 => (Kind::Signed, 8),
        Dtype::F16 => (Kind::Float, 2),
        Dtype::F32 => (Kind::Float, 4),
        Dtype::F64 => (Kind::Float, 8),
        Dtype::BF16 => (Kind::BrainFloat, 2),
        _ => return None,
    };
    NumberFormat::new(kind, size, false)
}

/// Names in the order that a reader expects: runs of digits compare as numbers.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    while let (Some(x), Some(y)) = (left.chars().next(), right.chars().next()) {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (m, n) = (digits(left), digits(right));
        let (order, m, n) = if m > 0 && n > 0 {
            let (p, q) = (left[..m].trim_start_matches('0'), right[..n].trim_start_matches('0'));
            (p.len().cmp(&q.len()).then(p.cmp(q)), m, n)
        } else {
            (x.cmp(&y), x.len_utf8(), y.len_utf8())
        };
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (&left[m..], &right[n..]);
    }
    left.len().cmp(&right.len()).then(a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_names_compare_as_numbers() {
        let mut names = ["b", "a10", "a2", "a", "a2b", "a02"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["a", "a02", "a2", "a2b", "a10", "b"]);
    }
}
