//! Brute force over all K^T paths of a small chain: the oracle of the discrete engines.

use crate::Problem;

/// Everything about a chain, by summing over all of its paths.
pub struct Enumeration {
    /// log p(y_{1:T}).
    pub marginal_loglik: f64,
    /// p(z_t = k | y_{1:t}), shape \[T, K\].
    pub filtered: Vec<f64>,
    /// p(z_t = k | y_{1:t-1}), shape \[T, K\].
    pub predicted: Vec<f64>,
    /// p(z_t = k | y_{1:T}), shape \[T, K\].
    pub smoothed: Vec<f64>,
    /// p(z_{t-1} = i, z_t = j | y_{1:T}) for t ≥ 1, shape \[T-1, K, K\].
    pub pairs: Vec<f64>,
    /// Σ_t of `pairs`, shape \[K, K\].
    pub pair_sum: Vec<f64>,
    /// All paths of positive probability with log p(z_{1:T}, y_{1:T}), the best first and paths of
    /// equal score in lexicographic order.
    pub paths: Vec<(f64, Vec<u32>)>,
    /// log p(y_{1:t}), shape \[T\].
    pub cumulative: Vec<f64>,
}

impl Enumeration {
    /// p(z_t = k | y_{1:newest}), shape \[K\].
    pub fn lagged(problem: &Problem, t: usize, newest: usize) -> Vec<f64> {
        let k = problem.num_states;
        let mut cells = vec![LogSum::default(); k];
        for path in all_paths(k, newest + 1) {
            cells[path[t] as usize].add(log_joint(problem, &path, newest + 1));
        }
        normalise(&cells)
    }
}

/// Sums over all paths of `problem`.
pub fn enumerate(problem: &Problem) -> Enumeration {
    let (k, num_steps) = (problem.num_states, problem.num_steps);
    let mut filtered = Vec::new();
    let mut predicted = Vec::new();
    let mut cumulative = Vec::new();
    for t in 0..num_steps {
        let mut seen = vec![LogSum::default(); k];
        let mut ahead = vec![LogSum::default(); k];
        for path in all_paths(k, t + 1) {
            seen[path[t] as usize].add(log_joint(problem, &path, t + 1));
            ahead[path[t] as usize].add(log_joint(problem, &path, t));
        }
        filtered.extend(normalise(&seen));
        predicted.extend(normalise(&ahead));
        cumulative.push(log_sum_exp(seen.iter().map(LogSum::value)));
    }
    let mut smoothed = vec![LogSum::default(); num_steps * k];
    let mut pairs = vec![LogSum::default(); num_steps.saturating_sub(1) * k * k];
    let mut paths = Vec::new();
    for path in all_paths(k, num_steps) {
        let score = log_joint(problem, &path, num_steps);
        for t in 0..num_steps {
            smoothed[t * k + path[t] as usize].add(score);
            if t > 0 {
                let (i, j) = (path[t - 1] as usize, path[t] as usize);
                pairs[(t - 1) * k * k + i * k + j].add(score);
            }
        }
        if score > f64::NEG_INFINITY {
            paths.push((score, path));
        }
    }
    paths.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let smoothed = smoothed.chunks(k).flat_map(normalise).collect();
    let pairs: Vec<f64> = pairs.chunks(k * k).flat_map(normalise).collect();
    let mut pair_sum = vec![0.0; k * k];
    for pair in pairs.chunks(k * k) {
        pair_sum.iter_mut().zip(pair).for_each(|(sum, p)| *sum += p);
    }
    let marginal_loglik = *cumulative.last().unwrap_or(&0.0);
    Enumeration { marginal_loglik, filtered, predicted, smoothed, pairs, pair_sum, paths, cumulative }
}

/// log p(z_{1:n}, y_{1:observed}) for a path of n ≥ `observed` states.
fn log_joint(problem: &Problem, path: &[u32], observed: usize) -> f64 {
    let k = problem.num_states;
    let mut sum = problem.initial[path[0] as usize].ln();
    for t in 1..path.len() {
        let a = problem.transition(t);
        sum += a[path[t - 1] as usize * k + path[t] as usize].ln();
    }
    for t in 0..observed {
        sum += problem.log_obs[t * k + path[t] as usize];
    }
    sum
}

/// All K^n paths in lexicographic order.
fn all_paths(num_states: usize, len: usize) -> impl Iterator<Item = Vec<u32>> {
    let count = num_states.pow(len as u32);
    (0..count).map(move |mut index| {
        let mut path = vec![0; len];
        for state in path.iter_mut().rev() {
            *state = (index % num_states) as u32;
            index /= num_states;
        }
        path
    })
}

/// The terms of log Σ exp.
#[derive(Clone, Default)]
struct LogSum {
    terms: Vec<f64>,
}

impl LogSum {
    fn add(&mut self, term: f64) {
        self.terms.push(term);
    }

    fn value(&self) -> f64 {
        log_sum_exp(self.terms.iter().copied())
    }
}

fn log_sum_exp(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let max = terms.clone().fold(f64::NEG_INFINITY, f64::max);
    if max == f64::NEG_INFINITY {
        return max;
    }
    max + terms.map(|x| (x - max).exp()).sum::<f64>().ln()
}

/// exp(cell − log Σ exp cell); zeros if every cell is −∞.
fn normalise(cells: &[LogSum]) -> Vec<f64> {
    let values: Vec<f64> = cells.iter().map(LogSum::value).collect();
    let total = log_sum_exp(values.iter().copied());
    values.iter().map(|x| if total == f64::NEG_INFINITY { 0.0 } else { (x - total).exp() }).collect()
}
