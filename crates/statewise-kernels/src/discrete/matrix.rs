//! Transition matrices as the kernels read them.

use super::Transitions;
use super::lanes::padded;
use super::workspace::{grow, grow_aligned};
use crate::math::ln_slice;

/// Rows i of A(i, ·), `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) values: &'a [f64],
    pub(super) stride: usize,
}

/// Copies A into rows padded with zeros to a multiple of the lane count.
pub(super) fn pad<'a>(a: &[f64], num_states: usize, buffer: &'a mut Vec<f64>) -> Matrix<'a> {
    let stride = padded(num_states);
    let values = grow_aligned(buffer, num_states * stride);
    for (row, out) in a.chunks_exact(num_states).zip(values.chunks_exact_mut(stride)) {
        out[..num_states].copy_from_slice(row);
        out[num_states..].fill(0.0);
    }
    Matrix { values, stride }
}

/// Copies Aᵀ into rows padded with zeros to a multiple of the lane count.
pub(super) fn pad_transposed<'a>(a: &[f64], num_states: usize, buffer: &'a mut Vec<f64>) -> Matrix<'a> {
    let stride = padded(num_states);
    let values = grow_aligned(buffer, num_states * stride);
    for (j, out) in values.chunks_exact_mut(stride).enumerate() {
        for i in 0..num_states {
            out[i] = a[i * num_states + j];
        }
        out[num_states..].fill(0.0);
    }
    Matrix { values, stride }
}

/// The matrix of the step into z_t (t ≥ 1, 0-based), shape \[K, K\].
pub(super) fn into_step<'a>(
    transitions: &Transitions<'a>,
    t: usize,
    num_states: usize,
    buffer: &'a mut Vec<f64>,
) -> &'a [f64] {
    let size = num_states * num_states;
    match transitions {
        Transitions::Static(a) => a,
        Transitions::PerStep(a) => &a[(t - 1) * size..t * size],
        Transitions::Computed(write) => {
            let matrix = grow(buffer, size);
            write(t, matrix);
            matrix
        }
    }
}

/// Whether one step with A makes every state that long ago lost less than 2⁻⁶⁰⁰ of the mass
/// irrelevant for ever: min_i A(i, j) ≥ 2⁻²⁰⁰ max_i A(i, j) for every j.
///
/// After such a step the paths through a state of weight w weigh at most 2²⁰⁰ w relative to all
/// others, whatever is observed later.
pub(super) fn mixes(a: Matrix<'_>, num_states: usize) -> bool {
    let smallest_ratio = 2f64.powi(-200);
    (0..num_states).all(|j| {
        let column = (0..num_states).map(|i| a.values[i * a.stride + j]);
        let (low, high) = column.fold((f64::INFINITY, 0.0_f64), |(l, h), x| (l.min(x), h.max(x)));
        high > 0.0 && low >= smallest_ratio * high
    })
}

/// ln A of one matrix, computed when it is first needed.
#[derive(Clone, Debug, Default)]
pub(super) struct LogMatrix {
    values: Vec<f64>,
    current: bool,
}

impl LogMatrix {
    /// Forgets the matrix; the next one is another.
    pub(super) fn expire(&mut self) {
        self.current = false;
    }

    /// ln A, shape \[K, K\].
    pub(super) fn of(&mut self, a: Matrix<'_>, num_states: usize) -> &[f64] {
        let values = grow(&mut self.values, num_states * num_states);
        if !self.current {
            for (out, row) in values.chunks_exact_mut(num_states).zip(a.values.chunks(a.stride)) {
                out.copy_from_slice(&row[..num_states]);
            }
            ln_slice(values);
            self.current = true;
        }
        values
    }
}
