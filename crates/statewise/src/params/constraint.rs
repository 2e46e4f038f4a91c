//! Constraints and the bijections that free them.
//!
//! A constraint acts on *blocks*: one number (real, positive, an interval), one row of the last axis
//! (simplex, stationary) or one trailing matrix (positive definite). Where Dynamax has a map, it is
//! that of TensorFlow Probability, so that unconstrained vectors can be compared.

use super::{Array, compound_symmetry, stationary};
use statewise_kernels::linalg::{cholesky, semidefinite_cholesky};

/// Where the values of a parameter array live.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Constraint {
    /// Any finite number.
    Real,
    /// Above zero; softplus log(1 + eˣ).
    Positive,
    /// Above zero, of a scale that the data give (a variance, a length); eˣ. Gradients do not move it
    /// away from zero, where that is allowed.
    Scale,
    /// In (0, 1); logistic 1 / (1 + e⁻ˣ).
    UnitInterval,
    /// Between two numbers; low + (high − low) / (1 + e⁻ˣ).
    Interval {
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
    },
    /// Coefficients of a stationary autoregression along the last axis; partial autocorrelations
    /// tanh x.
    Stationary,
    /// Coefficients of an invertible moving average along the last axis: their negatives are
    /// stationary.
    Invertible,
    /// Non-negative and of sum one along the last axis; softmax of (x, 0).
    Simplex,
    /// Symmetric positive definite in the last two axes; L Lᵀ with a log diagonal.
    PositiveDefinite,
    /// Positive definite in the last two axes, of size 2 at least, with one variance and one covariance; logs of
    /// its two eigenvalues.
    CompoundSymmetric,
}

/// Probabilities and variances below this count as this when they are mapped to the real line.
const TINY: f64 = 1e-300;

impl Constraint {
    /// Whether each number is constrained by itself.
    pub fn is_by_entry(self) -> bool {
        !self.is_whole() && self != Constraint::Simplex
    }

    /// Number of values that are constrained together.
    pub fn block_len(self, shape: &[usize]) -> usize {
        match (self, shape) {
            (Constraint::Simplex | Constraint::Stationary | Constraint::Invertible, [.., n]) => *n,
            (Constraint::PositiveDefinite | Constraint::CompoundSymmetric, [.., n, m]) => n * m,
            _ => 1,
        }
    }

    /// Number of unconstrained values behind a block of which `free` entries may move.
    pub fn free_len(self, free: &[bool]) -> usize {
        let count = free.iter().filter(|f| **f).count();
        match self {
            Constraint::Simplex => count.saturating_sub(1),
            Constraint::PositiveDefinite if count == 0 => 0,
            Constraint::PositiveDefinite => triangle(side(free.len())),
            Constraint::CompoundSymmetric => 2 * usize::from(count > 0),
            Constraint::Stationary | Constraint::Invertible if count < free.len() => 0,
            _ => count,
        }
    }

    /// Checks all blocks; the error tells what was found and what was expected.
    ///
    /// `closed` allows the edge too: variances of zero, singular covariances.
    pub fn check(self, value: &Array, closed: bool) -> Result<(), (String, String)> {
        let len = self.block_len(value.shape()).max(1);
        for (index, block) in value.values().chunks_exact(len).enumerate() {
            match self {
                Constraint::Real => {}
                Constraint::Positive | Constraint::Scale if block[0] > 0.0 || closed && block[0] == 0.0 => {
                }
                Constraint::UnitInterval if (0.0..=1.0).contains(&block[0]) => {}
                Constraint::Interval { low, high } if (low..=high).contains(&block[0]) => {}
                Constraint::Stationary if stationary::is_stationary(block) => {}
                Constraint::Invertible if stationary::is_stationary(&negated(block)) => {}
                Constraint::Simplex => {
                    let sum: f64 = block.iter().sum();
                    if block.iter().any(|p| *p < 0.0) || (sum - 1.0).abs() > 1e-6 {
                        return Err((
                            format!("row {index} with sum {sum}: {block:?}"),
                            "non-negative probabilities that sum to one".into(),
                        ));
                    }
                }
                Constraint::PositiveDefinite => check_positive_definite(index, block, closed)?,
                Constraint::CompoundSymmetric => compound_symmetry::check(block, side(len), closed)?,
                Constraint::Positive | Constraint::Scale => {
                    let expected = if closed { "numbers of at least 0" } else { "positive numbers" };
                    return Err((block[0].to_string(), expected.into()));
                }
                Constraint::UnitInterval => return Err((block[0].to_string(), "numbers in [0, 1]".into())),
                Constraint::Interval { low, high } => {
                    return Err((block[0].to_string(), format!("numbers in [{low}, {high}]")));
                }
                Constraint::Stationary => {
                    return Err((format!("{block:?}"), "coefficients of a stationary process".into()));
                }
                Constraint::Invertible => {
                    let expected = "coefficients of an invertible moving average";
                    return Err((format!("{block:?}"), expected.into()));
                }
            }
        }
        Ok(())
    }

