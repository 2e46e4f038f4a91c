//! Moments of observations and inputs within a window of steps, from whatever entries are there.
//!
//! With w_t = (y_t, u_t), Γ_l = Cov(w_{t+l}, w_t) is the mean over the pairs of which both are observed,
//! times the share of pairs that the lag leaves. Without gaps this is the estimate whose Toeplitz matrix is
//! positive semi-definite; with gaps as much white noise is added to y as makes it so, which changes
//! R and nothing else of what is identified.

use statewise_kernels::linalg::symmetric_eigen;

use super::matrix::{product, product_transposed};
use crate::data::Dataset;
use crate::error::{Error, Result};

/// The covariance of (w_{t-h}, …, w_{t+h}).
#[derive(Clone, Debug)]
pub(super) struct LaggedMoments {
    /// h.
    pub(super) reach: usize,
    /// M.
    pub(super) emission_dim: usize,
    /// Values of w.
    width: usize,
    /// What was subtracted from w; zeros where moments are about zero.
    pub(super) mean: Vec<f64>,
    /// Variances of the noise added to y, \[M\].
    pub(super) added: Vec<f64>,
    /// Shape \[(2h + 1) width, (2h + 1) width\].
    window: Vec<f64>,
}

/// A linear function of a window: one row per value, over all of its entries.
pub(super) type Functional = Vec<f64>;

impl LaggedMoments {
    /// Moments about the mean, or about zero.
    ///
    /// # Errors
    /// Moments that are not finite.
    pub(super) fn new(data: &Dataset<'_>, reach: usize, centred: bool) -> Result<Self> {
        let width = data.width() + data.input_dim();
        let mut rows = Vec::new();
        let mut starts = Vec::new();
        for n in 0..data.num_sequences() {
            let sequence = data.sequence(n);
            starts.push((rows.len() / width, sequence.num_steps(), data.weight(n)));
            for t in 0..sequence.num_steps() {
                rows.extend_from_slice(sequence.emission(t));
                rows.extend_from_slice(sequence.input(t));
            }
        }
        let mut mean = vec![0.0; width];
        if centred {
            for (i, mean) in mean.iter_mut().enumerate() {
                let (mut sum, mut count) = (0.0, 0.0);
                for (start, len, weight) in &starts {
                    for x in (*start..start + len).map(|t| rows[t * width + i]).filter(|x| !x.is_nan()) {
                        (sum, count) = (sum + weight * x, count + weight);
                    }
                }
                *mean = if count > 0.0 { sum / count } else { 0.0 };
            }
        }
        rows.chunks_exact_mut(width).flat_map(|row| row.iter_mut().zip(&mean)).for_each(|(x, m)| *x -= m);
        let lags: Vec<Vec<f64>> =
            (0..=2 * reach).map(|lag| covariance_at(&rows, width, &starts, lag)).collect();
        let size = (2 * reach + 1) * width;
        let mut window = vec![0.0; size * size];
        for (a, b) in (0..=2 * reach).flat_map(|a| (0..=a).map(move |b| (a, b))) {
            for (i, j) in (0..width).flat_map(|i| (0..width).map(move |j| (i, j))) {
                let value = lags[a - b][i * width + j];
                window[(a * width + i) * size + b * width + j] = value;
                window[(b * width + j) * size + a * width + i] = value;
            }
        }
        let added = vec![0.0; data.width()];
        let mut moments = LaggedMoments { reach, emission_dim: data.width(), width, mean, added, window };
        let missing = data.rows().iter().filter(|y| y.is_nan()).count() as f64;
        if missing > 0.0 {
            // What gaps make of the eigenvalues of correlations that are zero, as random matrices have it.
            let share = missing / data.rows().len() as f64;
            moments.regularise(2.0 * (share * size as f64 / data.num_rows() as f64).sqrt().max(1e-3))?;
        }
        Ok(moments)
    }

