//! Between rows of eight series, each in its own memory, and lanes.
//!
//! PERF: not inlined, so that the copies for each size and instruction set stay small; and the loops keep their
//! bounds checks, without which the compiler makes scatter instructions of them that take twice as long.

use std::ops::Range;

use super::{Lane, OCTET};

/// Reads values `place` of each row into lanes; beyond the end of a row stands `beyond`.
#[inline(never)]
pub(in crate::gaussian) fn gather(
    rows: &[&[f64]; OCTET],
    place: Range<usize>,
    beyond: f64,
    lanes: &mut [Lane],
) {
    let complete = rows.iter().all(|row| row.len() >= place.end);
    for (lane, k) in lanes.iter_mut().zip(place) {
        for l in 0..OCTET {
            lane[l] = if complete { rows[l][k] } else { rows[l].get(k).copied().unwrap_or(beyond) };
        }
    }
}

/// Values that are written at a time.
const QUAD: usize = 4;

/// Writes lanes where values `place` of each row lie; nothing beyond the end of a row.
#[inline(never)]
pub(in crate::gaussian) fn scatter(lanes: &[Lane], place: Range<usize>, rows: &mut [&mut [f64]]) {
    let len = place.len();
    if rows.iter().any(|row| row.len() < place.end) {
        for (l, row) in rows.iter_mut().enumerate() {
            let end = row.len().min(place.end);
            let start = place.start.min(end);
            row[start..end].iter_mut().zip(lanes).for_each(|(out, lane)| *out = lane[l]);
        }
        return;
    }
    let mut k = 0;
    while k + QUAD <= len {
        let x = &lanes[k..k + QUAD];
        for l in 0..OCTET {
            rows[l][place.start + k..place.start + k + QUAD]
                .copy_from_slice(&[x[0][l], x[1][l], x[2][l], x[3][l]]);
        }
        k += QUAD;
    }
    for k in k..len {
        for l in 0..OCTET {
            rows[l][place.start + k] = lanes[k][l];
        }
    }
}
