//! What families share whose entries are independent given the state.
//!
//! p(y_t | z_t = k) = Π_d p(y_td | θ_kd), over the entries that are present

/// The sizes of everything that has one value per state and dimension, index i = k D + d.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    /// K.
    pub(super) num_states: usize,
    /// D.
    pub(super) dim: usize,
}

impl Grid {
    /// K D.
    pub(super) fn len(self) -> usize {
        self.num_states * self.dim
    }

    /// \[K, D\].
    pub(super) fn shape(self) -> [usize; 2] {
        [self.num_states, self.dim]
    }

    /// Writes Σ_d log p(y_td | θ_kd), shape \[len, K\]; `features` of an entry are computed once
    /// for all states.
    pub(super) fn log_likelihoods<F>(
        self,
        rows: &[f64],
        out: &mut [f64],
        features: impl Fn(f64) -> F,
        log_prob: impl Fn(usize, &F) -> f64,
    ) {
        for (row, out) in rows.chunks_exact(self.dim).zip(out.chunks_exact_mut(self.num_states)) {
            out.fill(0.0);
            for (d, y) in row.iter().enumerate().filter(|(_, y)| !y.is_nan()) {
                let entry = features(*y);
                for (k, out) in out.iter_mut().enumerate() {
                    *out += log_prob(k * self.dim + d, &entry);
                }
            }
        }
    }

    /// Adds Σ_t γ_t(k) s_j(y_td) over the entries present, shape \[N, K, D\].
    pub(super) fn accumulate<F, const N: usize>(
        self,
        rows: &[f64],
        gamma: &[f64],
        stats: &mut [f64],
        features: impl Fn(f64) -> F,
        statistics: impl Fn(usize, &F) -> [f64; N],
    ) {
        for (row, gamma) in rows.chunks_exact(self.dim).zip(gamma.chunks_exact(self.num_states)) {
            for (d, y) in row.iter().enumerate().filter(|(_, y)| !y.is_nan()) {
                let entry = features(*y);
                for (k, gamma) in gamma.iter().enumerate() {
                    let i = k * self.dim + d;
                    for (j, s) in statistics(i, &entry).into_iter().enumerate() {
                        stats[j * self.len() + i] += gamma * s;
                    }
                }
            }
        }
    }

    /// The N statistics of value i.
    pub(super) fn at<const N: usize>(self, stats: &[f64], i: usize) -> [f64; N] {
        std::array::from_fn(|j| stats[j * self.len() + i])
    }

    /// Writes the means and a diagonal covariance of a state.
    pub(super) fn moments(
        self,
        state: usize,
        mean: &mut [f64],
        cov: &mut [f64],
        moments: impl Fn(usize) -> (f64, f64),
    ) {
        cov.fill(0.0);
        for d in 0..self.dim {
            (mean[d], cov[d * self.dim + d]) = moments(state * self.dim + d);
        }
    }
}
