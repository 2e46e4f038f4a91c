//! One time step of the recurrent cells, elementwise: what follows the matrix products.
//!
//! Gates of a row lie side by side; every function takes whole rows of a step.

use crate::array::{Real, vectorised};

vectorised! {
    /// LSTM: i, f, o = σ(·), g = tanh(·);  c = f c₋ + i g;  h = o tanh c. Gates are replaced by their values.
    pub(super) fn lstm(size: usize, gates: &mut [R], past: &[R], cell: &mut [R], hidden: &mut [R]) = lstm_body
}
#[inline(always)]
fn lstm_body<R: Real>(size: usize, gates: &mut [R], past: &[R], cell: &mut [R], hidden: &mut [R]) {
    let rows = gates.chunks_exact_mut(4 * size).zip(past.chunks_exact(size));
    let states = cell.chunks_exact_mut(size).zip(hidden.chunks_exact_mut(size));
    for ((gates, past), (cell, hidden)) in rows.zip(states) {
        let (sigmoids, candidate) = gates.split_at_mut(3 * size);
        sigmoid(sigmoids);
        tanh(candidate);
        let (input, rest) = sigmoids.split_at(size);
        let (forget, output) = rest.split_at(size);
        multiply(input, candidate, cell);
        add_product(forget, past, cell);
        hidden.copy_from_slice(cell);
        tanh(hidden);
        hidden.iter_mut().zip(output).for_each(|(h, o)| *h *= *o);
    }
}

vectorised! {
    /// Backward of [`lstm`]: `d_cell` holds ∂/∂c from the following step and leaves as ∂/∂c₋.
    pub(super) fn lstm_back(size: usize, gates: &[R], past: &[R], cell: &[R], d_hidden: &[R], d_cell: &mut [R], d_gates: &mut [R]) = lstm_back_body
}
#[inline(always)]
fn lstm_back_body<R: Real>(
    size: usize,
    gates: &[R],
    past: &[R],
    cell: &[R],
    d_hidden: &[R],
    d_cell: &mut [R],
    d_gates: &mut [R],
) {
    let rows = d_hidden.len() / size;
    for row in 0..rows {
        let (at, gate_at) = (row * size, row * 4 * size);
        let gates = &gates[gate_at..gate_at + 4 * size];
        let d_gates = &mut d_gates[gate_at..gate_at + 4 * size];
        let (input, rest) = gates.split_at(size);
        let (forget, rest) = rest.split_at(size);
        let (output, rest) = rest.split_at(size);
        let candidate = &rest[..size];
        let (d_input, rest) = d_gates.split_at_mut(size);
        let (d_forget, rest) = rest.split_at_mut(size);
        let (d_output, rest) = rest.split_at_mut(size);
        let d_candidate = &mut rest[..size];
        let (past, cell) = (&past[at..at + size], &cell[at..at + size]);
        let (d_hidden, d_cell) = (&d_hidden[at..at + size], &mut d_cell[at..at + size]);
        for j in 0..size {
            let squashed = cell[j].tanh();
            let d_c = d_cell[j] + d_hidden[j] * output[j] * (R::ONE - squashed * squashed);
            d_output[j] = d_hidden[j] * squashed * output[j] * (R::ONE - output[j]);
            d_input[j] = d_c * candidate[j] * input[j] * (R::ONE - input[j]);
            d_forget[j] = d_c * past[j] * forget[j] * (R::ONE - forget[j]);
            d_candidate[j] = d_c * input[j] * (R::ONE - candidate[j] * candidate[j]);
            d_cell[j] = d_c * forget[j];
        }
    }
}

