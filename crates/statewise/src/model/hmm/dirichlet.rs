//! Probabilities with Dirichlet priors: density, gradient, mode and draws.
//!
//! p ~ Dir(α):  log p(p) = ln Γ(Σ α_c) + Σ_c ((α_c − 1) ln p_c − ln Γ(α_c)),  mode p_c ∝ n_c + α_c − 1

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

    fn entries(&self, row: usize) -> impl Iterator<Item = usize> + Clone + '_ {
        (row * self.width..(row + 1) * self.width).filter(|i| self.inside(*i))
    }

    /// Σ_rows log Dir(p | α).
    pub(crate) fn log_density(&self, probs: &[f64]) -> f64 {
        let row = |row| log_density(self.entries(row).map(|i| (self.concentration[i], probs[i])));
        (0..self.num_rows).map(row).sum()
    }

    /// Adds d log Dir / d p = (α − 1) / p.
    pub(crate) fn add_log_density_gradient(&self, probs: &[f64], gradient: &mut [f64]) {
        for i in (0..probs.len()).filter(|i| self.inside(*i) && probs[*i] > 0.0) {
            gradient[i] += ratio(self.concentration[i] - 1.0, probs[i]);
        }
    }

    /// Draws every row from its Dirichlet.
    pub(crate) fn sample(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let mut probs = vec![0.0; self.num_rows * self.width];
        for row in 0..self.num_rows {
            draw(self.entries(row).map(|i| (i, self.concentration[i])), &mut probs, rng);
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
        let mass = |i: usize| pseudo_count(counts[i], if prior { self.concentration[i] } else { 1.0 });
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

/// p ~ Dirichlet(α, …, α), for each row of an array.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DirichletPrior {
    /// α.
    pub(crate) concentration: f64,
}

impl DirichletPrior {
    /// No prior at all.
    pub(crate) const FLAT: Self = DirichletPrior { concentration: 1.0 };

    /// log p(p) of rows of `width` probabilities, with respect to all but the last of each.
    pub(crate) fn log_density(self, probs: &[f64], width: usize) -> f64 {
        let row = |p: &[f64]| log_density(p.iter().map(|p| (self.concentration, *p)));
        probs.chunks_exact(width).map(row).sum()
    }

    /// Adds d log p(p) / dp.
    pub(crate) fn add_slope(self, probs: &[f64], gradient: &mut [f64]) {
        gradient.iter_mut().zip(probs).for_each(|(g, p)| *g += ratio(self.concentration - 1.0, *p));
    }

    /// n + α − 1, or 0 where that is negative.
    pub(crate) fn pseudo_count(self, count: f64) -> f64 {
        pseudo_count(count, self.concentration)
    }

    /// Moves one row to the mode after weighted counts; without any it stays, which counts as a repair.
    pub(crate) fn mode(self, counts: impl Iterator<Item = f64> + Clone, probs: &mut [f64]) -> usize {
        let pseudo = counts.map(|n| self.pseudo_count(n));
        let total: f64 = pseudo.clone().sum();
        if total > 0.0 {
            probs.iter_mut().zip(pseudo).for_each(|(p, n)| *p = n / total);
            return 0;
        }
        1
    }

    /// Draws rows of `width` probabilities.
    pub(crate) fn draw(self, probs: &mut [f64], width: usize, rng: &mut ChaCha8Rng) {
        let entries = (0..width).map(|i| (i, self.concentration));
        probs.chunks_exact_mut(width).for_each(|row| draw(entries.clone(), row, rng));
    }
}

/// log Dir(p | α) of pairs (α_c, p_c).
fn log_density(entries: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let total: f64 = entries.clone().map(|(a, _)| a).sum();
    // Neighbours mostly share their concentration.
    let mut known = (f64::NAN, f64::NAN);
    let terms = entries.map(|(a, p)| {
        if a != known.0 {
            known = (a, ln_gamma(a));
        }
        xlogy(a - 1.0, p) - known.1
    });
    ln_gamma(total) + terms.sum::<f64>()
}

/// Draws the entries (c, α_c): Gamma variables over their sum.
fn draw(entries: impl Iterator<Item = (usize, f64)> + Clone, probs: &mut [f64], rng: &mut ChaCha8Rng) {
    let mut sum = 0.0;
    for (c, concentration) in entries.clone() {
        // The smallest draw keeps tiny concentrations off an exact zero.
        probs[c] = Gamma::new(concentration, 1.0).map_or(1.0, |g| g.sample(rng)).max(1e-300);
        sum += probs[c];
    }
    entries.for_each(|(c, _)| probs[c] /= sum);
}

fn pseudo_count(count: f64, concentration: f64) -> f64 {
    (count + concentration - 1.0).max(0.0)
}

/// x ln y, with 0 ln 0 = 0.
pub(crate) fn xlogy(x: f64, y: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x * y.ln() }
}

/// x / y, with 0 / 0 = 0: the slope of [`xlogy`] in y.
pub(crate) fn ratio(x: f64, y: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x / y }
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
