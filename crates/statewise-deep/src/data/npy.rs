//! Arrays in NumPy's `.npy` format.
//!
//! Magic bytes, version, the length of a header, the header (a Python dictionary of type, order and
//! shape), and the values, the last axis fastest (or the first, in Fortran order).

use statewise::params::Array;

use super::number_format::{Kind, NumberFormat};

const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads the bytes of a `.npy` file; what is wrong with it is an answer for a message.
///
/// Only numbers and booleans are read, never pickled objects.
pub(super) fn read_npy(bytes: &[u8]) -> Result<Array, String> {
    let (header, values) = split_header(bytes)?;
    let format = number_format(entry(header, "descr")?)?;
    let is_fortran = match entry(header, "fortran_order")? {
        text if text.starts_with("True") => true,
        text if text.starts_with("False") => false,
        _ => return Err("a header whose fortran_order is neither True nor False".into()),
    };
    let shape = shape(entry(header, "shape")?)?;
    let size = shape.iter().try_fold(format.size, |size, n| size.checked_mul(*n));
    if size != Some(values.len()) {
        let found = values.len();
        return Err(format!("{found} bytes of values do not fill the shape {shape:?} of its header"));
    }
    let values = format.decode(values);
    Ok(Array::new(&shape, if is_fortran { row_major(&values, &shape) } else { values }))
}

/// The header's text, and the values after it.
fn split_header(bytes: &[u8]) -> Result<(&str, &[u8]), String> {
    let damaged = || "not a .npy array, or cut off within its header".to_owned();
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(damaged)?;
    let (length, rest) = match version[0] {
        1 => rest.split_first_chunk().map(|(n, rest)| (usize::from(u16::from_le_bytes(*n)), rest)),
        2 | 3 => rest.split_first_chunk().map(|(n, rest)| (u32::from_le_bytes(*n) as usize, rest)),
        other => return Err(format!(".npy version {other}; this program reads 1 to 3")),
    }
    .ok_or_else(damaged)?;
    let (header, values) = rest.split_at_checked(length).ok_or_else(damaged)?;
    let header = std::str::from_utf8(header).map_err(|_| "a header that is not text".to_owned())?;
    Ok((header, values))
}

/// What follows `'key':` in the dictionary.
fn entry<'a>(header: &'a str, key: &str) -> Result<&'a str, String> {
    let place = ["'", "\""].into_iter().find_map(|quote| {
        let quoted = format!("{quote}{key}{quote}");
        header.find(&quoted).map(|start| start + quoted.len())
    });
    let value = place.and_then(|start| header[start..].trim_start().strip_prefix(':'));
    value.map(str::trim_start).ok_or_else(|| format!("a header without '{key}'"))
}

/// `'<f8'` and the like.
fn number_format(descr: &str) -> Result<NumberFormat, String> {
    let Some(quote) = descr.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
        return Err("values that are structures, expected numbers or booleans".into());
    };
    let code = descr[1..].split(quote).next().unwrap_or("");
    let unknown = || format!("values of type '{code}', expected numbers or booleans");
    let (order, rest) = code.split_at_checked(1).ok_or_else(unknown)?;
    let (kind, size) = rest.split_at_checked(1).ok_or_else(unknown)?;
    let kind = match kind {
        "b" => Kind::Bool,
        "u" => Kind::Unsigned,
        "i" => Kind::Signed,
        "f" => Kind::Float,
        _ => return Err(unknown()),
    };
    let big_endian = match order {
        "<" | "|" => false,
        ">" => true,
        _ => return Err(unknown()),
    };
    let size = size.parse().map_err(|_| unknown())?;
    NumberFormat::new(kind, size, big_endian).ok_or_else(unknown)
}

/// `(3, 4)`, `(3,)` or `()`.
fn shape(text: &str) -> Result<Vec<usize>, String> {
    let damaged = || "a header whose shape is no tuple of sizes".to_owned();
    let inner = text.strip_prefix('(').and_then(|text| text.split(')').next()).ok_or_else(damaged)?;
    let sizes = inner.split(',').map(str::trim).filter(|size| !size.is_empty());
    sizes.map(|size| size.trim_end_matches('L').parse().map_err(|_| damaged())).collect()
}

/// Values of an array whose first axis is the fastest, with the last axis fastest instead.
fn row_major(values: &[f64], shape: &[usize]) -> Vec<f64> {
    let mut index = vec![0; shape.len()];
    let mut out = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        let mut stride = 1;
        let mut place = 0;
        for (i, n) in index.iter().zip(shape) {
            place += i * stride;
            stride *= n;
        }
        out.push(values[place]);
        for (i, n) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < *n {
                break;
            }
            *i = 0;
        }
    }
    out
}
