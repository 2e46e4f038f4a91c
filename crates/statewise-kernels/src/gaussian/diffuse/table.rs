//! What steps with a diffuse start need that does not depend on the data.

use crate::gaussian::gains::Gains;
use crate::gaussian::small::inner;

/// Steps t for which δ counts, shared by series with the same entries missing.
///
/// Where directions are open, entries of covariances are infinite with the sign of P∞, or finite and exact if
/// no open direction moves them.
#[derive(Clone, Debug, Default)]
pub struct DiffuseTable {
    d: usize,
    m: usize,
    pub(super) first: usize,
    pub(super) steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    /// Of z_t given y_{1:t-1}, of z_t given y_{1:t}, and of y_t given y_{1:t-1}.
    pub(super) predicted: Moved,
    pub(super) filtered: Moved,
    pub(super) emission: Moved,
    /// U A V, what standardised innovations lose per unit of (a, b), \[M, width\].
    pub(super) white: Vec<f64>,
    /// One per entry of y_t.
    pub(super) rows: Vec<Row>,
    /// −log det L − ½ n log 2π less what log det R grows by.
    pub(super) log_norm: f64,
}

/// How n numbers move with δ.
#[derive(Clone, Debug, Default)]
pub(super) struct Moved {
    /// B = A V R⁻¹ over the identified columns, \[n, rank\].
    pub(super) units: Vec<f64>,
    /// P∞ = C Cᵀ over the open columns, \[n, n\]; empty if there are none.
    pub(super) open: Vec<f64>,
}

/// A row of least squares: the rotations that take it into R.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// (cos, sin), one per row of R.
    pub(super) turns: Vec<[f64; 2]>,
    /// The sign of the new row of R, where the row sees an open direction.
    pub(super) pins: Option<f64>,
    /// What log det R grows by.
    pub(super) log_growth: f64,
}

impl DiffuseTable {
    pub(super) fn clear(&mut self, [d, m]: [usize; 2], first: usize) {
        self.steps.clear();
        (self.d, self.m, self.first) = (d, m, first);
    }

    pub(super) fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    pub(super) fn step(&self, t: usize) -> &Step {
        &self.steps[t - self.first]
    }

    /// The steps that it holds.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.steps.len()
    }

    /// Writes Cov(z_t | y_{1:t-1}), \[D, D\]; `gains` are those of the proper start.
    pub fn predicted_cov(&self, gains: &Gains, t: usize, out: &mut [f64]) {
        out.copy_from_slice(gains.predicted_cov(t));
        self.step(t).predicted.add_cov(self.d, out);
    }

    /// Writes Cov(z_t | y_{1:t}), \[D, D\].
    pub fn filtered_cov(&self, gains: &Gains, t: usize, out: &mut [f64]) {
        out.copy_from_slice(gains.filtered_cov(t));
        self.step(t).filtered.add_cov(self.d, out);
    }

    /// Adds to Cov(y_t | y_{1:t-1}, δ), \[M, M\], what δ does.
    pub fn add_emission_cov(&self, t: usize, out: &mut [f64]) {
        self.step(t).emission.add_cov(self.m, out);
    }

    /// Takes what δ adds to E(z_t | y_{1:t}) off again, for the last step.
    pub(in crate::gaussian) fn take_off(&self, estimate: &[f64], mean: &mut [f64]) {
        let opposite: Vec<f64> = estimate.iter().map(|z| -z).collect();
        if let Some(step) = self.steps.last() {
            step.filtered.add_mean(&opposite, mean);
        }
    }

    /// What standardised innovations lose per unit of (a, b), \[M, width\].
    pub(in crate::gaussian) fn white(&self, t: usize) -> &[f64] {
        &self.step(t).white
    }

    /// Whether some direction of z_t is open given y_{1:t-1}.
    pub fn is_open(&self, t: usize) -> bool {
        !self.step(t).predicted.open.is_empty()
    }
}

impl Moved {
    /// x += B z.
    pub(super) fn add_mean(&self, estimate: &[f64], out: &mut [f64]) {
        if !self.units.is_empty() {
            let rank = self.units.len() / out.len();
            out.iter_mut().zip(self.units.chunks_exact(rank)).for_each(|(x, b)| *x += inner(b, estimate));
        }
    }

    /// C += B Bᵀ, and infinite where open.
    pub(super) fn add_cov(&self, n: usize, out: &mut [f64]) {
        if !self.units.is_empty() {
            let rank = self.units.len() / n;
            for (i, row) in self.units.chunks_exact(rank).enumerate() {
                for (j, other) in self.units.chunks_exact(rank).enumerate().take(i + 1) {
                    let own = inner(row, other);
                    out[i * n + j] += own;
                    if i != j {
                        out[j * n + i] += own;
                    }
                }
            }
        }
        for (out, open) in out.iter_mut().zip(&self.open).filter(|(_, open)| **open != 0.0) {
            *out = f64::INFINITY.copysign(*open);
        }
    }
}