vectorised! {
    /// GRU: r, u = σ(x + y), n = tanh(x_n + r y_n);  h = (1 − u) n + u h₋, with x from the input and
    /// y from h₋. Gates (x on entry) are replaced by their values.
    pub(super) fn gru(size: usize, gates: &mut [R], recurrent: &[R], past: &[R], hidden: &mut [R]) = gru_body
}
#[inline(always)]
fn gru_body<R: Real>(size: usize, gates: &mut [R], recurrent: &[R], past: &[R], hidden: &mut [R]) {
    let rows = gates.chunks_exact_mut(3 * size).zip(recurrent.chunks_exact(3 * size));
    for ((gates, y), (past, hidden)) in rows.zip(past.chunks_exact(size).zip(hidden.chunks_exact_mut(size)))
    {
        let (sigmoids, candidate) = gates.split_at_mut(2 * size);
        sigmoids.iter_mut().zip(y).for_each(|(x, y)| *x += *y);
        sigmoid(sigmoids);
        let (reset, update) = sigmoids.split_at(size);
        add_product(reset, &y[2 * size..], candidate);
        tanh(candidate);
        for ((h, p), (n, u)) in hidden.iter_mut().zip(past).zip(candidate.iter().zip(update)) {
            *h = *n + *u * (*p - *n);
        }
    }
}

vectorised! {
    /// Backward of [`gru`]: gradients with respect to x (`d_gates`), y (`d_recurrent`) and, apart from
    /// the path through y, h₋ (`d_past`).
    pub(super) fn gru_back(size: usize, gates: &[R], recurrent: &[R], past: &[R], d_hidden: &[R], d_gates: &mut [R], d_recurrent: &mut [R], d_past: &mut [R]) = gru_back_body
}
#[inline(always)]
fn gru_back_body<R: Real>(
    size: usize,
    gates: &[R],
    recurrent: &[R],
    past: &[R],
    d_hidden: &[R],
    d_gates: &mut [R],
    d_recurrent: &mut [R],
    d_past: &mut [R],
) {
    let rows = d_hidden.len() / size;
    for row in 0..rows {
        let (at, gate_at) = (row * size, row * 3 * size);
        let (reset, rest) = gates[gate_at..gate_at + 3 * size].split_at(size);
        let (update, rest) = rest.split_at(size);
        let candidate = &rest[..size];
        let y_candidate = &recurrent[gate_at + 2 * size..gate_at + 3 * size];
        let (d_reset, rest) = d_gates[gate_at..gate_at + 3 * size].split_at_mut(size);
        let (d_update, rest) = rest.split_at_mut(size);
        let d_candidate = &mut rest[..size];
        let (dy_reset, rest) = d_recurrent[gate_at..gate_at + 3 * size].split_at_mut(size);
        let (dy_update, rest) = rest.split_at_mut(size);
        let dy_candidate = &mut rest[..size];
        let (past, d_hidden) = (&past[at..at + size], &d_hidden[at..at + size]);
        let d_past = &mut d_past[at..at + size];
        for j in 0..size {
            let d_n = d_hidden[j] * (R::ONE - update[j]) * (R::ONE - candidate[j] * candidate[j]);
            let d_r = d_n * y_candidate[j] * reset[j] * (R::ONE - reset[j]);
            let d_u = d_hidden[j] * (past[j] - candidate[j]) * update[j] * (R::ONE - update[j]);
            d_reset[j] = d_r;
            d_update[j] = d_u;
            d_candidate[j] = d_n;
            dy_reset[j] = d_r;
            dy_update[j] = d_u;
            dy_candidate[j] = d_n * reset[j];
            d_past[j] = d_hidden[j] * update[j];
        }
    }
}

// PERF: one short loop a function, few arrays each; one loop over all of a cell's arrays has more
// pointers than the compiler checks for overlap, and then does not run in lanes.

#[inline(always)]
fn sigmoid<R: Real>(values: &mut [R]) {
    values.iter_mut().for_each(|x| *x = x.sigmoid());
}

#[inline(always)]
fn tanh<R: Real>(values: &mut [R]) {
    values.iter_mut().for_each(|x| *x = x.tanh());
}

/// z = x y.
#[inline(always)]
fn multiply<R: Real>(x: &[R], y: &[R], z: &mut [R]) {
    z.iter_mut().zip(x.iter().zip(y)).for_each(|(z, (x, y))| *z = *x * *y);
}

/// z += x y.
#[inline(always)]
fn add_product<R: Real>(x: &[R], y: &[R], z: &mut [R]) {
    z.iter_mut().zip(x.iter().zip(y)).for_each(|(z, (x, y))| *z += *x * *y);
}
