//! The max-plus recursion of Viterbi over a run of steps, and the trace back.

use super::lanes::{LANES, padded};
use super::workspace::grow;
use crate::math::dispatch::vectorised;

/// Where the best way into every state of every step came from.
#[derive(Clone, Debug, Default)]
pub(super) struct Pointers {
    /// Up to 8 states: four bits a state, one word a step.
    pub(super) packed: Vec<u32>,
    /// Up to 256 states: \[T, K\].
    pub(super) bytes: Vec<u8>,
    /// More states: \[T, K\].
    pub(super) words: Vec<u32>,
}

impl Pointers {
    /// Makes room at the width that K needs.
    pub(super) fn resize(&mut self, num_steps: usize, num_states: usize) {
        match num_states {
            0..=8 => {
                grow(&mut self.packed, num_steps);
            }
            9..=256 => {
                grow(&mut self.bytes, num_steps * num_states);
            }
            _ => {
                grow(&mut self.words, num_steps * num_states);
            }
        }
    }
}

/// A run of steps with one matrix.
struct Run<'a> {
    /// log A, rows padded with −∞.
    log_a: &'a [f64],
    num_states: usize,
    /// log b_t(k), \[len, K\].
    log_b: &'a [f64],
    /// δ(k), padded with −∞; in and out.
    score: &'a mut [f64],
    /// Room for the next δ.
    next: &'a mut [f64],
    pointers: &'a mut Pointers,
    /// The first step of the run, 0-based.
    first: usize,
}

/// δ(j) ← log b_t(j) + max_i (δ(i) + log A(i, j)) for every row of `log_b`, from step `first` on.
pub(super) fn extend(
    log_a: &[f64],
    num_states: usize,
    log_b: &[f64],
    score: &mut [f64],
    next: &mut [f64],
    pointers: &mut Pointers,
    first: usize,
) {
    let mut run = Run { log_a, num_states, log_b, score, next, pointers, first };
    match num_states {
        1 => extend_small::<1>(&mut run),
        2 => extend_small::<2>(&mut run),
        3 => extend_small::<3>(&mut run),
        4 => extend_small::<4>(&mut run),
        5 => extend_small::<5>(&mut run),
        6 => extend_small::<6>(&mut run),
        7 => extend_small::<7>(&mut run),
        8 => extend_small::<8>(&mut run),
        _ => extend_wide(&mut run),
    }
}

vectorised! {
    /// [`extend`] with the scores in registers.
    fn extend_small[const K](run: &mut Run<'_>) = extend_small_body
}

#[inline(always)]
fn extend_small_body<const ISA: u8, const K: usize>(run: &mut Run<'_>) {
    let width = padded(K);
    let mut log_a = [[0.0; K]; K];
    for i in 0..K {
        log_a[i].copy_from_slice(&run.log_a[i * width..][..K]);
    }
    let mut score = [0.0; K];
    score.copy_from_slice(&run.score[..K]);
    let (rows, _) = run.log_b.as_chunks::<K>();
    for (row, packed) in rows.iter().zip(&mut run.pointers.packed[run.first..]) {
        let mut best = [0.0; K];
        let mut from = [0u32; K];
        for j in 0..K {
            best[j] = score[0] + log_a[0][j];
        }
        for i in 1..K {
            for j in 0..K {
                let value = score[i] + log_a[i][j];
                let better = value > best[j];
                best[j] = if better { value } else { best[j] };
                from[j] = if better { i as u32 } else { from[j] };
            }
        }
        let mut word = 0;
        for j in 0..K {
            word |= from[j] << (4 * j);
            score[j] = best[j] + row[j];
        }
        *packed = word;
    }
    run.score[..K].copy_from_slice(&score);
}

vectorised! {
    /// [`extend`] for any K.
    fn extend_wide(run: &mut Run<'_>) = extend_wide_body
}

#[inline(always)]
fn extend_wide_body<const ISA: u8>(run: &mut Run<'_>) {
    let k = run.num_states;
    let width = padded(k) / LANES;
    let (cells, _) = run.log_a.as_chunks::<LANES>();
    for (n, row) in run.log_b.chunks_exact(k).enumerate() {
        let start = (run.first + n) * k;
        let mut j = 0;
        while j < width {
            let mut from = [[0.0; LANES]; 2];
            let tiles = 2.min(width - j);
            if tiles == 2 {
                from = best_ways::<ISA, 2>(cells, width, &run.score[..k], j, run.next);
            } else {
                from[..1].copy_from_slice(&best_ways::<ISA, 1>(cells, width, &run.score[..k], j, run.next));
            }
            let count = (tiles * LANES).min(k - j * LANES);
            let from = &from.as_flattened()[..count];
            let place = start + j * LANES;
            if k <= 256 {
                for (out, x) in run.pointers.bytes[place..place + count].iter_mut().zip(from) {
                    *out = *x as i32 as u8;
                }
            } else {
                for (out, x) in run.pointers.words[place..place + count].iter_mut().zip(from) {
                    *out = *x as i32 as u32;
                }
            }
            j += tiles;
        }
        for ((score, best), log_b) in run.score.iter_mut().zip(run.next.iter()).zip(row) {
            *score = best + log_b;
        }
    }
}

/// Writes max_i (score(i) + log A(i, ·)) of tiles j .. j + N and returns the states it came from.
#[inline(always)]
fn best_ways<const ISA: u8, const N: usize>(
    cells: &[[f64; LANES]],
    width: usize,
    score: &[f64],
    j: usize,
    next: &mut [f64],
) -> [[f64; LANES]; N] {
    let mut best = [[f64::NEG_INFINITY; LANES]; N];
    // PERF: indices as doubles share the comparison's lanes.
    let mut from = [[0.0; LANES]; N];
    let mut index = 0.0;
    for (&score, row) in score.iter().zip(cells.chunks_exact(width)) {
        let row = &row[j..j + N];
        for n in 0..N {
            for l in 0..LANES {
                let value = score + row[n][l];
                let better = value > best[n][l];
                best[n][l] = if better { value } else { best[n][l] };
                from[n][l] = if better { index } else { from[n][l] };
            }
        }
        index += 1.0;
    }
    let (next, _) = next.as_chunks_mut::<LANES>();
    next[j..j + N].copy_from_slice(&best);
    from
}

/// Follows the pointers from state `last` of z_T to the start.
pub(super) fn trace(pointers: &Pointers, num_states: usize, last: u32, path: &mut [u32]) {
    let mut state = last;
    if let Some(end) = path.last_mut() {
        *end = last;
    }
    for t in (1..path.len()).rev() {
        state = match num_states {
            0..=8 => (pointers.packed[t] >> (4 * state)) & 15,
            9..=256 => u32::from(pointers.bytes[t * num_states + state as usize]),
            _ => pointers.words[t * num_states + state as usize],
        };
        path[t - 1] = state;
    }
}