    /// Writes the free entries of a constrained block from the unconstrained `x`; fixed ones stay.
    pub(super) fn constrain(self, x: &[f64], free: &[bool], block: &mut [f64]) {
        match self {
            Constraint::Real => copy_free(x, free, block, |x| x),
            Constraint::Positive => copy_free(x, free, block, softplus),
            Constraint::Scale => copy_free(x, free, block, f64::exp),
            Constraint::UnitInterval => copy_free(x, free, block, logistic),
            Constraint::Interval { low, high } => {
                copy_free(x, free, block, |x| low + (high - low) * logistic(x));
            }
            Constraint::Stationary | Constraint::Invertible if x.is_empty() => {}
            Constraint::Stationary | Constraint::Invertible => {
                block.iter_mut().zip(x).for_each(|(r, x)| *r = x.tanh());
                stationary::step_up(block);
                if self == Constraint::Invertible {
                    block.iter_mut().for_each(|v| *v = -*v);
                }
            }
            Constraint::Simplex => {
                let mass = 1.0 - fixed_sum(free, block);
                let max = x.iter().copied().fold(0.0, f64::max);
                let mut logits = x.iter().copied().chain([0.0]);
                let mut sum = 0.0;
                for (p, _) in block.iter_mut().zip(free).filter(|(_, f)| **f) {
                    *p = (logits.next().unwrap_or(0.0) - max).exp();
                    sum += *p;
                }
                block.iter_mut().zip(free).filter(|(_, f)| **f).for_each(|(p, _)| *p *= mass / sum);
            }
            Constraint::CompoundSymmetric if x.is_empty() => {}
            Constraint::CompoundSymmetric => compound_symmetry::constrain(x, side(block.len()), block),
            Constraint::PositiveDefinite if x.is_empty() => {}
            Constraint::PositiveDefinite => {
                let n = side(block.len());
                let l = fill_lower(x, n);
                for i in 0..n {
                    for j in 0..n {
                        block[i * n + j] = (0..=i.min(j)).map(|k| l[i * n + k] * l[j * n + k]).sum();
                    }
                }
            }
        }
    }

