// The transition's elementwise parts, and p(z_1).

// g = s(g + b), h += b, l += b;  mean = l + g (h - l);  relu(h) where the variance reads it.
KERNEL(mix) {
    const int j = i % a.n[0];
    const real gate = sigmoid(a.y[0][i] + or_zero(a.x[0], j));
    const real proposal = a.y[1][i] + or_zero(a.x[1], j);
    const real linear = a.y[2][i] + or_zero(a.x[2], j);
    a.y[0][i] = gate;
    a.y[1][i] = proposal;
    a.y[2][i] = linear;
    a.y[3][i] = linear + gate * (proposal - linear);
    if (a.y[4]) a.y[4][i] = proposal > ZERO ? proposal : ZERO;
}

// The deltas of the gate's argument, of h and of l from those of the mean.
KERNEL(unmix) {
    const real gate = a.x[0][i], proposal = a.x[1][i], linear = a.x[2][i], d = a.x[3][i];
    a.y[0][i] = d * (proposal - linear) * gate * (ONE - gate);
    a.y[1][i] = d * gate;
    a.y[2][i] = d * (ONE - gate);
}

// Adds the deltas of relu(h) to those of h.
KERNEL(unrectify) {
    if (a.x[0][i] > ZERO) a.y[0][i] += a.x[1][i];
}

// raw += b (or raw = b, where it is constant);  its variance.
KERNEL(variances) {
    const int dim = a.n[0], kind = a.n[1], constant = a.n[2];
    const real raw = (constant ? ZERO : a.y[0][i]) + a.x[0][i % dim];
    a.y[0][i] = raw;
    a.y[1][i] = spread(kind, raw);
}

// d_raw = d_var dvar/draw; a stride of 0 reads one raw row for all.
KERNEL(variances_back) {
    const int dim = a.n[0], kind = a.n[1], stride = a.n[2];
    a.y[0][i] = a.x[1][i] * spread_slope(kind, a.x[0][i / dim * stride + i % dim]);
}

// Mean and variance of p(z_1): learned, or 0 and 1.
KERNEL(first_moments) {
    const int j = i % a.n[0];
    a.y[0][i] = or_zero(a.x[0], j);
    a.y[1][i] = a.x[1] ? spread(a.n[1], a.x[1][j]) : ONE;
}
