//! Softmax regression under a quadratic bound whose statistics add up.
//!
//! p(c | x) ∝ exp(θ_c · x). With weights w_c (Σ_c w_c = n) and current parameters θ⁰, Böhning's bound
//!
//! Σ_c w_c log p(c | x, θ) ≥ const + Σ_c h_c · θ_c − ½ θᵀ B θ,  B = ½ (I − 11ᵀ/C) ⊗ S,
//!
//! is tight in value and slope at θ⁰, with S = Σ n x xᵀ and h_c = Σ (w_c − n p_c + ½ n (η_c − η̄)) x,
//! η = θ⁰ x. So maximising it never lowers the likelihood, and its slope at θ⁰ is the exact score.
//!
//! Source: Böhning (1992), Multinomial logistic regression algorithm, Ann. Inst. Stat. Math. 44.

use statewise_kernels::linalg::{cholesky, solve_chol};
use statewise_kernels::math::log_sum_exp;

/// Statistics of one regression, in this order: const; h \[C, dim\]; S \[dim, dim\].
#[derive(Clone, Copy, Debug)]
pub(crate) struct SoftmaxBound {
    /// C, the number of classes.
    pub(crate) classes: usize,
    /// Length of x, its constant 1 included.
    pub(crate) dim: usize,
}

impl SoftmaxBound {
    /// Number of statistics.
    pub(crate) fn num_stats(&self) -> usize {
        1 + self.classes * self.dim + self.dim * self.dim
    }

    fn parts<'s>(&self, stats: &'s [f64]) -> (f64, &'s [f64], &'s [f64]) {
        let (h, s) = stats[1..].split_at(self.classes * self.dim);
        (stats[0], h, s)
    }

    /// S, \[dim, dim\].
    pub(crate) fn second_moments<'s>(&self, stats: &'s [f64]) -> &'s [f64] {
        self.parts(stats).2
    }

    /// Adds one row: `logits` η = θ⁰ x (or η less any constant), class weights w, regressor x.
    pub(crate) fn accumulate(&self, logits: &[f64], weights: &[f64], x: &[f64], stats: &mut [f64]) {
        let n: f64 = weights.iter().sum();
        if n <= 0.0 {
            return;
        }
        let log_norm = log_sum_exp(logits);
        let mean = logits.iter().sum::<f64>() / self.classes as f64;
        let (head, s) = stats.split_at_mut(1 + self.classes * self.dim);
        let (constant, h) = head.split_at_mut(1);
        for (c, h) in h.chunks_exact_mut(self.dim).enumerate() {
            let log_p = logits[c] - log_norm;
            let deviation = logits[c] - mean;
            let slope = weights[c] - n * log_p.exp() + 0.5 * n * deviation;
            h.iter_mut().zip(x).for_each(|(h, x)| *h += slope * x);
            // Value at θ⁰ less the linear and quadratic terms there.
            let value = if weights[c] > 0.0 { weights[c] * log_p } else { 0.0 };
            constant[0] += value - slope * logits[c] + 0.25 * n * deviation * logits[c];
        }
        for (i, row) in s.chunks_exact_mut(self.dim).enumerate() {
            row.iter_mut().zip(x).for_each(|(s, x_j)| *s += n * x[i] * x_j);
        }
    }

    /// ½ S (θ_c − θ̄) for every class, shape \[C, dim\].
    fn curvature(&self, theta: &[f64], s: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; theta.len()];
        for j in 0..self.dim {
            let mean =
                (0..self.classes).map(|c| theta[c * self.dim + j]).sum::<f64>() / self.classes as f64;
            for c in 0..self.classes {
                let deviation = theta[c * self.dim + j] - mean;
                (0..self.dim).for_each(|i| out[c * self.dim + i] += 0.5 * s[i * self.dim + j] * deviation);
            }
        }
        out
    }

    /// The bound at θ, \[C, dim\].
    pub(crate) fn value(&self, theta: &[f64], stats: &[f64]) -> f64 {
        let (constant, h, s) = self.parts(stats);
        let curvature = self.curvature(theta, s);
        constant + theta.iter().zip(h).zip(curvature).map(|((t, h), b)| t * (h - 0.5 * b)).sum::<f64>()
    }

    /// The gradient of the bound at θ, \[C, dim\].
    pub(crate) fn gradient(&self, theta: &[f64], stats: &[f64]) -> Vec<f64> {
        let (_, h, s) = self.parts(stats);
        h.iter().zip(self.curvature(theta, s)).map(|(h, b)| h - b).collect()
    }

    /// Moves θ to the maximum of the bound less ½ Σ precision_i θ_ci²; without data and precision
    /// it stays. B does not see the mean θ̄ over classes, so mean and deviations are solved apart.
    pub(crate) fn maximise(&self, stats: &[f64], precision: &[f64], theta: &mut [f64]) {
        let (_, h, s) = self.parts(stats);
        let trace: f64 = (0..self.dim).map(|i| s[i * self.dim + i]).sum();
        if trace <= 0.0 && precision.iter().all(|p| *p == 0.0) {
            return;
        }
        let mut ridge = 0.0;
        loop {
            let mut l: Vec<f64> = s.iter().map(|x| 0.5 * x).collect();
            (0..self.dim).for_each(|i| l[i * self.dim + i] += precision[i] + ridge);
            if cholesky(&mut l, self.dim).is_ok() {
                let mean: Vec<f64> = (0..self.dim)
                    .map(|i| h.iter().skip(i).step_by(self.dim).sum::<f64>() / self.classes as f64)
                    .collect();
                theta.copy_from_slice(h);
                for row in theta.chunks_exact_mut(self.dim) {
                    row.iter_mut().zip(&mean).for_each(|(x, m)| *x -= m);
                    solve_chol(&l, self.dim, row);
                    for ((x, m), p) in row.iter_mut().zip(&mean).zip(precision).filter(|(_, p)| **p > 0.0) {
                        *x += m / p;
                    }
                }
                return;
            }
            // Regressors that depend on each other: the smallest ridge that tells them apart.
            ridge = (10.0 * ridge).max(1e-10 * trace.max(f64::MIN_POSITIVE));
        }
    }
}