    /// Writes the unconstrained values behind the free entries of a block.
    pub(super) fn unconstrain(self, block: &[f64], free: &[bool], x: &mut [f64]) {
        let entries = block.iter().zip(free).filter(|(_, f)| **f).map(|(v, _)| *v);
        match self {
            Constraint::Real => x.iter_mut().zip(entries).for_each(|(x, v)| *x = v),
            Constraint::Positive => {
                let entries = entries.map(|v| v.max(TINY));
                x.iter_mut().zip(entries).for_each(|(x, v)| *x = v + (-(-v).exp_m1()).ln())
            }
            Constraint::Scale => {
                x.iter_mut().zip(entries).for_each(|(x, v)| *x = v.max(TINY).ln());
            }
            Constraint::UnitInterval => x.iter_mut().zip(entries).for_each(|(x, v)| *x = logit(v)),
            Constraint::Interval { low, high } => {
                x.iter_mut().zip(entries).for_each(|(x, v)| *x = logit((v - low) / (high - low)));
            }
            Constraint::Stationary | Constraint::Invertible => {
                let r = self.partial_autocorrelations(block);
                x.iter_mut().zip(r).for_each(|(x, r)| *x = r.atanh());
            }
            Constraint::Simplex => {
                let logs: Vec<f64> = entries.map(|p| p.max(TINY).ln()).collect();
                let last = logs.last().copied().unwrap_or(0.0);
                x.iter_mut().zip(&logs).for_each(|(x, log)| *x = log - last);
            }
            Constraint::CompoundSymmetric if x.is_empty() => {}
            Constraint::CompoundSymmetric => compound_symmetry::unconstrain(block, side(block.len()), x),
            Constraint::PositiveDefinite if x.is_empty() => {}
            Constraint::PositiveDefinite => {
                let n = side(block.len());
                let mut l = block.to_vec();
                // A singular matrix maps to one that is regular by a hair, which gradients can't move.
                if cholesky(&mut l, n).is_err() {
                    l.copy_from_slice(block);
                    let _ = semidefinite_cholesky(&mut l, n);
                }
                for (index, (i, j)) in spiral(n).enumerate() {
                    x[index] = if i == j { l[i * n + j].max(TINY.sqrt()).ln() } else { l[i * n + j] };
                }
            }
        }
    }

    /// Adds to `out` the gradient with respect to x, given the one with respect to the block.
    ///
    /// `gradient` of a matrix treats all its entries as independent: df = Σ G_ij dΣ_ij.
    pub(super) fn pull_back(self, block: &[f64], gradient: &[f64], free: &[bool], out: &mut [f64]) {
        let entries = block.iter().zip(gradient).zip(free).filter(|(_, f)| **f).map(|(e, _)| e);
        match self {
            Constraint::Real => out.iter_mut().zip(entries).for_each(|(o, (_, g))| *o += g),
            // d softplus(x) = 1 − e^(−softplus(x)).
            Constraint::Positive => {
                out.iter_mut().zip(entries).for_each(|(o, (v, g))| *o += g * -(-v).exp_m1());
            }
            Constraint::Scale => {
                out.iter_mut().zip(entries).for_each(|(o, (v, g))| *o += g * v);
            }
            Constraint::UnitInterval => {
                out.iter_mut().zip(entries).for_each(|(o, (v, g))| *o += g * v * (1.0 - v));
            }
            Constraint::Interval { low, high } => {
                let slope = |v: f64| (v - low) * (high - v) / (high - low);
                out.iter_mut().zip(entries).for_each(|(o, (v, g))| *o += g * slope(*v));
            }
            Constraint::Stationary | Constraint::Invertible => {
                let sign = if self == Constraint::Invertible { -1.0 } else { 1.0 };
                let r = self.partial_autocorrelations(block);
                let mut slopes: Vec<f64> = gradient.iter().map(|g| sign * g).collect();
                stationary::pull_back(&r, &mut slopes);
                out.iter_mut().zip(r.iter().zip(slopes)).for_each(|(o, (r, s))| *o += s * (1.0 - r * r));
            }
            Constraint::Simplex => {
                let mass = 1.0 - fixed_sum(free, block);
                if mass > 0.0 {
                    let mean: f64 = entries.clone().map(|(p, g)| p * g).sum::<f64>() / mass;
                    out.iter_mut().zip(entries).for_each(|(o, (p, g))| *o += p * (g - mean));
                }
            }
            Constraint::CompoundSymmetric if out.is_empty() => {}
            Constraint::CompoundSymmetric => {
                compound_symmetry::pull_back(block, side(block.len()), gradient, out);
            }
            Constraint::PositiveDefinite if out.is_empty() => {}
            Constraint::PositiveDefinite => {
                let n = side(block.len());
                let mut l = block.to_vec();
                if cholesky(&mut l, n).is_err() {
                    return;
                }
                for (index, (i, j)) in spiral(n).enumerate() {
                    let slope: f64 =
                        (0..n).map(|k| (gradient[i * n + k] + gradient[k * n + i]) * l[k * n + j]).sum();
                    out[index] += if i == j { slope * l[i * n + i] } else { slope };
                }
            }
        }
    }