    /// Adds noise to y until no eigenvalue of the window's correlations is below `least`.
    fn regularise(&mut self, least: f64) -> Result<()> {
        let (size, m) = (self.size(), self.emission_dim);
        let variance = |at: usize, window: &[f64]| window[at * size + at];
        for _ in 0..20 {
            let scale: Vec<f64> =
                (0..size).map(|at| variance(at, &self.window).max(f64::MIN_POSITIVE).sqrt()).collect();
            let entry = |at: usize| self.window[at] / (scale[at / size] * scale[at % size]);
            let correlations: Vec<f64> = (0..size * size).map(entry).collect();
            let eigen = symmetric_eigen(&correlations, size)
                .map_err(|e| Error::argument("emissions", e, "data with finite moments"))?;
            if eigen.values[0] >= 0.99 * least {
                break;
            }
            let share = least - eigen.values[0];
            for at in (0..size).filter(|at| at % self.width < m) {
                let noise = share * variance(at, &self.window);
                self.window[at * size + at] += noise;
                if at < m {
                    self.added[at] += noise;
                }
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        (2 * self.reach + 1) * self.width
    }

    fn pick(&self, offsets: impl Iterator<Item = isize>, from: usize, to: usize) -> Functional {
        let size = self.size();
        let mut rows = Vec::new();
        for offset in offsets {
            for i in from..to {
                let mut row = vec![0.0; size];
                row[(self.reach as isize + offset) as usize * self.width + i] = 1.0;
                rows.extend(row);
            }
        }
        rows
    }

    /// y at these offsets from t.
    pub(super) fn emissions(&self, offsets: impl Iterator<Item = isize>) -> Functional {
        self.pick(offsets, 0, self.emission_dim)
    }

    /// u at these offsets from t.
    pub(super) fn inputs(&self, offsets: impl Iterator<Item = isize>) -> Functional {
        self.pick(offsets, self.emission_dim, self.width)
    }

    /// (y, u) at these offsets from t.
    pub(super) fn both(&self, offsets: impl Iterator<Item = isize>) -> Functional {
        self.pick(offsets, 0, self.width)
    }

    /// The values of a functional.
    pub(super) fn rows_of(&self, functional: &Functional) -> usize {
        functional.len() / self.size()
    }

    /// A x for a functional x and a matrix A of `rows` rows.
    pub(super) fn map(&self, matrix: &[f64], functional: &Functional, rows: usize) -> Functional {
        product(matrix, functional, rows, self.rows_of(functional), self.size())
    }

    /// The functional `offset` steps later; what it reads must stay inside the window.
    pub(super) fn shifted(&self, functional: &Functional, offset: usize) -> Functional {
        let (size, shift) = (self.size(), offset * self.width);
        let shift_row = |row: &[f64]| [vec![0.0; shift], row[..size - shift].to_vec()].concat();
        functional.chunks_exact(size).flat_map(shift_row).collect()
    }

    /// Cov(a, b).
    pub(super) fn cov(&self, a: &Functional, b: &Functional) -> Vec<f64> {
        let (size, m, n) = (self.size(), self.rows_of(a), self.rows_of(b));
        product_transposed(&product(a, &self.window, m, size, size), b, m, size, n)
    }
}

fn covariance_at(rows: &[f64], width: usize, starts: &[(usize, usize, f64)], lag: usize) -> Vec<f64> {
    let (mut sums, mut counts) = (vec![0.0; width * width], vec![0.0; width * width]);
    let (mut pairs, mut all) = (0.0, 0.0);
    for &(start, len, weight) in starts {
        all += weight * len as f64;
        pairs += weight * len.saturating_sub(lag) as f64;
        for t in lag..len {
            let later = &rows[(start + t) * width..][..width];
            let earlier = &rows[(start + t - lag) * width..][..width];
            for (i, x) in later.iter().enumerate().filter(|(_, x)| !x.is_nan()) {
                for (j, y) in earlier.iter().enumerate().filter(|(_, y)| !y.is_nan()) {
                    sums[i * width + j] += weight * x * y;
                    counts[i * width + j] += weight;
                }
            }
        }
    }
    let share = if all > 0.0 { pairs / all } else { 0.0 };
    sums.iter().zip(&counts).map(|(s, n)| if *n > 0.0 { share * s / n } else { 0.0 }).collect()
}
