// What stands between the products of layers, and the cells of recurrent layers.

// y = c.
KERNEL(fill) { a.y[0][i] = a.c[0]; }

// y = x, or 0 without x, column by column; a stride of 0 reads one row again and again.
KERNEL(copy_columns) {
    const int width = a.n[0], x_stride = a.n[1], y_stride = a.n[2];
    const int row = i / width, j = i % width;
    a.y[0][row * y_stride + j] = or_zero(a.x[0], row * x_stride + j);
}

// y = x k, k the factors of dropout, which lie so far apart.
KERNEL(drop) {
    const int width = a.n[0], stride = a.n[1];
    a.y[0][i] = a.x[0][i] * a.x[1][i / width * stride + i % width];
}

// y = f(y + b).
KERNEL(bias_apply) {
    const int width = a.n[0], f = a.n[1];
    a.y[0][i] = apply(f, a.y[0][i] + or_zero(a.x[0], i % width));
}

// d *= f'(y).
KERNEL(pull_back) { a.y[0][i] *= slope(a.n[0], a.x[0][i]); }

// GRU: r, u = s(x + v), n = tanh(x_n + r v_n), h = n + u (h_ - n); v = h_ U + b stays for the way back.
KERNEL(gru) {
    const real *past = a.x[0], *input_bias = a.x[1], *bias = a.x[2];
    const int size = a.n[0], going = a.n[1];
    const int row = i / size, j = i % size;
    real *gates = a.y[0] + row * 3 * size, *recurrent = a.y[1] + row * 3 * size;
    const real reset = sigmoid(gates[j] + input_bias[j] + recurrent[j] + bias[j]);
    const real update =
        sigmoid(gates[size + j] + input_bias[size + j] + recurrent[size + j] + bias[size + j]);
    const real inner = recurrent[2 * size + j] + bias[2 * size + j];
    const real candidate = tanh(gates[2 * size + j] + input_bias[2 * size + j] + reset * inner);
    const real hidden = candidate + update * (past[i] - candidate);
    gates[j] = reset;
    gates[size + j] = update;
    gates[2 * size + j] = candidate;
    recurrent[2 * size + j] = inner;
    a.y[2][i] = hidden;
    if (row < going) a.y[3][i] = hidden;
}

// Backward of gru: deltas of x, of v and, but for the way through v, of h_, which are added to those of
// the step that computed it.
KERNEL(gru_back) {
    const real *past = a.x[2], *d_hidden = a.x[3];
    const int size = a.n[0], going = a.n[1];
    const int row = i / size, j = i % size, at = row * 3 * size + j;
    const real *gates = a.x[0] + at, *recurrent = a.x[1] + at;
    real *d_gates = a.y[0] + at, *d_recurrent = a.y[1] + at;
    const real reset = gates[0], update = gates[size], candidate = gates[2 * size];
    const real d_n = d_hidden[i] * (ONE - update) * (ONE - candidate * candidate);
    const real d_r = d_n * recurrent[2 * size] * reset * (ONE - reset);
    const real d_u = d_hidden[i] * (past[i] - candidate) * update * (ONE - update);
    const real d_past = d_hidden[i] * update;
    d_gates[0] = d_r;
    d_gates[size] = d_u;
    d_gates[2 * size] = d_n;
    d_recurrent[0] = d_r;
    d_recurrent[size] = d_u;
    d_recurrent[2 * size] = d_n * reset;
    if (a.y[2]) a.y[2][i] = d_past;
    if (row < going) a.y[3][i] += d_past;
}

// LSTM: i, f, o = s(.), g = tanh(.), c = f c_ + i g, h = o tanh c.
KERNEL(lstm) {
    const real *past_cell = a.x[0], *bias = a.x[1];
    const int size = a.n[0], going = a.n[1];
    const int row = i / size, j = i % size;
    real *gates = a.y[0] + row * 4 * size;
    const real input = sigmoid(gates[j] + bias[j]);
    const real forget = sigmoid(gates[size + j] + bias[size + j]);
    const real output = sigmoid(gates[2 * size + j] + bias[2 * size + j]);
    const real candidate = tanh(gates[3 * size + j] + bias[3 * size + j]);
    const real cell = forget * past_cell[i] + input * candidate;
    const real hidden = output * tanh(cell);
    gates[j] = input;
    gates[size + j] = forget;
    gates[2 * size + j] = output;
    gates[3 * size + j] = candidate;
    a.y[1][i] = cell;
    a.y[2][i] = hidden;
    if (row < going) {
        a.y[3][i] = hidden;
        a.y[4][i] = cell;
    }
}

// Backward of lstm: deltas of the gates' arguments, and of c_, which the step before takes up.
KERNEL(lstm_back) {
    const real *past_cell = a.x[1], *cell = a.x[2], *d_hidden = a.x[3], *d_cell = a.x[4];
    const int size = a.n[0], going = a.n[1];
    const int row = i / size, j = i % size, at = row * 4 * size + j;
    const real *gates = a.x[0] + at;
    real *d_gates = a.y[0] + at;
    const real input = gates[0], forget = gates[size], output = gates[2 * size], candidate = gates[3 * size];
    const real squashed = tanh(cell[i]);
    const real d_c = d_cell[i] + d_hidden[i] * output * (ONE - squashed * squashed);
    d_gates[0] = d_c * candidate * input * (ONE - input);
    d_gates[size] = d_c * past_cell[i] * forget * (ONE - forget);
    d_gates[2 * size] = d_hidden[i] * squashed * output * (ONE - output);
    d_gates[3 * size] = d_c * input * (ONE - candidate * candidate);
    if (row < going) a.y[1][i] = d_c * forget;
}

// Plain cell: h = f(x + h_ U + b).
KERNEL(plain) {
    const int size = a.n[0], going = a.n[1], f = a.n[2];
    const real hidden = apply(f, a.y[0][i] + a.x[0][i % size]);
    a.y[1][i] = hidden;
    if (i / size < going) a.y[2][i] = hidden;
}

KERNEL(plain_back) { a.y[0][i] = a.x[1][i] * slope(a.n[0], a.x[0][i]); }