    /// log |d block / d x|, with the surface measure of the simplex, as TensorFlow Probability.
    pub(super) fn log_det_jacobian(self, block: &[f64], free: &[bool]) -> f64 {
        let entries = block.iter().zip(free).filter(|(_, f)| **f).map(|(v, _)| *v);
        let count = free.iter().filter(|f| **f).count();
        match self {
            Constraint::Real => 0.0,
            Constraint::Positive => entries.map(|v| (-(-v).exp_m1()).ln()).sum(),
            Constraint::Scale => entries.map(|v| v.max(TINY).ln()).sum(),
            Constraint::UnitInterval => entries.map(|v| v.ln() + (1.0 - v).ln()).sum(),
            Constraint::Interval { low, high } => {
                entries.map(|v| ((v - low) * (high - v) / (high - low)).ln()).sum()
            }
            Constraint::Stationary | Constraint::Invertible if count == 0 => 0.0,
            Constraint::Stationary | Constraint::Invertible => {
                let r = self.partial_autocorrelations(block);
                stationary::log_det_jacobian(&r) + r.iter().map(|r| (1.0 - r * r).ln()).sum::<f64>()
            }
            Constraint::Simplex if count < 2 => 0.0,
            Constraint::Simplex => {
                let mass = 1.0 - fixed_sum(free, block);
                entries.map(|p| (p / mass).ln()).sum::<f64>()
                    + (count as f64 - 1.0) * mass.ln()
                    + 0.5 * (count as f64).ln()
            }
            Constraint::CompoundSymmetric if count == 0 => 0.0,
            Constraint::CompoundSymmetric => compound_symmetry::log_det_jacobian(block, side(block.len())),
            Constraint::PositiveDefinite if count == 0 => 0.0,
            Constraint::PositiveDefinite => {
                let n = side(block.len());
                let mut l = block.to_vec();
                if cholesky(&mut l, n).is_err() {
                    return f64::NEG_INFINITY;
                }
                n as f64 * std::f64::consts::LN_2
                    + (0..n).map(|i| (n - i + 1) as f64 * l[i * n + i].ln()).sum::<f64>()
            }
        }
    }

    /// Adds to `out` the gradient of [`Constraint::log_det_jacobian`] with respect to x.
    pub(super) fn add_log_det_jacobian_gradient(self, block: &[f64], free: &[bool], out: &mut [f64]) {
        let entries = block.iter().zip(free).filter(|(_, f)| **f).map(|(v, _)| *v);
        match self {
            Constraint::Real => {}
            // d log logistic(x) = 1 − logistic(x) = e^(−softplus(x)).
            Constraint::Positive => out.iter_mut().zip(entries).for_each(|(o, v)| *o += (-v).exp()),
            Constraint::Scale => {
                out.iter_mut().zip(entries).for_each(|(o, _)| *o += 1.0);
            }
            Constraint::UnitInterval => {
                out.iter_mut().zip(entries).for_each(|(o, p)| *o += 1.0 - 2.0 * p);
            }
            Constraint::Interval { low, high } => {
                let share = |v: f64| (v - low) / (high - low);
                out.iter_mut().zip(entries).for_each(|(o, v)| *o += 1.0 - 2.0 * share(v));
            }
            Constraint::Stationary | Constraint::Invertible => {
                let r = self.partial_autocorrelations(block);
                for (k, (o, r)) in out.iter_mut().zip(r).enumerate() {
                    *o += stationary::log_det_jacobian_slope(k, r) * (1.0 - r * r) - 2.0 * r;
                }
            }
            Constraint::Simplex => {
                let mass = 1.0 - fixed_sum(free, block);
                let count = free.iter().filter(|f| **f).count() as f64;
                out.iter_mut().zip(entries).for_each(|(o, p)| *o += 1.0 - count * p / mass);
            }
            Constraint::CompoundSymmetric => out.iter_mut().for_each(|o| *o += 1.0),
            Constraint::PositiveDefinite if out.is_empty() => {}
            Constraint::PositiveDefinite => {
                let n = side(block.len());
                for (index, (i, _)) in spiral(n).enumerate().filter(|(_, (i, j))| i == j) {
                    out[index] += (n - i + 1) as f64;
                }
            }
        }
    }

