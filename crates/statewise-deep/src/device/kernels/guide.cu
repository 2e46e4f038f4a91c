// The inference network's part of a time step: combiner, moments of q, the draw of z.

// Sum of what the directions give, times its share.
KERNEL(summary) { a.y[0][i] = a.c[0] * (a.x[0][i] + or_zero(a.x[1], i)); }

// Deltas of the directions' outputs: the share of the deltas of all copies.
KERNEL(summary_back) {
    const int width = a.n[0], copies = a.n[1];
    const int row = i / width, j = i % width;
    real sum = ZERO;
    for (int k = 0; k < copies; k++) sum += a.x[0][(row * copies + k) * width + j];
    a.y[0][i] = a.c[0] * sum;
    if (a.y[1]) a.y[1][i] = a.c[0] * sum;
}

// s = f(s + b);  c = w s + summary.
KERNEL(combine) {
    const int width = a.n[0], copies = a.n[1], f = a.n[2];
    const int row = i / width, j = i % width;
    const real state = apply(f, a.y[0][i] + a.x[0][j]);
    a.y[0][i] = state;
    a.y[1][i] = a.c[0] * state + a.x[1][row / copies * width + j];
}

KERNEL(combine_back) { a.y[0][i] = a.c[0] * a.x[1][i] * slope(a.n[0], a.x[0][i]); }

// A head's output, side by side the mean and the argument of the variance: adds b, gives the variance.
KERNEL(head_moments) {
    const int dim = a.n[0], kind = a.n[1];
    const int row = i / dim, j = i % dim;
    real *out = a.y[0] + row * 2 * dim;
    out[j] += a.x[0][j];
    out[dim + j] += a.x[0][dim + j];
    a.y[1][i] = spread(kind, out[dim + j]);
}

// z = mean + sqrt(variance) e, handed on to all that read it: the emission and, in rows that go on, the next
// step's combiner and transition. y: _, mean, variance, z, emission's input, next past, transition's input.
FUNCTION void draw(const Args a, int i, real mean, real variance, real noise) {
    const int dim = a.n[0], emission_inputs = a.n[2], transition_inputs = a.n[3], going = a.n[4];
    const int row = i / dim, j = i % dim;
    const real z = mean + sqrt(variance) * noise;
    a.y[1][i] = mean;
    a.y[2][i] = variance;
    a.y[3][i] = z;
    a.y[4][row * emission_inputs + j] = z;
    if (row < going) {
        if (a.y[5]) a.y[5][i] = z;
        a.y[6][row * transition_inputs + j] = z;
    }
}

// From the output of the average's head.
KERNEL(draw_average) {
    const int dim = a.n[0], kind = a.n[1];
    const int row = i / dim, j = i % dim;
    real *out = a.y[0] + row * 2 * dim;
    const real raw = out[dim + j] + a.x[0][dim + j];
    out[dim + j] = raw;
    draw(a, i, out[j] + a.x[0][j], spread(kind, raw), a.x[1][i]);
}

// The delta of z: from the divergence and later steps, the emission, and the transition out of it.
FUNCTION real delta_of_draw(const Args a, int first, int row, int j) {
    const int dim = a.n[0], emission_inputs = a.n[2], transition_inputs = a.n[3], going = a.n[4];
    const real *d_z = a.x[first], *emission = a.x[first + 1], *transition = a.x[first + 2];
    const real later = row < going ? transition[row * transition_inputs + j] : ZERO;
    return d_z[row * dim + j] + emission[row * emission_inputs + j] + later;
}

// Backward of draw_average, to the deltas of the head's output.
KERNEL(draw_average_back) {
    const real *out = a.x[0], *noise = a.x[1], *variance = a.x[2], *d_mean = a.x[3], *d_variance = a.x[4];
    const int dim = a.n[0], kind = a.n[1];
    const int row = i / dim, j = i % dim, at = row * 2 * dim + j;
    const real d_z = delta_of_draw(a, 5, row, j);
    const real d_v = d_variance[i] + HALF * d_z * noise[i] / sqrt(variance[i]);
    a.y[0][at] = d_mean[i] + d_z;
    a.y[0][at + dim] = d_v * spread_slope(kind, out[at + dim]);
}

// N(mean, variance) times N(m, v), normalised: with w = v / (variance + v) the mean is m + w (mean - m).
FUNCTION void join(real m, real v, real *mean, real *variance) {
    const real w = v / (*variance + v);
    *mean = m + w * (*mean - m);
    *variance *= w;
}

// Backward of join: the deltas of the joined moments become those of (mean, variance) before it.
FUNCTION void unjoin(
    real m, real v, real mean, real variance, real *d_m, real *d_v, real *d_mean, real *d_variance
) {
    const real total = variance + v, w = v / total;
    const real d_w = *d_mean * (mean - m) + *d_variance * variance;
    *d_m += *d_mean * (ONE - w);
    *d_v += d_w * (ONE - w) / total;
    *d_variance = *d_variance * w - d_w * w / total;
    *d_mean *= w;
}

// The factors of one or two heads (x 0 to 3: outputs and variances) and of the transition (x 4, 5), joined.
KERNEL(draw_evidence) {
    const int dim = a.n[0], copies = a.n[5];
    const int row = i / dim, j = i % dim, step = row / copies;
    real mean = a.x[0][step * 2 * dim + j], variance = a.x[1][step * dim + j];
    if (a.x[2]) join(a.x[2][step * 2 * dim + j], a.x[3][step * dim + j], &mean, &variance);
    if (a.x[4]) join(a.x[4][i], a.x[5][i], &mean, &variance);
    draw(a, i, mean, variance, a.x[6][i]);
}

// Backward of draw_evidence for all copies of a time step's factor; the joined moments are recomputed.
KERNEL(draw_evidence_back) {
    const real *q_variance = a.x[7], *d_means = a.x[8], *d_variances = a.x[9];
    const int dim = a.n[0], kind = a.n[1], copies = a.n[5];
    const int step = i / dim, j = i % dim, head = step * 2 * dim + j, both = a.x[2] != 0;
    const real mean = a.x[0][head], variance = a.x[1][i];
    real joined_mean = mean, joined_variance = variance;
    real d_mean_0 = ZERO, d_variance_0 = ZERO, d_mean_1 = ZERO, d_variance_1 = ZERO;
    if (both) join(a.x[2][head], a.x[3][i], &joined_mean, &joined_variance);
    for (int k = 0; k < copies; k++) {
        const int row = step * copies + k, at = row * dim + j;
        const real d_z = delta_of_draw(a, 10, row, j);
        real d_mean = d_means[at] + d_z;
        real d_variance = d_variances[at] + HALF * d_z * a.x[6][at] / sqrt(q_variance[at]);
        if (a.x[4]) {
            unjoin(
                a.x[4][at], a.x[5][at], joined_mean, joined_variance,
                &a.y[2][at], &a.y[3][at], &d_mean, &d_variance
            );
        }
        if (both) {
            unjoin(a.x[2][head], a.x[3][i], mean, variance, &d_mean_1, &d_variance_1, &d_mean, &d_variance);
        }
        d_mean_0 += d_mean;
        d_variance_0 += d_variance;
    }
    a.y[0][head] = d_mean_0;
    a.y[0][head + dim] = d_variance_0 * spread_slope(kind, a.x[0][head + dim]);
    if (both) {
        a.y[1][head] = d_mean_1;
        a.y[1][head + dim] = d_variance_1 * spread_slope(kind, a.x[2][head + dim]);
    }
}
