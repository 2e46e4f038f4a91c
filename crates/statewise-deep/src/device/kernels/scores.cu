// -log p(x | outputs) of every entry with its weighted derivative, and the divergence of q from p.

// An entry's term and slope; missing ones have neither.
FUNCTION void score_entry(const Args a, int i, const real *observed, real term, real d_out) {
    const real there = observed ? observed[i] : ONE;
    a.y[0][i] = term * there;
    a.y[1][i] = a.c[0] * d_out * there;
}

// sp(l) - l x, slope s(l) - x.
KERNEL(bernoulli) {
    const real logit = a.x[0][i] + a.x[1][i % a.n[0]], x = a.x[2][i];
    score_entry(a, i, a.x[3], softplus(logit) - logit * x, sigmoid(logit) - x);
}

// e^l - l x + ln x!, slope e^l - x.
KERNEL(poisson) {
    const real log_rate = a.x[0][i] + a.x[1][i % a.n[0]], x = a.x[2][i];
    const real rate = exp(log_rate);
    score_entry(a, i, a.x[3], rate - log_rate * x + lgamma(x + ONE), rate - x);
}

#define LN_TWO_PI ((real)1.8378770664093454836)

// (ln 2 pi v + (x - m)^2 / v) / 2, slopes in m and in the argument of v's softplus; x 0 to 3 are the means,
// the arguments (each with its stride) and the biases of both.
KERNEL(gaussian) {
    const int dim = a.n[0], mean_stride = a.n[1], raw_stride = a.n[2], d_raw_stride = a.n[3];
    const int row = i / dim, j = i % dim;
    const real mean = a.x[0][row * mean_stride + j] + a.x[2][j];
    const real raw = a.x[1][row * raw_stride + j] + or_zero(a.x[3], j);
    const real there = a.x[5] ? a.x[5][i] : ONE;
    const real variance = spread(0, raw), precision = ONE / variance;
    const real residual = a.x[4][i] - mean, square = residual * residual * precision;
    const real d_variance = HALF * precision * (ONE - square);
    a.y[0][i] = there * HALF * (LN_TWO_PI + log(variance) + square);
    a.y[1][row * mean_stride + j] = -a.c[0] * there * residual * precision;
    a.y[2][row * d_raw_stride + j] = a.c[0] * there * d_variance * spread_slope(0, raw);
}

// ln sum e^l - l_x, slopes softmax - 1{x}; a thread has all classes of a feature.
KERNEL(categorical) {
    const int dim = a.n[0], classes = a.n[1];
    const real *logits = a.x[0] + i * classes, *bias = a.x[1] + i % dim * classes;
    const real there = a.x[3] ? a.x[3][i] : ONE;
    const int label = (int)a.x[2][i];
    real *d_out = a.y[1] + i * classes;
    real largest = logits[0] + bias[0], total = ZERO;
    for (int k = 1; k < classes; k++) {
        const real logit = logits[k] + bias[k];
        if (logit > largest) largest = logit;
    }
    for (int k = 0; k < classes; k++) {
        d_out[k] = exp(logits[k] + bias[k] - largest);
        total += d_out[k];
    }
    for (int k = 0; k < classes; k++) {
        d_out[k] = a.c[0] * there * (d_out[k] / total - (k == label ? ONE : ZERO));
    }
    a.y[0][i] = there * (log(total) + largest - logits[label] - bias[label]);
}

// KL(q | p), value by value; x: mean and variance of q, of p.
KERNEL(expected) {
    const real precision = ONE / a.x[3][i], ratio = a.x[1][i] * precision, gap = a.x[2][i] - a.x[0][i];
    a.y[0][i] = HALF * (ratio - ONE - log(ratio) + gap * gap * precision);
}

// The weighted derivatives of expected, in the order of x; z has none.
KERNEL(expected_back) {
    const real variance = a.x[1][i], precision = ONE / a.x[3][i], weight = a.c[0];
    const real pull = (a.x[2][i] - a.x[0][i]) * precision;
    a.y[0][i] = -weight * pull;
    a.y[1][i] = HALF * weight * (precision - ONE / variance);
    a.y[2][i] = weight * pull;
    a.y[3][i] = HALF * weight * (precision * (ONE - variance * precision) - pull * pull);
    a.y[4][i] = ZERO;
}

// log q(z) - log p(z), value by value; x: as above, then the noise and z.
KERNEL(sampled) {
    const real precision = ONE / a.x[3][i], residual = a.x[5][i] - a.x[2][i], noise = a.x[4][i];
    a.y[0][i] =
        HALF * (residual * residual * precision - noise * noise - log(a.x[1][i] * precision));
}

// The weighted derivatives of sampled; the last is that of z.
KERNEL(sampled_back) {
    const real precision = ONE / a.x[3][i], weight = a.c[0];
    const real pull = (a.x[5][i] - a.x[2][i]) * precision;
    a.y[0][i] = ZERO;
    a.y[1][i] = -HALF * weight / a.x[1][i];
    a.y[2][i] = -weight * pull;
    a.y[3][i] = HALF * weight * (precision - pull * pull);
    a.y[4][i] = weight * pull;
}