    /// r of a block of stationary or invertible coefficients.
    fn partial_autocorrelations(self, block: &[f64]) -> Vec<f64> {
        let mut r = if self == Constraint::Invertible { negated(block) } else { block.to_vec() };
        stationary::step_down(&mut r);
        r
    }

    /// Whether a block is free or fixed as a whole.
    pub(super) fn is_whole(self) -> bool {
        self.is_matrix() || matches!(self, Constraint::Stationary | Constraint::Invertible)
    }

    /// Whether it is a covariance matrix that is constrained.
    pub(super) fn is_matrix(self) -> bool {
        matches!(self, Constraint::PositiveDefinite | Constraint::CompoundSymmetric)
    }
}

fn check_positive_definite(index: usize, block: &[f64], closed: bool) -> Result<(), (String, String)> {
    let n = side(block.len());
    let scale = (0..n).map(|i| block[i * n + i].abs()).fold(0.0, f64::max);
    for i in 0..n {
        for j in 0..i {
            if (block[i * n + j] - block[j * n + i]).abs() > 1e-8 * scale {
                return Err((
                    format!("matrix {index} with entries {} and {}", block[i * n + j], block[j * n + i]),
                    "a symmetric matrix".into(),
                ));
            }
        }
    }
    let mut chol = block.to_vec();
    if closed {
        return match semidefinite_cholesky(&mut chol, n) {
            Ok(_) => Ok(()),
            Err(e) => Err((
                format!("matrix {index} with pivot {:e} in row {}", e.pivot, e.index),
                "a positive semi-definite matrix".into(),
            )),
        };
    }
    cholesky(&mut chol, n)
        .map_err(|e| (format!("matrix {index}: {e}"), "a positive definite matrix".into()))
}

/// log(1 + eˣ) without overflow.
pub(crate) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// 1 / (1 + e⁻ˣ) without overflow.
pub(crate) fn logistic(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

fn logit(p: f64) -> f64 {
    p.max(TINY).ln() - (1.0 - p).max(TINY).ln()
}

fn negated(values: &[f64]) -> Vec<f64> {
    values.iter().map(|v| -v).collect()
}

fn copy_free(x: &[f64], free: &[bool], block: &mut [f64], map: impl Fn(f64) -> f64) {
    block.iter_mut().zip(free).filter(|(_, f)| **f).zip(x).for_each(|((v, _), x)| *v = map(*x));
}

fn fixed_sum(free: &[bool], block: &[f64]) -> f64 {
    block.iter().zip(free).filter(|(_, f)| !**f).map(|(p, _)| p).sum()
}

fn side(len: usize) -> usize {
    len.isqrt()
}

fn triangle(n: usize) -> usize {
    n * (n + 1) / 2
}

/// Entry (i, j) of the lower triangle behind each unconstrained value, in TensorFlow
/// Probability's order: the rows of \[x_n.., reversed x\] cut to the lower triangle.
fn spiral(n: usize) -> impl Iterator<Item = (usize, usize)> {
    let len = triangle(n);
    let mut places = vec![(0, 0); len];
    for i in 0..n {
        for j in 0..=i {
            let position = i * n + j;
            let index = if position < len - n { n + position } else { 2 * len - n - 1 - position };
            places[index] = (i, j);
        }
    }
    places.into_iter()
}

fn fill_lower(x: &[f64], n: usize) -> Vec<f64> {
    let mut l = vec![0.0; n * n];
    for ((i, j), x) in spiral(n).zip(x) {
        l[i * n + j] = if i == j { x.exp() } else { *x };
    }
    l
}
