//! Long-run behaviour of a transition matrix.

use super::ChainError;
use super::check::length;

/// The distribution p with p = p A.
///
/// States are eliminated one after another, without a subtraction, so that every entry has a small
/// *relative* error however rare its state is.
///
/// * `a` – A, shape \[K, K\], rows sum to one; `num_states` – K.
///
/// Transient states get probability zero. With several closed classes p is not unique; the one
/// of the class that holds the lowest state is returned.
///
/// # Errors
/// [`ChainError::Shape`] for wrong sizes.
///
/// # Source
/// Grassmann, Taksar and Heyman (1985), "Regenerative analysis and steady state distributions for
/// Markov chains". O(K³) time.
pub fn stationary_distribution(a: &[f64], num_states: usize) -> Result<Vec<f64>, ChainError> {
    length("a", a.len(), num_states * num_states)?;
    let class = closed_class(a, num_states);
    let n = class.len();
    let mut q: Vec<f64> = Vec::with_capacity(n * n);
    for &i in &class {
        q.extend(class.iter().map(|&j| a[i * num_states + j]));
    }
    for last in (1..n).rev() {
        // The rate of leaving `last` for the states that are still there.
        let leave: f64 = q[last * n..last * n + last].iter().sum();
        for i in 0..last {
            q[i * n + last] /= leave;
            let weight = q[i * n + last];
            for j in 0..last {
                q[i * n + j] += weight * q[last * n + j];
            }
        }
    }
    let mut weights = vec![1.0; n];
    for j in 1..n {
        weights[j] = (0..j).map(|i| weights[i] * q[i * n + j]).sum();
    }
    let total: f64 = weights.iter().sum();
    let mut out = vec![0.0; num_states];
    for (&state, weight) in class.iter().zip(&weights) {
        out[state] = weight / total;
    }
    Ok(out)
}

/// 1 / (1 − A(k, k)), the expected number of steps in a row that are spent in state k; ∞ for an
/// absorbing state.
///
/// # Errors
/// [`ChainError::Shape`] for wrong sizes.
pub fn expected_dwell_times(a: &[f64], num_states: usize) -> Result<Vec<f64>, ChainError> {
    length("a", a.len(), num_states * num_states)?;
    let dwell = |k: usize| {
        // NUMERICS: the sum of the other entries keeps its digits where A(k, k) is close to 1.
        let row = &a[k * num_states..(k + 1) * num_states];
        let leave: f64 = row.iter().enumerate().filter(|(j, _)| *j != k).map(|(_, p)| p).sum();
        1.0 / leave
    };
    Ok((0..num_states).map(dwell).collect())
}

/// The states of the closed communicating class that holds the lowest state in any closed class.
fn closed_class(a: &[f64], num_states: usize) -> Vec<usize> {
    let reach: Vec<Vec<bool>> = (0..num_states).map(|i| reachable(a, num_states, i)).collect();
    for i in 0..num_states {
        let class: Vec<usize> = (0..num_states).filter(|&j| reach[i][j]).collect();
        if class.iter().all(|&j| reach[j][i]) {
            return class;
        }
    }
    (0..num_states).collect()
}

/// Which states can be reached from `start` in any number of steps.
fn reachable(a: &[f64], num_states: usize, start: usize) -> Vec<bool> {
    let mut seen = vec![false; num_states];
    seen[start] = true;
    let mut open = vec![start];
    while let Some(i) = open.pop() {
        for j in 0..num_states {
            if a[i * num_states + j] > 0.0 && !seen[j] {
                seen[j] = true;
                open.push(j);
            }
        }
    }
    seen
}
