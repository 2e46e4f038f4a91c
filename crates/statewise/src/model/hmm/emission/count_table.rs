//! Tables of log-likelihoods of small counts, which most counts are.

use statewise_kernels::math::{exp_shifted_rows, ln_gamma};

use super::entrywise::Grid;

/// The density of one count under the parameters of value i = k D + d.
pub(super) trait CountDensity: Sync {
    /// log p(y | θ_i), given ln y!.
    fn log_prob(&self, i: usize, y: f64, log_factorial: f64) -> f64;
}

/// Counts below this are tabulated.
const LIMIT: usize = 64;

/// A density of counts with its table; a row of K for every dimension and count, \[D, LIMIT, K\].
pub(super) struct CountTable<P> {
    pub(super) grid: Grid,
    pub(super) density: P,
    log_probs: Vec<f64>,
    /// With one dimension: likelihoods over their maximum over the states, and logs of the maxima.
    scaled: Vec<f64>,
    shifts: Vec<f64>,
}

impl<P: CountDensity> CountTable<P> {
    /// Fills the table: D K LIMIT densities, microseconds.
    pub(super) fn new(grid: Grid, density: P) -> Self {
        let log_factorials: Vec<f64> = (0..LIMIT).map(|y| ln_gamma(y as f64 + 1.0)).collect();
        let mut log_probs = Vec::with_capacity(grid.len() * LIMIT);
        for d in 0..grid.dim {
            for (y, log_factorial) in log_factorials.iter().enumerate() {
                let log_prob = |k| density.log_prob(k * grid.dim + d, y as f64, *log_factorial);
                log_probs.extend((0..grid.num_states).map(log_prob));
            }
        }
        let (mut scaled, mut shifts) = (vec![], vec![]);
        if grid.dim == 1 {
            scaled.clone_from(&log_probs);
            shifts.resize(LIMIT, 0.0);
            exp_shifted_rows(&mut scaled, &mut shifts);
        }
        CountTable { grid, density, log_probs, scaled, shifts }
    }

    /// Adds log p(y | θ_kd) of one count, \[K\].
    fn add_row(&self, d: usize, y: f64, out: &mut [f64]) {
        let k = self.grid.num_states;
        if y < LIMIT as f64 {
            let first = (d * LIMIT + y as usize) * k;
            out.iter_mut().zip(&self.log_probs[first..]).for_each(|(o, l)| *o += l);
        } else {
            let log_factorial = ln_gamma(y + 1.0);
            for (state, out) in out.iter_mut().enumerate() {
                *out += self.density.log_prob(state * self.grid.dim + d, y, log_factorial);
            }
        }
    }

    /// Writes Σ_d log p(y_td | θ_kd) over the entries present, shape \[len, K\].
    pub(super) fn log_likelihoods(&self, rows: &[f64], out: &mut [f64]) {
        for (row, out) in rows.chunks_exact(self.grid.dim).zip(out.chunks_exact_mut(self.grid.num_states)) {
            out.fill(0.0);
            let present = row.iter().enumerate().filter(|(_, y)| !y.is_nan());
            present.for_each(|(d, y)| self.add_row(d, *y, out));
        }
    }

    /// Writes likelihoods over exp(shift), and the shifts.
    ///
    /// PERF: with one dimension a small count is a copy of a row, without an exponential.
    pub(super) fn scaled_likelihoods(&self, rows: &[f64], out: &mut [f64], shift: &mut [f64]) {
        let k = self.grid.num_states;
        if self.grid.dim > 1 {
            self.log_likelihoods(rows, out);
            exp_shifted_rows(out, shift);
            return;
        }
        for ((y, out), shift) in rows.iter().zip(out.chunks_exact_mut(k)).zip(shift) {
            if *y < LIMIT as f64 {
                let y = *y as usize;
                out.copy_from_slice(&self.scaled[y * k..(y + 1) * k]);
                *shift = self.shifts[y];
            } else {
                self.log_likelihoods(std::slice::from_ref(y), out);
                exp_shifted_rows(out, std::slice::from_mut(shift));
            }
        }
    }
}
