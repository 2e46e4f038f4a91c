//! L-BFGS: quasi-Newton minimisation from values and gradients.

use std::collections::VecDeque;

use super::line_search::{Trial, search};

/// Settings of the minimiser.
#[derive(Clone, Copy, Debug)]
pub struct Lbfgs {
    /// Most iterations.
    pub max_iterations: usize,
    /// Stops when the largest gradient entry is below this.
    pub gradient_tolerance: f64,
    /// Stops when an iteration gains no more than this times 1 + |value|.
    pub value_tolerance: f64,
    /// Pairs of steps and gradient differences that shape the search direction.
    pub memory: usize,
    /// Whether steps meet the strong Wolfe conditions rather than the weak ones.
    pub strong_wolfe: bool,
}

impl Default for Lbfgs {
    fn default() -> Self {
        Lbfgs {
            max_iterations: 100,
            gradient_tolerance: 1e-8,
            value_tolerance: 1e-14,
            memory: 10,
            strong_wolfe: false,
        }
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
    /// Whether a tolerance was met, or no step along the gradient gains anything any more.
    pub converged: bool,
    /// Whether the observer stopped it.
    pub interrupted: bool,
}

/// The current point.
struct Iterate {
    point: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

impl Lbfgs {
    /// Minimises `f`, which writes the gradient and returns the value (NaN or ∞ outside its domain).
    ///
    /// `observe` sees the start and each accepted iterate with its value, and answers whether to go
    /// on. A start with no finite value is returned as it is.
    ///
    /// # Source
    /// Nocedal and Wright (2006), algorithm 7.5. About one evaluation an iteration.
    pub fn minimise(
        &self,
        start: &[f64],
        mut f: impl FnMut(&[f64], &mut [f64]) -> f64,
        mut observe: impl FnMut(&[f64], f64) -> bool,
    ) -> Minimum {
        let mut gradient = vec![0.0; start.len()];
        let value = f(start, &mut gradient);
        let mut here = Iterate { point: start.to_vec(), value, gradient };
        let mut pairs = Pairs { memory: self.memory, steps: VecDeque::new() };
        let mut iterations = 0;
        let mut converged = false;
        let mut interrupted = !observe(&here.point, value);
        let in_domain = value.is_finite() && here.gradient.iter().all(|g| g.is_finite());
        while in_domain && !interrupted {
            converged = max_abs(&here.gradient) <= self.gradient_tolerance;
            if converged || iterations == self.max_iterations {
                break;
            }
            let Some(next) = self.step(&here, &mut pairs, &mut f) else {
                converged = true;
                break;
            };
            let gain = here.value - next.value;
            pairs.add(&here, &next);
            here = Iterate { point: next.point, value: next.value, gradient: next.gradient };
            iterations += 1;
            interrupted = !observe(&here.point, here.value);
            converged = gain <= self.value_tolerance * (1.0 + here.value.abs());
            if converged {
                break;
            }
        }
        Minimum { point: here.point, value: here.value, iterations, converged, interrupted }
    }

    /// A step along the quasi-Newton direction, else along the gradient; `None` if neither gains.
    fn step(
        &self,
        here: &Iterate,
        pairs: &mut Pairs,
        f: &mut dyn FnMut(&[f64], &mut [f64]) -> f64,
    ) -> Option<Trial> {
        let Iterate { point, value, gradient } = here;
        if !pairs.steps.is_empty() {
            let direction = pairs.direction(gradient);
            if dot(&direction, gradient) < 0.0 {
                let trial = search(point, *value, gradient, &direction, 1.0, self.strong_wolfe, f);
                if trial.is_some() {
                    return trial;
                }
            }
            pairs.steps.clear();
        }
        let direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let first_step = (1.0 / max_abs(gradient)).min(1.0);
        search(point, *value, gradient, &direction, first_step, self.strong_wolfe, f)
    }
}

/// The last steps s and gradient differences y.
struct Pairs {
    memory: usize,
    steps: VecDeque<(Vec<f64>, Vec<f64>)>,
}

impl Pairs {
    /// Keeps the pair of a step, unless its curvature is not positive.
    fn add(&mut self, from: &Iterate, to: &Trial) {
        let s: Vec<f64> = to.point.iter().zip(&from.point).map(|(a, b)| a - b).collect();
        let y: Vec<f64> = to.gradient.iter().zip(&from.gradient).map(|(a, b)| a - b).collect();
        // NUMERICS: a pair without curvature makes the implied Hessian indefinite.
        if self.memory > 0 && dot(&s, &y) > 1e-12 * dot(&s, &s).sqrt() * dot(&y, &y).sqrt() {
            if self.steps.len() == self.memory {
                self.steps.pop_front();
            }
            self.steps.push_back((s, y));
        }
    }

    /// The two-loop recursion: −H g with H the inverse Hessian that the pairs imply.
    fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut alphas = Vec::with_capacity(self.steps.len());
        for (s, y) in self.steps.iter().rev() {
            let alpha = dot(s, &q) / dot(s, y);
            q.iter_mut().zip(y).for_each(|(q, y)| *q -= alpha * y);
            alphas.push(alpha);
        }
        if let Some((s, y)) = self.steps.back() {
            let scale = dot(s, y) / dot(y, y);
            q.iter_mut().for_each(|q| *q *= scale);
        }
        for ((s, y), alpha) in self.steps.iter().zip(alphas.iter().rev()) {
            let beta = dot(y, &q) / dot(s, y);
            q.iter_mut().zip(s).for_each(|(q, s)| *q += (alpha - beta) * s);
        }
        q
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn max_abs(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, x| m.max(x.abs()))
}
