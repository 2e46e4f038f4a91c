//! Rows of probabilities with Dirichlet priors: density, gradient, mode and draws.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma};
use statewise_kernels::math::ln_gamma;

use crate::params::ParamProperties;

/// `num_rows` distributions over `width` outcomes, each with its concentrations.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    num_rows: usize,
    width: usize,
    /// Shape \[num_rows, width\].
    concentration: Vec<f64>,
    /// Outcomes that have any probability; `None`: all.
    support: Option<Vec<bool>>,
}

impl Rows {
    /// The same concentration everywhere.
    pub(crate) fn new(num_rows: usize, width: usize, concentration: f64) -> Self {
        Rows { num_rows, width, concentration: vec![concentration; num_rows * width], support: None }
    }

    /// Adds `stickiness` to the concentration of the diagonal.
    pub(crate) fn with_diagonal(mut self, stickiness: f64) -> Self {
        (0..self.num_rows).for_each(|i| self.concentration[i * self.width + i] += stickiness);
        self
    }

    /// Restricts the outcomes; those outside have probability zero.
    pub(crate) fn with_support(mut self, support: Option<Vec<bool>>) -> Self {
        self.support = support;
        self
    }

    fn inside(&self, index: usize) -> bool {
        self.support.as_ref().is_none_or(|s| s[index])
    }

    fn entries(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        (row * self.width..(row + 1) * self.width).filter(|i| self.inside(*i))
    }

    /// Σ_rows log Dir(p | α).
    pub(crate) fn log_density(&self, probs: &[f64]) -> f64 {
        (0..self.num_rows)
            .map(|row| {
                let total: f64 = self.entries(row).map(|i| self.concentration[i]).sum();
                let term = |i: usize| {
                    let a = self.concentration[i];
                    let power = if a == 1.0 { 0.0 } else { (a - 1.0) * probs[i].ln() };
                    power - ln_gamma(a)
                };
                ln_gamma(total) + self.entries(row).map(term).sum::<f64>()
            })
            .sum()
    }

    /// Adds d log Dir / d p = (α − 1) / p.
    pub(crate) fn add_log_density_gradient(&self, probs: &[f64], gradient: &mut [f64]) {
        for i in (0..probs.len()).filter(|i| self.inside(*i) && probs[*i] > 0.0) {
            gradient[i] += (self.concentration[i] - 1.0) / probs[i];
        }
    }

    /// Draws every row from its Dirichlet.
    pub(crate) fn sample(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let mut probs = vec![0.0; self.num_rows * self.width];
        for row in 0..self.num_rows {
            for i in self.entries(row) {
                // The smallest draw keeps tiny concentrations off an exact zero.
                probs[i] =
                    Gamma::new(self.concentration[i], 1.0).map_or(1.0, |g| g.sample(rng)).max(1e-300);
            }
            let sum: f64 = self.entries(row).map(|i| probs[i]).sum();
            self.entries(row).for_each(|i| probs[i] /= sum);
        }
        probs
    }

    /// Moves the free entries of each row to the maximum of Σ n log p (+ log prior): p ∝ n + α − 1,
    /// scaled to the mass that fixed entries leave; negative pseudo-counts count as zero.
    ///
    /// Rows without any mass keep their values. Tied rows pool their counts.
    pub(crate) fn maximise(
        &self,
        counts: &[f64],
        prior: bool,
        property: &ParamProperties,
        probs: &mut [f64],
    ) {
        if !property.trainable {
            return;
        }
        let movable = |i: usize| self.inside(i) && property.free.as_ref().is_none_or(|f| f[i]);
        let mass = |i: usize| {
            let extra = if prior { self.concentration[i] - 1.0 } else { 0.0 };
            (counts[i] + extra).max(0.0)
        };
        for row in 0..self.num_rows {
            let group = property.tied.iter().find(|g| g.contains(&row));
            if group.is_some_and(|g| g[0] != row) {
                continue;
            }
            let rows = group.map_or(vec![row], Clone::clone);
            let pooled: Vec<f64> =
                (0..self.width).map(|j| rows.iter().map(|r| mass(r * self.width + j)).sum()).collect();
            // Each row scales the shared shares to the mass that its own fixed entries leave.
            rows.iter().for_each(|r| scale_row(&pooled, r * self.width, self.width, movable, probs));
        }
    }
}

fn scale_row(
    masses: &[f64],
    start: usize,
    width: usize,
    movable: impl Fn(usize) -> bool,
    probs: &mut [f64],
) {
    let fixed: f64 = (start..start + width).filter(|i| !movable(*i)).map(|i| probs[i]).sum();
    let total: f64 = (start..start + width).filter(|i| movable(*i)).map(|i| masses[i - start]).sum();
    if total > 0.0 {
        for i in (start..start + width).filter(|i| movable(*i)) {
            probs[i] = (1.0 - fixed) * masses[i - start] / total;
        }
    }
}

/// Adds d Σ n log p / d p = n / p; entries never visited have none.
pub(crate) fn add_count_gradient(counts: &[f64], probs: &[f64], gradient: &mut [f64]) {
    for ((g, n), p) in gradient.iter_mut().zip(counts).zip(probs) {
        if *n > 0.0 {
            *g += n / p.max(1e-300);
        }
    }
}

/// Σ n log p, with 0 log 0 = 0.
pub(crate) fn expected_log_prob(counts: &[f64], probs: &[f64]) -> f64 {
    counts.iter().zip(probs).map(|(n, p)| if *n > 0.0 { n * p.ln() } else { 0.0 }).sum()
}
