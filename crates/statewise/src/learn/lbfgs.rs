//! L-BFGS: quasi-Newton minimisation from values and gradients.

use std::collections::VecDeque;

/// Settings of the minimiser.
#[derive(Clone, Copy, Debug)]
pub struct Lbfgs {
    /// Most iterations.
    pub max_iterations: usize,
    /// Stops when the largest gradient entry is below this.
    pub gradient_tolerance: f64,
    /// Stops when an iteration gains less than this times 1 + |value|.
    pub value_tolerance: f64,
    /// Pairs of steps and gradient differences that shape the search direction.
    pub memory: usize,
}

impl Default for Lbfgs {
    fn default() -> Self {
        Lbfgs { max_iterations: 100, gradient_tolerance: 1e-8, value_tolerance: 1e-14, memory: 10 }
    }
}

/// Where a minimisation ended.
#[derive(Clone, Debug)]
pub struct Minimum {
    /// The point.
    pub point: Vec<f64>,
    /// The value there, never above that of the start.
    pub value: f64,
    /// Iterations made.
    pub iterations: usize,
    /// Whether a tolerance was met.
    pub converged: bool,
}

impl Lbfgs {
    /// Minimises `f`, which writes the gradient and returns the value (NaN or ∞ outside its domain).
    ///
    /// `observe` sees each accepted iterate and its value, and answers whether to go on.
    ///
    /// # Source
    /// Nocedal and Wright (2006), algorithm 7.5, with a weak Wolfe line search by bisection
    /// (Lewis and Overton 2013), which needs no interpolation and never fails on smooth functions.
    pub fn minimise(
        &self,
        start: &[f64],
        mut f: impl FnMut(&[f64], &mut [f64]) -> f64,
        mut observe: impl FnMut(&[f64], f64) -> bool,
    ) -> Minimum {
        let n = start.len();
        let mut x = start.to_vec();
        let mut gradient = vec![0.0; n];
        let mut value = f(&x, &mut gradient);
        let mut pairs: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
        let mut trial = vec![0.0; n];
        let mut trial_gradient = vec![0.0; n];
        for iteration in 0..self.max_iterations {
            if n == 0 || max_abs(&gradient) < self.gradient_tolerance {
                return Minimum { point: x, value, iterations: iteration, converged: true };
            }
            let mut direction = two_loop(&gradient, &pairs);
            let mut slope = dot(&direction, &gradient);
            if slope >= 0.0 {
                pairs.clear();
                direction = gradient.iter().map(|g| -g).collect();
                slope = -dot(&gradient, &gradient);
            }
            let first_step = if pairs.is_empty() { (1.0 / max_abs(&gradient)).min(1.0) } else { 1.0 };
            let mut step = first_step;
            let (mut low, mut high) = (0.0, f64::INFINITY);
            let mut accepted = None;
            for _ in 0..60 {
                trial.iter_mut().zip(&x).zip(&direction).for_each(|((t, x), d)| *t = x + step * d);
                let trial_value = f(&trial, &mut trial_gradient);
                // False also for NaN, which sends the step back.
                let descends = trial_value <= value + 1e-4 * step * slope;
                if !descends {
                    high = step;
                } else if dot(&trial_gradient, &direction) < 0.9 * slope {
                    accepted = Some(trial_value);
                    low = step;
                } else {
                    accepted = Some(trial_value);
                    break;
                }
                step = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * step };
            }
            let Some(new_value) = accepted.filter(|v| *v <= value) else {
                return Minimum { point: x, value, iterations: iteration, converged: true };
            };
            if high.is_finite() && dot(&trial_gradient, &direction) < 0.9 * slope && step != low {
                // The bracket ran out before Wolfe's curvature condition: take the last descent point.
                trial.iter_mut().zip(&x).zip(&direction).for_each(|((t, x), d)| *t = x + low * d);
                f(&trial, &mut trial_gradient);
            }
            let s: Vec<f64> = trial.iter().zip(&x).map(|(a, b)| a - b).collect();
            let y: Vec<f64> = trial_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
            if dot(&s, &y) > 1e-12 * dot(&s, &s).sqrt() * dot(&y, &y).sqrt() {
                if pairs.len() == self.memory {
                    pairs.pop_front();
                }
                pairs.push_back((s, y));
            }
            let gain = value - new_value;
            x.copy_from_slice(&trial);
            gradient.copy_from_slice(&trial_gradient);
            value = new_value;
            let go_on = observe(&x, value);
            if gain <= self.value_tolerance * (1.0 + value.abs()) {
                return Minimum { point: x, value, iterations: iteration + 1, converged: true };
            }
            if !go_on {
                return Minimum { point: x, value, iterations: iteration + 1, converged: false };
            }
        }
        Minimum { point: x, value, iterations: self.max_iterations, converged: false }
    }
}

/// The two-loop recursion: −H g with H the inverse Hessian that the pairs imply.
fn two_loop(gradient: &[f64], pairs: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut alphas = Vec::with_capacity(pairs.len());
    for (s, y) in pairs.iter().rev() {
        let alpha = dot(s, &q) / dot(s, y);
        q.iter_mut().zip(y).for_each(|(q, y)| *q -= alpha * y);
        alphas.push(alpha);
    }
    if let Some((s, y)) = pairs.back() {
        let scale = dot(s, y) / dot(y, y);
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for ((s, y), alpha) in pairs.iter().zip(alphas.iter().rev()) {
        let beta = dot(y, &q) / dot(s, y);
        q.iter_mut().zip(s).for_each(|(q, s)| *q += (alpha - beta) * s);
    }
    q
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn max_abs(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, x| m.max(x.abs()))
}
